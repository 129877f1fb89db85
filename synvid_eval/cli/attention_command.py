"""`synvid-eval attention SET`: what video transformers attend to, as pictures and a number."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from synvid_eval.cli import common, names
from synvid_eval.errors import one_line

if TYPE_CHECKING:
    from synvid_eval.attention import Asked, Attention
    from synvid_eval.measurement import Options

WHAT = ("keys", "queries", "values", "tokens")


@click.command(name="attention")
@click.argument("set_", type=common.PLACE, metavar="SET", shell_complete=names.location)
@click.option(
    "--checkpoint",
    "checkpoints",
    type=common.PATH,
    multiple=True,
    metavar="RUN|DIR|FILE",
    help="A run's folder, a folder of transformers, the authors' .pth, .safetensors, or random:SEED[:SIZE]. "
    "May be repeated: side by side.  [default: random:0]",
)
@click.option("--label", metavar="C", help="Only clips of this class.")
@click.option(
    "--clips", type=click.IntRange(min=1), default=70, show_default=True, metavar="N", help="Clips, by hash."
)
@click.option(
    "--frames", type=int, default=32, show_default=True, metavar="N", help="Frames looked at a clip."
)
@click.option(
    "--layer", type=int, default=-1, show_default=True, metavar="N", help="Layer, from 0; -1 is the last."
)
@click.option(
    "--what", type=common.OneOf(WHAT), default="keys", show_default=True, help="What of that layer."
)
@click.option(
    "--masks",
    is_flag=True,
    help="Say how well a component tells moving objects from the ground (of presets that know them).",
)
@common.outputs("json", "html")
@click.option("--png", type=common.PLACE, metavar="F", help="Write frames above and components below.")
@click.option(
    "--video",
    metavar="OUT/",
    shell_complete=names.folder,
    help="Write a video of each clip beside its components into this folder.",
)
@common.seed
@common.layout
@common.fps
@common.listing
@common.picturing
@common.max_skipped
@common.device()
@common.workers("Processes that read clips, and threads that run networks on a CPU.")
@common.decode_timeout
@common.cache("Where a stopped run goes on from.")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be read, computed and written, with time and disk."
)
@common.talking
def command(
    set_: str,
    checkpoints: tuple[str, ...],
    label: str | None,
    clips: int,
    frames: int,
    layer: int,
    what: str,
    masks: bool,
    json: str | None,
    html: str | None,
    png: str | None,
    video: str | None,
    device: str,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Show what video transformers (VideoMAE) attend to in the clips of a SET: the keys of a layer, two
    frames at a time, as their first three principal components in red, green and blue, beside the frames.

    One PCA is made over all clips of a checkpoint. With --masks and a preset, a number too: the best ROC AUC
    of one component against the exact masks of what moves. Needs the extra train.

    \b
    Examples:
      synvid-eval attention ucf101/ --label BenchPress --checkpoint run/ --html attention.html
      synvid-eval attention synth/ --checkpoint a.pth --checkpoint random:0 --png keys.png
      synvid-eval attention "preset:moving_circles?objects=20&background=color" --masks
    """
    from synvid_eval import attention, paintings

    asked = attention.Asked(clips, label, frames, layer, what, masks)
    common.check_outputs([set_, *checkpoints], json=json, html=html, png=png)
    if video is not None:
        paintings.check_folder(video)
    how = common.take_opening(given)
    writes = [f for f in (json, html, png, video) if f and f != "-"]
    with common.Terminal(quiet, verbose) as progress:
        options = common.build_options(progress=progress, verbose=verbose, **given)
        if dry_run:
            _rehearse(set_, checkpoints, asked, options, device, writes, json, how)
            return
        words = common.command_line(sys.argv[1:])
        found = attention.look(set_, checkpoints, asked, options, device=device, command=words, **how)
        _write(found, options, json, html, png, video)
    if "-" not in (json, html, png):
        _print(found.document, writes)


