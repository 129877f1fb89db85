"""How dense fractals are between their keyframes: decomposed against naive animation.

    python -m experiments.fractal_density [--clips 200]

Svyezhentsev et al. 2024 (arXiv 2411.17584, Figure 3) say that interpolating the numbers of matrices thins out
the frames between keyframes, and that interpolating angles, singular values and translations does not. Here
both animate the same keyframes (linear maps, linear curves, 19 frames of 256², seed 0), seen in the same part
of the plane. The lit share of a frame is the share of its pixels that are not black; it is divided by the
mean of that of the first and the last frame, which both animations have in common.

Writes density.csv (a row a clip), density.png (three clips, both ways) and README.md into reports/fractal/.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import io
import textwrap
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import synvid_eval
from synvid_eval.generators import presets

OUT = Path(__file__).parents[1] / "reports" / "fractal"
PRESET = "fractal_linear_motion"
ANIMATIONS = ("decomposed", "naive")
LENGTH = 19
MOMENTS = (0, LENGTH // 4, LENGTH // 2, LENGTH - 1 - LENGTH // 4, LENGTH - 1)
SHOWN = 3
MOST = 150_000
"""The picture has at most that many bytes."""


def frames(animation: str, index: int) -> NDArray[np.uint8]:
    """Gray frames at `MOMENTS` of a clip: uint8 [5, 256, 256]."""
    generator = presets.get(PRESET).configured(animation=animation, length=str(LENGTH))
    return np.stack([frame[..., 0] for frame in generator.draw(0, PRESET, index, MOMENTS)])


def relative(clip: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Lit share of each of the frames, over the mean of that of the first and the last: float64 [5]."""
    lit = (clip > 0).mean(axis=(1, 2))
    found: NDArray[np.float64] = lit / lit[[0, -1]].mean()
    return found


def picture() -> NDArray[np.uint8]:
    """The first clips, decomposed above naive, a column a moment: uint8 [H, W]."""
    rows = []
    for index in range(SHOWN):
        for animation in ANIMATIONS:
            small = [cv2.resize(f, (96, 96), interpolation=cv2.INTER_AREA) for f in frames(animation, index)]
            rows.append(np.hstack([np.pad(f, 1, constant_values=64) for f in small]))
        rows.append(np.full((6, rows[-1].shape[1]), 255, np.uint8))
    return np.vstack(rows[:-1])


def readme(found: dict[str, NDArray[np.float64]], command: str) -> str:
    """README.md of the folder; found: animation → float64 [clips, 5]."""
    opening = f"""
        The lit share of a clip's frames over that of its two ends (mean of both), of the same
        {len(found["naive"]):,} pairs of keyframes animated both ways: linear maps, linear curves, {LENGTH}
        frames of 256². Made by `{command}` on {datetime.date.today().isoformat()} with synvid_eval
        {synvid_eval.__version__}. What it is about: Svyezhentsev et al. 2024, arXiv 2411.17584, Figure 3.
        `density.csv` has every clip.
    """
    lines = ["# How dense fractals are between their keyframes", "", _filled(opening), ""]
    lines += ["| animation | at a quarter | in the middle | at three quarters | middle below half |"]
    lines += ["|---|---|---|---|---|"]
    for animation in ANIMATIONS:
        shares = found[animation]
        cells = []
        for column in (1, 2, 3):
            low, middle, high = np.percentile(shares[:, column], (25, 50, 75))
            cells.append(f"{middle:.2f} ({low:.2f} to {high:.2f})")
        lines.append(f"| {animation} | {' | '.join(cells)} | {(shares[:, 2] < 0.5).mean():.0%} of clips |")
    kept = {animation: float(np.median(found[animation][:, 2])) for animation in ANIMATIONS}
    closing = f"""
        Medians over clips, in brackets the middle half of them. In the middle a decomposed clip keeps
        {kept["decomposed"]:.0%} of what is lit at its ends, a naive one {kept["naive"]:.0%}; the paper's
        claim is that naive ones are sparse there. In the picture each clip has two rows, decomposed above
        naive; both begin and end with the same frames.
    """
    return "\n".join([*lines, "", _filled(closing), "", "![Three clips, both ways](density.png)", ""])


def _filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 110, break_long_words=False, break_on_hyphens=False)


def main() -> None:
    """Reads the arguments, measures, prints the table and writes the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clips", type=int, default=200)
    count = parser.parse_args().clips
    found = {a: np.stack([relative(frames(a, index)) for index in range(count)]) for a in ANIMATIONS}
    OUT.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["animation", "clip", *(f"frame_{moment}" for moment in MOMENTS)])
    for animation in ANIMATIONS:
        for index, row in enumerate(found[animation]):
            writer.writerow([animation, index, *(f"{value:.4f}" for value in row)])
    (OUT / "density.csv").write_text(text.getvalue())
    _, data = cv2.imencode(".png", picture(), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if len(data) > MOST:
        raise SystemExit(f"The picture has {len(data):,} bytes, more than {MOST:,}.")
    (OUT / "density.png").write_bytes(data.tobytes())
    page = readme(found, f"python -m experiments.fractal_density --clips {count}")
    (OUT / "README.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
