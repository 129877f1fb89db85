"""What tests of pages in a browser start with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.report.pages import CHROMIUM


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; tests that want it are skipped where it, or what drives it, is not here."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as api:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        running = api.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield running
        running.close()
