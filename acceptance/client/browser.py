"""A real browser: the machine's own Chromium, which reaches the release through the gateway."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from acceptance.core.deadlines import SHOWN
from acceptance.provision.gateway import Gateway
from toolchain.console import ToolchainError

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str:
    """The path of an installed browser; `ToolchainError` with the cure where there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise ToolchainError(f"no {NAMES[0]} is in PATH: install it, on Debian with apt-get install {NAMES[0]}")


@contextmanager
def browser(gateway: Gateway) -> Iterator[Browser]:
    """A headless browser that resolves names in the cluster; it and Playwright's event loop end with the context."""
    path = find()
    expect.set_options(timeout=SHOWN.seconds * 1000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, proxy={"server": f"socks5://{gateway.host}:{gateway.port}"}
        )
        try:
            yield chromium
        finally:
            chromium.close()
