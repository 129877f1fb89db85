"""What a page costs a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def beyond_empty(browser: Any, page: Path, folder: Path) -> float:
    """Seconds of the main thread's own time (a busy machine does not count) beyond an empty page's."""
    empty = folder / "empty.html"
    empty.write_text("<!doctype html><title>empty</title>")
    return _took(browser, page) - _took(browser, empty)


def _took(browser: Any, path: Path) -> float:
    times = []
    for _ in range(3):
        context = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True)
        view = context.new_page()
        session = context.new_cdp_session(view)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        view.goto(path.as_uri())
        found = session.send("Performance.getMetrics")["metrics"]
        times.append(next(m["value"] for m in found if m["name"] == "TaskDuration"))
        context.close()
    return min(times)
