"""What the commands share: options that mean the same everywhere, progress on stderr, writing of results."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from synvid_eval.cli import names
from synvid_eval.errors import UsageError, nearest, one_line

if TYPE_CHECKING:
    from synvid_eval.comparison import Recipe
    from synvid_eval.execute import Engine
    from synvid_eval.features.network import Networks
    from synvid_eval.measurement import Measurement, Options
    from synvid_eval.rehearsal import Rehearsal
    from synvid_eval.score import Comparison, SetFacts
    from synvid_eval.video.videoset import VideoSet

F = TypeVar("F", bound=Callable[..., Any])

PLAIN_EVERY = 30.0
MOST_INPUTS = 65536


class Local(click.Path):
    """A path of this machine: what a URL stands for is refused before any work."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path as text, of `file://` what it names; UsageError for another URL."""
        from synvid_eval.video import remote

        if not remote.is_url(remote.plain(str(value))):
            value = remote.plain(value)
        else:
            named = "It" if param is None else param.metavar or param.name or "It"
            remote.local(value, param.opts[0] if isinstance(param, click.Option) else named)
        return super().convert(value, param, ctx)


# Any text, which a shell completes as a path; what it names is checked where it is opened. A PLACE may be a
# URL of a store, too.
PATH = Local(readable=False)
PLACE = click.Path(readable=False)


class OneOf(click.Choice):  # type: ignore[type-arg,unused-ignore]
    """One of a few names; an unknown one is answered with the nearest, and each name stands there once."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The name as it is; UsageError for another one."""
        if value in self.choices:
            return value
        command = ctx.info_name if ctx is not None else "This"
        raise UsageError(f"{command} knows no {value!r}.", nearest(str(value), map(str, self.choices)))


def stack(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Several options as one decorator, in the order in which help shows them."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


talking = stack(
    click.option(
        "-q", "--quiet", is_flag=True, help="No progress and no chatter; the result still goes to stdout."
    ),
    click.option("-v", "verbose", is_flag=True, help="Tracebacks and timings."),
)

seed = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of every random draw.",
)

clips = click.option(
    "--clips", type=int, metavar="N", help="At most N clips a set, drawn by hash of their ids."
)

layout = click.option(
    "--layout",
    default="auto",
    show_default=True,
    metavar="NAME",
    shell_complete=names.completed(names.layouts),
    help="How clips lie on disk, where that cannot be recognized (see: list layouts).",
)

fps = click.option(
    "--fps", type=float, metavar="RATE", help="Frame rate of frame folders and arrays.  [default: 25]"
)

max_skipped = click.option(
    "--max-skipped",
    default="5%",
    show_default=True,
    metavar="N|P%",
    help="How many unreadable videos a set may have before it is refused.",
)

decode_timeout = click.option(
    "--decode-timeout",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Seconds without a new frame after which a file is given up as hung.",
)

weights = click.option(
    "--weights",
    metavar="DIR|NAME=FILE",
    shell_complete=names.folder,
    help="Where network weights lie: a folder, or inception=FILE,i3d=FILE (see: weights list).",
)


def workers(what: str = "Worker processes.") -> Callable[[F], F]:
    """The option `--workers auto|N`; what: its help."""
    return click.option("--workers", default="auto", show_default=True, metavar="auto|N", help=what)


_engine = stack(
    click.option(
        "--engine",
        default="local",
        show_default=True,
        metavar="local|ray",
        help="Where worker processes run: on this machine, or on a Ray cluster (extra: ray).",
    ),
    click.option(
        "--ray-address",
        metavar="local|auto|ray://HOST:PORT",
        help="Which cluster: local starts a Ray of its own, auto is the one of this machine.  "
        "[default: local]",
    ),
)


def engine(function: F) -> F:
    """The options `--engine` and `--ray-address`; see `running`."""
    return _engine(function)


@contextlib.contextmanager
def running(given: dict[str, Any], progress: Any, verbose: bool) -> Iterator[Engine]:
    """The engine that a command's options name, taken out of them; ended with the block.

    Raises:
        UsageError: no such engine or address. MissingPackageError: Ray is not installed.
    """
    name, address = given.pop("engine"), given.pop("ray_address")
    made: Engine
    if name == "ray":
        from synvid_eval.ray_engine import RayEngine

        made = RayEngine("local" if address is None else address, progress.say, verbose)
    elif name == "local":
        from synvid_eval.execute import Local

        if address is not None:
            raise UsageError(f"--ray-address {address} means nothing here.", "Give --engine ray, too.")
        made = Local()
    else:
        raise UsageError(f"No engine is called {name!r}.", nearest(name, ["local", "ray"]))
    try:
        yield made
    finally:
        made.close()


