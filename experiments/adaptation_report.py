"""Presets against real clips, before and after the published adaptation: the weight-free metrics of
`compare`.

    python -m experiments.adaptation_report --reference DIR [--presets NAME,…] [--clips N] [--size PX]
                                            [--length A:B] [--chains LIST …] [--workers 2] [--out FILE.md]

DIR holds real clips (any layout). Each preset is measured as it is and with each chain (`adapt=…`), all drawn
from the same seed, so that what differs is what adapts them. Writes one table (Markdown) and, beside it, the
same numbers as CSV; no picture of a real clip, and of the reference only its own values.

Distances (color, tubelet) say how far a set is from the reference, the lower the nearer; of properties
(spectrum, motion) the difference to the reference's own is told, nearer to 0 the better; of effective_rank
the value, which should be high. Intervals are those of `compare` (95 %), where it gives one.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from synvid_eval.archive import write_bytes
from synvid_eval.comparison import compare
from synvid_eval.measurement import Options
from synvid_eval.score import Comparison, Score

OUT = Path(__file__).parents[1] / "reports" / "fractal" / "adaptation.md"
METRICS = ("color", "tubelet", "spectrum", "motion", "effective_rank")
PLAIN = "as drawn"
PRESETS = "moving_shapes,fractal_linear_motion,fractal_nonlinear_motion,fractal_diversity,octopus"


def places(presets: Sequence[str], chains: Sequence[str], query: dict[str, str]) -> dict[str, str]:
    """Name → location of every set: each preset as it is, then by each chain."""
    found = {}
    for preset in presets:
        for number, chain in enumerate(["", *chains]):
            knobs = {**query, **({"adapt": chain} if chain else {})}
            found[f"{preset}.{number}"] = f"preset:{preset}?{urlencode(knobs)}"
    return found


def away(score: Score) -> float:
    """How far a set is from the reference by a score: a distance, or the size of a difference."""
    if score.better == "match":
        return abs(float(score.detail.get("difference", math.nan)))
    return float(score.value if score.corrected is None else score.corrected)


def nearer(found: Comparison, presets: Sequence[str], chains: Sequence[str]) -> str:
    """How many presets each chain brings nearer, by each metric that says so."""
    scores = {(score.candidate, score.metric): score for score in found.scores}
    said = []
    for number, chain in enumerate(chains, 1):
        counts = []
        for metric in METRICS[:4]:
            pairs = [[away(scores[f"{p}.{n}", metric]) for n in (0, number)] for p in presets]
            counts.append(f"{metric} {sum(after < before for before, after in pairs)}")
        said.append(f"`{chain}`: {', '.join(counts)}")
    return f"Presets of {len(presets)} that are nearer to the reference then, by {'; by '.join(said)}."


def told(score: Score) -> str:
    """A score as its cell says it: the difference to the reference, a distance, or a value; its interval."""
    value, interval = score.value, score.interval
    if score.better == "match" and score.metric in ("spectrum", "motion"):
        value, interval = score.detail.get("difference"), score.detail.get("difference_interval")
    elif score.corrected is not None:
        value = score.corrected
    if value is None or not math.isfinite(value):
        return "-"
    digits = 2 if abs(value) < 10 else 1
    text = f"{value:+.{digits}f}" if score.metric in ("spectrum", "motion") else f"{value:.{digits}f}"
    return text if interval is None else f"{text} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def rows(found: Comparison, presets: Sequence[str], chains: Sequence[str]) -> list[list[str]]:
    """preset, what was done to it, then a cell for each metric."""
    scores = {(score.candidate, score.metric): score for score in found.scores}
    return [
        [preset, chain or PLAIN, *(told(scores[f"{preset}.{number}", metric]) for metric in METRICS)]
        for preset in presets
        for number, chain in enumerate(["", *chains])
    ]


def page(
    found: Comparison,
    table: list[list[str]],
    command: str,
    query: dict[str, str],
    clips: int,
    found_nearer: str,
) -> str:
    """The report, in Markdown."""
    own = {s.metric: s.detail["reference"] for s in found.scores if "reference" in s.detail}
    reference = ", ".join(f"{m} {v:.2f}" for m, v in own.items() if isinstance(v, float) and m in METRICS)
    said = ", ".join(f"{k} {v}" for k, v in query.items() if k != "n")
    head = ["preset", "adapted by", *METRICS]
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *table)]
    return f"""# Adaptation: nearer to real video?

{query["n"]} clips of each preset ({said}, seed 0) against {clips} clips of {found.reference.name}, before and
after they are adapted; the same clips are drawn each time. Made by:

    {command}

`color` and `tubelet` are distances to the reference (lower is nearer; corrected where there is an interval),
`spectrum` and `motion` differences to its own value (0 is alike), `effective_rank` the set's value (higher is
richer). Gray videos have no spread of hue, so their `color` is huge whatever else they are. The reference's
own: {reference}. In brackets 95 % intervals.

{found_nearer}

""" + "\n".join([*lines, ""])


def main() -> None:
    """Reads the arguments, compares, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--reference", required=True, metavar="DIR")
    parser.add_argument("--presets", default=PRESETS, metavar="NAME,…")
    parser.add_argument("--chains", nargs="+", default=["published"], metavar="CHAIN")
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--size", default="112")
    parser.add_argument("--length", default="", help="frames (default: the presets' own)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    presets = given.presets.split(",")
    query = {"n": str(given.clips), "size": given.size}
    query |= {"length": given.length} if given.length else {}
    sets = places(presets, given.chains, query)
    found = compare(
        [f"{name}={place}" for name, place in sets.items()],
        given.reference,
        metrics=list(METRICS),
        options=Options(workers=given.workers),
    )
    table = rows(found, presets, given.chains)
    command = (
        f"python -m experiments.adaptation_report --reference DIR --presets {given.presets} "
        f"--clips {given.clips} --size {given.size}" + (f" --length {given.length}" if given.length else "")
    )
    command += f" --chains {' '.join(map(repr, given.chains))}" if given.chains != ["published"] else ""
    given.out.parent.mkdir(parents=True, exist_ok=True)
    text = page(found, table, command, query, found.reference.clips, nearer(found, presets, given.chains))
    write_bytes(given.out, text.encode())
    sheet = io.StringIO()
    csv.writer(sheet, lineterminator="\n").writerows([["preset", "adapted by", *METRICS], *table])
    write_bytes(given.out.with_suffix(".csv"), sheet.getvalue().encode())
    print(text)


if __name__ == "__main__":
    main()
