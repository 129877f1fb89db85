"""`synvid-eval guide search PRESET REFERENCE`: better values of a preset's knobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from synvid_eval.cli import common, making, names
from synvid_eval.errors import UsageError, one_line


@click.command(name="search")
@click.argument("preset", metavar="PRESET", shell_complete=names.location)
@click.argument("reference", type=common.PATH, metavar="REFERENCE", shell_complete=names.location)
@click.option(
    "--minimize",
    required=True,
    metavar="LIST",
    shell_complete=names.completed_list(names.metrics),
    help="Metrics whose gap to the reference is made small; several give a Pareto front and its knee.",
)
@click.option("--budget", type=int, default=100, show_default=True, metavar="N", help="Trials in all.")
@click.option(
    "--over",
    metavar="LIST",
    help="Knobs (speed, palette) or groups (color, motion, form, texture, background, camera).  [default: "
    "all that say where to search]",
)
@click.option("--clips", type=int, default=24, show_default=True, metavar="N", help="Clips of a trial.")
@click.option(
    "--keep",
    multiple=True,
    metavar="BOUND",
    help='What must hold, such as "effective_rank>=start" or "motion<=1.1*start". May be repeated.',
)
@click.option(
    "--sampler",
    default="gp",
    show_default=True,
    metavar="gp|tpe|nsga2|random",
    help="How trials are proposed: by Gaussian processes, Parzen estimators, evolution, or at random.",
)
@click.option(
    "--palette",
    type=common.PATH,
    metavar="SET",
    shell_complete=names.location,
    help="Give objects the colors of this set, instead of searching for colors.",
)
@click.option(
    "--storage",
    type=common.PATH,
    metavar="FILE",
    help="Where trials are kept; several processes may share it.  [default: OUT with .journal]",
)
@click.option(
    "--out", type=common.PATH, required=True, metavar="FILE.toml", help="The preset file that is written."
)
@making.seed
@click.option(
    "--set",
    "settings",
    metavar="NAME.KNOB=VALUE",
    multiple=True,
    shell_complete=names.complete_setting,
    help="Any knob of a metric or feature, such as spectrum.window=none. May be repeated.",
)
@click.option(
    "--layout",
    default="auto",
    metavar="NAME",
    shell_complete=names.completed(names.layouts),
    help="What the reference's folder looks like.  [default: recognized]",
)
@common.listing
@common.picturing
@common.networked
@making.workers
@common.decode_timeout
@click.option(
    "--cache",
    metavar="DIR|none",
    shell_complete=names.folder,
    help="Where measurements are kept.  [default: the user's cache folder]",
)
@common.outputs("json", "html")
@common.talking
def command(
    preset: str,
    reference: str,
    minimize: str,
    budget: int,
    over: str | None,
    clips: int,
    keep: tuple[str, ...],
    sampler: str,
    palette: str | None,
    storage: str | None,
    out: str,
    seed: int,
    settings: tuple[str, ...],
    layout: str,
    split: str | None,
    root: str | None,
    follow_outside: bool,
    images: str | None,
    videos: str | None,
    workers: str,
    decode_timeout: float,
    cache: str | None,
    json: str | None,
    html: str | None,
    quiet: bool,
    verbose: bool,
    **running: Any,
) -> None:
    """Search better values of a PRESET's knobs, towards a REFERENCE (extra: guide).

    The search sees one half of the reference; the gain is measured again on fresh clips against the other.
    What is found is a preset file of its own. The same command goes on with what a killed one left.

    \b
    Examples:
      synvid-eval guide search moving_circles ucf101/ --minimize color --budget 15 --out best.toml
      synvid-eval guide search acc_transforming_shapes ucf101/ --minimize color,motion,tubelet --out best.toml
      synvid-eval compare "preset:best.toml?n=200" ucf101/
    """
    import shlex
    import sys
    import time
    from pathlib import Path

    from synvid_eval.archive import write_bytes
    from synvid_eval.guidance import bench, found, gain, search
    from synvid_eval.guidance.space import space
    from synvid_eval.score import dump_json

    began = time.monotonic()
    if not out.endswith(".toml"):
        raise UsageError(f"--out {out} is no preset file.", "Its name ends in .toml.")
    journal = storage or f"{out.removesuffix('.toml')}.journal"
    common.check_outputs([preset, reference], out=out, storage=journal, json=json, html=html)
    metrics = _list(minimize)
    kept = tuple(search.keep(text) for text in keep)
    place, chosen, fixed = bench.chosen(preset, images, videos)
    networks = common.take_networks(running)
    with common.Terminal(quiet, verbose) as progress:
        options = common.build_options(
            seed=seed,
            workers=workers,
            cache=cache,
            max_skipped="5%",
            decode_timeout=decode_timeout,
            progress=progress,
            verbose=verbose,
        )
        asked = search.Asked(metrics, budget, sampler, kept, seed)
        if palette is not None:
            # what cannot take one is told before anything is read
            chosen.configured(**fixed, palette="colors")
        listing: dict[str, Any] = {
            "layout": layout,
            "split": split,
            "root": root,
            "follow_outside": follow_outside,
        }
        whole = bench.opened(reference, options, **listing)
        parts = gain.halves(whole)
        if palette is not None:
            # of the reference itself the half that may be seen
            of = parts[0] if palette == reference else bench.opened(palette, options)
            fixed["palette"] = bench.palette_of(of, options)
        where = space(chosen, fixed, _list(over) if over else ())
        wanted = list(dict.fromkeys([*metrics, *(k.metric for k in kept)]))
        with bench.Bench(
            place,
            chosen,
            fixed,
            parts[0],
            wanted,
            clips,
            options,
            settings=settings,
            networks=networks,
        ) as one:
            looking = search.Search(one, where, asked, Path(journal))
            trials = looking.run()
            best = found.best(looking, trials)
            gained = gain.measured_again(
                one,
                best.knobs,
                parts[1],
                metrics,
                options,
                settings=settings,
                networks=networks,
                with_media=html is not None or json is not None,
            )
        name = Path(out).name
        source = f"guide search: trial {best.turn} of {budget}, search {found.digest(looking.signature)}"
        said = found.note(looking, best, whole.name)
        text = found.preset_text(chosen, fixed | best.knobs, said, source)
        told = found.document(
            looking,
            trials,
            parts,
            reference,
            gained,
            file=name,
            command=shlex.join(["synvid-eval", *sys.argv[1:]]),
            seconds=round(time.monotonic() - began, 1),
        )
        write_bytes(Path(out), text.encode())
    if json:
        common.write_text(dump_json(told), json)
    if html:
        from synvid_eval.report.search import page

        common.write_text(page(told), html)
    if "-" not in (json, html):
        click.echo("\n".join(map(one_line, _told(told, out, reference))))


def _list(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not found:
        raise UsageError(f"{text!r} names nothing.", "It is a list such as color,motion.")
    return found


def _told(told: Mapping[str, Any], out: str, reference: str) -> list[str]:
    """What was found, for people."""
    gain, found = told["gain"], told["found"]
    done = [t for t in told["trials"] if t["state"] == "done"]
    failed = len(told["trials"]) - len(done)
    lines = [
        f"{len(done)} trials" + (f", {failed} failed" if failed else "") + f"; trial {told['knee']} is kept"
        + (f", the knee of a front of {len(told['front'])}" if len(told["minimize"]) > 1 else ""),
        f"on {gain['clips']} fresh clips, against the {told['reference']['unseen']['clips']} clips of the "
        "reference that the search did not see:",
    ]  # fmt: skip
    rows = [["", "start", "found", "ratio", "95 %"]]
    for row in gain["metrics"]:
        if row["reason"]:
            rows.append([row["metric"], "-", "-", "-", row["reason"]])
            continue
        if not row["minimized"]:
            continue
        rows.append([row["metric"], *_numbers(row)])
    rows += [
        [f"({row['metric']})", *_numbers(row)]
        for row in gain["metrics"]
        if not row["minimized"] and not row["reason"]
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines += ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.append("objectives: a distance, or how far a property is from the reference's; (…): not searched")
    changed = ", ".join(f"{k}={v}" for k, v in found["changed"].items())
    lines.append(f"changed: {changed}" if changed else "nothing changed: no trial was better than the preset")
    lines.append(f'{out}: try synvid-eval compare "preset:{out}?n=100" {reference}')
    return lines


def _numbers(row: Mapping[str, Any]) -> Sequence[str]:
    start, found, ratio = row["start"]["objective"], row["found"]["objective"], row["ratio"]
    if ratio is None:  # a richness: its own value, and what it gained
        first, last, by = row["start"]["value"], row["found"]["value"], row["difference"]
        bounds = _bounds(by["interval"], -1.0) if by["interval"] else by["reason"]
        return [f"{first:.4g}", f"{last:.4g}", f"{last - first:+.3g}", bounds]
    bounds = _bounds(ratio["interval"]) if ratio["interval"] else ratio["reason"]
    return [f"{start:.4g}", f"{found:.4g}", f"{ratio['value']:.3g}", bounds]


def _bounds(pair: Sequence[float], sign: float = 1.0) -> str:
    low, high = sorted(sign * end for end in pair)
    return f"[{low:.3g}, {high:.3g}]"
