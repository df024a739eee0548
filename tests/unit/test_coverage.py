"""Every level of every rule has a test or is listed in spec/coverage-gaps.yaml."""

from __future__ import annotations

import json
import subprocess
import sys

from acceptance.core import rules
from acceptance.core.rules import ROOT, Rule
from acceptance.report.coverage import load_coverage_gaps, mistakes, untested_levels
from acceptance.report.verdict import RuleBinding

BOTH = Rule("POD-04", "Pod", ("static", "live"), "both", "spec", "1-5 containers.")

# In a process of its own, whatever this run has selected; it needs no cluster.
COLLECT = """
import json, sys, pytest
from dataclasses import asdict

class Collected:
    def pytest_collection_finish(self, session):
        from acceptance.plugin.state import RULE_BINDING
        self.bindings = [asdict(item.stash[RULE_BINDING]) for item in session.items]

collected = Collected()
code = pytest.main(["--collect-only", "-qq", "tests"], plugins=[collected])
sys.stderr.write(json.dumps(collected.bindings))
sys.exit(code)
"""


def collected() -> list[RuleBinding]:
    done = subprocess.run([sys.executable, "-c", COLLECT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    bindings = json.loads(done.stderr.splitlines()[-1])
    return [RuleBinding(each["test"], each["level"], tuple(each["rules"]), each["part"]) for each in bindings]


def test_every_level_has_a_test_or_is_a_coverage_gap() -> None:
    untested = untested_levels(rules.load().values(), collected())
    wrong = mistakes(load_coverage_gaps(), untested)
    assert not wrong, "spec/coverage-gaps.yaml:\n" + "\n".join(wrong)


def test_coverage_gaps_are_of_known_rules() -> None:
    assert set(load_coverage_gaps()) <= set(rules.load())


def test_level_is_untested_until_every_part_has_a_test() -> None:
    assert untested_levels([BOTH], []) == {"POD-04": ("static", "live")}
    backend = RuleBinding("t", "static", ("POD-04",), "backend")
    assert untested_levels([BOTH], [backend]) == {"POD-04": ("static/frontend", "live")}
    frontend = RuleBinding("t", "static", ("POD-04",), "frontend")
    assert untested_levels([BOTH], [backend, frontend]) == {"POD-04": ("live",)}
    assert (
        untested_levels([BOTH], [RuleBinding("t", "static", ("POD-04",)), RuleBinding("t", "live", ("POD-04",))]) == {}
    )


def test_coverage_gaps_are_checked_both_ways() -> None:
    assert mistakes({"POD-04": ["live"]}, {"POD-04": ["live"]}) == []
    assert "not listed as a gap" in mistakes({}, {"POD-04": ["live"]})[0]
    assert "remove it" in mistakes({"POD-04": ["live"]}, {})[0]
    assert len(mistakes({"POD-04": ["live"]}, {"POD-04": ["live/frontend"]})) == 2
