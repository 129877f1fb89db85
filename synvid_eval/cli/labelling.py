"""What `train finetune` and `train probe` share: options, and what they say of what came out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from synvid_eval.cli import common, making, names
from synvid_eval.errors import one_line

if TYPE_CHECKING:
    from synvid_eval.training.labelled import PlannedFolds

F = TypeVar("F", bound=Callable[..., Any])


def arguments(function: F) -> F:
    """RUN and SET."""
    decorated = click.argument("videos", type=common.PLACE, metavar="SET", shell_complete=names.location)(
        function
    )
    return click.argument("run", type=common.PATH, metavar="RUN", shell_complete=names.folder)(decorated)


def options(function: F) -> F:
    """The options that both have, but for --recipe."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def backbone(help: str) -> Callable[[F], F]:
    """The option `--backbone NAME`, short for `--set backbone=NAME`."""
    return click.option(
        "--backbone", metavar="NAME", shell_complete=names.completed(names.backbones), help=help
    )


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    backbone(
        "What a network with drawn weights is: vit, tsm-resnet50, tsm-resnet18, r2plus1d-18, csn-26.  "
        "[default: the recipe's]"
    ),
    click.option(
        "--split",
        default="kfold:5",
        show_default=True,
        metavar="FILE|NAME|kfold:K",
        help="What is trained on and what is tested: K folds that divide no source (UCF101's gNN, Weizmann's "
        "person); a list such as trainlist01, named as inspect names it, whose counterpart is found; JSON "
        "with train and test.",
    ),
    common.out("RUN2"),
    making.settings("lr=1e-3"),
    common.seed,
    click.option(
        "--name",
        metavar="NAME",
        help="What the row of accuracies calls RUN.  [default: what it was pre-trained on, -adapted "
        "where its recipe adapts that]",
    ),
    click.option("--family", metavar="NAME", help="Its family there: variants of one another share one."),
    click.option(
        "--benchmark", metavar="NAME", help="What the row calls the SET.  [default: the SET's name]"
    ),
    common.layout,
    common.device(),
    common.workers("Processes that decode clips; 0: none but this one."),
    common.decode_timeout,
    common.max_skipped,
    click.option(
        "--dry-run", is_flag=True, help="Say what would be trained and its time, from a try; write nothing."
    ),
    click.option(
        "--json", type=common.PLACE, metavar="F|-", help="Write the predictions as JSON; - is stdout."
    ),
    click.option(
        "--csv",
        type=common.PATH,
        metavar="F",
        help="Put the accuracy into this table, which correlate --accuracies reads.",
    ),
    click.option("--html", type=common.PLACE, metavar="F", help="Write a page with the curves."),
    common.talking,
)


def carried_out(
    kind: Any,
    recipes: Any,
    protocol: Callable[[Any], str],
    *,
    run: str,
    videos: str,
    recipe: str,
    backbone: str | None,
    split: str,
    out: str,
    settings: tuple[str, ...],
    seed: int,
    name: str | None,
    family: str | None,
    benchmark: str | None,
    layout: str,
    device: str,
    dry_run: bool,
    json: str | None,
    csv: str | None,
    html: str | None,
    quiet: bool,
    verbose: bool,
    **running: Any,
) -> None:
    """Trains and tests by `kind` (a `labelled.PlannedFolds`) with a recipe of `recipes`, and says it."""
    from pathlib import Path

    from synvid_eval import sets
    from synvid_eval.errors import DataError
    from synvid_eval.networks.loading import resolve_device
    from synvid_eval.score import dump_json
    from synvid_eval.training import accuracy, engine, labelled, splits
    from synvid_eval.training import recipe as all_recipes

    reads = [videos] if run == labelled.SCRATCH else [videos, run]
    common.check_outputs(reads, json=json, html=html, csv=csv)
    own = [s for s in settings if s.startswith(("network.", "size=", "backbone="))]
    own += [f"backbone={backbone}"] if backbone else []
    labelled.check_own(run, own)
    of, network = all_recipes.chosen(recipes, recipe, settings, labelled.backbone(run) or backbone)
    labelled.check_settings(settings, kind.idle(of))
    kind.check(of)
    resolve_device(device)
    ((called, place),) = sets.name_sets([videos])
    labelled.check_out(out, [place, *reads[1:]])
    if split.startswith(splits.KFOLD):
        splits.folds_asked(split)
    with common.Terminal(quiet or not engine.speaks(), verbose) as progress:
        asked, loaders = common.training_options(seed=seed, progress=progress, verbose=verbose, **running)
        missing: DataError | None = None
        try:  # in the order of exit codes
            clips = labelled.prepared(place, split, asked, name=called, layout=layout)
        except DataError as error:
            missing = error
        begin = labelled.start(run, network, own)
        if csv:
            accuracy.rows(Path(csv))  # what is no such table is told before the work
        if missing is not None:
            raise missing
        named = labelled.Named(
            dataset=name or begin.name,
            benchmark=benchmark or called,
            protocol=protocol(of),
            model=begin.architecture.model,
            family=family if family is not None else begin.family,
            seed=str(seed),
            source=run,
        )
        on = labelled.read(clips, split, asked, begin.architecture.frames, of.stride, of.short)
        planned: PlannedFolds = kind(begin, run, place, on, of, named, asked, device=device, loaders=loaders)
        facts = planned.rehearsed() if dry_run else planned.made(out)
    if not engine.speaks():
        return
    if csv and not dry_run:
        for gone in accuracy.add_row(Path(csv), facts["row"]):
            progress.say(
                f"{csv}: its row of {gone['dataset']}, {gone['benchmark']}, {gone['protocol']}, seed "
                f"{gone['seed']} of {gone['source']}, accuracy {gone['accuracy']}, is replaced: another "
                "--csv keeps both"
            )
    if html and not dry_run:
        write_curves([facts["run"]], html)
    if json:
        common.write_text(dump_json({k: v for k, v in facts.items() if k not in ("run", "row")}), json)
    if json != "-":
        click.echo(_rehearsed(facts, out) if dry_run else _told(facts))


