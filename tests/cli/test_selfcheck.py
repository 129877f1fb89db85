"""`synvid-eval selfcheck`: expected, got, verdict; what is not run and what gets it; exit codes; JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synvid_eval import selfcheck
from synvid_eval.cli import run as main
from synvid_eval.networks import weights
from synvid_eval.selfcheck import Check
from tests.conftest import Run
from tests.networks.server import entry


def check(name: str, expected: float, needs: str = "", **changes) -> Check:
    return Check(name, "that it works", "a book", expected, 0.5, "by hand", lambda _: 2.0, needs, **changes)


@pytest.mark.slow
def test_without_weights_what_can_be_run_is_ok_and_the_rest_is_named(run_cli: Run, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    done = run_cli("selfcheck", "--weights", tmp_path / "none", "--device", "cpu", "--json", "out.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    document = json.loads((tmp_path / "out.json").read_text())
    assert list(document) == ["ok", "device", "versions", "checks"]
    assert document["ok"] is True and document["device"] == "cpu" and "torch" in document["versions"]
    keys = "name proves source expected tolerance because needs weights got verdict note lacks seconds"
    assert all(list(c) == keys.split() for c in document["checks"])
    assert {c["verdict"] for c in document["checks"]} == {"ok", "not run"}
    assert all(c["got"] is None for c in document["checks"] if c["verdict"] == "not run")
    for word in (
        "ok       Fréchet distance of N(0, I) and N(1, I)",
        "expected 2048 ± 1e-08, got 2048.",
        "not run  FVD of black and white clips of 30 frames",
        f"synvid-eval weights fetch i3d --weights {tmp_path / 'none'}.",
        "7 ok, 0 FAILED, 15 not run, on cpu.",
        f"synvid-eval weights fetch inception i3d i3d-videogpt --weights {tmp_path / 'none'}\n",
        "not run  FID of 256 training and 256 test images of CIFAR-10, protocol tf",
        "not run  FVD of cd-fvd's example, protocol cdfvd",
    ):
        assert word in done.stdout, word
    # a command is not broken
    assert max(len(line) for line in done.stdout.splitlines() if "synvid-eval" not in line) <= 100


@pytest.mark.parametrize(("needs", "code"), [("", 1), ("inception", 4)])
def test_a_failure_is_an_exit_code(
    needs: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"x")
    monkeypatch.setattr(weights, "FILES", (entry(content=b"x"),))
    checks = (check("one", 2.0), check("other", 3.0, needs))
    monkeypatch.setattr(selfcheck, "CHECKS", checks)
    args = ["selfcheck", "--device", "cpu", "--weights", f"inception={file}"]
    assert main(args) == code
    out = capsys.readouterr()
    assert "FAILED   other\n         expected 3 ± 0.5, got 2.\n         Shows: that it works.\n" in out.out
    assert "ok       one\n         expected 2 ± 0.5, got 2.\nFAILED" in out.out
    assert "1 ok, 1 FAILED, 0 not run, on cpu." in out.out
    assert out.err.startswith("synvid-eval: Failed: other.") and len(out.err.splitlines()) == 1
    assert (f"weights verify inception --weights inception={file}" in out.err) == bool(needs)
    with pytest.raises(SystemExit) as stopped:
        main([*args, "--json", "-"])
    assert stopped.value.code == code
    out = capsys.readouterr()
    document = json.loads(out.out)  # one document, not two
    assert document["ok"] is False
    assert [(c["name"], c["got"], c["verdict"]) for c in document["checks"]] == [
        ("one", 2.0, "ok"),
        ("other", 2.0, "FAILED"),
    ]


def test_long_ones_are_run_with_all_and_v_says_what_a_check_is_about(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(selfcheck, "CHECKS", (check("long", 2.0, heavy=True, cost="an hour"),))
    assert main(["selfcheck", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "not run  long" in out and "an hour: synvid-eval selfcheck --all" in out
    assert main(["selfcheck", "--device", "cpu", "--all", "-v"]) == 0
    out = capsys.readouterr().out
    assert "ok       long" in out
    for word in ("Shows: that it works.", "Source: a book.", "Tolerance: by hand.", " s)."):
        assert word in out


def test_what_would_run_more_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = (
        check("one", 2.0, data="a-folder"),
        check("other", 2.0, heavy=True, cost="an hour"),
        check("third", 2.0, "i3d"),
    )
    monkeypatch.setattr(selfcheck, "CHECKS", checks)
    assert main(["selfcheck", "--device", "cpu", "--weights", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    given = f"--weights {tmp_path}"
    for word in (
        f"need weights: synvid-eval weights fetch i3d {given}\n",
        f"data: synvid-eval selfcheck {given} --data DIR\n",
    ):
        assert word in out
    assert out.endswith(f"To run the long ones, too: synvid-eval selfcheck {given} --all\n")
    (tmp_path / "a-folder").mkdir()
    assert main(["selfcheck", "--device", "cpu", "--weights", str(tmp_path), "--data", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "ok       one" in out and "--data DIR" not in out


@pytest.mark.parametrize(
    ("args", "code", "said"), [("--weights", 4, "nowhere does not exist"), ("--data", 3, "it does not exist")]
)
def test_folders_that_do_not_exist_are_named(
    args: str, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["selfcheck", "--device", "cpu", args, "nowhere"]) == code
    out = capsys.readouterr()
    assert said in out.err and out.out == "" and len(out.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--device", "gpu"], "no device"),
        (["--weights", "incepton=x"], "Did you mean 'inception'"),
        (["--json", "no-such-folder/x.json"], "does not exist"),
    ],
)
def test_what_makes_no_sense_is_exit_2_before_anything_runs(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["selfcheck", *args]) == 2
    out = capsys.readouterr()
    assert said in out.err and out.out == ""
