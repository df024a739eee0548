"""The report page: complete, self-contained and accessible."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from acceptance.checks.finding import ClassifiedFinding, Finding
from acceptance.core import rules
from acceptance.core.git import Checkout
from acceptance.core.rules import LEVELS, Level
from acceptance.core.shard import Shard
from acceptance.core.target import Waiver, load
from acceptance.report import evidence, html
from acceptance.report.judging import judge
from acceptance.report.reasons import PLACES, linked
from acceptance.report.results import FixtureTime, Limit, Measurement, Picture, Results
from acceptance.report.verdict import FOLDERS, RuleBinding, TestResult

COMMIT = "3f9d2c81b7e64a05c9d1e2f3a4b5c6d7e8f90a1b"
PICTURE = Picture("Rollout", "<svg><title>curve</title></svg>", "No request failed.")
NO_XML = Picture("Kills", "<svg><title>cut off", "One pod was killed.")
STYLE = Path(html.__file__).parent / "templates" / "style.css"


CLEAN = Checkout(COMMIT, clean=True)


def collected() -> Results:
    """The results of a run that tested every rule at every level, and found nothing."""
    target = load()
    results = Results("20260714-091502-7be1", datetime(2026, 7, 14, 9, 15, 2, tzinfo=UTC), target, "target.toml")
    results.metadata.fresh_cluster = True
    results.metadata.subject["images"] = {"backend": {"digest": "sha256:9f3c2d71", "bytes": 71204113}}
    results.metadata.environment["kubernetes"] = "v1.35.1"
    folder_of = {level: folder for folder, level in reversed(list(FOLDERS.items())) if level}
    for rule in rules.load().values():
        for level in rule.levels:
            name = f"tests/{folder_of[level]}/test_{rule.id}.py::test_it"
            results.tests[name] = TestResult(RuleBinding(name, level, (rule.id,)), "passed", "", seconds={"call": 0.25})
    results.fixtures["cluster", ""] = FixtureTime("cluster", "", 41.3, 6.2)
    return results


def finished(*, broken: bool) -> dict[str, Any]:
    """The data of such a run; with a problem of each kind if `broken`."""
    results = collected()
    if broken:
        waiver = Waiver(
            rule="SVC-08", object="Service/todo-backend-service", reason="old client", until=date(2999, 1, 1)
        )
        results.target = results.target.model_copy(update={"waivers": (waiver,)})
        results.metadata.fresh_cluster = False
        results.metadata.override({"cpu": "500m"}, {"cpu": "150m"}, "five replicas on two cores")
        add_problem(
            results, "SVC-05", "static", Finding("SVC-05", "Service/<b>x</b>", "spec.ports", "1-10", "11 & more")
        )
        add_problem(
            results, "POD-18", "static", Finding("POD-18", "Deployment/x", "resources", "equal", "not", advice=True)
        )
        add_problem(results, "HPA-08", "live", "setup: WaitError: expected a first PodMetrics")
        del results.tests["tests/behaviour/test_HPA-09.py::test_it"]
    missing: dict[tuple[str, Level], str] = {("HPA-09", "behaviour"): "no test yet"}
    return judge(results, missing, replace(CLEAN, clean=not broken), results.started + timedelta(seconds=1011))


def add_problem(results: Results, rule: str, level: str, what: Finding | str) -> None:
    (test,) = (each for each in results.tests.values() if each.binding.rules == (rule,) and each.binding.level == level)
    if isinstance(what, str):
        test.outcome, test.reason = "error", what
        return
    test.classified.append(ClassifiedFinding(what, "advice" if what.advice else "blocking"))
    if not what.advice:
        test.outcome, test.reason = "failed", str(what)
        test.evidence.append("evidence/test_it/pods.txt")


class Page(HTMLParser):
    """The text of a page, and each tag with its attributes."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._words: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "wbr", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & {*self.open}:
            self._words += data.split()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def words(self) -> str:
        return " ".join(self._words)

    @property
    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.tags if "id" in attributes]


@pytest.fixture(scope="module")
def accepted() -> Page:
    return Page(html.render(finished(broken=False), [PICTURE, NO_XML]))


@pytest.fixture(scope="module")
def rejected() -> Page:
    return Page(html.render(finished(broken=True), [PICTURE, NO_XML]))


