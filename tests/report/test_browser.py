"""The page in a real browser under its own policy, with the network watched. Skipped without Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synvid_eval.report.page import write_page

from .test_page import CASES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe_api = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is missing"
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as api:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        running = api.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield running
        running.close()


def opened(browser: Any, path: Path, scheme: str, width: int, script: bool = True) -> tuple[Any, list[str]]:
    """The page, and what it asked for or complained about beyond its own file."""
    context = browser.new_context(
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
        java_script_enabled=script,
        offline=True,
    )
    view = context.new_page()
    troubles: list[str] = []
    view.on("request", lambda r: None if r.url == path.as_uri() else troubles.append(f"request {r.url}"))
    view.on("console", lambda m: troubles.append(f"console {m.text}"))
    view.on("pageerror", lambda e: troubles.append(f"error {e}"))
    view.goto(path.as_uri())
    return view, troubles


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("case", ["three", "hostile", "networks"])
def test_accessible_quiet_and_alone(browser: Any, tmp_path: Path, case: str, scheme: str) -> None:
    path = tmp_path / "page.html"
    write_page(CASES[case], path)
    view, troubles = opened(browser, path, scheme, 1280)
    view.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = axe_api.Axe().run(view)
    assert found.violations_count == 0, found.generate_report()
    paper = view.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert paper == ("rgb(247, 246, 243)" if scheme == "light" else "rgb(21, 23, 26)")
    assert troubles == []
    view.context.close()


@pytest.mark.parametrize("case", sorted(CASES))
def test_nothing_runs_off_a_phone(browser: Any, tmp_path: Path, case: str) -> None:
    path = tmp_path / "page.html"
    write_page(CASES[case], path)
    view, troubles = opened(browser, path, "light", 380)
    view.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    wide, room = view.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= room
    assert troubles == []
    view.context.close()


def test_regions_that_scroll_are_reached_by_keyboard(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_page(CASES["three"], path)
    view, _ = opened(browser, path, "light", 380)
    view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(60):
        view.keyboard.press("Tab")
        reached.add(view.evaluate("document.activeElement.getAttribute('aria-label')"))
    wanted = view.evaluate("[...document.querySelectorAll('main section > .scroll')].map(e => e.ariaLabel)")
    assert set(wanted) <= reached
    view.context.close()


def test_reads_without_script(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_page(CASES["three"], path)
    view, troubles = opened(browser, path, "light", 1280, script=False)
    assert view.locator("h1").inner_text() == "Which set is nearest to ucf101, and in what?"
    assert view.locator("svg[role=img]").count() == 4
    assert view.locator("summary").first.is_visible()
    assert troubles == []
    view.context.close()


def test_print_opens_everything(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_page(CASES["three"], path)
    view, troubles = opened(browser, path, "dark", 794)
    shown = "[...document.querySelectorAll('figure details table')].map(e => e.checkVisibility())"
    assert not any(view.evaluate(shown))
    view.emulate_media(media="print")
    assert all(view.evaluate(shown))
    assert view.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert troubles == []
    view.context.close()
