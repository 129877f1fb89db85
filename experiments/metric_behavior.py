"""Which measurement notices which damage: the weight-free metrics under every corruption and severity.

    python -m experiments.metric_behavior --reference DIR [--clips 120] [--corruptions NAME,…] [--workers 1]
                                          [--cache DIR] [--out reports/metric_behavior]

DIR holds real clips (any layout). They are halved, whole source groups to a side (as `train finetune --split
kfold:K` tells them): half A is corrupted, half B never. Of every metric, corruption and severity this
takes

- `value`: corrupted A against B (of properties and richness: of corrupted A alone), and `clean`, the same of
  A as it is: for distances that is the floor between two halves of one set;
- `shift` = value − clean with its 95 % interval: a jackknife over the 20 blocks of A, a block left out of
  corrupted and clean A together, since they are the same clips, and one over those of B (as
  `synvid_eval.intervals`). A metric notices a corruption where that interval excludes 0;
- whether |shift| grows with severity: how many of the four steps go up, and Spearman's rho of the five.

`house` is the score's own interval as `compare` would give it, where it gives one: it is wider, since it does
not know that the clips are the same. Measurements are cached, so a run that was stopped goes on. Writes
`behavior.json`, `behavior.csv`, `curves.png` and `README.md`; nothing of a single clip, no frame.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from synvid_eval import corrupted, knobs
from synvid_eval.archive import write_bytes
from synvid_eval.association import ranks
from synvid_eval.cache import Cache, default_root
from synvid_eval.comparison import DEFAULT_METRICS, Recipe, build_recipe
from synvid_eval.corruptions import registry
from synvid_eval.corruptions.base import SEVERITIES
from synvid_eval.intervals import MIN_GROUPS, interval, jackknife
from synvid_eval.measurement import Measurement, Measurer, Options
from synvid_eval.metrics import Metric, Unscored
from synvid_eval.randomness import address
from synvid_eval.score import dump_json
from synvid_eval.scoring import score_pair
from synvid_eval.sets import open_set
from synvid_eval.states import Side
from synvid_eval.video.groups import source_groups
from synvid_eval.video.videoset import VideoSet

OUT = Path(__file__).parents[1] / "reports" / "metric_behavior"
SCHEMA = "synvid-eval/metric-behavior/1"
LEVEL = 0.95
KINDS = ("noise", "blur", "digital", "camera", "time")
MILDER = ("jumble", "box_jumble")
ROUNDING = 1e-5
"""Of the clean value: shifts up to that are rounding (views are float32), as of a quarter turn."""


@dataclass(frozen=True)
class Row:
    """One metric of one corruption at one severity; None is what cannot be had, `reason` says why."""

    metric: str
    corruption: str
    kind: str
    severity: int
    value: float | None
    clean: float | None
    shift: float | None
    low: float | None
    high: float | None
    house_low: float | None
    house_high: float | None
    clips: int
    reason: str

    @property
    def noticed(self) -> bool:
        """Whether the interval of the shift excludes 0, and the shift is no mere rounding."""
        if self.shift is None or self.clean is None or self.low is None or self.high is None:
            return False
        return abs(self.shift) > ROUNDING * abs(self.clean) and (self.low > 0 or self.high < 0)


def halves(videos: VideoSet) -> tuple[VideoSet, VideoSet]:
    """Two sets of clips of other sources: groups in the order of a hash, each to the smaller side."""
    groups: dict[str, list[str]] = {}
    for name, group in source_groups(videos).items():
        groups.setdefault(group, []).append(name)
    sides: tuple[set[str], set[str]] = (set(), set())
    for group in sorted(groups, key=lambda g: (address("experiments.metric_behavior", _named(g)), g)):
        min(sides, key=len).update(groups[group])
    found = [tuple(c for c in videos.clips if c.id in side) for side in sides]
    a, b = (
        replace(videos, name=f"{videos.name}-{letter}", clips=clips)
        for letter, clips in zip("ab", found, strict=True)
    )
    return a, b


def _named(group: str) -> str:
    """What a group is drawn by: CLASS/gNN of UCF101 as its files have it, v_CLASS_gNN."""
    return re.sub(r"^(\w+)/(g\d+)$", r"v_\1_\2", group)


def corrupted_row(
    metric: Metric, name: str, severity: int, sides: tuple[Side, Side, Side], feature: object
) -> Row:
    """A row of a metric, given its sides: corrupted A, clean A, clean B."""
    changed, clean, other = sides
    kind = registry.get(name).kind
    empty = Row(metric.name, name, kind, severity, *[None] * 7, changed.clips(metric.state), "")  # type: ignore[arg-type]
    try:
        settled = metric.settle(list(sides), feature)
        value, before = settled.value(changed, other), settled.value(clean, other)
        low, high = _shift(settled, value - before, changed, clean, other)
    except Unscored as error:
        return replace(empty, reason=str(error))
    score = score_pair(settled, changed, other, ("a", "b"), "")
    house = score.interval or (None, None)
    shift = value - before
    clips = changed.clips(settled.state)
    return Row(metric.name, name, kind, severity, value, before, shift, low, high, *house, clips, "")


def _shift(
    metric: Metric, shift: float, changed: Side, clean: Side, other: Side
) -> tuple[float | None, float | None]:
    """The interval of a shift; none below 10 non-empty blocks a side."""
    turns = (0, 1) if metric.kind in ("distance", "unbiased") else (0,)
    parts = []
    for turn in turns:
        with_change = metric.left_out((changed, other), turn)
        without = metric.left_out((clean, other), turn)
        counts = [changed.block_clips(metric.state), clean.block_clips(metric.state)]
        clips = other.block_clips(metric.state) if turn else [min(pair) for pair in zip(*counts, strict=True)]
        if sum(count > 0 for count in clips) < MIN_GROUPS:
            return None, None
        parts.append(jackknife(shift, np.subtract(with_change, without), clips))
    return interval(shift, parts, LEVEL)


def measured(
    videos: VideoSet, names: Sequence[str], made: Recipe, options: Options, seed: int
) -> Iterator[tuple[str, int, list[Row]]]:
    """(corruption, severity, a row a metric) of every corruption, as they are measured."""
    plain, other = halves(videos)
    with Measurer(made.features, options) as measurer:
        clean, reference = measurer.measure(plain), measurer.measure(other)
        for name in names:
            for severity in SEVERITIES:
                damaged = corrupted.corrupted(plain, registry.get(name)(severity=severity), seed)
                changed = measurer.measure(damaged)
                rows = [
                    corrupted_row(metric, name, severity, _sides(metric, changed, clean, reference), feature)
                    for metric in made.metrics
                    for feature in made.features
                    if feature.name == metric.feature
                ]
                yield name, severity, rows


def _sides(metric: Metric, *sets: Measurement) -> tuple[Side, Side, Side]:
    a, b, c = (one.sides[metric.feature] for one in sets)
    return a, b, c


@dataclass(frozen=True)
class Curve:
    """A metric over the severities of a corruption.

    noticed: severities at which it notices. scored: those at which there is a number. rises: of the steps
    between these, those at which |shift| grows. rho: Spearman's, of |shift| and severity.
    """

    metric: str
    corruption: str
    noticed: int
    scored: int
    rises: int
    rho: float | None


def curve(rows: Sequence[Row]) -> Curve:
    """Of one metric and corruption, rows by severity."""
    sizes = [abs(row.shift) for row in rows if row.shift is not None]
    steps = np.diff(sizes)
    rho = None
    if len(sizes) > 2 and np.ptp(sizes) > 0:
        rho = float(np.corrcoef(ranks(np.array(sizes)), np.arange(len(sizes)))[0, 1])
    first, seen = rows[0], sum(row.noticed for row in rows)
    return Curve(first.metric, first.corruption, seen, len(sizes), int((steps > 0).sum()), rho)


def curves(rows: Sequence[Row]) -> dict[tuple[str, str], Curve]:
    """(metric, corruption) → curve."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.metric, row.corruption), []).append(row)
    return {key: curve(sorted(of, key=lambda r: r.severity)) for key, of in found.items()}


