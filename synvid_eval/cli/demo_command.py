"""`synvid-eval demo`: the main job on sets that are drawn here. No data, no network, about a minute.

Each set adds one thing to the one before. What is said beforehand is what is drawn and which number should
move; what did move is said from the scores.
"""

from __future__ import annotations

import itertools
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from synvid_eval.cli import common, names, table

if TYPE_CHECKING:
    from synvid_eval.score import Comparison, Score


@dataclass(frozen=True)
class Rung:
    """A preset of the progression: what it adds to the one before, which metrics that should move, and both
    in a sentence for a newcomer.
    """

    preset: str
    adds: str
    moves: tuple[str, ...]
    lesson: str


PROGRESSION = (
    Rung(
        "static_circles",
        "",
        ("motion",),
        "circles that stand still, the simplest start. Watch motion (how much changes from one frame to the "
        "next): it should be 0.",
    ),
    Rung(
        "moving_circles",
        "motion",
        ("motion", "tubelet"),
        "the same circles, each moving at its own speed. Watch motion, and tubelet (what small patches look "
        "like and do over two frames): both should move.",
    ),
    Rung(
        "moving_shapes",
        "straight edges and corners",
        ("motion",),
        "six kinds of shape in place of circles, some longer than they are wide. Watch motion: it should "
        "move.",
    ),
    Rung(
        "moving_transforming_shapes",
        "turning, stretching and shearing",
        ("effective_rank",),
        "the shapes also turn, grow or shrink and lean, so that edges take ever new angles. Watch "
        "effective_rank (in how many ways the edges in a set vary): it should move.",
    ),
    Rung(
        "acc_transforming_shapes",
        "acceleration",
        ("motion",),
        "shapes that also speed up or slow down, each at a rate of its own. Watch motion: it should move.",
    ),
)
RUNGS = tuple(rung.preset for rung in PROGRESSION)
REFERENCE = "photo_camera"
REFERENCE_NAME = "stand_in_for_real_video"
REFERENCE_LESSON = (
    "eight photographs under a moving, slightly shaking camera, in place of real video. The others are read "
    "against its color (palette), spectrum (how fast contrast falls toward fine detail) and the rest."
)
CLIPS = 64
# Below this share of the larger value a change is called small; a way of speaking, no test.
_SMALL = 0.1
_MOVED = ("moved (the two sets' intervals lie apart)", "moved by value alone")
_LITTLE = "moved little by value alone"
_OVERLAP = "cannot be told from chance (the two sets' intervals overlap)"
_UNKNOWN = "not measured"


class Lessons(common.Terminal):
    """Progress that says, as each set begins, what is drawn and what to look for."""

    def begin(self, name: str, clips: int) -> None:
        """A set of that many clips begins."""
        lessons = {**{r.preset: r.lesson for r in PROGRESSION}, REFERENCE_NAME: REFERENCE_LESSON}
        if name in lessons:
            self.say(f"{list(lessons).index(name) + 1}/{len(lessons)} {name}: {lessons[name]}")
        super().begin(name, clips)

    def say(self, text: str) -> None:
        """A line on stderr, without what the lessons say already: how each preset is drawn."""
        drawn = [f"{name}: preset: " for name in (*RUNGS, REFERENCE_NAME)]
        if not text.startswith((*drawn, f"{REFERENCE}: ")):
            super().say(text)


@click.command(name="demo")
@click.option(
    "--out",
    default="synvid-eval-demo",
    show_default=True,
    metavar="DIR",
    shell_complete=names.folder,
    help="The folder to write into.",
)
@common.workers()
@common.cache()
@click.option("--dry-run", is_flag=True, help="Say what would be drawn, measured and written; do none of it.")
@common.talking
def command(out: str, workers: str, cache: str | None, dry_run: bool, quiet: bool, verbose: bool) -> None:
    """Draw five synthetic sets, compare them with a stand-in for real video, and write the page.

    The stand-in is eight color photographs (those that scikit-image installs) under a moving, slightly
    shaking camera: good enough to see the tool work, not to choose a generator by.

    \b
    Example:
      synvid-eval demo
    """
    from synvid_eval.comparison import DEFAULT_METRICS, compare
    from synvid_eval.errors import UsageError
    from synvid_eval.report.page import page

    folder = Path(out)
    sets = [f"preset:{name}?n={CLIPS}" for name in RUNGS]
    sets.append(f"{REFERENCE_NAME}=preset:{REFERENCE}?n={CLIPS}")
    try:
        if not dry_run:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out} cannot be made: {error.strerror}.", "Give another folder.") from None
    began = time.monotonic()
    with Lessons(quiet, verbose) as progress:
        if not dry_run:
            progress.say(
                f"{len(RUNGS)} synthetic sets of {CLIPS} clips, each with one thing more than the last: "
                "which numbers does that bring nearer to real video?"
            )
        options = common.build_options(
            seed=0, workers=workers, cache=cache, max_skipped="5%", progress=progress, verbose=verbose
        )
        if dry_run:
            writes = [str(folder / n) for n in ("comparison.json", "comparison.csv", "report.html")]
            common.rehearsed(sets, options, writes, None, metrics=DEFAULT_METRICS)
            return
        comparison = compare(
            sets[:-1],
            sets[-1],
            metrics=DEFAULT_METRICS,
            with_media=True,
            command=common.command_line(sys.argv[1:]),
            options=options,
        )
    common.write_text(comparison.to_json(), str(folder / "comparison.json"))
    common.write_text(common.score_csv(comparison), str(folder / "comparison.csv"))
    common.write_text(page(comparison), str(folder / "report.html"))
    table.print_comparison(comparison, () if quiet else story(comparison))
    if not quiet:
        click.echo(
            f"\npage: {folder / 'report.html'} ({time.monotonic() - began:.0f} s in all)\n"
            "\nNext, change one thing and see what it moves; this runs as it stands:\n"
            f"  {next_command(folder, cache)}\n"
            "Then your own folders of videos, the real ones last:\n"
            "  synvid-eval compare your-synthetic-videos/ your-real-videos/ --html report.html"
        )