def write_curves(runs: list[str], target: str) -> None:
    """The page of the curves of runs, each of them a run or a folder of folds."""
    from synvid_eval.report import training
    from synvid_eval.training import curves

    common.write_text(training.page(curves.document(runs)), target)


def _told(facts: dict[str, Any]) -> str:
    """What came out, a line each for people, and the table of accuracies with its row."""
    from synvid_eval.training import accuracy
    from synvid_eval.video.layouts import count_of

    found, row = facts["accuracy"], facts["row"]
    lines = []
    for top, words in (("top1", "top 1"), ("top5", "top 5")):
        if top in found:
            one = found[top]
            by_group = one["by_group"]
            groups = accuracy.grouped(found["groups"])
            by = f"{_bounds(by_group)} by {groups}" if by_group else one["reason"]
            lines.append(
                f"{words}: {one['value']:.1f} % of {count_of(found['clips'], 'clip')} "
                f"({_bounds(one['by_clip'])} by clip, {by}; {found['level']:.0%})"
            )
    lines.append(f"{facts['run']}/accuracy.csv, for correlate --accuracies:")
    lines += accuracy.table([row]).splitlines()
    return "\n".join(map(one_line, lines))


def _rehearsed(facts: dict[str, Any], out: str) -> str:
    """What would be trained, a line each."""
    from synvid_eval.networks import backbones

    network, recipe = backbones.of_table(facts["network"]), facts["recipe"]
    views = recipe["segments"] * recipe["crops"]
    looking = f"{facts['seconds_a_clip']:.3g} s a clip of {views} view{'s' if views > 1 else ''}"
    if "clips_tried" in facts:
        time = f"{a_step(facts)}, {looking} {by_trial(facts)}"
    else:  # steps of a head are nothing beside
        time = f"{looking} (tried)"
    if recipe.get("head") == "knn":
        training = f"none: {recipe['neighbors']} nearest neighbors vote, {len(facts['folds'])} folds"
    else:
        head = "" if "clips_tried" in facts else "a head, "
        training = (
            f"{head}{facts['steps']:,} steps of {recipe['batch']} clips over {len(facts['folds'])} folds"
        )
    lines = [
        f"set:      {facts['set']}: {facts['split']}",
        f"network:  {network.said}, {network.frames} frames of {network.image} px",
        f"training: {training}",
        f"time:     about {common.time_text(facts['seconds'])}: {time}",
        *([memory_line(facts)] if "clips_tried" in facts else []),
        f"writes:   {out}",
    ]
    return "\n".join(map(one_line, lines))


def a_step(facts: dict[str, Any]) -> str:
    """How long a step takes."""
    seconds = facts["seconds_a_step"]
    return f"{seconds:.3g} s a step" if seconds < 1000 else f"{seconds:,.0f} s a step"


def by_trial(facts: dict[str, Any]) -> str:
    """By what a dry run knows how long a step takes."""
    clips, batch = facts["clips_tried"], facts["recipe"]["batch"]
    return f"(tried with {clips} of its {batch} clips)" if clips < batch else "(tried)"


def memory_line(facts: dict[str, Any], within: str = "") -> str:
    """What a pass needs, and how it needs less. within: what is of a pass, so that fewer clips of it are
    another training.
    """
    many = facts["clips_a_pass"]
    less = "; --set micro=N passes fewer" if many > 1 else ""
    less += f", which is another training: {within} are of a pass" if less and within else ""
    return f"memory:   {common.size_text(facts['bytes_a_pass'])} or more for a pass of {many:,} clips{less}"


def _bounds(pair: list[float]) -> str:
    return f"{pair[0]:.1f} to {pair[1]:.1f}"
