"""The pytest plugin: one hook object per concern; the only package that uses pytest's internals.

`conftest.py` loads it with `pytest_plugins = ["acceptance.plugin"]`.
"""

pytest_plugins = ("acceptance.plugin.options", "acceptance.plugin.session", "acceptance.plugin.fixtures")