def next_command(folder: Path, cache: str | None) -> str:
    """A command that runs as it stands: the moving circles beside the same at twice their speed.

    folder: where its page goes. cache: the demo's `--cache`, so that only the new set is measured.
    """
    sets = [
        f"preset:moving_circles?n={CLIPS}",
        f"twice_as_fast=preset:moving_circles?n={CLIPS}&speed=2.4:6",
        f"{REFERENCE_NAME}=preset:{REFERENCE}?n={CLIPS}",
    ]
    kept = [] if cache is None else ["--cache", cache]
    return shlex.join(["synvid-eval", "compare", *sets, *kept, "--html", str(folder / "faster.html")])


def story(comparison: Comparison) -> list[str]:
    """What each rung changed against the one before, a line a kind of change, by the scores alone.

    A metric has moved where the two intervals lie apart, or, where there are none, by value alone where the
    values differ by more than a tenth of the larger.
    """
    by_name = {(s.candidate, s.metric): s for s in comparison.scores}
    out = ["What each step changed"]
    kinds: set[str] = set()
    start = by_name.get((RUNGS[0], "motion"))
    if start is not None and _point(start) is not None:
        stands = "as it should be" if _point(start) == 0 else "not 0, as it should be"
        out.append(f"  {RUNGS[0]}, the start: motion is {_number(start)}, {stands}")
    for before, rung in itertools.pairwise(PROGRESSION):
        found: dict[str, list[str]] = {}
        for metric in comparison.metrics():
            pair = by_name.get((before.preset, metric)), by_name.get((rung.preset, metric))
            kind, words = _change(metric, *pair)
            if metric in rung.moves:
                words += " (as expected)" if kind in _MOVED else " (expected to move)"
            found.setdefault(kind, []).append(words)
            kinds.add(kind)
        out.append(f"  {rung.preset}, which adds {rung.adds}, after {before.preset}:")
        order = (*_MOVED, _LITTLE, _OVERLAP, _UNKNOWN)
        out += [f"    {kind}: {'; '.join(found[kind])}" for kind in order if kind in found]
    if kinds & {_MOVED[1], _LITTLE}:
        out.append("  by value alone: without an interval, how much of it is chance is not known")
    if any(", nearer" in line or ", farther" in line for line in out):
        out.append("  nearer and farther are by value alone: how sure that is, the verdict says")
    out.append(
        f"  {REFERENCE_NAME} holds no real clips: it shows how the tool works and chooses no generator"
    )
    return out


def _change(metric: str, before: Score | None, after: Score | None) -> tuple[str, str]:
    """(kind of change, the change in words) of one metric between two sets."""
    from synvid_eval.rounding import finite, format_number, score_interval, shown_digit

    old, new = (None if s is None else _point(s) for s in (before, after))
    if before is None or after is None or old is None or new is None:
        return _UNKNOWN, metric
    first, second = score_interval(before), score_interval(after)
    if first is None or second is None:
        kind = _MOVED[1] if abs(new - old) > _SMALL * max(abs(old), abs(new)) else _LITTLE
    else:
        apart = first[1] < second[0] or second[1] < first[0]
        kind = _MOVED[0] if apart else _OVERLAP
    words = f"{metric} {_number(before)} → {_number(after)}"
    if kind not in _MOVED:
        return kind, words
    if after.better == "higher":
        return kind, f"{words}, {'richer' if new > old else 'poorer'}"
    distance = [_distance(s) for s in (before, after)]
    if distance[0] is None or distance[1] is None or distance[0] == distance[1]:
        return kind, words
    nearer = distance[1] < distance[0]
    words += ", nearer" if nearer else ", farther"
    own = finite(after.detail.get("reference"))
    if after.better == "match" and own is not None:
        words += f" {'to' if nearer else 'from'} the reference's {format_number(own, shown_digit(after))}"
    return kind, words


def _point(score: Score) -> float | None:
    """The score's number: the corrected one where there is one."""
    from synvid_eval.rounding import finite

    corrected = finite(score.corrected)
    return finite(score.value) if corrected is None else corrected


def _number(score: Score) -> str:
    from synvid_eval.rounding import format_corrected, format_value

    return format_corrected(score) or format_value(score)


def _distance(score: Score) -> float | None:
    """How far the set lies from the reference."""
    from synvid_eval.verdict import signed_difference

    if score.better != "match":
        return _point(score)
    difference = signed_difference(score)
    return None if difference is None else abs(difference)
