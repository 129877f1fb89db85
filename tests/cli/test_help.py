"""Help texts as snapshots. Renew them, and look at the difference, with

SYNVID_EVAL_UPDATE_SNAPSHOTS=1 python -m pytest tests/cli/test_help.py
"""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from synvid_eval.cli import COMMANDS, group

SNAPSHOTS = Path(__file__).parent / "snapshots"
WIDTH = 100
SUBCOMMANDS = [
    "cache info",
    "cache prune",
    "textures make",
    "train pretrain",
    "train finetune",
    "train probe",
    "train curves",
    *(f"cluster {w}" for w in ("slurm", "kubernetes", "ray")),
    *(f"guide {w}" for w in ("advise", "sensitivity", "search")),
    *(f"weights {w}" for w in ("list", "fetch", "verify", "path")),
]
NAMES = ["", *COMMANDS, *SUBCOMMANDS]


def help_text(name: str) -> str:
    done = CliRunner().invoke(
        group,
        [*name.split(), "--help"],
        prog_name="synvid-eval",
        terminal_width=WIDTH,
        max_content_width=WIDTH,
    )
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("name", NAMES, ids=lambda n: n or "synvid-eval")
def test_help_is_as_the_snapshot_says(name: str) -> None:
    path = SNAPSHOTS / f"{name.replace(' ', '_') or 'synvid-eval'}.txt"
    text = help_text(name)
    if os.environ.get("SYNVID_EVAL_UPDATE_SNAPSHOTS"):
        path.write_text(text)
    assert path.is_file(), f"{path} is missing: SYNVID_EVAL_UPDATE_SNAPSHOTS=1 writes it"
    assert text == path.read_text()


def test_there_is_no_snapshot_of_a_command_that_is_gone() -> None:
    assert {p.stem for p in SNAPSHOTS.iterdir()} == {n.replace(" ", "_") or "synvid-eval" for n in NAMES}


@pytest.mark.parametrize("name", NAMES, ids=lambda n: n or "synvid-eval")
def test_help_fits_the_width_and_explains_every_option(name: str) -> None:
    assert max(map(len, help_text(name).splitlines())) <= WIDTH
    found: click.Command = group
    ctx = click.Context(group)
    for word in name.split():
        assert isinstance(found, click.Group)
        found = found.get_command(ctx, word)  # type: ignore[assignment]
    for option in found.params:
        if isinstance(option, click.Option):
            assert option.help, f"{name}: {option.name} has no help"
