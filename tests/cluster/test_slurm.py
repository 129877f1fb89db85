"""The job array: bash reads it, a stand-in for Slurm runs it, signals end parts so that nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from synvid_eval.cluster import slurm
from synvid_eval.cluster.job import Job
from synvid_eval.errors import UsageError
from tests.cluster.slurm import Cluster, directives, numbers
from tests.cluster.test_job import NASTY, NOT_UTF8
from tests.conftest import Run

JOB = Job(
    command=("generate",),
    words=("moving_shapes", "out/"),
    then=("merge", "out/"),
    name="synvid-eval-generate",
    parts=3,
    cpus=2,
    gpus=0,
    memory=4096,
    seconds=None,
    grace=120,
)

# A program that ends at TERM as ours does: with what it is at, and 130.
STOPPABLE = """
trap 'sleep 0.3; echo kept > kept; exit 130' TERM
echo started > started
for i in {1..400}; do sleep 0.05; done
exit 9
"""


@pytest.fixture
def cluster(tmp_path: Path, cli_env: dict[str, str]) -> Cluster:
    (tmp_path / "here").mkdir()
    return Cluster(tmp_path / "slurm", cli_env)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "job.sh"
    path.write_text(text, "utf-8")
    subprocess.run(["bash", "-n", str(path)], check=True)
    return path


def wait_for(path: Path) -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_slurm_is_asked_for(tmp_path: Path) -> None:
    job = replace(JOB, gpus=2, seconds=90_061, grace=300)
    asked = directives(written(tmp_path, slurm.script(job, at_once=2)))
    assert asked == {
        "job-name": "synvid-eval-generate",
        "array": "0-2%2",
        "ntasks": "1",
        "cpus-per-task": "2",
        "mem": "4096M",
        "gres": "gpu:2",
        "time": "1-01:01:01",
        "signal": "B:USR1@300",
        "requeue": "",
        "open-mode": "append",
    }
    assert numbers(asked["array"]) == [0, 1, 2]
    assert set(asked) - set(directives(written(tmp_path, slurm.script(JOB)))) == {"gres", "time"}


def test_the_time_is_longer_than_the_grace() -> None:
    with pytest.raises(UsageError, match="over before"):
        slurm.script(replace(JOB, seconds=120))


def test_words_reach_the_program_as_they_are(tmp_path: Path, cluster: Cluster) -> None:
    cluster.program("synvid-eval", f"printf '%s\\0' \"$@\" > {tmp_path}/words")
    words = (*NASTY, NOT_UTF8)
    script = written(tmp_path, slurm.script(replace(JOB, command=("textures", "make"), words=words)))
    done = cluster.sbatch(script, tmp_path / "here", "--array=2")
    assert done == {2: (0, "")}
    got = (tmp_path / "words").read_bytes().split(b"\0")[:-1]
    assert got == [b"textures", b"make", b"--shard", b"2/3", *map(os.fsencode, words)]
    assert list((tmp_path / "here").iterdir()) == []  # nothing in the words was run


@pytest.mark.slow
def test_an_array_makes_what_one_run_makes(run_cli: Run, tmp_path: Path, cluster: Cluster) -> None:
    here = tmp_path / "here"
    asked = ["generate", "moving_shapes", "the set's", "--clips", "7", "--length", "3", "--size", "32"]
    done = run_cli("cluster", "slurm", "--jobs", "3", "--cpus", "1", "--out", "job.sh", "--", *asked)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    script = tmp_path / "job.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    ran = cluster.sbatch(script, here, "--array=0,2")
    assert {task: code for task, (code, _) in ran.items()} == {0: 0, 2: 0}, ran
    lacking = run_cli("merge", "here/the set's")
    assert lacking.returncode == 3 and "1/3" in lacking.stderr
    # the part that is missing, alone: it is still one of three
    assert cluster.sbatch(script, here, "--array=1")[1][0] == 0
    for command in ("status", "merge"):  # as the script says
        assert f"#   synvid-eval {command} 'the set'\"'\"'s'  " in script.read_text()
    assert run_cli("merge", "here/the set's").returncode == 0
    assert run_cli(*asked[:2], "whole", *asked[3:]).returncode == 0
    names = ["manifest.jsonl", *(f"clips/{i:07}.mp4" for i in range(7))]
    for name in names:
        assert (here / "the set's" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
def test_an_array_measures_what_one_run_measures(run_cli: Run, tmp_path: Path, cluster: Cluster) -> None:
    here = tmp_path / "here"
    asked = ["measure", "preset:moving_circles?n=9&size=32&length=16&objects=20", "--metrics", "color,motion"]
    done = run_cli("cluster", "slurm", "--jobs", "3", "--out", "job.sh", "--", *asked, "--out", "my parts/")
    assert (done.returncode, done.stderr) == (0, "")
    script = tmp_path / "job.sh"
    assert {code for code, _ in cluster.sbatch(script, here, "--array=0,2").values()} == {0}
    merge = "#   synvid-eval merge 'my parts/' --out 'my parts.measured'  "
    assert any(line.startswith(merge) for line in script.read_text().splitlines())
    lacking = run_cli("merge", "here/my parts", "--out", "x.measured")
    assert lacking.returncode == 3 and "--shard 1/3" in lacking.stderr
    assert cluster.sbatch(script, here, "--array=1")[1][0] == 0
    assert run_cli("merge", "here/my parts", "--out", "x.measured").returncode == 0
    assert run_cli(*asked, "--out", "whole.measured").returncode == 0
    assert (tmp_path / "x.measured").read_bytes() == (tmp_path / "whole.measured").read_bytes()


@pytest.mark.parametrize(
    ("number", "restarts", "requeued"),
    [
        (signal.SIGUSR1, "0", ["requeue 4000_1"]),  # the time is nearly over: again
        (signal.SIGUSR1, str(slurm.MOST_RESTARTS), []),  # enough
        (signal.SIGTERM, "0", []),  # cancelled, or Slurm queues it itself
    ],
)
def test_a_part_that_is_stopped_keeps_what_it_is_at(
    tmp_path: Path, cluster: Cluster, number: signal.Signals, restarts: str, requeued: list[str]
) -> None:
    cluster.program("synvid-eval", STOPPABLE)
    here = tmp_path / "here"
    script = written(tmp_path, slurm.script(JOB))
    running = cluster.start(script, 1, range(3), here, SLURM_RESTART_COUNT=restarts)
    wait_for(here / "started")
    running.send_signal(number)  # to the shell alone
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert (here / "kept").exists()  # the shell waited for it
    assert cluster.requeued == requeued
    assert ("queued again" in said) is (restarts != "0")


def test_a_program_that_does_not_end_in_time_is_queued_again_all_the_same(
    tmp_path: Path, cluster: Cluster
) -> None:
    cluster.program("synvid-eval", "trap '' TERM\nfor i in {1..600}; do echo $i > started; sleep 0.1; done")
    here = tmp_path / "here"
    script = written(tmp_path, slurm.script(replace(JOB, grace=slurm.MARGIN + 1)))
    running = cluster.start(script, 1, range(3), here)
    wait_for(here / "started")
    began = time.monotonic()
    running.send_signal(signal.SIGUSR1)
    running.communicate(timeout=30)
    assert 1 <= time.monotonic() - began < 10
    assert running.returncode != 0
    assert cluster.requeued == ["requeue 4000_1"]
    turn = (here / "started").read_text()
    time.sleep(0.5)
    assert (here / "started").read_text() == turn  # it is ended, not left alone


def test_two_signals_are_one_stop(tmp_path: Path, cluster: Cluster) -> None:
    cluster.program("synvid-eval", STOPPABLE)
    here = tmp_path / "here"
    running = cluster.start(written(tmp_path, slurm.script(JOB)), 1, range(3), here)
    wait_for(here / "started")
    running.send_signal(signal.SIGUSR1)
    time.sleep(0.1)
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == 130 and (here / "kept").exists()
    assert cluster.requeued == ["requeue 4000_1"]


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5])
def test_what_ends_by_itself_is_not_queued_again(tmp_path: Path, cluster: Cluster, code: int) -> None:
    """Though the signal came: a part that is done is done, and what failed would fail again."""
    cluster.program(
        "synvid-eval", f"trap 'exit {code}' TERM\necho > started\nfor i in {{1..400}}; do sleep 0.05; done"
    )
    here = tmp_path / "here"
    running = cluster.start(written(tmp_path, slurm.script(JOB)), 0, range(3), here)
    wait_for(here / "started")
    running.send_signal(signal.SIGUSR1)
    running.communicate(timeout=60)
    assert running.returncode == code
    assert cluster.requeued == []


def test_where_slurm_does_not_queue_again_the_command_is_said(tmp_path: Path, cluster: Cluster) -> None:
    cluster.program("synvid-eval", STOPPABLE)
    cluster.program("scontrol", "exit 1")
    here = tmp_path / "here"
    running = cluster.start(written(tmp_path, slurm.script(JOB)), 2, range(3), here)
    wait_for(here / "started")
    running.send_signal(signal.SIGUSR1)
    said, _ = running.communicate(timeout=60)
    assert "sbatch --array=2 FILE" in said


def test_a_script_that_sbatch_did_not_start_says_so(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLURM")}
    script = written(tmp_path, slurm.script(JOB))
    done = subprocess.run(["bash", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "sbatch runs it" in done.stderr


def test_a_node_without_the_program_says_so(tmp_path: Path, cluster: Cluster) -> None:
    (cluster.bin / "synvid-eval").unlink()
    script = written(tmp_path, slurm.script(JOB))
    path = os.pathsep.join([str(cluster.bin), "/usr/bin", "/bin"])
    running = cluster.start(script, 0, range(3), tmp_path / "here", PATH=path)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 5
    assert "activate its environment" in said


def stopped(number: signal.Signals, running: subprocess.Popen[str], folder: Path, files: int) -> bool:
    """Whether the shell was signaled, as soon as a folder had so many files, before it ended by itself."""
    while running.poll() is None:
        if sum(path.is_file() for path in folder.rglob("[!.]*")) >= files:
            running.send_signal(number)
            return True
        time.sleep(0.02)
    return False


@pytest.mark.slow
def test_a_measurement_that_is_stopped_goes_on_in_the_end(
    run_cli: Run, tmp_path: Path, cluster: Cluster
) -> None:
    here = tmp_path / "here"
    asked = [
        "measure",
        "preset:moving_circles?n=500&size=64&length=16",
        "--metrics",
        "color",
        "--cache",
        "none",
    ]
    done = run_cli(
        *("cluster", "slurm", "--jobs", "2", "--cpus", "1", "--out", "job.sh", "--", *asked, "--out", "p/")
    )
    assert done.returncode == 0, done.stderr
    script, receipts = tmp_path / "job.sh", here / "p" / "receipts"
    kept = [0]
    while len(kept) < 3:
        running = cluster.start(script, 0, range(2), here)
        assert stopped(signal.SIGUSR1, running, receipts, kept[-1] + 3)
        said, _ = running.communicate(timeout=120)
        assert running.returncode == 130, said
        assert len(cluster.requeued) == len(kept)
        kept.append(len(list(receipts.rglob("*.safetensors"))))
    assert kept == sorted(set(kept))
    assert {code for code, _ in cluster.sbatch(script, here).values()} == {0}
    assert run_cli("merge", "here/p", "--out", "x.measured").returncode == 0
    assert run_cli(*asked, "--out", "whole.measured").returncode == 0
    assert (tmp_path / "x.measured").read_bytes() == (tmp_path / "whole.measured").read_bytes()


@pytest.mark.slow
def test_a_set_that_is_stopped_goes_on_in_the_end(run_cli: Run, tmp_path: Path, cluster: Cluster) -> None:
    """Our own program, stopped in mid-run until it is done, makes what an undisturbed run makes."""
    here = tmp_path / "here"
    asked = ["generate", "moving_shapes", "set", "--clips", "60", "--length", "16", "--size", "128"]
    done = run_cli("cluster", "slurm", "--jobs", "2", "--cpus", "1", "--out", "job.sh", "--", *asked)
    assert done.returncode == 0, done.stderr
    script = tmp_path / "job.sh"
    records = here / "set" / ".records-0-of-2"
    for stops, files in enumerate((3, 9), 1):
        running = cluster.start(script, 0, range(2), here)
        assert stopped(signal.SIGUSR1, running, records, files)
        said, _ = running.communicate(timeout=120)
        assert running.returncode == 143, said
        assert len(cluster.requeued) == stops
    assert cluster.sbatch(script, here, "--array=0")[0][0] == 0
    assert cluster.sbatch(script, here, "--array=1")[1][0] == 0
    assert run_cli("merge", "here/set").returncode == 0
    assert run_cli(*asked[:2], "whole", *asked[3:]).returncode == 0
    for path in sorted((tmp_path / "whole" / "clips").iterdir()):
        assert (here / "set" / "clips" / path.name).read_bytes() == path.read_bytes()
