"""`synvid-eval textures make NAME --n N --out bank/`: banks of textures."""

from __future__ import annotations

from typing import Any

import click

from synvid_eval.cli import common, making, names


@click.group(name="textures")
def command() -> None:
    """Make banks of textures beforehand, for presets that show some.

    \b
    Example:
      synvid-eval textures make stylegan --n 300000 --out bank/
    """


@command.command(name="make")
@click.argument("name", metavar="NAME", shell_complete=names.completed(names.textures))
@click.option("--n", "count", type=int, required=True, metavar="N", help="How many textures.")
@common.out("DIR")
@common.seed
@making.settings("size=128")
@click.option(
    "--images",
    type=common.PATH,
    metavar="DIR|skimage",
    shell_complete=names.folder,
    help="Pictures for textures that show some: a folder of JPEG, PNG, WebP, or scikit-image's own.",
)
@making.shard
@common.workers()
@common.engine
@common.talking
def make(
    name: str,
    count: int,
    out: str,
    seed: int,
    settings: tuple[str, ...],
    images: str | None,
    shard: str | None,
    quiet: bool,
    verbose: bool,
    **running: Any,
) -> None:
    """Make a bank of N textures of the kind NAME in a folder: one file, which presets map into memory.

    The same command goes on with what a killed run left. Presets take it with --set bank=DIR; texture i of
    a bank is texture i of the pool that a preset makes on the way.

    \b
    Examples:
      synvid-eval textures make stylegan --n 300000 --out bank/
      synvid-eval textures make statistical --n 300000 --out bank/ --shard 0/8
      synvid-eval generate acc_transforming_stylegan set/ --clips 9537 --set bank=bank/
    """
    from synvid_eval import banks, shards
    from synvid_eval.generators import presets
    from synvid_eval.video.layouts import count_of

    with (
        common.Terminal(quiet, verbose) as progress,
        common.running(running, progress, verbose) as engine,
    ):
        options = common.build_options(
            seed=seed, progress=progress, verbose=verbose, engine=engine, **running
        )
        bank = banks.make_bank(
            name,
            count,
            out,
            options,
            seed=seed,
            shard=shards.parse(shard),
            images=images,
            settings=presets.settings(settings),
        )
    rest = f", {bank.missing:,} still missing (other shards)" if bank.missing else ", complete"
    click.echo(f"{bank.file}: {count_of(bank.count, 'texture')}, {bank.made:,} made now{rest}")
