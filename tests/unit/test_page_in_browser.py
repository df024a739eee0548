"""The page in a browser: axe-core finds nothing, and findings can be searched, filtered and linked to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from acceptance.checks.finding import ClassifiedFinding, Finding
from acceptance.report import html, overview, timeline
from acceptance.report.history import History, entry
from acceptance.report.judging import judge
from acceptance.report.results import Picture
from tests.unit.test_experiment import COMPONENT, recorded_experiment
from tests.unit.test_html import CLEAN, PICTURE, collected, finished
from tests.unit.test_measurements import measured, of_experiment

RULES = {"wcag2a", "wcag2aa", "wcag21aa", "best-practice"}
DESK = {"width": 1280, "height": 900}
PRINTED_PAGE = re.compile(rb"/Type\s*/Page\b")
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of an accepted and of a rejected run, and the overview of both."""
    folder = tmp_path_factory.mktemp("pages")
    runs = {name: finished(broken=name == "rejected") for name in ("accepted", "rejected")}
    for name, signoff in runs.items():
        (folder / f"{name}.html").write_text(html.render(signoff, [PICTURE]), encoding="utf-8")
    history = History([entry(signoff) for signoff in runs.values()])
    (folder / "history.html").write_text(overview.render([history]), encoding="utf-8")
    return folder


@pytest.fixture
def show(chromium: Browser, pages: Path) -> Iterator[Callable[..., Page]]:
    """`show("rejected.html", …)`: a page in a context of its own, without errors."""
    contexts = []

    def opened(address: str, size: dict[str, int] = DESK, scheme: str = "light", *, bypass: bool = False) -> Page:
        context = chromium.new_context(viewport=size, color_scheme=scheme, bypass_csp=bypass)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(f"file://{pages}/{address}")
        assert errors == []
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize(
    ("name", "size", "scheme"), [("accepted", DESK, "light"), ("rejected", PHONE, "dark"), ("history", DESK, "light")]
)
def test_axe_finds_nothing(show: Callable[..., Page], name: str, size: dict[str, int], scheme: str) -> None:
    page = show(f"{name}.html", size, scheme, bypass=True)  # axe-core itself is a script that the page does not permit
    results = Axe().run(page, options={"runOnly": sorted(RULES)})
    assert results.response["passes"]
    assert not results.response["violations"], results.generate_report()


@pytest.mark.parametrize("name", ["accepted", "rejected", "history"])
def test_page_fits_a_phone(show: Callable[..., Page], name: str) -> None:
    page = show(f"{name}.html", PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def visible(page: Page, selector: str) -> list[str]:
    script = "found => found.filter(each => each.checkVisibility()).map(each => each.id)"
    names: list[str] = page.eval_on_selector_all(selector, script)
    return names


def test_long_report_prints_on_eight_pages(chromium: Browser, tmp_path: Path) -> None:
    """It has as many figures, pictures, overrides and attempts as a complete run, with findings of each kind."""
    signoff = finished(broken=True)
    names = [f"experiment {number}, such as a rollout" for number in range(14)]
    signoff["measurements"] = [each for name in names for each in of_experiment(name, ("backend", "frontend"))]
    signoff["measurements"] += [
        measured(f"backend: pod {number} in succession deleted gracefully: longest outage (chat)", 12.3, "s", 60)
        for number in range(104)
    ]
    signoff["overrides"] = [
        {"path": f"secrets.value{number}", "shipped": "", "used": "abcd " * 80, "reason": "set by an experiment"}
        for number in range(30)
    ]
    load = {"inconclusive": "", "starved_seconds": 0.0, "max_steal": 0.0, "max_lateness": 0.0}
    signoff["attempts"] = [{"experiment": name, "number": 1, "seconds": 41.2, **load} for name in names * 2]
    signoff["evidence"] = {name: ["evidence/x/1.png"] * 3 for name in names * 3}
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 700"><title>curve</title></svg>'
    pictures = [Picture(name, drawing, "backend: 1000 requests, 0 failed; frontend: 400 requests") for name in names]
    (tmp_path / "long.html").write_text(html.render(signoff, pictures), encoding="utf-8")
    with chromium.new_page() as page:
        page.goto(f"file://{tmp_path}/long.html")
        printed = page.pdf(prefer_css_page_size=True)
    assert 4 <= len(PRINTED_PAGE.findall(printed)) <= 8


def test_findings_and_rules_are_searched_and_filtered(show: Callable[..., Page]) -> None:
    page = show("rejected.html")
    every = len(visible(page, "article"))
    page.get_by_label("Search").fill("svc-05 spec.ports")
    assert [each.startswith("finding-SVC-05-") for each in visible(page, ".findings > li[data-rule]")] == [True]
    page.get_by_label("Search").fill("")
    page.get_by_label("Outcome").select_option("error")
    assert visible(page, "article") == ["HPA-08"]
    assert page.get_by_role("status").inner_text() == "0 findings and 1 rule shown."
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_role("status")).to_have_text("")  # the form is reset after the click
    assert len(visible(page, "article")) == every
    page.get_by_label("Entity").select_option("Service")
    assert {each.partition("-")[0] for each in visible(page, "article")} == {"SVC"}
    page.get_by_role("combobox", name="Rule").select_option("SVC-08")
    assert visible(page, "article") == ["SVC-08"]
    assert visible(page, "#rules .group > h3") == ["Service"]  # no heading without anything below it
    page.get_by_role("button", name="Show all").click()
    page.get_by_role("combobox", name="Object").select_option("Service/<b>x</b>")
    assert visible(page, "article") == ["SVC-05"]


