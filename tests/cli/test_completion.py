"""Completion: the scripts of three shells, and what they ask for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from synvid_eval.cli import COMMANDS, names
from tests.cli.test_errors import install_plugin
from tests.conftest import Run


def complete(run_cli: Run, words: str, extra: dict[str, str] | None = None) -> list[str]:
    env = {
        **(extra or {}),
        "_SYNVID_EVAL_COMPLETE": "bash_complete",
        "COMP_WORDS": f"synvid-eval {words}",
        "COMP_CWORD": str(len(words.split(" "))),
    }
    done = run_cli(env=env)
    assert done.returncode == 0, done.stderr
    return [line.partition(",")[2] or line for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_what_the_shell_takes(run_cli: Run, tmp_path: Path, shell: str) -> None:
    done = run_cli("completion", shell)
    assert done.returncode == 0, done.stderr
    assert f"_SYNVID_EVAL_COMPLETE={shell}_complete" in done.stdout
    if path := shutil.which(shell):
        (tmp_path / "script").write_text(done.stdout)
        checked = subprocess.run([path, "-n", tmp_path / "script"], capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_commands_options_and_files_complete(run_cli: Run) -> None:
    assert set(complete(run_cli, "")) == set(COMMANDS)
    assert complete(run_cli, "com") == ["compare", "completion"]
    assert complete(run_cli, "compare --met") == ["--metrics"]
    assert complete(run_cli, "cache p") == ["prune"]
    assert complete(run_cli, "completion z") == ["zsh"]
    assert complete(run_cli, "compare syn") == ["syn"]  # "file": the shell itself completes the path
    assert complete(run_cli, "nothing x") == []


def test_names_complete(run_cli: Run) -> None:
    assert complete(run_cli, "explain moving_s") == ["moving_shapes"]
    assert complete(run_cli, "schema d") == ["dry-run", "doctor"]
    assert complete(run_cli, "list p") == ["protocols", "presets"]
    assert complete(run_cli, "list re") == ["recipes"]
    assert complete(run_cli, "explain tsm") == ["tsm-resnet18", "tsm-resnet50"]
    assert complete(run_cli, "explain probe:") == [
        "probe:attentive",
        "probe:knn",
        "probe:paper",
        "probe:released",
    ]
    assert complete(run_cli, "explain run --features ru") == ["run="]
    assert complete(run_cli, "compare --layout ucf") == ["ucf101"]
    assert complete(run_cli, "inspect --protocol p") == ["paper"]
    assert complete(run_cli, "compare --metrics c") == ["color"]
    assert complete(run_cli, "compare --metrics fd") == ["fd[run]"]
    assert "diversity[run].ridge=" in complete(run_cli, "compare --set diversity[run].")
    assert complete(run_cli, "compare --features ra") == ["random", "random,run="]
    assert complete(run_cli, "compare --features run=runs/a") == ["run=runs/a"]  # "file": by the shell
    assert complete(run_cli, "compare --metrics color,sp") == ["color,spectrum"]
    assert "color,color" not in complete(run_cli, "compare --metrics color,")
    assert complete(run_cli, "compare --set spectrum.w") == ["spectrum.window="]
    assert complete(run_cli, "measure --set color.") == ["color.ridge="]
    assert complete(run_cli, "compare --set sampler.start=f") == ["sampler.start=first"]
    assert complete(run_cli, "compare --set nothing") == []
    assert complete(run_cli, "train pretrain x --method s") == ["simclr", "supervised"]
    assert complete(run_cli, "train pretrain x --backbone tsm") == ["tsm-resnet50", "tsm-resnet18"]
    assert complete(run_cli, "train pretrain x --recipe paper") == ["paper", "paper-vitl"]
    assert complete(run_cli, "train pretrain x --method moco --recipe paper") == ["paper-fractal"]


def test_recipes_are_those_of_the_method() -> None:
    from synvid_eval import accuracies
    from synvid_eval.training import methods

    assert names.methods() == list(methods.METHODS)
    assert names.pretrained_by() == [*methods.METHODS, accuracies.SCRATCH]
    for method in methods.METHODS:
        assert names.recipes(method) == list(methods.named(method).recipes)


@pytest.mark.parametrize("command", ["compare", "compare videos/", "measure", "inspect"])
def test_presets_complete_as_sets(run_cli: Run, command: str) -> None:
    every = complete(run_cli, f"{command} preset:")
    assert every == [f"preset:{n}" for n in names.presets()] and every
    assert complete(run_cli, f"{command} preset:moving_c") == ["preset:moving_circles"]
    assert complete(run_cli, f"{command} a=preset:moving_c") == ["a=preset:moving_circles"]
    assert complete(run_cli, f"{command} pres") == ["pres"]  # "file": the shell itself completes the path


@pytest.mark.parametrize(
    ("words", "replies"),
    [
        ("compare videos/ preset : moving_c", "moving_circles"),
        ("compare preset : ", "moving_circles moving_shapes"),
        ("compare --layout f", "flat frames"),
    ],
)
def test_bash_ends_words_at_colons(run_cli: Run, tmp_path: Path, words: str, replies: str) -> None:
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("no bash here")
    script = run_cli("completion", "bash").stdout
    # what is asked is written down, and answered as `complete` is above
    stub = tmp_path / "stub"
    answers = [f"preset:{r}" if "preset" in words else r for r in replies.split()]
    stub.write_text(
        f"#!/bin/sh\nprintf '%s|%s' \"$COMP_WORDS\" $COMP_CWORD | tr '\\n' ' ' > {tmp_path}/asked\n"
        + "".join(f"echo plain,{a}\n" for a in answers)
    )
    stub.chmod(0o755)
    line = ["synvid-eval", *words.split(" ")]
    if line[-2:] == [":", ""]:
        line.pop()  # right behind the colon, bash gives it as the word
    quoted = " ".join(f"'{w}'" for w in line)
    code = f"compopt() {{ :; }}; complete() {{ :; }}\n{script}\nCOMP_WORDS=({quoted})\n"
    code += f"COMP_CWORD={len(line) - 1}"
    code += f'\n_synvid_eval_completion {stub}; echo "${{COMPREPLY[*]}}"'
    done = subprocess.run([shell, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == replies, done.stderr
    joined = " ".join(line).replace(" : ", ":").replace(" :", ":")
    assert (tmp_path / "asked").read_text() == f"{joined}|{len(joined.split(' ')) - 1}"


def test_names_of_other_packages_complete_without_being_loaded(run_cli: Run, tmp_path: Path) -> None:
    env = install_plugin(tmp_path, "raise SystemExit(9)", "synvid_eval.metrics", "zigzag", "Zigzag")
    assert complete(run_cli, "compare --metrics zig", env) == ["zigzag"]


def test_the_names_are_those_of_the_registries() -> None:
    from synvid_eval import features, generation, generators, knobs, metrics
    from synvid_eval.explanation import names as explained
    from synvid_eval.sets import SCHEMES
    from synvid_eval.video.layouts import LAYOUTS
    from synvid_eval.video.sampling import Sampler

    assert names.metrics() == metrics.registry.names()
    assert names.features() == features.registry.names()
    assert names.layouts() == ["auto", *LAYOUTS]
    assert names.textures() == generators.textures.names()
    assert names.formats() == list(generation.KINDS)
    assert names.schemes() == list(SCHEMES)
    assert set(names.explained()) == set(explained())
    wanted = {f"sampler.{k}=" for k in knobs.names(Sampler)}
    for feature in map(features.registry.get, features.registry.names()):
        wanted |= {f"{feature.name}.{k}=" for k in knobs.names(feature)}
    for metric in map(metrics.registry.get, metrics.registry.names()):
        both = (metric, features.registry.get(metric.feature))
        wanted |= {f"{metric.name}.{k}=" for kind in both for k in knobs.names(kind)}
    assert {s for s in names.settings() if s.endswith("=")} == wanted


HEAVY = {"torch", "av", "scipy", "pandas", "numba", "matplotlib", "numpy", "cv2", "skimage", "rich", "jinja2"}


@pytest.mark.parametrize("words", ["explain c", "compare --set spectrum.", "inspect --layout u", "measure "])
def test_completion_imports_nothing_heavy(cli_env: dict[str, str], words: str) -> None:
    code = (
        "import atexit, sys; atexit.register(lambda: print('loaded', *sys.modules)); "
        "from synvid_eval.cli import run; run([])"
    )
    env = {"_SYNVID_EVAL_COMPLETE": "bash_complete", "COMP_WORDS": f"synvid-eval {words}"}
    env["COMP_CWORD"] = str(len(words.split(" ")))
    done = subprocess.run(
        [sys.executable, "-c", code], env={**cli_env, **env}, capture_output=True, text=True, check=False
    )
    loaded = done.stdout.splitlines()[-1].split()
    assert loaded[0] == "loaded" and "synvid_eval" in loaded
    assert not set(loaded) & HEAVY


def test_no_shell_and_an_unknown_one_are_one_clean_line(run_cli: Run) -> None:
    done = run_cli("completion")
    assert done.returncode == 2
    assert "completion wants one of bash, zsh, fish; nothing is given. See" in done.stderr
    assert "\\n" not in done.stderr and len(done.stderr.splitlines()) == 1
    assert "Did you mean 'bash'?" in run_cli("completion", "bas").stderr


def test_an_unknown_shell_is_exit_2(run_cli: Run) -> None:
    assert run_cli("completion", "tcsh").returncode == 2