def told(one: Curve) -> str:
    """A cell of the table: severities at which it notices, and rho."""
    if not one.scored:
        return "-"
    rho = "" if one.rho is None else f", {one.rho:+.1f}"
    return f"{one.noticed}/{one.scored}{rho}"


def table(rows: Sequence[Row]) -> list[list[str]]:
    """Corruptions by kind, then a cell a metric; the head first."""
    found = curves(rows)
    names = sorted({r.corruption for r in rows}, key=lambda n: (KINDS.index(registry.get(n).kind), n))
    metrics = list(dict.fromkeys(r.metric for r in rows))
    head = ["corruption", "kind", *metrics]
    return [head, *([n, registry.get(n).kind, *(told(found[m, n]) for m in metrics)] for n in names)]


def sentences(rows: Sequence[Row]) -> list[str]:
    """What each metric notices, in words."""
    found = curves(rows)
    said = []
    for metric in dict.fromkeys(row.metric for row in rows):
        own = [c for (m, _), c in found.items() if m == metric and c.scored]
        always = [c.corruption for c in own if c.noticed == c.scored]
        never = [c.corruption for c in own if not c.noticed]
        up = [c for c in own if c.corruption not in MILDER and c.scored > 2]
        rising = [c.corruption for c in up if c.rises == c.scored - 1]
        said.append(
            f"- `{metric}` notices at every severity that it can be had at: {_listed(always)}; at none: "
            f"{_listed(never)}. Its shift grows at every step of {len(rising)} of {len(up)} corruptions that "
            "get stronger upwards."
        )
    return said


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"