def test_link_and_search_open_what_is_folded(chromium: Browser, tmp_path: Path) -> None:
    results = collected()
    name = next(name for name in results.tests if name.startswith("tests/static/test_SVC-05."))
    found = [Finding("SVC-05", f"Service/{number}", "spec.ports", "1-10", "11") for number in range(20)]
    results.tests[name].classified += [ClassifiedFinding(each, "blocking") for each in found]
    results.tests[name].outcome = "failed"
    signoff = judge(results, {}, CLEAN, results.started)
    (tmp_path / "many.html").write_text(html.render(signoff), encoding="utf-8")
    last = html.anchor(signoff["findings"][-1])
    with chromium.new_page() as page:
        page.goto(f"file://{tmp_path}/many.html")
        assert len(visible(page, ".findings > li")) == html.SHOWN_FINDINGS
        page.goto(f"file://{tmp_path}/many.html?words=Service/1#{last}")
        assert last in visible(page, ".findings > li")
        page.get_by_label("Search").fill("service/17")
        assert len(visible(page, ".findings > li")) == 1


def test_hostile_and_long_names_neither_run_nor_overflow(chromium: Browser, tmp_path: Path) -> None:
    names = [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "x" * 400,
        "\u05e9\u05dc\u05d5\u05dd",
        "\u202eabc",
    ]
    results = collected()
    results.suite_errors.append(f"internal error: {names[0]} {names[2]}")
    for test in [each for name, each in results.tests.items() if name.startswith("tests/static/")][:60]:
        for number, name in enumerate(names * 2):
            finding = Finding(test.binding.rules[0], f"{name}{number}", name, name, name * 3)
            test.classified.append(ClassifiedFinding(finding, "blocking"))
        test.outcome = "failed"
    signoff = judge(results, {}, CLEAN, results.started)
    assert len(signoff["findings"]) >= 500
    page_text = html.render(signoff, [replace(PICTURE, name=names[1], caption=names[0])])
    assert len(page_text) < 3_000_000
    (tmp_path / "hostile.html").write_text(page_text, encoding="utf-8")
    errors: list[str] = []
    with chromium.new_page(viewport=PHONE) as page:  # type: ignore[arg-type]
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("dialog", lambda dialog: errors.append(dialog.message))
        page.goto(f"file://{tmp_path}/hostile.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.get_by_role("combobox", name="Object").select_option("x" * 400 + "2")
        assert page.get_by_role("status").inner_text().startswith("60 findings and ")
    assert errors == []


def test_link_names_a_finding_or_a_filter(show: Callable[..., Page]) -> None:
    page = show("rejected.html?outcome=failed")
    assert visible(page, "article") == ["SVC-05"]
    page.evaluate("location.hash = '#POD-04'")
    page.wait_for_function("!document.getElementById('POD-04').hidden")
    assert page.get_by_role("status").inner_text() == ""
    page = show("rejected.html?outcome=failed#POD-04")
    page.wait_for_function("!document.getElementById('POD-04').hidden")
    assert visible(show("rejected.html?outcome=failed#%"), "article") == ["SVC-05"]
    target = page.locator(".self").first.get_attribute("href")
    assert target is not None
    assert page.locator(f"[id='{target[1:]}']").count() == 1


def test_what_is_tapped_in_a_figure_is_said_below_it(chromium: Browser, tmp_path: Path) -> None:
    drawn = timeline.availability(recorded_experiment(), [COMPONENT])
    signoff = {**finished(broken=False), "measurements": of_experiment("rollout")}
    (tmp_path / "figure.html").write_text(html.render(signoff, [Picture("rollout", drawn, "9 requests")]))
    with chromium.new_context(viewport=PHONE, has_touch=True) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"file://{tmp_path}/figure.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert page.locator("figure svg").evaluate("each => each.getBoundingClientRect().width") >= 9 * 96
        page.locator(".tip", has_text="shop-api-1, version 1: Ready").tap()
        expect(page.locator(".tip-text")).to_have_text("shop-api-1, version 1: Ready 3.0–7.0 s")
    with chromium.new_context(bypass_csp=True) as context:
        page = context.new_page()
        page.goto(f"file://{tmp_path}/figure.html")
        results = Axe().run(page, options={"runOnly": sorted(RULES)})
        assert not results.response["violations"], results.generate_report()