def device(what: str = "Where networks run.") -> Callable[[F], F]:
    """The option `--device`; what: its help."""
    return click.option(
        "--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]|mps", help=what
    )


def cache(what: str = "Where measurements are kept.") -> Callable[[F], F]:
    """The option `--cache DIR|none`; what: its help, but for the default."""
    return click.option(
        "--cache",
        type=PATH,
        metavar="DIR|none",
        shell_complete=names.folder,
        help=f"{what}  [default: the user's cache folder]",
    )


def out(metavar: str) -> Callable[[F], F]:
    """The option `--out`, a folder that has to be named."""
    return click.option(
        "--out", type=PATH, required=True, metavar=metavar, shell_complete=names.folder, help="The folder."
    )


settings = click.option(
    "--set",
    "settings",
    metavar="NAME.KNOB=VALUE",
    multiple=True,
    shell_complete=names.complete_setting,
    help="Any knob of a metric, feature or the sampler, such as spectrum.window=none. May be repeated.",
)

metrics = click.option(
    "--metrics",
    metavar="LIST",
    shell_complete=names.completed_list(names.metrics),
    help="Comma-separated names (see: list metrics). Default: the five that need no weights, and "
    "those whose weights are there.",
)

looking = stack(
    metrics,
    settings,
    click.option(
        "--frames", type=int, metavar="N", help="Frames looked at a clip, spread over it.  [default: 16]"
    ),
    clips,
    seed,
    layout,
    fps,
    max_skipped,
    workers(),
    decode_timeout,
)

networked = stack(
    weights,
    click.option(
        "--features",
        metavar="random[:SEED]|run=RUN",
        shell_complete=names.networks,
        help="random: run random networks, for tests and dry runs; their numbers do not stand in for FID or "
        "FVD. run=RUN: add fd[run], kd[run], diversity[run] of the encoder of a run of train, or of another "
        "VideoMAE (see: explain run). Both: random,run=RUN.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["fp32", "bf16"]),
        default="fp32",
        show_default=True,
        help="What networks compute in; two precisions are never compared.",
    ),
    device(),
    click.option(
        "--batch-size",
        default="auto",
        show_default=True,
        metavar="auto|N",
        help="Frames or clips in one pass of a network; auto is halved where memory is short.",
    ),
)


def take_networks(given: dict[str, Any]) -> Networks:
    """The options of `networked`, taken out of a command's others; UsageError for what cannot be."""
    from synvid_eval.features.network import Networks

    if given["weights"] == "":
        raise UsageError("--weights is empty.", "Give DIR, or inception=FILE,i3d=FILE.")
    size = given.pop("batch_size")
    if size != "auto" and not (size.isascii() and size.isdigit() and 0 < int(size) <= MOST_INPUTS):
        raise UsageError(f"--batch-size {size} is not possible.", f"Give auto, or 1 to {MOST_INPUTS:,}.")
    return Networks(
        weights=given.pop("weights") or "",
        features=given.pop("features") or "",
        precision=given.pop("precision"),
        device=given.pop("device"),
        batch=0 if size == "auto" else int(size),
    )


measuring = stack(looking, networked, cache())


following = stack(
    click.option(
        "--protocol",
        default="default",
        show_default=True,
        metavar="NAME",
        shell_complete=names.completed(names.protocols),
        help="How much of each set is looked at: default, or paper (see: explain paper).",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Say what would be read, computed and written, with time and disk; do none of it.",
    ),
)


listing = stack(
    click.option(
        "--split",
        metavar="NAME",
        help="Which list of a folder names its clips, such as trainlist01 (UCF101), train1 (HMDB51), val.",
    ),
    click.option(
        "--root",
        metavar="DIR",
        shell_complete=names.folder,
        help="Where a list's videos lie, if not beside it.",
    ),
    click.option("--follow-outside", is_flag=True, help="Let a list name files outside its root."),
)


picturing = stack(
    click.option(
        "--images",
        type=PATH,
        metavar="DIR|skimage",
        shell_complete=names.folder,
        help="Pictures for presets that show some: any folder of JPEG, PNG, WebP, or scikit-image's own.",
    ),
    click.option(
        "--videos",
        metavar="SET",
        shell_complete=names.location,
        help="Where presets that have a real part take it from.",
    ),
)


