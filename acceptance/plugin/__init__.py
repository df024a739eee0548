"""The pytest plugin: one hook object a concern; the only package that knows pytest's internals."""
