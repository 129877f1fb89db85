"""docs/ and data_cards/: nothing that a user can name lacks a section, commands parse, the pages build."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import yaml

from synvid_eval import protocols
from synvid_eval.cli import COMMANDS, group
from synvid_eval.metrics import registry
from synvid_eval.video.layouts import LAYOUTS
from tests.conftest import REPOSITORY, Run

DOCS = REPOSITORY / "docs"
PAGES = sorted(DOCS.glob("*.md"))
CARDS = sorted((REPOSITORY / "data_cards").glob("*.md"))
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.M | re.S)


def headings(page: str) -> set[str]:
    """The headings of a page below its title, without backticks."""
    text = FENCE.sub("", (DOCS / page).read_text())
    return {h.replace("`", "").strip() for h in re.findall(r"^##+ (.+)$", text, re.M)}


def commands_of(text: str) -> list[str]:
    """The `synvid-eval …` commands of a text: fenced, indented and inline ones."""
    text = re.sub(r"\\\n\s*", " ", text)  # lines that go on
    lines = [line.strip() for _, block in FENCE.findall(text) for line in block.splitlines()]
    lines += re.findall(r"^    (synvid-eval .+)$", text, re.M)
    lines += [" ".join(c.split()) for c in re.findall(r"(?<!`)`(synvid-eval [^`]+)`(?!`)", text)]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [p for p in parts if p.startswith("synvid-eval ")]


def parse(line: str) -> click.Context:
    """Parses a command as the shell and click would, and runs nothing."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|>;")
    lexer.whitespace_split = True
    args = list(lexer)[1:]
    ends = [i for i, a in enumerate(args) if a and set(a) <= set("|>;")]
    args = args[: ends[0]] if ends else args
    # click keeps a command's help option from the first context on: let it be the one that users have
    context = click.Context(group, info_name="synvid-eval", **group.context_settings)
    command: click.Command = group
    while isinstance(command, click.Group) and args and not args[0].startswith("-"):
        found = command.get_command(context, args[0])
        assert found is not None, line
        command, args = found, args[1:]
    try:
        return command.make_context(command.name or "", list(args), parent=context)
    except click.exceptions.Exit:  # --help, --version
        return context


@pytest.mark.parametrize(
    ("page", "needed"),
    [
        ("commands.md", list(COMMANDS)),
        ("metrics.md", [*registry.names(), "inception", "i3d", "run"]),
        ("sets.md", [*LAYOUTS, "measured"]),
        ("protocols.md", list(protocols.PROTOCOLS)),
    ],
)
def test_everything_that_has_a_name_has_a_section(page: str, needed: list[str]) -> None:
    assert set(needed) - headings(page) == set()


@pytest.mark.parametrize("path", [*PAGES, *CARDS], ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_command_parses(path: Path) -> None:
    for line in commands_of(path.read_text()):
        try:
            parse(line)
        except click.ClickException as error:
            pytest.fail(f"{line}: {error.format_message()}")


@pytest.mark.parametrize(
    "line",
    ["synvid-eval compair a/ b/", "synvid-eval compare a/ b/ --splitt x", "synvid-eval measure a/"],
)
def test_a_command_that_is_wrong_does_not_parse(line: str) -> None:
    with pytest.raises(click.ClickException):
        parse(line)


def test_commands_are_found() -> None:
    assert len(commands_of((DOCS / "first_comparison.md").read_text())) >= 3
    assert commands_of("x `synvid-eval doctor` y\n\n    synvid-eval demo\n") == [
        "synvid-eval demo",
        "synvid-eval doctor",
    ]


@pytest.mark.parametrize("path", CARDS, ids=lambda p: p.stem)
def test_a_data_card_has_front_matter_and_a_command(path: Path) -> None:
    _, front, text = path.read_text().split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["license"] == "other"
    assert facts["pretty_name"]
    assert facts["task_categories"] == ["video-classification"]
    assert facts["tags"]
    assert headings_of_card(text) == [
        "What it is",
        "Terms",
        "Layout",
        "How to point synvid-eval at it",
        "Pitfalls",
    ]
    assert commands_of(text)


def headings_of_card(text: str) -> list[str]:
    return re.findall(r"^## (.+)$", text, re.M)


def test_the_cards_of_reference_sets_are_there() -> None:
    wanted = {"ucf101", "hmdb51", "kinetics400", "something_something_v2", "weizmann"}
    wanted |= {"diving48", "egtea", "volleyball", "yup_plus_plus"}
    assert wanted <= {p.stem for p in CARDS}


@pytest.mark.slow
def test_the_commands_of_the_first_comparison_run(run_cli: Run, tmp_path: Path) -> None:
    from tests.clips import write_video

    rng = np.random.default_rng(0)
    for folder in ("synth", "ucf101/Class"):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(2):
            frames = rng.integers(0, 256, (20, 32, 32, 3), np.uint8)
            write_video(tmp_path / folder / f"{i}.mkv", frames, "ffv1")
    blocks = [b for kind, b in FENCE.findall((DOCS / "first_comparison.md").read_text()) if kind == "sh"]
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("synvid-eval ")]
    for line in lines:
        done = run_cli(*shlex.split(line, comments=True)[1:])
        assert done.returncode == 0, (line, done.stderr)


@pytest.mark.slow
def test_the_commands_of_making_sets_run_in_small(run_cli: Run, tmp_path: Path) -> None:
    blocks = [b for kind, b in FENCE.findall((DOCS / "generate.md").read_text()) if kind == "sh"]
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) >= 6
    for line in lines:
        args = shlex.split(re.sub(r"--(clips|n) \d+", r"--\1 2", line))[1:]
        small = {"generate": ["--size", "64", "--length", "20"], "textures": ["--set", "size=256"]}
        done = run_cli(*args, *small.get(args[0], []))
        assert done.returncode == 0, (line, done.stderr)
    assert sorted(p.name for p in (tmp_path / "parts" / "clips").iterdir()) == ["0000000.mp4", "0000001.mp4"]
    assert (tmp_path / "parts" / "manifest.jsonl").read_bytes().count(b"\n") == 2


@pytest.mark.slow
@pytest.mark.parametrize("page", ["python.md", "generate.md"])
def test_the_python_of_the_docs_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNVID_EVAL_CACHE", str(tmp_path / "cache"))
    blocks = [b for kind, b in FENCE.findall((DOCS / page).read_text()) if kind == "python"]
    names: dict[str, object] = {}
    assert blocks
    for block in blocks:
        exec(compile(block, f"docs/{page}", "exec"), names)


def test_the_pages_build_without_a_warning_and_ask_nobody_for_anything(tmp_path: Path) -> None:
    out = tmp_path / "html"
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", "-d", tmp_path / "trees", DOCS, out],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    for page in PAGES:
        text = (out / page.with_suffix(".html").name).read_text()
        # links that a reader may follow are fine; what a browser loads by itself is not
        assert not re.findall(r"<(?:script|img|iframe|source)[^>]+src=[\"'](?:https?:)?//", text), page
        assert not re.findall(r"<link[^>]+stylesheet[^>]+href=[\"'](?:https?:)?//", text), page
    assert "quantisation variance" in (out / "metrics.html").read_text()  # the module's own essay is there
    assert "--max-skipped" in (out / "commands.html").read_text()
    metrics = (out / "metrics.html").read_text()
    for word in ("⌈side · 224 / shorter⌉", "x · 1/128 − 1", "6726825d0af5f729", "selfcheck"):
        assert word in metrics, word