_OPENING = ("clips", "layout", "fps", "split", "root", "follow_outside", "images", "videos")


def take_opening(given: dict[str, Any]) -> dict[str, Any]:
    """How a SET is opened, taken out of a command's options, as far as it has them: `clips`, `layout`, `fps`,
    those of `listing` and of `picturing`, as keywords of `sets.open_set`.
    """
    return {name: given.pop(name) for name in _OPENING if name in given}


def take_asked(given: dict[str, Any]) -> dict[str, Any]:
    """What is looked at and by what, taken out of the options of a command that has `looking`, `networked`,
    `listing`, `picturing` and `following`, as keywords of `comparison.prepare`. What is left says how it is
    run (see `build_options`). UsageError for what cannot be.
    """
    asked = take_opening(given)
    asked |= {name: given.pop(name) for name in ("settings", "frames", "protocol")}
    return asked | {"metrics": name_list(given.pop("metrics")), "networks": take_networks(given)}


def outputs(*kinds: str) -> Callable[[F], F]:
    """The options `--json F|-`, `--csv F`, `--html F` for the given kinds."""
    text = {
        "json": ("F|-", "Write the result as JSON; - is stdout."),
        "csv": ("F", "Write one row a score as CSV; - is stdout."),
        "html": ("F", "Write a page that explains the result; - is stdout."),
    }
    return stack(*(click.option(f"--{k}", type=PLACE, metavar=text[k][0], help=text[k][1]) for k in kinds))


def check_outputs(reads: Sequence[str] = (), **targets: str | None) -> None:
    """Refuses, before any long work, what cannot be written: two outputs on stdout, a folder that does not
    exist, what the command reads (`reads`: files, or sets as on the command line) or a file within it.
    """
    stdout = [k for k, v in targets.items() if v == "-"]
    if len(stdout) > 1:
        raise UsageError(f"--{' and --'.join(stdout)} both want stdout.", "Give all but one a file.")
    from synvid_eval.video import remote

    seen: dict[str, str] = {}
    for kind, target in targets.items():
        if target is None or target == "-":
            continue
        path = remote.place(target)
        if remote.is_url(os.fspath(remote.plain(target))):
            remote.check_target(target)
            _no_input(kind, target, str(path), seen, reads)
            continue
        if path.is_dir():
            raise UsageError(f"--{kind} {target} is a folder.", "Give a file in it.")
        if not path.parent.is_dir():
            raise UsageError(f"--{kind} {target}: the folder {path.parent} does not exist.", "Make it first.")
        if not os.access(path.parent, os.W_OK):
            raise UsageError(
                f"--{kind} {target}: the folder {path.parent} cannot be written.", "Give another one."
            )
        _no_input(kind, target, os.path.realpath(path), seen, reads)


def _no_input(kind: str, target: str, real: str, seen: dict[str, str], reads: Sequence[str]) -> None:
    """Refuses an output that is another one, or one of what the command reads; `real`: what it stands for."""
    from synvid_eval.video import remote

    if real in seen:
        raise UsageError(f"--{seen[real]} and --{kind} name one file, {target}.", "Give each its own.")
    seen[real] = kind
    for given in reads:
        _, sign, after = given.partition("=")
        place = remote.place(after if sign and not os.path.lexists(given) else given)
        if isinstance(place, remote.Url):
            source = str(place)
            inside = real.startswith(f"{source}/")
        else:
            source = os.path.realpath(place)
            inside = os.path.isdir(source) and os.path.lexists(real) and Path(real).is_relative_to(source)
        if real == source or inside:
            what = "lies in" if inside else "is"
            raise UsageError(
                f"--{kind} {target} {what} {given}, which is read.",
                "Give another file: it would be lost.",
            )


def write_text(text: str, target: str) -> None:
    """Writes to stdout for "-", else to a file (aside, then renamed)."""
    if target == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        from synvid_eval.archive import write_bytes
        from synvid_eval.video import remote

        write_bytes(remote.place(target), text.encode("utf-8", "backslashreplace"))


