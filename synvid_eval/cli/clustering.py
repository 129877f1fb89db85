"""What the sub-commands of `cluster` share: their options, and the command line that they put on a cluster,
which is parsed, and checked as far as that needs none of its files.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from synvid_eval.cli import common
from synvid_eval.errors import UsageError

if TYPE_CHECKING:
    from synvid_eval.cluster.job import Job
    from synvid_eval.cluster.kubernetes import Pods

F = TypeVar("F", bound=Callable[..., Any])

PER_CPU = 2048
"""MiB that a part has for each of its processors where --memory says nothing."""

MOST_PARTS = 100_000

WRITING = ("out", "json", "csv", "html", "png", "statistics")
"""Options and arguments that name what a command writes."""

# Options after the first word that is none belong to the command that is wrapped.
WRAPPING = {"allow_interspersed_args": False}


def jobs(what: str, required: bool = True) -> Callable[[F], F]:
    """The option `--jobs N`; what: its help."""
    return click.option(
        "--jobs", "parts", type=click.IntRange(1, MOST_PARTS), required=required, metavar="N", help=what
    )


def time(what: str) -> Callable[[F], F]:
    """The option `--time T`; what: its help."""
    return click.option("--time", metavar="T", help=f"{what} 90m, 12h, 2d, 1-12:00:00.  [default: no limit]")


each = common.stack(
    click.option(
        "--cpus",
        type=click.IntRange(1, 1024),
        default=4,
        show_default=True,
        metavar="C",
        help="Processors of each, and its worker processes.",
    ),
    click.option(
        "--gpus", type=click.IntRange(0, 64), default=0, show_default=True, metavar="G", help="GPUs of each."
    ),
    click.option("--memory", metavar="M", help="Memory of each: 8G.  [default: 2G a processor]"),
)

at_once = click.option(
    "--at-once", type=click.IntRange(min=1), metavar="K", help="At most K run at a time.  [default: all]"
)

grace = click.option(
    "--grace",
    type=click.IntRange(30, 86400),
    default=120,
    show_default=True,
    metavar="S",
    help="Seconds that one which is stopped has to finish what it is at.",
)

ending = common.stack(
    click.option(
        "--name", metavar="NAME", help="The job's name.  [default: synvid-eval and the command's name]"
    ),
    click.option(
        "--out",
        "target",
        type=common.PATH,
        default="-",
        show_default=True,
        metavar="F",
        help="The file to write; - is stdout.",
    ),
    click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND..."),
)


def mounting(required: bool = True) -> Callable[[F], F]:
    """The options `--image`, `--input`, `--output`, `--secret`: what pods are made of."""
    return common.stack(
        click.option(
            "--image", required=required, metavar="IMAGE", help="The container, such as of deploy/Dockerfile."
        ),
        click.option(
            "--output",
            required=required,
            metavar="CLAIM:PATH",
            help="The volume claim that is written, and where it is mounted; relative paths begin there.",
        ),
        click.option(
            "--input",
            "inputs",
            multiple=True,
            metavar="CLAIM:PATH",
            help="A volume claim that is read only, and where it is mounted. May be repeated.",
        ),
        click.option(
            "--secret",
            "secrets",
            multiple=True,
            metavar="NAME",
            help="A Secret whose keys become environment variables, such as credentials. May be repeated.",
        ),
    )


@dataclass(frozen=True)
class Wrapped:
    """A command line of this package. command: the words that name it. rest: those after it. given: its
    options, parsed. said: names of those that stand there. parts: whether it runs in parts.
    """

    command: tuple[str, ...]
    rest: tuple[str, ...]
    given: dict[str, Any]
    said: frozenset[str]
    parts: bool = False

    @property
    def name(self) -> str:
        """The command's name, as one writes it."""
        return " ".join(self.command)

    @property
    def writes(self) -> list[str]:
        """The files and folders that it is to write."""
        found = (self.given.get(option) for option in WRITING)
        return [str(target) for target in found if target not in (None, "-")]

    @property
    def then(self) -> tuple[str, ...]:
        """The words of the command that joins its parts; none where it is no parts, or for banks of
        textures, which are one.
        """
        if not self.parts or self.command[0] == "textures":
            return ()
        (out,) = self.writes
        out = common.as_argument(out)
        more = ("--out", f"{out.rstrip('/')}.measured") if self.command == ("measure",) else ()
        return ("merge", out, *more)

    def job(self, **facts: Any) -> Job:
        """The job of it; facts: the options of `each` and `ending`, `parts`, `time` and `grace`, as given.

        UsageError for what cannot be.
        """
        from synvid_eval.cluster.job import Job, parse_memory, parse_time
        from synvid_eval.cluster.kubernetes import check_name

        name = facts["name"] or "-".join(["synvid-eval", *self.command])
        check_name("--name", name)
        memory = facts["memory"]
        return Job(
            command=self.command,
            words=self.rest,
            then=self.then,
            name=name,
            parts=facts["parts"],
            cpus=facts["cpus"],
            gpus=facts["gpus"],
            memory=facts["cpus"] * PER_CPU if memory is None else parse_memory(memory),
            seconds=None if facts["time"] is None else parse_time(facts["time"]),
            grace=facts["grace"],
        )


