"""The browser of the journeys, and a person at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from acceptance.checks.finding import Untested
from acceptance.client.browser import launch
from acceptance.client.browser_user import BrowserUser
from acceptance.core.target import Target
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release
from tests.installed_target import target as target
from toolchain import Toolchain


@pytest.fixture(scope="module")
def browser(ready_release: Release, gateway: Gateway, toolchain: Toolchain) -> Iterator[Browser]:
    """A browser that is closed with the module, since its event loop would disturb other tests."""
    assert ready_release
    with launch(toolchain.browser, gateway) as opened:
        yield opened


@pytest.fixture
def person(
    browser: Browser,
    target: Target,
    gateway: Gateway,
    record_evidence: Callable[[str, str | bytes], Path],
    request: pytest.FixtureRequest,
) -> Iterator[BrowserUser]:
    """A user with a tab of a new browser context; a screenshot at the end is kept as evidence.

    A parameter has the arguments of Playwright's `new_context`, for another browser than a default one.
    """
    if target.screens is None:
        raise Untested("the target names no screens")
    with browser.new_context(**getattr(request, "param", {})) as context:
        user = BrowserUser(target, target.screens, gateway.url("frontend", ""), context.new_page(), record_evidence)
        try:
            yield user
        finally:
            user.screenshot("end")