def size_text(size: float) -> str:
    """Bytes for people: 512 B, 3.4 MiB, 12 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} TiB"


def time_text(seconds: float) -> str:
    """Seconds for people: 4 s, 12 min, 3.5 h, 2.1 days."""
    for limit, unit, per in ((100, "s", 1), (6000, "min", 60), (48 * 3600, "h", 3600)):
        if seconds < limit:
            return f"{max(1, round(seconds / per))} {unit}" if per < 3600 else f"{seconds / per:.1f} {unit}"
    days = seconds / 86400
    return f"{days:.1f} days" if days < 1000 else f"{days:,.0f} days"


def measured_line(facts: SetFacts, out: str) -> str:
    """What is said of a set whose measurement was written."""
    from synvid_eval.video.layouts import count_of

    skipped = f", {len(facts.skipped)} skipped" if facts.skipped else ""
    looked = f"{count_of(facts.clips, 'clip')}, {count_of(facts.frames, 'frame')}"
    return f"{facts.name}: {looked}{skipped}: {out}"


def build_options(
    *,
    seed: int,
    workers: str,
    cache: str | None = None,
    max_skipped: str = "0%",
    decode_timeout: float = 60.0,
    progress: Any,
    verbose: bool,
    engine: Engine | None = None,
) -> Options:
    """Measurement options from the command line's; UsageError for what cannot be.

    The defaults are for commands without such an option: the user's cache folder, and no video skipped.
    """
    from synvid_eval.cache import Cache, default_root
    from synvid_eval.execute import Local
    from synvid_eval.generators.pool import keep_in
    from synvid_eval.measurement import Options, parse_share
    from synvid_eval.video import tar_store

    if workers != "auto" and not (workers.isascii() and workers.isdigit() and 0 < int(workers) <= 1024):
        raise UsageError(f"--workers {workers} is no number of processes.", "Give auto, or 1 and more.")
    parse_share(max_skipped)
    if decode_timeout != decode_timeout:
        raise UsageError("--decode-timeout nan is no number of seconds.", "Give seconds, such as 60.")
    root = None if cache == "none" else Path(cache) if cache else default_root()
    keep_in(root)
    tar_store.keep_in(root)
    return Options(
        seed=seed,
        workers=0 if workers == "auto" else int(workers),
        cache=Cache(root, progress.say),
        max_skipped=max_skipped,
        decode_timeout=decode_timeout,
        progress=progress,
        loud=verbose,
        engine=engine or Local(),
    )


def training_options(*, workers: str, **given: Any) -> tuple[Options, int | None]:
    """(options of a training, processes that make clips ready meanwhile) from the command line's.

    Args:
        workers: `auto`, for which the second is None, or a number; 0 is none but this one. given: see
        `build_options`; a training caches no measurements.

    UsageError for what cannot be.
    """
    options = build_options(workers="auto" if workers == "0" else workers, cache="none", **given)
    return options, None if workers == "auto" else int(workers)


def words_without(*without: str) -> list[str]:
    """The words behind the program's name, those options left out, which take a value."""
    words, kept = iter(sys.argv[1:]), list[str]()
    for word in words:
        if word == "--":  # behind it there are no options
            return [*kept, word, *words]
        if word in without:
            next(words, None)
        elif not word.startswith(tuple(f"{option}=" for option in without)):
            kept.append(word)
    return kept


