"""`synvid-eval guide search PRESET REFERENCE`: better values of a preset's knobs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import click

from synvid_eval.cli import common, guiding, names
from synvid_eval.errors import UsageError, one_line

_ENDS = {"low": "least", "high": "most"}
_FEW = 20  # textures, for a search that makes them anew


@click.command(name="search")
@click.argument("preset", metavar="PRESET", shell_complete=names.location)
@click.argument("reference", type=common.PLACE, metavar="REFERENCE", shell_complete=names.location)
@click.option(
    "--minimize",
    required=True,
    metavar="LIST",
    shell_complete=names.completed_list(names.metrics),
    help="Metrics whose gap to the reference is made small; several give a Pareto front, and that trial is "
    "kept whose worst gap is the smallest share of what it was.",
)
@click.option("--budget", type=int, default=100, show_default=True, metavar="N", help="Trials in all.")
@click.option(
    "--over",
    metavar="LIST",
    help="Knobs (speed, palette) or groups (color, motion, form, texture, background, camera).  [default: "
    "all that say where to search; where only color is minimized, color and background]",
)
@click.option("--clips", type=int, default=64, show_default=True, metavar="N", help="Clips of a trial.")
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
    type=common.PLACE,
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
@click.option(
    "--pick",
    type=click.IntRange(min=0),
    metavar="TRIAL",
    help="Keep this trial (another one of the front, say) in place of the one that came out best.",
)
@common.settings
@common.seed
@common.layout
@common.fps
@common.listing
@common.picturing
@common.max_skipped
@common.networked
@common.workers()
@common.engine
@common.decode_timeout
@common.cache()
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be searched and how long it would take (a trial is tried); write nothing.",
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
    pick: int | None,
    settings: tuple[str, ...],
    seed: int,
    images: str | None,
    videos: str | None,
    dry_run: bool,
    json: str | None,
    html: str | None,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Search better values of a PRESET's knobs, towards a REFERENCE (extra: guide).

    The search sees one half of the reference; the gain is measured again on fresh clips against the other.
    What is found is a preset file of its own. The same command goes on with what a killed one left.

    \b
    Examples:
      synvid-eval guide search moving_circles ucf101/ --minimize color --budget 15 --out best.toml
      synvid-eval guide search moving_shapes ucf101/ --minimize color,motion,tubelet --out best.toml
      synvid-eval compare "preset:best.toml?n=200" ucf101/
    """
    import sys
    import time
    from pathlib import Path

    import optuna  # noqa: F401  (where it is missing, that is told before anything is read)

    from synvid_eval.archive import write_bytes
    from synvid_eval.comparison import DEFAULT_METRICS, decide, parse_recipe, settings_of
    from synvid_eval.guidance import bench, found, gain, search
    from synvid_eval.guidance.sensitivity import Together
    from synvid_eval.guidance.space import groups_of, space
    from synvid_eval.metrics import registry
    from synvid_eval.score import dump_json

    began = time.monotonic()
    if not out.endswith(".toml"):
        raise UsageError(f"--out {out} is no preset file.", "Its name ends in .toml.")
    journal = storage or f"{out.removesuffix('.toml')}.journal"
    asked = search.Asked(
        tuple(dict.fromkeys(common.name_list(minimize) or ())),
        budget,
        sampler,
        tuple(search.keep(text) for text in keep),
        seed,
    )
    if pick is not None and pick >= budget:
        raise UsageError(f"--pick {pick}: there is no such trial.", f"They are 0 to {budget - 1}.")
    wanted = list(dict.fromkeys([*asked.minimize, *(k.metric for k in asked.keep)]))
    kinds = [registry.get(name) for name in wanted]
    bench.check_clips(clips)
    place, chosen, fixed = bench.chosen(preset, images, videos)
    reads = [place, reference, *([palette] if palette else [])]
    common.check_outputs(reads, out=out, storage=journal, json=json, html=html)
    found.check_out(Path(out))
    where = space(
        chosen, fixed, common.name_list(over) or groups_of(kinds[: len(asked.minimize)], chosen, fixed)
    )
    if palette is not None:
        chosen.configured(**fixed, palette="colors")
        search.check_space(where.without("palette", fixed))
    networks, opening = common.take_networks(given), common.take_opening(given)
    # what a setting is of may be told again in the gain alone
    decide(parse_recipe(dict.fromkeys([*wanted, *DEFAULT_METRICS]), settings), networks, by_name=True)
    own = settings_of(wanted, settings)
    with (
        common.Terminal(quiet, verbose) as terminal,
        common.running(given, terminal, verbose) as engine,
    ):
        progress = Together(terminal)
        options = common.build_options(seed=seed, progress=progress, verbose=verbose, engine=engine, **given)
        whole = bench.opened(reference, options, **opening)
        parts = gain.halves(whole)
        if palette is not None:
            of = gain.apart(bench.opened(palette, options), parts[1])
            where = where.without("palette", {**fixed, "palette": bench.palette_of(of, options)})
        progress.say(f"searched: {', '.join(dict.fromkeys(d.plain for d in where.dimensions))}")
        how: dict[str, Any] = {"settings": own, "networks": networks}
        with bench.Bench(place, chosen, fixed, parts[0], wanted, clips, options, **how) as one:
            looking = search.Search(one, where, asked, Path(journal))
            if dry_run:
                planned = looking.rehearsed(gain.again_clips(one), gain.AGAIN)
                shown = dump_json(planned) if json else _planned(planned, place)
                common.write_text(shown, json) if json else click.echo(shown)
                return
            trials = looking.run()
            asked_for = None if pick is None else found.picked(trials, pick)
            with looking.finishing():
                best, again = gain.confirmed(looking, trials)
                best = asked_for or best
                gained = gain.measured_again(
                    one,
                    best.knobs,
                    parts[1],
                    looking.asked.minimize,
                    options,
                    with_media=html is not None,
                    settings=settings,
                    networks=networks,
                )
        source = f"guide search: trial {best.turn} of {budget}, search {found.digest(looking.signature)}"
        said = found.note(looking, best, whole.name)
        told = found.document(
            looking,
            trials,
            best,
            again,
            parts,
            reference,
            gained,
            file=out,
            by_hand=pick is not None,
            command=common.command_line(sys.argv[1:]),
            seconds=round(time.monotonic() - began, 1),
        )
        knobs = found.anywhere(chosen, fixed | best.knobs)
        extends, set_here = found.parent(place, chosen, Path(out)), found.changes(one, best)
        given_ = [knob for knob in knobs if knob not in set_here]
        write_bytes(Path(out), found.preset_text(knobs, said, source, extends, given_).encode())
    if json:
        common.write_text(dump_json(told), json)
    if html:
        from synvid_eval.report.search import page

        common.write_text(page(told), html)
    if "-" not in (json, html):
        click.echo("\n".join(map(one_line, _told(told, out, reference))))


