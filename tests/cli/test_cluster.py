"""`cluster`: what it prints is the command that was given, checked before anything is printed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from synvid_eval.cli import clustering, run
from tests.conftest import Run

SLURM = ["cluster", "slurm", "--jobs", "3", "--"]
PODS = ["--image", "r/i:cpu", "--input", "videos:/videos", "--output", "results:/results"]
GENERATE = ["generate", "moving_shapes", "shapes/"]


def started(script: str) -> list[str]:
    """The words of the command that a Slurm script starts."""
    (line,) = (x for x in script.splitlines() if x.startswith("synvid-eval "))
    return shlex.split(line)[1:-1]


@pytest.mark.parametrize("first", [[], ["synvid-eval"]])
def test_the_command_stands_there_as_it_was_given(
    first: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["moving_shapes", "a b/", "--clips=20", "--set", "speed=2:6", "--workers", "7"]
    assert run([*SLURM, *first, "generate", *words]) == 0
    assert started(capsys.readouterr().out) == ["generate", "--shard", "$SLURM_ARRAY_TASK_ID/3", *words]


def test_options_of_ours_go_before_words_that_begin_with_hyphens(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*SLURM, "generate", "--clips", "2", "--", "moving_shapes", "-out"]) == 0
    words = started(capsys.readouterr().out)
    assert words[1:5] == ["--shard", "$SLURM_ARRAY_TASK_ID/3", "--workers", "4"]
    assert words[5:] == ["--clips", "2", "--", "moving_shapes", "-out"]


def test_options_after_the_command_are_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Also where no `--` stands between them."""
    assert (
        run(["cluster", "slurm", "--jobs", "2", "textures", "make", "statistical", "--n", "9", "--out", "b/"])
        == 0
    )
    assert started(capsys.readouterr().out)[-4:] == ["--n", "9", "--out", "b/"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "No command is named."),
        (["textures"], "No command is named after textures."),
        (["--clips", "2"], "No command is named."),
        (["genrate", "x", "y"], "Did you mean 'generate'?"),
        (["textures", "mak"], "Did you mean 'make'?"),
        (["compare", "a/", "b/"], "compare has no parts"),
        (["compare", "a/", "b/"], "textures make."),
        (["generate", "moving_shapes"], "generate wants a OUT"),
        ([*GENERATE, "--clip", "3"], "No such option '--clip'"),
        ([*GENERATE, "--clips", "three"], "three"),
        (["generate", "moving_shaps", "out/"], "Did you mean 'moving_shapes'?"),
        ([*GENERATE, "--shard", "0/2"], "--shard 0/2 is given to generate."),
        ([*GENERATE, "--json", "made.json"], "--json made.json would be written by every part."),
        ([*GENERATE, "--dry-run"], "--dry-run makes nothing"),
        (["measure", "set/", "--out", "a.measured"], "Give --out a/; merge makes the file"),
        (["measure", "set/", "--out", "a/", "--statistics", "a.npz"], "--statistics a.npz would be written"),
        (["measure", "set/", "--out", "a/", "--metrics", "colour"], "Did you mean 'color'?"),
        (["measure", "set/", "--out", "a/", "--set", "tubelet.strid=2"], "'stride'"),
        (["measure", "set/", "--out", "s3://bucket/parts/"], "--out of parts wants a place on this machine"),
        (["measure", "preset:moving_shaps?n=9", "--out", "a/"], "Did you mean 'moving_shapes'?"),
        (["measure", "a=corrupt:gaussian_nois?severity=3&of=b/", "--out", "a/"], "'gaussian_noise'"),
        (["measure", "ftp://host/set/", "--out", "a/"], "No store is called ftp://"),
        (["adapt", "preset:moving_shapes?sped=2", "out/"], "'speed'"),
        (["generate", "--help"], "--help does nothing"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_printed(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*SLURM, *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--jobs", "0"], "0 is not in the range"),
        (["--jobs", "2", "--memory", "8"], "--memory 8 cannot be had."),
        (["--jobs", "2", "--time", "8"], "--time 8 cannot be had."),
        (["--jobs", "2", "--time", "2m", "--grace", "120"], "over before --grace"),
        (["--jobs", "2", "--gpus", "2"], "--gpus 2: a part uses one GPU."),
        (["--jobs", "2", "--name", "A b"], "--name 'A b' is no name"),
        (["--jobs", "2", "--name", "x\n#SBATCH --wrap=id"], "is no name"),
        (["--jobs", "2", "--out", "no/where.sh"], "the folder no does not exist"),
        ([], "--jobs N"),
    ],
)
def test_options_that_cannot_be(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cluster", "slurm", *options, "--", *GENERATE]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err


def test_a_manifest_is_written_to_a_file(run_cli: Run, tmp_path: Path) -> None:
    done = run_cli("cluster", "kubernetes", "--jobs", "5", *PODS, "--out", "job.yaml", "--", *GENERATE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    document = yaml.safe_load((tmp_path / "job.yaml").read_text())
    assert document["metadata"]["name"] == "synvid-eval-generate"
    (one,) = document["spec"]["template"]["spec"]["containers"]
    assert one["resources"]["limits"] == {"cpu": "4", "memory": "8192Mi"}  # 2 GiB a processor
    assert one["command"][:6] == [
        "synvid-eval",
        "generate",
        "--shard",
        "$(JOB_COMPLETION_INDEX)/5",
        "--workers",
        "4",
    ]


@pytest.mark.parametrize("out", ["/videos/shapes", "../shapes"])
def test_a_pod_writes_to_its_output_alone(out: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cluster", "kubernetes", "--jobs", "2", *PODS, "--", "generate", "moving_shapes", out]) == 2
    assert "lies in no volume that can be written" in capsys.readouterr().err


@pytest.mark.usefixtures("engines")
def test_a_rayjob_runs_the_command_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cluster", "ray", "--jobs", "5", *PODS, "--", *GENERATE]) == 0
    spec = yaml.safe_load(capsys.readouterr().out)["spec"]
    words = shlex.split(spec["entrypoint"])
    assert words == [
        *("cd", "/results", "&&", "synvid-eval", "generate", "--engine", "ray", "--ray-address", "auto"),
        *GENERATE[1:],
    ]
    assert spec["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"] == 5


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize(
    ("options", "words", "message"),
    [
        (["--jobs", "2"], GENERATE, "ray wants --image IMAGE"),
        (PODS, GENERATE, "ray wants --jobs N"),
        (["--submit", "http://h:8265", "--jobs", "2"], GENERATE, "--jobs means nothing with --submit."),
        (["--submit", "http://h:8265", "--gpus", "0"], GENERATE, "--gpus means nothing with --submit."),
        (
            ["--submit", "http://h:8265"],
            [*GENERATE, "--engine", "local"],
            "--engine local is given to generate",
        ),
        (
            ["--submit", "http://h:8265"],
            [*GENERATE, "--ray-address", "ray://x:1"],
            "--ray-address ray://x:1 is given",
        ),
        (["--submit", "http://h:8265"], ["compare", "a/", "b/"], "compare would write no file."),
        (
            ["--jobs", "2", *PODS],
            ["compare", "a/", "b/", "--json", "a.json", "--html", "/a.html"],
            "/a.html lies in no",
        ),
        (["--submit", "http://h:8265"], ["cache", "info"], "cache info has no engine"),
    ],
)
def test_what_ray_cannot_be_given(
    options: list[str], words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cluster", "ray", *options, "--", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err


@pytest.mark.usefixtures("engines")
def test_what_writes_several_files_runs_over_ray(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["generate", "moving_shapes", "shapes/", "--json", "made.json"]  # once, so one file is no clash
    assert run(["cluster", "ray", "--submit", "http://h:8265", "--", *words]) == 0
    assert "merge" not in capsys.readouterr().out
    words = ["compare", "a/", "b/", "--json", "a.json", "--html", "/results/a.html"]
    assert run(["cluster", "ray", "--jobs", "2", *PODS, "--", *words]) == 0
    entrypoint = shlex.split(yaml.safe_load(capsys.readouterr().out)["spec"]["entrypoint"])
    assert entrypoint[-len(words) + 1 :] == words[1:]


@pytest.mark.usefixtures("engines")
def test_a_submission_is_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cluster", "ray", "--submit", "http://h:8265", "--", *GENERATE]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(last)[:6] == ["ray", "job", "submit", "--address", "http://h:8265", "--"]
    first, run_there = shlex.split(last)[6:]  # one word: releases of Ray differ in how they join several
    assert first == "eval" and shlex.split(run_there)[:2] == ["synvid-eval", "generate"]


def test_commands_that_have_parts_are_those_with_the_option() -> None:
    assert clustering._having("shard") == ["measure", "generate", "adapt", "corrupt", "textures make"]
