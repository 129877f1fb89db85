"""`synvid-eval inspect SET`: what is in a set, before anything is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from synvid_eval.cli import common, names
from synvid_eval.errors import one_line

if TYPE_CHECKING:
    from synvid_eval.inspection import Inspection

SHOWN = 10
WIDEST = 40


@click.command(name="inspect")
@click.argument("set_", type=common.PLACE, metavar="SET", shell_complete=names.location)
@common.looking
@common.networked
@common.listing
@common.picturing
@common.following
@click.option(
    "--no-cost", is_flag=True, help="Leave out the estimate of time and memory (it tries a few clips)."
)
@common.outputs("json")
@common.talking
def command(
    set_: str,
    dry_run: bool,
    no_cost: bool,
    json: str | None,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Say what a SET holds: layout, labels, sizes, rates, lengths, codecs, duplicates, what cannot be read,
    and what measuring it would cost here.

    Headers are read, packets counted and first frames decoded; a file that is damaged further on is noticed
    only when it is measured. Nothing is kept. With --clips or --protocol paper, only the clips that these
    draw are looked at.

    \b
    Examples:
      synvid-eval inspect ucf101/
      synvid-eval inspect synth/ --json -
      synvid-eval inspect ucf101/ --protocol paper
    """
    from dataclasses import replace

    from synvid_eval.comparison import prepare
    from synvid_eval.inspection import inspect
    from synvid_eval.measurement import Measurement, parse_share
    from synvid_eval.score import dump_json

    common.check_outputs([set_], json=json)
    asked = common.take_asked(given)
    with common.Terminal(quiet, verbose) as progress:
        options = common.build_options(cache="none", progress=progress, verbose=verbose, **given)
        asked |= {"decode_timeout": options.decode_timeout, "progress": progress}
        made, (opened,) = prepare([set_], seed=options.seed, **asked)
        options = replace(options, sampler=made.sampler)
        if dry_run:
            writes = [json] if json and json != "-" else []
            common.rehearsed_look(made, opened, options, writes, json, not no_cost)
            return
        if isinstance(opened, Measurement):
            raise common.measured_already(set_)
        allowed = parse_share(options.max_skipped)(opened.found)
        seen = inspect(opened, made.features, options, cost=not no_cost)
    if json:
        common.write_text(dump_json(seen.to_dict()), json)
    if json != "-":
        for line in _lines(seen, made.protocol.name, not no_cost):
            click.echo(one_line(line))
        if len(seen.skipped) > allowed:
            click.echo(
                f"refused     compare and measure refuse it: {len(seen.skipped):,} of {seen.found:,} skipped "
                f"is more than --max-skipped {options.max_skipped}"
            )


def _lines(seen: Inspection, protocol: str, asked: bool) -> list[str]:
    from synvid_eval.video.lists import NOTED

    opened = f"{seen.clips:,} of {seen.found:,} found can be opened"
    if seen.clips == seen.found:
        opened = f"{seen.found:,} found, {'all can be' if seen.found > 1 else 'can be'} opened"
    labels = f", {_many(len(seen.labels), 'label')}" if seen.labels else ""
    size = "" if seen.bytes is None else f", {common.size_text(seen.bytes)}"
    lines = [
        f"{seen.name}  ({seen.location})",
        f"layout      {seen.layout}: {seen.recognized}",
        f"clips       {opened}{labels}{size}",
    ]
    if protocol != "default":
        lines.append(f"protocol    {protocol} (see: explain {protocol})")
    if seen.labels:
        lines.append(f"labels      {_shares(dict(_short(seen.labels)))}")
    if seen.sizes:
        sizes = {f"{s['width']}×{s['height']}": s["clips"] for s in seen.sizes}
        lines.append(f"sizes       {_shares(sizes)} pixels")
        rates = {"unknown" if r["fps"] is None else f"{r['fps']:g}": r["clips"] for r in seen.rates}
        lines.append(f"rates       {_shares(rates)} frames/s")
    if long := seen.lengths:
        spread = f"{long.shortest:,} to {long.longest:,} frames, median {long.median:g}"
        if long.shortest == long.longest:
            spread = _many(long.longest, "frame")
        lines.append(f"lengths     {spread}, {long.total:,} together")
        strides = ", ".join(f"stride {s}: {share:.0%}" for s, share in seen.strides.items())
        lines.append(f"runs        clips long enough for one: {strides}")
    for what, counts in (
        ("codecs", seen.codecs),
        ("containers", seen.containers),
        ("pixels", seen.pixel_formats),
    ):
        if counts:
            lines.append(f"{what:<11} {_shares(counts)}")
    lines.append(f"duplicates  {_duplicates(seen.duplicates)}")
    lines.append(f"skipped     {_many(len(seen.skipped), 'clip') if seen.skipped else 'none'}")
    # what a list names in vain is named by its note
    noted = Counter(s["reason"] for s in seen.skipped if s["reason"] in NOTED)
    others = [s for s in seen.skipped if s["reason"] not in NOTED]
    lines += [f"            {count:,}: {reason}" for reason, count in noted.items()]
    lines += [f"            {s['id']}: {s['reason']}" for s in others[:SHOWN]]
    if len(others) > SHOWN:
        lines.append(f"            and {len(others) - SHOWN:,} more (all of them: --json -)")
    lines += [f"note        {n}" for n in seen.notes]
    if cost := seen.cost:
        memory = "" if cost.memory_bytes is None else f", {common.size_text(cost.memory_bytes)} of memory"
        kept = "" if cost.cache_bytes is None else f", {common.size_text(cost.cache_bytes)} of cache"
        workers = _many(cost.workers, "worker")
        lines.append(f"cost here   about {common.time_text(cost.seconds)} with {workers}{memory}{kept}")
        lines.append(
            f"            an estimate from {_many(cost.tried, 'clip')} tried, "
            f"{cost.seconds_per_clip:.3f} s each on one worker"
        )
    elif asked:
        lines.append(f"cost here   unknown: {seen.cost_reason}")
    return lines


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _shares(counts: Mapping[str, int], shown: int = 6) -> str:
    """The most frequent values with their counts, the rest as a number."""
    most = sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))
    if len(most) == 1:
        return most[0][0]
    text = ", ".join(f"{name} ({count:,})" for name, count in most[:shown])
    return f"{text} and {len(most) - shown:,} more" if len(most) > shown else text


def _short(labels: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Labels with their counts, long ones cut so that no two become one."""
    taken: set[str] = set()
    for label, count in labels.items():
        short = label if len(label) <= WIDEST else f"{label[: WIDEST - 1]}…"
        number = 1
        while short in taken:
            number += 1
            short = f"{label[: WIDEST - 1]}…#{number}"
        taken.add(short)
        yield short, count


def _duplicates(groups: list[list[str]]) -> str:
    if not groups:
        return "none"
    count = sum(map(len, groups))
    first = "; ".join(" = ".join(g[:4]) + (" …" if len(g) > 4 else "") for g in groups[:3])
    more = f"; and {_many(len(groups) - 3, 'more group')}" if len(groups) > 3 else ""
    return f"{_many(count, 'clip')} in {_many(len(groups), 'group')} of the same bytes: {first}{more}"