def in_parts(words: Sequence[str], cpus: int, gpus: int) -> Wrapped:
    """A command line that parts of a job run, with as many workers as they have processors unless it says
    otherwise. UsageError for one that is wrong, has no parts, or cannot run beside itself, and for GPUs that
    would be idle.
    """
    from synvid_eval.video import remote

    found = _wrapped(words, "shard", "parts (--shard)")
    if gpus > 1 and found.given.get("engine") != "ray":
        raise UsageError(f"--gpus {gpus}: a part uses one GPU.", "Give --gpus 1, and more --jobs.")
    if found.given["shard"] is not None:
        raise UsageError(
            f"--shard {found.given['shard']} is given to {found.name}.",
            "Leave it away: each job gets its own.",
        )
    for option in WRITING[1:]:
        if found.given.get(option) not in (None, "-"):
            raise UsageError(
                f"--{option} {found.given[option]} would be written by every part.",
                "Leave it away, and ask merge, or the command that reads what is merged.",
            )
    out = found.given["out"]
    if found.command == ("measure",) and out.endswith(".measured"):
        raise UsageError(
            f"--out {out} is a file, and parts write into a folder.",
            f"Give --out {out.removesuffix('.measured')}/; merge makes the file of it.",
        )
    remote.local(out, "--out of parts")
    own = () if "workers" in found.said else ("--workers", str(cpus))
    return replace(found, rest=(*own, *found.rest), parts=True)


def over_ray(words: Sequence[str]) -> Wrapped:
    """A command line that runs over Ray. UsageError for one that is wrong, or cannot."""
    found = _wrapped(words, "engine", "engine (--engine)")
    for option, own in (("engine", "ray"), ("ray_address", "auto")):
        if option in found.said:
            raise UsageError(
                f"--{option.replace('_', '-')} {found.given[option]} is given to {found.name}.",
                f"Leave it away: it is {own}.",
            )
    if not found.writes:
        raise UsageError(
            f"{found.name} would write no file.", "Give --json F: what it prints stays on the cluster."
        )
    return found


def _wrapped(words: Sequence[str], option: str, what: str) -> Wrapped:
    """The command line parsed, of a command that has such an option; `what` is its meaning, for the error."""
    from synvid_eval.cli import group

    left = list(words[1:] if words[:1] == ("synvid-eval",) else words)
    # click keeps a command's help option from the first context on: let it be the one that users have
    context = click.Context(group, info_name="synvid-eval", **group.context_settings)
    command: click.Command = group
    named: list[str] = []
    while isinstance(command, click.Group):
        if not left or left[0].startswith("-"):
            raise UsageError(
                f"No command is named{' after ' if named else ''}{' '.join(named)}.",
                "Such as: cluster slurm --jobs 8 -- measure set/ --out parts/.",
            )
        if named:
            context = click.Context(command, info_name=named[-1], parent=context)
        _, found, rest = command.resolve_command(context, left)
        assert found is not None  # an unknown one is a usage error
        command, named, left = found, [*named, left[0]], rest
    if option not in {param.name for param in command.params}:
        able = ", ".join(_having(option))
        raise UsageError(f"{' '.join(named)} has no {what}.", f"Commands that have: {able or 'none'}.")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # --help prints
            parsed = command.make_context(named[-1], list(left), parent=context)
    except click.exceptions.Exit:  # --help
        raise UsageError(
            f"{' '.join([*named, *left])} does nothing that a job is for.", "Leave --help away."
        ) from None
    given = parsed.params
    if given.get("dry_run"):
        raise UsageError(f"{' '.join(named)} --dry-run makes nothing.", "Run it here, and the job without.")
    _check(given)
    said = frozenset(n for n in given if parsed.get_parameter_source(n) is ParameterSource.COMMANDLINE)
    return Wrapped(tuple(named), tuple(left), given, said)


def _check(given: dict[str, Any]) -> None:
    """UsageError for metrics, knobs, protocols, presets and stores that there are not, where options or sets
    name some.
    """
    from synvid_eval.video import remote

    if "metrics" in given:
        from synvid_eval.comparison import parse_recipe

        asked = common.name_list(given["metrics"])
        parse_recipe(asked, given["settings"], given["frames"], given.get("protocol", "default"))
    if "preset" in given and ".toml" not in given["preset"]:  # a file of presets lies where the job runs
        from synvid_eval.generators import presets

        presets.find(given["preset"])
    from synvid_eval import sets

    named = given.get("sets") or [place for key in ("set_", "reference") if (place := given.get(key))]
    for place in named:
        location = sets.split_name(place)[1]
        remote.checked(location)
        if ".toml" not in location:
            sets.check_usage(location)


def _having(option: str) -> list[str]:
    """Commands that have an option, in the order of the help."""
    from synvid_eval.cli import COMMANDS

    found = []
    context = click.Context(click.Command("synvid-eval"))
    for name in COMMANDS:
        command: click.Command = importlib.import_module(f"synvid_eval.cli.{name}_command").command
        inner = {name: command}
        if isinstance(command, click.Group):
            several = ((w, command.get_command(context, w)) for w in command.list_commands(context))
            inner = {f"{name} {word}": one for word, one in several if one is not None}
        found += [said for said, one in inner.items() if option in {param.name for param in one.params}]
    return found


def take_pods(given: dict[str, Any], writes: Sequence[str]) -> Pods:
    """The options of `mounting`, taken out of a command's others. writes: what the job writes.

    UsageError for what cannot be.
    """
    from synvid_eval.cluster.kubernetes import pods

    found = pods(given.pop("image"), given.pop("inputs"), given.pop("output"), given.pop("secrets"))
    for out in writes:
        found.check(out)
    return found