def _write(
    found: Attention,
    options: Options,
    json: str | None,
    html: str | None,
    png: str | None,
    video: str | None,
) -> None:
    """The files that are asked for; clips are read again for their frames."""
    from synvid_eval import attention, paintings
    from synvid_eval.archive import write_bytes
    from synvid_eval.report.attention import checkpoint
    from synvid_eval.score import dump_json
    from synvid_eval.video import remote

    document, total = found.document, len(found.clips)
    on_page = min(paintings.PAGE_CLIPS if html else 0, total)
    on_sheet = min(paintings.SHEET_CLIPS if png else 0, total)
    count = total if video else max(on_page, on_sheet)
    media, rows = [], []
    options.progress.begin("pictures", count)
    for number, frames in enumerate(attention.frames_of(found, paintings.VIDEO, count, options)):
        clip, maps = document["clips"][number], found.maps(number)
        if number < on_page:
            media.append(paintings.media(clip, frames, maps, found.tubelet))
        if number < on_sheet:
            rows.append((clip["id"], frames, maps))
        if video:
            paintings.write_video(Path(video), number, clip, frames, maps, found.tubelet)
        options.progress.advance(1, cached=False, reading=clip["id"])
    if html:
        from synvid_eval.report.attention import page

        document["media"] = {"clips": media}
        common.write_text(page(document), html)
    if json:
        common.write_text(dump_json(document), json)
    if png:
        lines = [_beside(checkpoint(one)) for one in document["checkpoints"]]
        picture = paintings.sheet(rows, lines, found.tubelet)
        if png == "-":
            sys.stdout.buffer.write(picture)
        else:
            write_bytes(remote.place(png), picture)


def _beside(about: dict[str, Any]) -> list[str]:
    """What stands beside a checkpoint's rows of a sheet."""
    shares = " + ".join(s.removesuffix(" %") for s in about["shares"])
    lines = [about["name"], f"{shares} % of variance"]
    return [*lines, f"AUC {about['area']}"] if about["component"] else lines


def _print(document: dict[str, Any], writes: list[str]) -> None:
    """The table on stdout."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from synvid_eval.cli.screen import Screen
    from synvid_eval.report.attention import checkpoint, reason
    from synvid_eval.verdict import short_name
    from synvid_eval.video.layouts import count_of

    screen = Screen()
    about = [checkpoint(one) for one in document["checkpoints"]]
    masks = any(one["separation"] for one in document["checkpoints"])
    clips = count_of(len(document["clips"]), "clip")
    label = f" labelled {document['set']['label']}" if document["set"]["label"] else ""
    layer = "the last layer" if document["layer"] == -1 else f"layer {document['layer']}"
    screen.say(
        f"{document['what'].capitalize()} of {layer}, {clips} of {short_name(document['set']['name'])}{label}"
    )
    headings = ["checkpoint", "network", "red", "green", "blue", "together"]
    headings += ["moving objects", "95 % interval"] if masks else []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in headings[:2] else "right", no_wrap=True)
    for one in about:
        cells = [short_name(one["name"]), one["network"], *one["shares"], one["sum"]]
        cells += [one["area"], one["bounds"]] if masks else []
        table.add_row(*(Text(screen.spell(cell)) for cell in cells))
    screen.draw(table)
    screen.say("red, green, blue: share of the variance along the first three components")
    if masks:
        screen.say(
            f"moving objects: ROC AUC of one component over tokens; {about[0]['moving']} of them move, "
            f"{about[0]['mixed']} are mixed"
        )
        for one in about:
            if one["component"]:
                screen.say(f"{short_name(one['name'])}: {one['component']}")
        for told in dict.fromkeys(reason(one) for one in about if one["reason"]):
            screen.say(told)
    if any(one["random"] for one in about):
        screen.say("random networks are for comparison: their weights are drawn, not trained")
    for note in document["notes"]:
        screen.say(f"note: {note}")
    if writes:
        screen.say(f"written: {', '.join(writes)}")
    screen.show()


def _rehearse(
    set_: str,
    checkpoints: tuple[str, ...],
    asked: Asked,
    options: Options,
    device: str,
    writes: list[str],
    json: str | None,
    how: dict[str, Any],
) -> None:
    from dataclasses import replace

    from synvid_eval.attention import rehearse
    from synvid_eval.score import dump_json

    plan = replace(rehearse(set_, checkpoints, asked, options, device=device, **how), writes=writes)
    if json == "-":
        common.write_text(dump_json(plan.to_dict()), json)
        return
    (one,) = plan.sets
    where = plan.cache or "a temporary file"
    room = shutil.disk_usage("/" if plan.cache is None else _there(Path(plan.cache))).free
    lines = [
        "Dry run: nothing is kept or written.",
        f"{one.name}: {one.layout}: {one.recognized}",
        f"  {one.clips:,} clips to read, {asked.frames} frames each",
        f"computes: {', '.join(plan.features)}",
        f"time:     about {common.time_text(plan.seconds or 0)} with {plan.workers} at once (by one clip "
        "tried); less for what the cache has",
        f"disk:     about {common.size_text(plan.cache_bytes or 0)} in {where} "
        f"({common.size_text(room)} are free there)",
        f"writes:   {', '.join(writes) or 'no file: the table goes to stdout'}",
    ]
    for line in lines:
        click.echo(one_line(line))


def _there(path: Path) -> Path:
    """The nearest folder above a path that exists."""
    return path if path.exists() else _there(path.parent)
