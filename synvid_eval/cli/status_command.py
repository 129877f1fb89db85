"""`synvid-eval status DIR`: what of the jobs of `measure --shard` or `generate --shard` is done."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any

import click

from synvid_eval.cli import common, names

if TYPE_CHECKING:
    from synvid_eval.shards import State

_MOST = 10


@click.command(name="status")
@click.argument("folder", type=common.PATH, metavar="DIR", shell_complete=names.folder)
@common.outputs("json")
@common.talking
def command(folder: str, json: str | None, quiet: bool, verbose: bool) -> None:
    """Say what the jobs of measure --shard or generate --shard have done in DIR, what is missing, which jobs
    failed and why, and the lines that start them again.

    \b
    Example:
      synvid-eval status parts/
    """
    from pathlib import Path

    from synvid_eval import generation, receipts
    from synvid_eval.score import dump_json

    common.check_outputs(json=json)
    where = Path(folder)
    state = receipts.state(where) if (where / receipts.PLAN).is_file() else generation.state(where)
    facts = told(state, folder)
    if json:
        common.write_text(dump_json(facts), json)
    if json != "-":
        for line in lines(state, facts):
            click.echo(line)


def told(state: State, folder: str) -> dict[str, Any]:
    """The document of `--json`."""
    failed = {i: job for i, job in state.jobs.items() if job.get("state") == "failed" and i in state.missing}
    begun = {i: job for i, job in state.jobs.items() if i in state.missing and i not in failed}
    line = state.command or "the same command"
    again = [with_shard(line, i, state.of) if state.of > 1 or state.command else line for i in state.missing]
    into = ["--out", "F.measured"] if state.unit == "piece" else []
    merge = ["synvid-eval", "merge", common.as_argument(folder), *into]
    return {
        "name": state.name,
        "unit": state.unit,
        "done": state.units[0],
        "total": state.units[1],
        "clips": {"done": state.clips[0], "total": state.clips[1]},
        "jobs": state.of,
        "missing": list(state.missing),
        "failed": [
            {"job": i, "code": job.get("code"), "message": job.get("error"), "machine": job.get("machine")}
            for i, job in failed.items()
        ],
        "begun": [
            {"job": i, **{k: job.get(k) for k in ("state", "at", "machine")}} for i, job in begun.items()
        ],
        "array": ranges(state.missing),
        "again": again,
        "merge": None if state.joined else shlex.join(merge),
    }


def with_shard(line: str, number: int, of: int) -> str:
    """A command line with `--shard`, which stands in front of a `--`: behind it there are no options."""
    shard = f"--shard {number}/{of}"
    try:
        words = shlex.split(line)
    except ValueError:  # what stands in the folder was altered
        words = []
    if "--" not in words:
        return f"{line} {shard}"
    at = words.index("--")
    return f"{shlex.join(words[:at])} {shard} {shlex.join(words[at:])}"


def ranges(numbers: tuple[int, ...]) -> str:
    """Ascending numbers as a job array takes them: `3,7-9`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def lines(state: State, facts: dict[str, Any]) -> list[str]:
    """What is said in the terminal."""
    from synvid_eval.errors import one_line
    from synvid_eval.video.layouts import count_of

    done, total = state.units
    of_clips = f"{state.clips[0]:,} of {count_of(state.clips[1], 'clip')}"
    out = [
        f"{state.name}: {done:,} of {count_of(total, state.unit)} done ({of_clips}), in "
        f"{count_of(state.of, 'job')}"
    ]
    if not facts["missing"]:
        joined = " and joined" if state.of > 1 else ""
        return [*out, f"all are there: {facts['merge']}" if facts["merge"] else f"all are there{joined}"]
    out.append(f"not done: {len(state.missing):,} of {count_of(state.of, 'job')}: {facts['array']}")
    for job in facts["failed"][:_MOST]:
        out.append(
            f"failed: {job['job']}/{state.of} on {job['machine']} (exit code {job['code']}): {job['message']}"
        )
    if len(facts["failed"]) > _MOST:
        out.append(f"failed: and {len(facts['failed']) - _MOST:,} more")
    for job in facts["begun"][:_MOST]:
        ago = common.time_text(max(0.0, time.time() - float(job["at"] or 0)))
        hows = {"stopped": f"stopped {ago} ago", "done": f"done {ago} ago, and files of it are gone"}
        how = hows.get(str(job["state"]), f"running, or killed: the last sign {ago} ago")
        on = f" on {job['machine']}" if job["machine"] else ""
        out.append(f"{how}: {job['job']}/{state.of}{on}")
    out.append("again:")
    out += [f"  {line}" for line in facts["again"][:_MOST]]
    if len(facts["again"]) > _MOST:
        out.append(f"  … and {len(facts['again']) - _MOST:,} more; as a job array: --array={facts['array']}")
    return [one_line(line) if not line.startswith("  ") else line for line in out]