@contextlib.contextmanager
def told_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether a scheduler has said that the job ends soon (SIGTERM, SIGUSR1): the first time what is in work
    is brought to its end, the second ends at once.
    """
    told: list[int] = []

    def hear(number: int, _: object) -> None:
        if told:
            raise KeyboardInterrupt
        told.append(number)

    names_ = [name for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]
    before = {getattr(signal, name): signal.signal(getattr(signal, name), hear) for name in names_}
    try:
        yield lambda: bool(told)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def name_list(text: str | None) -> list[str] | None:
    """A comma-separated list as names; None where none is given."""
    return None if text is None else [n.strip() for n in text.split(",") if n.strip()]


def rehearsed(
    places: Sequence[str],
    options: Options,
    writes: Sequence[str],
    json: str | None,
    part: tuple[int, int] | None = None,
    **asked: Any,
) -> None:
    """`--dry-run`: says what would be done (as JSON with `--json -`), of `part` i of n where that is given;
    `asked` goes to `prepare`.
    """
    from dataclasses import replace

    from synvid_eval.comparison import prepare
    from synvid_eval.rehearsal import rehearse
    from synvid_eval.score import dump_json

    asked |= {"decode_timeout": options.decode_timeout, "progress": options.progress}
    made, opened = prepare(list(places), seed=options.seed, **asked)
    chosen = replace(options, sampler=made.sampler)
    for one in opened:
        for note in getattr(one, "notes", ()):  # what the command itself would say
            options.progress.say(note)
    plan = replace(
        rehearse(opened, made.features, chosen, part or (0, 1)),
        writes=list(writes),
        metrics=[m.name for m in made.metrics],
        protocol=made.protocol.name,
    )
    if json == "-":
        write_text(dump_json(plan.to_dict()), json)
    else:
        for line in _plan_lines(plan):
            click.echo(one_line(line))


def rehearsed_look(
    made: Recipe,
    videos: VideoSet | Measurement,
    options: Options,
    writes: Sequence[str],
    json: str | None,
    cost: bool,
) -> None:
    """`inspect --dry-run`: says which files would be looked at and how long that takes."""
    from dataclasses import replace

    from synvid_eval.measurement import Measurement
    from synvid_eval.rehearsal import rehearse_look
    from synvid_eval.score import dump_json

    if isinstance(videos, Measurement):
        raise measured_already(videos.facts.location)
    for note in videos.notes:
        options.progress.say(note)
    features = made.features if cost else ()
    plan = replace(
        rehearse_look(videos, features, replace(options, sampler=made.sampler)),
        writes=list(writes),
        metrics=[m.name for m in made.metrics] if cost else [],
        protocol=made.protocol.name,
    )
    if json == "-":
        write_text(dump_json(plan.to_dict()), json)
        return
    (one,) = plan.sets
    size = "" if one.read_bytes is None else f" ({size_text(one.read_bytes)})"
    lines = [
        "Dry run: nothing is kept or written.",
        f"{one.name}: {one.layout}: {one.recognized}",
        f"  {one.clips:,} clips whose headers, packets and first frame would be read{size}",
    ]
    if one.skipped:
        lines.append(f"  {one.skipped:,} would be skipped, as listing shows")
    lines.append("  files of equal size would be read in full, to find duplicates")
    if plan.metrics:
        lines.append(f"tries:    a few clips, for what {', '.join(plan.metrics)} would cost")
    if plan.protocol != "default":
        lines.append(f"protocol: {plan.protocol} (see: explain {plan.protocol})")
    workers = f"{plan.workers} worker{'' if plan.workers == 1 else 's'}"
    about = "unknown: the clips that were tried cannot be read"
    if plan.seconds is not None:
        about = f"about {time_text(plan.seconds)} with {workers} (by a few clips tried)"
    lines += [f"time:     {about}", f"writes:   {', '.join(plan.writes) or 'no file'}"]
    for line in lines:
        click.echo(one_line(line))


def measured_already(place: str) -> UsageError:
    """The error of a `.measured` file where videos are wanted."""
    return UsageError(f"{place} is measured already and holds no video.", "Give the set it was made of.")


def _plan_lines(plan: Rehearsal) -> list[str]:
    lines = ["Dry run: nothing is kept or written."]
    for one in plan.sets:
        if one.layout == "measured":
            lines.append(f"{one.name}: {one.location}: {one.clips:,} clips, measured already")
            continue
        lines.append(f"{one.name}: {one.layout}: {one.recognized}")
        size = "" if one.read_bytes is None else f" ({size_text(one.read_bytes)})"
        todo = (
            f"{one.to_measure:,} clips to read and measure{size}" if one.to_measure else "nothing to measure"
        )
        lines.append(f"  {todo}; {one.cached_clips:,} clips ({one.cached_shards:,} shards) are in the cache")
        if one.unread and plan.cache is not None and one.cached_clips:
            lines.append(f"  {one.unread:,} of them are new or changed since the cache saw this set")
        if one.skipped:
            lines.append(f"  {one.skipped:,} would be skipped, as listing shows")
    lines.append(f"computes: {', '.join(plan.metrics)} (features {', '.join(plan.features)})")
    if plan.protocol != "default":
        lines.append(f"protocol: {plan.protocol} (see: explain {plan.protocol})")
    workers = f"{plan.workers} worker{'' if plan.workers == 1 else 's'}"
    if not any(s.to_measure for s in plan.sets):
        lines.append("time:     a second or two, since nothing is to be measured")
    elif plan.seconds is None:
        lines.append("time:     unknown: the clips that were tried could not be measured")
    else:
        memory = "" if plan.memory_bytes is None else f" and {size_text(plan.memory_bytes)} of memory"
        lines.append(
            f"time:     about {time_text(plan.seconds)}{memory} with {workers} (by a few clips tried)"
        )
    if plan.cache is None:
        lines.append("disk:     nothing is kept (--cache none)")
    elif plan.cache_bytes:
        lines.append(f"disk:     about {size_text(plan.cache_bytes)} more in {plan.cache}")
    lines.append(f"writes:   {', '.join(plan.writes) or 'no file: the table goes to stdout'}")
    return lines


class Terminal:
    """Progress on stderr: a live line on a terminal, else a plain line every 30 s (also where nothing comes
    in, so that a log shows what is waited for); nothing with `quiet`.
    """

    def __init__(self, quiet: bool, verbose: bool = False) -> None:
        self._quiet, self.verbose = quiet, verbose
        self._live = None if quiet or not sys.stderr.isatty() else _live()
        self._task: Any = None
        self._name, self._total, self._done, self._cached, self._reading = "", 0, 0, 0, ""
        self._began = time.monotonic()
        self._over = threading.Event()

    def __enter__(self) -> Terminal:
        if self._live is not None:
            self._live.start()
        elif not self._quiet:
            threading.Thread(target=self._speak, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._end()
        if self._live is not None:
            self._live.stop()

    def _speak(self) -> None:
        while not self._over.wait(PLAIN_EVERY):
            if self._done < self._total:
                reading = f", reading {self._reading}" if self._reading else ""
                done = f"{self._name}: {self._done:,} of {self._total:,} clips"
                self.say(f"{done}{self._pace()}{reading}")

    def _pace(self) -> str:
        """Rate and time left, from the clips that were measured (those of the cache take no time)."""
        rate = (self._done - self._cached) / max(time.monotonic() - self._began, 1e-9)
        if not rate:
            return ""
        per_second = f"{rate:.3g}" if rate < 100 else f"{rate:,.0f}"
        return f", {per_second} clips/s, about {time_text((self._total - self._done) / rate)} left"

    def _end(self) -> None:
        """The live line of a set that is done no longer tells rate and time left, but the time it took."""
        if self._live is not None and self._task is not None:
            took = f"done in {time_text(time.monotonic() - self._began)}"
            if self._done < self._total:
                took = "stopped"
            elif self._total and self._cached == self._total:
                took = "from the cache"
            self._live.update(self._task, pace=took, reading="")
        self._task = None

    def begin(self, name: str, clips: int) -> None:
        """A set of that many clips begins."""
        self._end()
        self._name, self._total, self._done, self._cached = one_line(name), clips, 0, 0
        self._reading, self._began = "", time.monotonic()
        if self._live is not None:
            self._task = self._live.add_task(self._name, total=clips, pace="", reading="")

    def advance(self, clips: int, cached: bool, reading: str = "") -> None:
        """That many clips are done; `reading` is the one that is waited for."""
        self._done += clips
        self._cached += clips if cached else 0
        self._reading = one_line(reading)
        now = time.monotonic()
        if self._live is not None and self._task is not None:
            facts = {"pace": self._pace().removeprefix(", "), "reading": self._reading}
            self._live.update(self._task, completed=self._done, **facts)
            if self._done >= self._total:
                self._end()
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
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Column

    console = Console(stderr=True)
    name, pace = (TextColumn(f"{{task.{f}}}", markup=False) for f in ("description", "fields[pace]"))
    reading = TextColumn(
        "{task.fields[reading]}",
        markup=False,
        table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
    )
    return Progress(name, BarColumn(20), MofNCompleteColumn(), pace, reading, console=console, expand=True)


def read_json(file: str, say: Callable[[str], None]) -> Comparison:
    """The comparison that a file holds; what of it is unknown is said. DataError where it cannot be read."""
    from synvid_eval.score import read_comparison

    comparison, warnings = read_comparison(read_file(file, "compare"), file)
    for warning in warnings:
        say(warning)
    return comparison


def read_file(file: str, command: str) -> str:
    """The text of a file that a command wrote; DataError where it cannot be read."""
    from synvid_eval.errors import DataError
    from synvid_eval.video import remote

    try:
        return remote.place(remote.checked(file)).read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise DataError(
            f"{file} cannot be read: {error.strerror}.", f"Give a file that {command} --json F wrote."
        ) from None


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


def as_argument(path: str) -> str:
    """A path as an argument that no parser takes for an option."""
    return f"./{path}" if path.startswith("-") else path


def command_line(words: Sequence[str]) -> str:
    """The command as one would type it again."""
    import shlex

    return shlex.join(["synvid-eval", *words])
