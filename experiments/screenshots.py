"""The pictures of the page in `docs/images/`, made of the demo's page (no real clips) in a headless Chromium.

    synvid-eval demo --out demo && python -m experiments.screenshots demo/report.html docs/images

Writes page-1440.webp, page-1440-dark.webp, page-768.webp, page-380.webp: the first screen at those widths;
and metric-1440.webp: a metric's pictures.
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

SCREENS = {
    "page-1440": (1440, 900, "light", ""),
    "page-1440-dark": (1440, 900, "dark", ""),
    "page-768": (768, 1000, "light", ""),
    "page-380": (380, 800, "light", ""),
    "metric-1440": (1440, 1000, "light", "spectrum"),
}


def main() -> None:
    """Reads the arguments and writes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("page", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as api:
        browser = api.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (width, height, scheme, heading) in SCREENS.items():
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # type: ignore[arg-type]
                offline=True,
            )
            view = context.new_page()
            view.goto(given.page.resolve().as_uri())
            view.wait_for_timeout(400)
            if heading:
                view.get_by_role("heading", name=heading).first.evaluate("h => h.scrollIntoView()")
                view.evaluate("window.scrollBy(0, -70)")
                view.wait_for_timeout(300)
            with Image.open(io.BytesIO(view.screenshot())) as shot:
                shot.convert("RGB").save(given.out / f"{name}.webp", quality=80, method=6)
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
