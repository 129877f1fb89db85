"""What the commands share: options that mean the same everywhere, progress on stderr, writing of results."""

from __future__ import annotations

import csv
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from synvid_eval.errors import UsageError, one_line

if TYPE_CHECKING:
    from synvid_eval.measurement import Options
    from synvid_eval.score import Comparison

F = TypeVar("F", bound=Callable[..., Any])

PLAIN_EVERY = 30.0


def _stack(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


talking = _stack(
    click.option(
        "-q", "--quiet", is_flag=True, help="No progress and no chatter; the result still goes to stdout."
    ),
    click.option("-v", "verbose", is_flag=True, help="Tracebacks and timings."),
)

measuring = _stack(
    click.option(
        "--metrics",
        metavar="LIST",
        help="Comma-separated names (see: list metrics). Default: the five that need no weights.",
    ),
    click.option(
        "--set",
        "settings",
        metavar="NAME.KNOB=VALUE",
        multiple=True,
        help="Any knob of a metric, feature or the sampler, such as spectrum.window=none. May be repeated.",
    ),
    click.option(
        "--frames", type=int, metavar="N", help="Frames looked at a clip, spread over it.  [default: 16]"
    ),
    click.option(
        "--clips", type=int, metavar="N", help="At most N clips a set, drawn by hash of their names."
    ),
    click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of every random draw."
    ),
    click.option(
        "--layout", default="auto", show_default=True, help="How clips lie on disk (see: list layouts)."
    ),
    click.option(
        "--fps", type=float, metavar="RATE", help="Frame rate of frame folders and arrays.  [default: 25]"
    ),
    click.option(
        "--max-skipped",
        default="5%",
        show_default=True,
        metavar="N|P%",
        help="How many unreadable videos a set may have before it is refused.",
    ),
    click.option("--workers", default="auto", show_default=True, metavar="auto|N", help="Worker processes."),
    click.option(
        "--cache", metavar="DIR|none", help="Where measurements are kept.  [default: the user's cache folder]"
    ),
    click.option(
        "--decode-timeout",
        type=click.FloatRange(min=0.1),
        default=60.0,
        show_default=True,
        metavar="S",
        help="Seconds without a new frame after which a file is given up as hung.",
    ),
)


def outputs(*kinds: str) -> Callable[[F], F]:
    """The options `--json F|-`, `--csv F`, `--html F` for the given kinds."""
    text = {
        "json": ("F|-", "Write the result as JSON; - is stdout."),
        "csv": ("F", "Write one row a score as CSV; - is stdout."),
        "html": ("F", "Write a page that explains the result; - is stdout."),
    }
    return _stack(*(click.option(f"--{k}", metavar=text[k][0], help=text[k][1]) for k in kinds))


def check_outputs(**targets: str | None) -> None:
    """Refuses, before any long work, what cannot be written: two outputs on stdout, a folder that does not
    exist.
    """
    stdout = [k for k, v in targets.items() if v == "-"]
    if len(stdout) > 1:
        raise UsageError(f"--{' and --'.join(stdout)} both want stdout.", "Give all but one a file.")
    seen: dict[str, str] = {}
    for kind, target in targets.items():
        if target is None or target == "-":
            continue
        path = Path(target)
        if path.is_dir():
            raise UsageError(f"--{kind} {target} is a folder.", "Give a file in it.")
        if not path.parent.is_dir():
            raise UsageError(f"--{kind} {target}: the folder {path.parent} does not exist.", "Make it first.")
        if not os.access(path.parent, os.W_OK):
            raise UsageError(
                f"--{kind} {target}: the folder {path.parent} cannot be written.", "Give another one."
            )
        real = os.path.realpath(target)
        if real in seen:
            raise UsageError(f"--{seen[real]} and --{kind} name one file, {target}.", "Give each its own.")
        seen[real] = kind


def write_text(text: str, target: str) -> None:
    """Writes to stdout for "-", else to a file (aside, then renamed)."""
    from synvid_eval.archive import write_bytes

    if target == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_bytes(Path(target), text.encode("utf-8", "backslashreplace"))


def build_options(
    *,
    seed: int,
    workers: str,
    cache: str | None,
    max_skipped: str,
    decode_timeout: float,
    progress: Any,
    verbose: bool,
) -> Options:
    """Measurement options from the command line's; UsageError for what cannot be."""
    from synvid_eval.cache import Cache, default_root
    from synvid_eval.measurement import Options, parse_share

    if workers != "auto" and not (workers.isascii() and workers.isdigit() and 0 < int(workers) <= 1024):
        raise UsageError(f"--workers {workers} is no number of processes.", "Give auto, or 1 and more.")
    parse_share(max_skipped)
    root = None if cache == "none" else Path(cache) if cache else default_root()
    return Options(
        seed=seed,
        workers=0 if workers == "auto" else int(workers),
        cache=Cache(root, progress.say),
        max_skipped=max_skipped,
        decode_timeout=decode_timeout,
        progress=progress,
        loud=verbose,
    )


def name_list(text: str | None) -> list[str] | None:
    """A comma-separated list as names; None where none is given."""
    return None if text is None else [n.strip() for n in text.split(",") if n.strip()]


