"""A headless Chromium that reaches the release through the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from acceptance.core.deadlines import SHOWN
from acceptance.provision.gateway import Gateway


@contextmanager
def launch(executable: Path, gateway: Gateway) -> Iterator[Browser]:
    """Launch a headless browser that resolves cluster names; it and Playwright's event loop end with the context.

    Args:
        executable: The browser's path, `Toolchain.browser`.
        gateway: The SOCKS proxy into the cluster.
    """
    expect.set_options(timeout=SHOWN.seconds * 1000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=executable, proxy={"server": f"socks5://{gateway.host}:{gateway.port}"}
        )
        try:
            yield chromium
        finally:
            chromium.close()