def page(rows: Sequence[Row], command: str, sizes: tuple[int, int], reference: str) -> str:
    """The report, in Markdown."""
    cells = table(rows)
    lines = ["| " + " | ".join(row) + " |" for row in (cells[0], ["---"] * len(cells[0]), *cells[1:])]
    chance = sum(r.low is not None for r in rows) * (1 - LEVEL)
    return f"""# What the metrics notice

The corruptions of UCF101-P (`synvid-eval list corruptions`), done to {sizes[0]} clips of {reference} and
compared with {sizes[1]} others of other source groups, by the five metrics that need no weights. Made by:

    {command}

A cell says at how many severities the metric notices: how many intervals (95 %, paired) of its shift from the
clean clips exclude 0, of those at which it can be had; then Spearman's rho of the shift's size and severity.
By chance alone about {chance:.0f} of all {len(rows)} would; likely more, since intervals are over clips and
several clips share a source. `jumble` and `box_jumble` get milder upwards, so theirs should fall. A dash: too
few frames are left. Numbers, intervals and reasons: `behavior.csv` and `behavior.json`.

""" + "\n".join([*lines, "", *sentences(rows), "", "![curves](curves.png)", ""])


def figure(rows: Sequence[Row], out: Path) -> None:
    """Curves: a row of panels a metric, a column a kind of corruption; the clean value dashed."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    metrics = list(dict.fromkeys(row.metric for row in rows))
    kinds = [kind for kind in KINDS if any(row.kind == kind for row in rows)]
    with rc_context({"font.size": 7, "font.family": "DejaVu Sans"}):
        sheet = Figure(figsize=(2.5 * len(kinds), 1.9 * len(metrics)), layout="constrained")
        FigureCanvasAgg(sheet)
        axes = sheet.subplots(len(metrics), len(kinds), squeeze=False, sharex=True, sharey="row")
        for across, metric in zip(axes, metrics, strict=True):
            for panel, kind in zip(across, kinds, strict=True):
                _panel(panel, [r for r in rows if (r.metric, r.kind) == (metric, kind)])
            across[0].set_ylabel(metric)
        for panel, kind in zip(axes[0], kinds, strict=True):
            panel.set_title(kind)
        for panel in axes[-1]:
            panel.set_xlabel("severity")
        buffer = io.BytesIO()
        sheet.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
    write_bytes(out, buffer.getvalue())


def _panel(panel, rows: Sequence[Row]) -> None:  # type: ignore[no-untyped-def]
    panel.set_xticks(SEVERITIES)
    clean = [row.clean for row in rows if row.clean is not None]
    if clean:
        panel.axhline(float(np.median(clean)), color="#565c65", linewidth=0.8, linestyle="--")
    if rows and rows[0].metric in ("color", "tubelet"):
        panel.set_yscale("log")
    for name in dict.fromkeys(row.corruption for row in rows):
        own = [r for r in rows if r.corruption == name and r.value is not None]
        if own:
            values = [math.nan if r.value is None else r.value for r in own]
            panel.plot([r.severity for r in own], values, marker="o", markersize=2.5, linewidth=1, label=name)
    if panel.lines[1:]:
        panel.legend(fontsize=5, frameon=False)


def write(out: Path, rows: Sequence[Row], about: dict[str, object], text: str) -> None:
    """JSON, CSV, figure and page."""
    found = curves(rows)
    document = {"schema": SCHEMA, **about, "rows": [asdict(r) | {"noticed": r.noticed} for r in rows]}
    document["curves"] = [asdict(c) for c in found.values()]
    write_bytes(out / "behavior.json", dump_json(document).encode())
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    keys = [*asdict(rows[0]), "noticed"]
    writer.writerow(keys)
    writer.writerows([*asdict(r).values(), r.noticed] for r in rows)
    write_bytes(out / "behavior.csv", sheet.getvalue().encode())
    figure(rows, out / "curves.png")
    write_bytes(out / "README.md", text.encode())


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the arguments, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--reference", required=True, metavar="DIR")
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--corruptions", default=",".join(registry.names()), metavar="NAME,…")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=None, metavar="DIR")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(argv)
    names = given.corruptions.split(",")
    made = build_recipe(list(DEFAULT_METRICS))
    cache = Cache(given.cache or default_root())
    options = Options(sampler=made.sampler, workers=given.workers, cache=cache, seed=given.seed)
    videos = open_set(given.reference, clips=given.clips, seed=given.seed)
    rows: list[Row] = []
    for name, severity, found in measured(videos, names, made, options, given.seed):
        rows += found
        said = ", ".join(f"{r.metric} {'-' if r.shift is None else f'{r.shift:+.3g}'}" for r in found)
        print(f"{name} {severity}: {said}", flush=True)
    command = f"python -m experiments.metric_behavior --reference DIR --clips {given.clips}"
    if names != registry.names():
        command += f" --corruptions {given.corruptions}"
    command += f" --seed {given.seed}" if given.seed else ""
    a, b = (len(half) for half in halves(videos))
    given.out.mkdir(parents=True, exist_ok=True)
    about = {"command": command, "reference": videos.name, "clips": [a, b], "seed": given.seed}
    signatures = {m.name: knobs.recipe(m) for m in made.metrics}
    write(given.out, rows, about | {"metrics": signatures}, page(rows, command, (a, b), videos.name))


if __name__ == "__main__":
    main()