class Terminal:
    """Progress on stderr: a live line on a terminal, else one plain line every 30 s; nothing with `quiet`."""

    def __init__(self, quiet: bool, verbose: bool = False) -> None:
        self._quiet, self.verbose = quiet, verbose
        self._live = None if quiet or not sys.stderr.isatty() else _live()
        self._task: Any = None
        self._name, self._total, self._done, self._cached = "", 0, 0, 0
        self._began = self._spoke = time.monotonic()

    def __enter__(self) -> Terminal:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def begin(self, name: str, clips: int) -> None:
        """A set of that many clips begins."""
        self._name, self._total, self._done, self._cached = one_line(name), clips, 0, 0
        self._began = self._spoke = time.monotonic()
        if self._live is not None:
            self._task = self._live.add_task(self._name, total=clips)

    def advance(self, clips: int, cached: bool) -> None:
        """That many clips are done."""
        self._done += clips
        self._cached += clips if cached else 0
        now = time.monotonic()
        if self._live is not None:
            self._live.update(self._task, completed=self._done)
        elif now - self._spoke >= PLAIN_EVERY and not self._quiet:
            self._spoke = now
            rate = (self._done - self._cached) / max(now - self._began, 1e-9)
            left = f", about {(self._total - self._done) / rate:.0f} s left" if rate else ""
            self.say(f"{self._name}: {self._done:,} of {self._total:,} clips, {rate:.1f} clips/s{left}")
        if self._done == self._total and self.verbose:
            self.say(
                f"{self._name}: {self._total:,} clips in {now - self._began:.2f} s "
                f"({self._cached:,} from the cache)"
            )

    def say(self, text: str) -> None:
        """A line on stderr."""
        if self._quiet:
            return
        if self._live is not None:
            self._live.console.print(one_line(text), markup=False, highlight=False)
        else:
            click.echo(one_line(text), err=True)


def _live() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    name = TextColumn("{task.description}", markup=False)
    return Progress(name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console)


def score_csv(comparison: Comparison) -> str:
    """One row a score, full floats; NaN is empty."""
    from synvid_eval.score import row

    out = io.StringIO()
    rows = [row(s) for s in comparison.scores]
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for one in rows:
            writer.writerow(
                {
                    k: "" if v != v or v is None else repr(v) if isinstance(v, float) else v
                    for k, v in one.items()
                }
            )
    return out.getvalue()


def print_comparison(comparison: Comparison) -> None:
    """The table of scores and the verdict, on stdout: colored on a terminal, plain text where piped."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from synvid_eval.rounding import (
        arrow,
        finite,
        format_corrected,
        format_interval,
        format_number,
        format_value,
        last_digit,
        score_interval,
    )
    from synvid_eval.verdict import headline

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    reference = one_line(comparison.reference.name)
    table = Table(box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for heading in (
        "metric",
        "set",
        "value",
        "corrected",
        "95 % interval",
        "reference / floor",
        "clips",
        "unit",
    ):
        right = heading in ("value", "corrected", "95 % interval", "reference / floor", "clips")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    last = ""
    for score in sorted(comparison.scores, key=lambda s: comparison.metrics().index(s.metric)):
        last_place = last_digit(score_interval(score))
        beside, floor = finite(score.detail.get("reference")), finite(score.detail.get("floor"))
        other = (
            format_number(beside, last_place)
            if beside is not None
            else f"floor {format_number(floor)}"
            if floor is not None
            else ""
        )
        if last and score.metric != last:
            table.add_section()
        cells = [
            f"{one_line(score.metric)} {arrow(score.better)}" if score.metric != last else "",
            one_line(score.candidate),
            format_value(score),
            format_corrected(score) if score.corrected is not None else "",
            format_interval(score) if score.interval is not None else "—",
            other,
            f"{score.n['candidate']:,} / {score.n['reference']:,}",
            one_line(score.unit),
        ]
        last = score.metric
        table.add_row(*(Text(c) for c in cells))
    console.print(
        Text(f"\nEach set against {reference}  (↓ lower is nearer, ≈ should match the reference, ↑ higher)")
    )
    console.print(table)
    for line in _reasons(comparison):
        console.print(Text(line), soft_wrap=True)
    console.print(Text(headline(comparison)), soft_wrap=True)


def _reasons(comparison: Comparison) -> list[str]:
    """What is missing and why: a line a metric (first reason, how many more), one a set that has skips."""
    no_value: dict[str, list[str]] = {}
    no_interval: dict[str, list[str]] = {}
    for score in comparison.scores:
        if score.reason:
            no_value.setdefault(score.metric, []).append(f"{score.candidate}: {score.reason}")
        elif score.interval is None and score.interval_reason:
            no_interval.setdefault(score.metric, []).append(score.interval_reason)
    lines = []
    for what, found in (("no value", no_value), ("no interval", no_interval)):
        for metric, reasons in found.items():
            distinct = list(dict.fromkeys(reasons))
            more = f" (and {len(distinct) - 1} more like it)" if len(distinct) > 1 else ""
            lines.append(one_line(f"{metric}: {what}: {distinct[0]}{more}"))
    for side in [*comparison.candidates, comparison.reference]:
        if side.skipped:
            first = "; ".join(f"{s['id']}: {s['reason']}" for s in side.skipped[:3])
            more = f"; and {len(side.skipped) - 3} more" if len(side.skipped) > 3 else ""
            lines.append(one_line(f"{side.name}: {len(side.skipped)} skipped: {first}{more}"))
    return lines


def command_line(words: Sequence[str]) -> str:
    """The command as one would type it again."""
    import shlex

    return shlex.join(["synvid-eval", *words])