def test_accepted_page_states_the_verdict(accepted: Page) -> None:
    assert "Accepted Every rule is tested at every level and passed, on a cluster created by this run" in accepted.words
    assert COMMIT in accepted.words
    assert "No blocking finding." in accepted.words
    assert "None: the release was tested with its shipped values." in accepted.words


def test_rejected_page_states_the_reasons(rejected: Page) -> None:
    for expected in (
        "Rejected The release breaks its specification.",
        "1 rule is broken : SVC-05",
        "1 rule could not be judged : HPA-08",
        f"1 of the rules' {sum(len(rule.levels) for rule in rules.load().values())} levels are untested",
        "the cluster was not created by this run",
        "the target's repository has uncommitted changes",
        "expected a first PodMetrics",
        "untested: no test yet",
        "old client",
        "cpu 500m 150m five replicas on two cores",
        "sha256:9f3c2d71",
        "71,204,113",
        "v1.35.1",
        "pods.txt",
        "16 min 51 s",
        "41.3 s",
    ):
        assert expected in rejected.words, expected


def test_reasons_link_to_what_they_are_about(rejected: Page) -> None:
    source = html.render(finished(broken=True))
    for link in (
        '<a href="#findings">1 rule is broken</a>: <span class="nowrap"><a href="#findings-SVC-05">SVC-05</a></span>',
        '<a href="#errors">1 rule could not be judged</a>: <span class="nowrap"><a href="#HPA-08">HPA-08</a></span>',
        '<a href="#subject">the cluster was not created by this run</a>',
        '<a href="#subject">the target&#39;s repository has uncommitted changes</a>',
    ):
        assert link in source, link
    assert re.search(r'<a href="#not-tested">1 of the rules&#39; \d+ levels are untested</a>', source)
    assert "1 level: no test yet Advice 1 finding that does not reject the release" in rejected.words
    assert "Findings SVC-05 Service/<b>x</b>: spec.ports: expected 1-10, actual 11 & more Not tested" in rejected.words
    signoff = finished(broken=False)
    signoff |= {"verdict": "incomplete", "reasons": ["the run was interrupted: <b>", "the unit test x ended failed"]}
    assert "<li>the run was interrupted: &lt;b&gt;</li><li>the unit test x ended failed</li>" in html.render(signoff)


def test_every_reason_of_a_run_without_findings_leads_to_its_section() -> None:
    results = collected()
    results.metadata.fresh_cluster = False
    results.shard = Shard(1, 3)
    results.measurements.append(Measurement.of("rollout: backend: failed", 3, "requests", Limit(0, "STA-08")))
    shard = judge(results, {}, Checkout(None, clean=False), results.started)
    results.shard, results.collected = None, {*results.tests, "tests/static/test_a.py::test_b"}
    part = judge(results, {}, CLEAN, results.started)
    reasons = {*shard["reasons"], *part["reasons"]}
    assert {each: re.findall('href="#([^"]*)"', linked(each, part, PLACES.values())) for each in reasons} == {
        "this is shard 1 of 3, and its tests are a part of the run's: merge the shards": ["subject"],
        "the cluster was not created by this run": ["subject"],
        "the target is not in a git checkout": ["subject"],
        "1 test that asserts rules was not selected": ["not-tested"],
        "figures exceed their limits, and no test says so: rollout: backend: failed": ["measurements"],
    }


def test_findings_of_a_rule_are_grouped_and_folded() -> None:
    results = collected()
    (test,) = (each for name, each in results.tests.items() if name.startswith("tests/static/test_SVC-05."))
    for number in range(500):
        finding = Finding("SVC-05", f"Service/{number}", "spec.ports", "1-10", "11")
        test.classified.append(ClassifiedFinding(finding, "blocking"))
    test.outcome = "failed"
    test.classified += [
        ClassifiedFinding(Finding("SVC-05", "Service/0", f"spec.ports[{port}]", "named", "not"), "blocking")
        for port in range(30)
    ]
    page = html.render(judge(results, {}, CLEAN, results.started))
    assert page.count('class="rule-line"') == 1
    assert f"<summary>{31 - html.SHOWN_FIELDS} more of Service/0</summary>" in page
    assert f"<summary>{500 - html.SHOWN_FINDINGS} more</summary>" in page
    assert page.count(" expected 1-10") <= html.BRIEF
    assert len(page) < 1_500_000