def _planned(planned: Mapping[str, Any], place: str) -> str:
    """What would be searched, for people: a line a dimension, then the time. place: the preset's name."""
    rows = [["", "start", "from", "to", ""]]
    for one in planned["space"]:
        ends = [" | ".join(map(str, one["choices"])), ""] if one["choices"] else [one["low"], one["high"]]
        unit = one["unit"] + (" (log)" if one["log"] else "")
        rows.append([one["name"], guiding.shown(one["start"]), *map(str, ends), unit])
    lines = guiding.table(rows)
    lines.append(
        f"{planned['left']} of {planned['budget']} trials left, {planned['clips']} clips each, and "
        f"{planned['again']:,} clips to measure the best again: about {common.time_text(planned['seconds'])} "
        f"({planned['seconds_a_trial']:.2g} s a trial, tried)"
    )
    if made := planned["textures"]:
        fewer = f" Fewer: {shlex.quote(f'{place}?pool={_FEW}')}" if made["count"] > _FEW else ""
        lines.append(
            f"each setting of textures makes its own, {made['count']:,} at most: {made['seconds']:.2g} s of "
            f"a trial, as tried, and {common.size_text(made['bytes'])} in the cache.{fewer}"
        )
    return "\n".join(map(one_line, lines))


def _told(told: Mapping[str, Any], out: str, reference: str) -> list[str]:
    """What was found, for people."""
    gain, found = told["gain"], told["found"]
    done = [t for t in told["trials"] if t["state"] == "done"]
    failed = len(told["trials"]) - len(done)
    lines = [
        f"{len(done)} trials" + (f", {failed} failed" if failed else "") + f"; trial {told['kept']} is "
        + ("kept, as asked" if found["picked"] else "kept")
        + (f" ({len(told['front'])} trials are on the front)" if len(told["minimize"]) > 1 else ""),
        f"on {gain['clips']} fresh clips, against the {told['reference']['unseen']['clips']} clips of the "
        "reference that the search did not see:",
    ]  # fmt: skip
    rows = [["", "start", "found", "", "change", "95 %"]]
    for row in gain["metrics"]:
        if row["reason"]:
            rows.append([row["metric"], "-", "-", "-", "-", row["reason"]])
            continue
        if not row["minimized"]:
            continue
        rows.append([row["metric"], *_numbers(row)])
    rows += [
        [f"({row['metric']})", *_numbers(row)]
        for row in gain["metrics"]
        if not row["minimized"] and not row["reason"]
    ]
    lines += [f"  {line}" for line in guiding.table(rows)]
    lines.append("objectives: a distance, or how far a property is from the reference's; (…): not searched")
    changed = ", ".join(f"{k}={v}" for k, v in found["changed"].items())
    bounds = " that keeps the bounds" if told["keep"] else ""
    worst = " in its worst objective" if len(told["minimize"]) > 1 else ""
    nothing = f"nothing changed: no trial{bounds} was better than the preset{worst}, measured again"
    if found["picked"]:
        nothing = f"nothing changed: trial {told['kept']} is the preset as it is"
    lines.append(f"changed: {changed}" if changed else nothing)
    edges = [f"{e['dimension']} {e['value']:g} ({_ENDS[e['end']]} {e['bound']:g})" for e in found["at_bound"]]
    if edges:
        lines.append(f"at the edge of what was searched: {', '.join(edges)}")
    others = [str(turn) for turn in told["front"] if turn != told["kept"]]
    if len(told["minimize"]) > 1 and others:
        lines.append(
            f"others of the front: {', '.join(others)} (--pick TRIAL, with another --out, keeps one)"
        )
    words = ["synvid-eval", "compare", f"preset:{out}?n=100", reference]
    lines.append(f"{out}: try {shlex.join(words)}")
    return lines


