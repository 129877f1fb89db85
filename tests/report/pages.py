"""What tests of pages share: a hostile name, and a page in a browser under its own policy, with the network
watched (fixture `browser`).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "</script><script>alert(1)</script>\u202e<img src=x onerror=alert(1)>"
"""A name that would be markup, run, and turn the text around."""


def opened(
    browser: Any,
    path: Path,
    scheme: str = "light",
    width: int = 1280,
    *,
    fragment: str = "",
    scripted: bool = True,
    **more: Any,
) -> tuple[Any, list[str]]:
    """The page, and what it asked for or complained about beyond its own file and the data inside it.

    scripted: whether it has a script, whose work is waited for. more: of playwright's `new_context`.
    """
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}, offline=True, **more
    )
    view = context.new_page()
    view.set_default_timeout(10_000)
    troubles: list[str] = []
    own = (path.as_uri(), "data:", f"blob:{path.as_uri()[:7]}", "blob:null")
    view.on("request", lambda r: None if r.url.startswith(own) else troubles.append(f"request {r.url}"))
    view.on("console", lambda m: troubles.append(f"console {m.text}"))
    view.on("pageerror", lambda e: troubles.append(f"error {e}"))
    view.goto(path.as_uri() + fragment)
    if scripted and more.get("java_script_enabled", True):
        view.wait_for_selector(":root.ready", state="attached")  # what is far away is drawn only then
    return view, troubles


def until(view: Any, expression: str) -> None:
    """Waits for a truth in the page (`wait_for_function` asks for eval, which the policy forbids)."""
    for _ in range(100):
        if view.evaluate(expression):
            return
        view.wait_for_timeout(50)
    raise AssertionError(f"not true after 5 s: {expression}")


def menu(view: Any, label: str) -> None:
    """Opens a menu; its panel is filled by `toggle`, which a browser sends after the click is over."""
    view.locator(".menu > summary", has_text=label).first.click()
    view.locator(".menu[open] .panel > *").first.wait_for()


def texts(view: Any, query: str) -> list[str]:
    """What the elements that are seen say, on one line each."""
    return [" ".join(t.split()) for t in view.locator(query).all_inner_texts()]


def accessible(view: Any, **more: Any) -> None:
    """Asserts that axe finds nothing wrong; more: of its `run`."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    found = axe.Axe().run(view, **more)
    assert found.violations_count == 0, found.generate_report()


def saved(view: Any, name: str, where: str = "#downloads") -> tuple[str, bytes]:
    """(file name, content) of what a button saves."""
    with view.expect_download() as waiting:
        view.locator(where).get_by_role("button", name=name).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()