def test_evidence_is_on_the_page(tmp_path: Path) -> None:
    signoff = finished(broken=True)
    (tmp_path / "evidence" / "test_it").mkdir(parents=True)
    (tmp_path / "evidence" / "test_it" / "pods.txt").write_text("x" * 9_000 + "<last words>")
    html.write(tmp_path, signoff, [])
    page = (tmp_path / html.FILE).read_text()
    assert "<summary>Evidence: 1 file</summary>" in page
    assert "… (the end of 9,012 characters)" in page
    assert "x&lt;last words&gt;</pre>" in page
    assert "x" * (evidence.MAX_FILE + 1) not in page
    signoff["evidence"]["tests/x.py::test_other"] = ["evidence/test_other/pods.txt", "evidence/test_other/1.png"]
    (tmp_path / "evidence" / "test_other").mkdir()
    (tmp_path / "evidence" / "test_other" / "pods.txt").write_text("x" * 9_000 + "<last words>")
    (tmp_path / "evidence" / "test_other" / "1.png").write_bytes(b"\x89PNG")
    assert list(evidence.excerpts(tmp_path, signoff)) == ["evidence/test_it/pods.txt"]


def test_page_has_every_rule_with_its_text(accepted: Page) -> None:
    for rule in rules.load().values():
        assert rule.id in accepted.ids
        assert " ".join(rule.text.split()) in accepted.words
        for level in rule.levels:
            assert f"{level} : passed" in accepted.words
    assert set(LEVELS) <= set(accepted.words.split())


def test_findings_are_escaped(rejected: Page) -> None:
    assert "Service/<b>x</b>" in rejected.words
    assert "11 & more" in rejected.words


def test_findings_have_distinct_identifiers() -> None:
    one = {"rule": "REL-07", "object": "Role/a:b", "severity": "blocking"}
    assert html.anchor(one) == html.anchor(dict(one))
    assert html.anchor(one) != html.anchor({**one, "object": "Role/a/b"})
    assert re.fullmatch(r"[\w.=-]+", html.anchor(one))


@pytest.mark.parametrize("name", ["accepted", "rejected"])
def test_page_is_self_contained(name: str, request: pytest.FixtureRequest) -> None:
    page: Page = request.getfixturevalue(name)
    assert not page.open
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object")]
    assert page.all("script") == [{}, {}]  # they are part of the page, and permitted by their digests alone
    policies = [str(meta["content"]) for meta in page.all("meta") if "http-equiv" in meta]
    assert policies == [
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src '{html.digest('filter.js')}' '{html.digest('figures.js')}'"
    ]
    assert {str(image["src"]).partition(",")[0] for image in page.all("img")} == {"data:image/svg+xml;base64"}
    links = [str(link["href"]) for link in page.all("a")]
    assert all(re.match(r"#|evidence/|signoff\.json$|junit\.xml$", link) for link in links)
    assert {link[1:] for link in links if link.startswith("#")} <= set(page.ids)
    assert "url(" not in STYLE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["accepted", "rejected"])
def test_page_is_accessible_to_screen_readers(name: str, request: pytest.FixtureRequest) -> None:
    page: Page = request.getfixturevalue(name)
    assert len(page.ids) == len(set(page.ids))
    assert page.all("html") == [{"lang": "en"}]
    assert [image["alt"] for image in page.all("img")] == [NO_XML.caption]
    assert [image["aria-label"] for image in page.all("svg") if image["role"] == "img"] == [PICTURE.caption]
    assert {head.get("scope") for head in page.all("th")} <= {"col", "row"}
    labels = {str(each["aria-labelledby"]) for _, each in page.tags if "aria-labelledby" in each}
    assert labels <= set(page.ids)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_contrast_meets_wcag_aa(scheme: int) -> None:
    palette = re.findall(r":root \{(.*?)\n\s*\}", STYLE.read_text(encoding="utf-8"), re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", palette))
    outcomes = ("passed", "failed", "error", "untested", "waived")
    pairs = [(text, ground) for text in ("ink", "dim", "link") for ground in ("page", "paper")]
    pairs += [(outcome, f"{outcome}-bg") for outcome in outcomes] + [(outcome, "paper") for outcome in outcomes]
    for text, ground in pairs:
        lighter, darker = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, ground)