def _numbers(row: Mapping[str, Any]) -> Sequence[str]:
    """Start, found, what kind of change is told, that change and its interval."""
    start, found, ratio = row["start"]["objective"], row["found"]["objective"], row["ratio"]
    if row["better"] == "higher":  # a richness: its own value, and what it gained
        start, found, by = row["start"]["value"], row["found"]["value"], row["difference"]
        bounds = _bounds(by["interval"], 0.0, -1.0) if by["interval"] else by["reason"]
        return [f"{start:.4g}", f"{found:.4g}", "difference", f"{found - start:+.3g}", bounds]
    if ratio is None:  # a start of no gap, of which nothing can be a share
        by = row["difference"]
        bounds = _bounds(by["interval"], 0.0) if by["interval"] else by["reason"]
        return [f"{start:.4g}", f"{found:.4g}", "difference", f"{by['value'] + 0.0:+.3g}", bounds]
    bounds = _bounds(ratio["interval"], 1.0) if ratio["interval"] else ratio["reason"]
    return [f"{start:.4g}", f"{found:.4g}", "ratio", f"{ratio['value'] + 0.0:.3g}", bounds]


def _bounds(pair: Sequence[float], still: float, sign: float = 1.0) -> str:
    """An interval with as many digits as tell its ends from `still`, which is no change."""
    low, high = sorted(sign * end + 0.0 for end in pair)
    for digits in range(3, 12):
        ends = [f"{end:.{digits}g}" for end in (low, high)]
        if all(end == still or float(text) != still for end, text in zip((low, high), ends, strict=True)):
            break
    return f"[{ends[0]}, {ends[1]}]"
