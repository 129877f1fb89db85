"""`synvid-eval show PRESET`: what a preset is in full, and what it looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from synvid_eval.cli import common, names

if TYPE_CHECKING:
    from synvid_eval.generators.presets import Preset, Value
    from synvid_eval.published import Published


@click.command(name="show")
@click.argument("preset", metavar="PRESET", shell_complete=names.completed(names.presets))
@click.option(
    "--set",
    "settings",
    metavar="KNOB=VALUE",
    multiple=True,
    help="Any knob of the preset, such as speed=2:6. May be repeated.",
)
@click.option("--png", type=common.PLACE, metavar="F", help="Write a contact sheet of a few of its clips.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    help="Seed of the clips on the sheet.  [default: 0]",
)
@common.picturing
@common.cache("Where textures are kept.")
@common.outputs("json")
@common.talking
def command(
    preset: str,
    settings: tuple[str, ...],
    png: str | None,
    seed: int | None,
    images: str | None,
    videos: str | None,
    cache: str | None,
    json: str | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Show a PRESET: every knob with its value and where that comes from (a paper's table, its released code,
    our choice), what it differs in from which other preset, what it needs; and a contact sheet of its clips.

    PRESET is a name that list presets shows, or a preset file of one's own: FILE.toml, or FILE.toml#NAME
    where it has several. As a SET says it, preset:NAME?KNOB=VALUE is understood, too.

    \b
    Examples:
      synvid-eval show moving_shapes --png sheet.png
      synvid-eval show acc_transforming_images --images skimage --png sheet.png
      synvid-eval show mine.toml --set speed=2:6
      synvid-eval show "preset:moving_circles?palette=lab(l=45,l_std=22)"
    """
    from synvid_eval import published, sets
    from synvid_eval.errors import UsageError
    from synvid_eval.generators import presets
    from synvid_eval.score import dump_json

    common.check_outputs(json=json, png=png)
    if png == "-":
        raise UsageError("--png - is no file.", "Give --png F.")
    given = presets.settings(settings)
    if preset.startswith("preset:"):
        found, asked = sets.preset_parts(preset)
        for key in asked:
            if key in given or key in ("n", "seed"):
                why = "is given twice." if key in given else "means nothing: a preset is shown, no set of it."
                raise UsageError(f"{key}={asked[key]} in {preset} {why}", "Leave it away.")
        preset, given = preset.removeprefix("preset:").partition("?")[0], {**asked, **given}
    else:
        found = presets.find(preset)
    values = found.resolved(given)
    known = published.of(found.name) if found.is_shipped and found.changed(given) == found else None
    found = found.changed(given)
    for option, value in (("images", images), ("videos", videos), ("seed", seed), ("cache", cache)):
        if value is not None and png is None:
            raise UsageError(f"--{option} {value} means nothing without --png.", "Give --png F.")
    if png is not None:
        with common.Terminal(quiet, verbose) as progress:
            _draw(preset, given, png, seed or 0, images, videos, cache, progress)
    if json:
        common.write_text(dump_json({"preset": document(found, values, known)}), json)
    if json != "-":
        for line in _lines(found, values, known):
            click.echo(line)


def document(found: Preset, values: list[Value], known: Published | None) -> dict[str, Any]:
    """A preset, its resolved values and what is published of it, ready for JSON."""
    from dataclasses import asdict

    return {
        "name": found.name,
        "generator": found.generator,
        "extends": found.extends,
        "difference": found.difference,
        "family": found.family,
        "accuracy": None if known is None else known.accuracy,
        "needs": list(found.needs),
        "same_as": found.same_as,
        "about": found.note,
        "clips": found.clips,
        "knobs": [asdict(value) for value in values],
    }


def _draw(
    preset: str,
    given: dict[str, str],
    png: str,
    seed: int,
    images: str | None,
    videos: str | None,
    cache: str | None,
    progress: common.Terminal,
) -> None:
    from pathlib import Path
    from urllib.parse import urlencode

    from synvid_eval import contact_sheet
    from synvid_eval.archive import write_bytes
    from synvid_eval.cache import default_root
    from synvid_eval.generators import pool
    from synvid_eval.video import remote

    pool.keep_in(None if cache == "none" else Path(cache) if cache else default_root())
    query = f"?{urlencode(given)}" if given else ""
    progress.begin(f"{preset} (sheet)", contact_sheet.CLIPS)
    picture = contact_sheet.preset_sheet(
        f"preset:{preset}{query}",
        seed=seed,
        images=images,
        videos=videos,
        tell=lambda: progress.advance(1, cached=False),
        say=progress.say,
    )
    write_bytes(remote.place(png), contact_sheet.png(picture))


def _lines(found: Preset, values: list[Value], known: Published | None) -> list[str]:
    from synvid_eval.errors import one_line

    facts = {
        "generator": found.generator,
        "extends": f"{found.extends}: {found.difference or 'see knobs'}" if found.extends else "",
        "family": found.family,
        "published": f"{known.accuracy:.1f} % ({known.benchmark} {known.protocol}, {known.source})"
        if known
        else "",
        "needs": " and ".join(_NEEDS[n] for n in found.needs),
        "same as": f"{found.same_as}, as far as can be told here: measure one, count one"
        if found.same_as
        else "",
    }
    width = max(map(len, facts))
    lines = [found.name, f"  {found.note}" if found.note else ""]
    lines += [f"  {key:<{width}}  {text}" for key, text in facts.items() if text]
    rows = [
        (
            v.knob,
            v.shown,
            v.setter,
            v.source,
        )
        for v in values
    ]
    titles = ("knob", "value", "set by", "source")
    widths = [max(len(r[i]) for r in (titles, *rows)) for i in range(3)]
    for row in (titles, *rows):
        lines.append("  " + "  ".join([*(c.ljust(w) for c, w in zip(row[:3], widths, strict=True)), row[3]]))
    return [one_line(line).rstrip() for line in lines if line]


_NEEDS = {"images": "pictures (--images DIR|skimage)", "videos": "real videos (--videos SET)"}
