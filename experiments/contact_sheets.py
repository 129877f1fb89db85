"""Contact sheets of the presets, small, as `reports/presets/` holds them.

    python -m experiments.contact_sheets [PRESET…]

Writes NAME.webp of each preset named (default: all), at most 60 kB each, with seed 0; and, where none is
named, README.md with the date, the versions and a line a preset. Presets that need pictures get the color
photographs that scikit-image installs, those that need real videos `photo_camera`, so that no frame
of a real one is shown. Textures are kept in the cache folder.
"""

from __future__ import annotations

import argparse
import datetime
import io
import platform
import sys
import textwrap
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import synvid_eval
from synvid_eval import contact_sheet
from synvid_eval.cache import default_root
from synvid_eval.generators import pool, presets
from synvid_eval.generators.photos import INSTALLED

OUT = Path(__file__).parents[1] / "reports" / "presets"
MOST = 60_000
"""A sheet has at most that many bytes."""

VIDEOS = "preset:photo_camera"
"""Stands for real videos."""

COMMAND = "python -m experiments.contact_sheets"
LIBRARIES = ("numpy", "opencv-python-headless", "numba", "pillow", "scikit-image")


def webp(picture: NDArray[np.uint8], most: int = MOST) -> bytes:
    """A picture uint8 [H, W, 3] as WebP of at most `most` bytes: at the best quality that fits, and smaller
    by a tenth at a time where even quality 30 does not.
    """
    image = Image.fromarray(picture)
    while True:
        for quality in range(90, 29, -10):
            out = io.BytesIO()
            image.save(out, "WEBP", quality=quality, method=6)
            if out.tell() <= most:
                return out.getvalue()
        smaller = (max(image.width * 9 // 10, 1), max(image.height * 9 // 10, 1))
        image = Image.fromarray(picture).resize(smaller, Image.Resampling.LANCZOS)


def readme(date: str, versions: dict[str, str]) -> str:
    """README.md of the folder. versions: library → its version."""
    made = ", ".join(f"{name} {number}" for name, number in versions.items())
    opening = f"""
        Made by `{COMMAND}` on {date} with {made}; seed 0. Each row is a clip, from its first to its last
        frame; where a preset has stills among moving clips the last row is one. Where a preset needs
        pictures, `--images {INSTALLED}` stands for ImageNet: the color photographs that scikit-image
        installs; where it needs real videos, `--videos {VIDEOS}` stands for UCF101, and the last two rows
        are two of its clips: no frame of a real video is here. `synvid-eval show NAME --png sheet.png` draws
        one without loss.
    """
    lines = ["# What the presets look like", "", _filled(opening), ""]
    lines += ["| sheet | what it adds or is |", "|---|---|"]
    for preset in map(presets.get, presets.names()):
        own = f"`{preset.extends}`: {preset.difference}" if preset.extends else preset.note
        lines.append(f"| [{preset.name}]({preset.name}.webp) | {own} |")
    return "\n".join([*lines, ""])


def _filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 110, break_long_words=False, break_on_hyphens=False)


def main() -> None:
    """Reads the arguments and writes the sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("presets", nargs="*", metavar="PRESET")
    asked = parser.parse_args().presets
    wanted = [presets.get(name) for name in asked or presets.names()]
    OUT.mkdir(parents=True, exist_ok=True)
    pool.keep_in(default_root())
    for preset in wanted:
        images = INSTALLED if "images" in preset.needs else None
        videos = VIDEOS if "videos" in preset.needs else None
        data = webp(contact_sheet.preset_sheet(f"preset:{preset.name}", images=images, videos=videos))
        (OUT / f"{preset.name}.webp").write_bytes(data)
        print(f"{preset.name}: {len(data):,} bytes", flush=True)
    if asked:  # the others may be older than the README would say
        return
    versions = {"synvid_eval": synvid_eval.__version__, "Python": platform.python_version()}
    versions |= {name: version(name) for name in LIBRARIES}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    (OUT / "README.md").write_text(readme(today, versions), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
