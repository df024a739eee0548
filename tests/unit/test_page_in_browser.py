"""The page in a browser: axe-core finds nothing, and findings can be searched, filtered and linked to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from acceptance.checks.finding import Untested
from acceptance.report import html, overview
from acceptance.report.history import entry
from tests.unit.test_html import PICTURE, finished
from tests.unit.test_measurements import measured, of_experiment
from toolchain import browser

RULES = {"wcag2a", "wcag2aa", "wcag21aa", "best-practice"}
DESK = {"width": 1280, "height": 900}
PRINTED_PAGE = re.compile(rb"/Type\s*/Page\b")
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    executable = browser.find()
    if executable is None:
        raise Untested("no browser is on PATH")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            yield launched
        finally:
            launched.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of an accepted and of a rejected run, and the overview of both."""
    folder = tmp_path_factory.mktemp("pages")
    runs = {name: finished(broken=name == "rejected") for name in ("accepted", "rejected")}
    for name, signoff in runs.items():
        (folder / f"{name}.html").write_text(html.render(signoff, [PICTURE]), encoding="utf-8")
    history = [entry(signoff) for signoff in runs.values()]
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
    """It has about as many figures as a complete run, with findings of each kind."""
    signoff = finished(broken=True)
    names = ["rollout", "kills", "freeze", "outages of the database", "autoscaling", "upgrade", "uninstallation"]
    kinds = ("backend", "frontend", "writes through the frontend")
    signoff["measurements"] = [each for name in names for each in of_experiment(name, kinds)]
    signoff["measurements"] += [measured(f"kill {number}: Ready again", 12.3, "s", 60) for number in range(60)]
    pictures = [replace(PICTURE, name=name) for name in names]
    (tmp_path / "long.html").write_text(html.render(signoff, pictures), encoding="utf-8")
    with chromium.new_page() as page:
        page.goto(f"file://{tmp_path}/long.html")
        printed = page.pdf(prefer_css_page_size=True)
    assert 4 <= len(PRINTED_PAGE.findall(printed)) <= 8


def test_findings_and_rules_are_searched_and_filtered(show: Callable[..., Page]) -> None:
    page = show("rejected.html")
    every = len(visible(page, "article"))
    page.get_by_label("Search").fill("svc-05 spec.ports")
    assert [each.startswith("finding-SVC-05-") for each in visible(page, ".findings > li[data-entity]")] == [True]
    page.get_by_label("Search").fill("")
    page.get_by_label("Outcome").select_option("error")
    assert visible(page, "article") == ["HPA-08"]
    assert page.get_by_role("status").inner_text() == "0 findings and 1 rules are shown."
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_role("status")).to_have_text("")  # the form is reset after the click
    assert len(visible(page, "article")) == every
    page.get_by_label("Entity").select_option("Service")
    assert {each.partition("-")[0] for each in visible(page, "article")} == {"SVC"}


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
