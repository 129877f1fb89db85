"""`synvid-eval weights list|fetch|verify|path`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from synvid_eval.cli import run as main
from synvid_eval.networks import fetching, weights
from tests.conftest import Run
from tests.networks.server import CONTENT, Server, entry, serving

NAME = "pt_inception-2015-12-05-6726825d.pth"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy", weights.VARIABLE):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as running:
        yield running


def test_list(run_cli: Run, tmp_path: Path) -> None:
    place = {"SYNVID_EVAL_WEIGHTS": str(tmp_path / "w")}
    done = run_cli("weights", "list", "--json", "-", env=place)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["folder"] == str(tmp_path / "w")
    assert [w["name"] for w in facts["weights"]] == ["inception", "i3d", "i3d-videogpt"]
    for one in facts["weights"]:
        assert one["state"] == "missing" and one["path"] is None
        assert one["hash"].split()[0] in ("sha256", "git") and len(one["addresses"]) >= 2
    assert facts["weights"][0]["bytes"] == 95_628_359
    text = run_cli("weights", "list", env=place).stdout
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["name", "network", "size", "state", "where", "hash"]
    assert lines[1][:2] == ["inception", "inception"] and "missing" in lines[1]
    assert "weights fetch" in text


def test_a_truncated_file_is_wrong_everywhere(run_cli: Run, tmp_path: Path) -> None:
    place = {"SYNVID_EVAL_WEIGHTS": str(tmp_path)}
    assert run_cli("weights", "verify", env=place).returncode == 0  # nothing is there, nothing is wrong
    (tmp_path / NAME).write_bytes(bytes(12_992_512))
    listed = json.loads(run_cli("weights", "list", "--json", "-", env=place).stdout)["weights"][0]
    assert listed["state"] == "wrong" and listed["path"] is None and "cut short" in listed["reason"]
    for args in (["verify"], ["verify", "inception"], ["path", "inception"]):
        done = run_cli("weights", *args, env=place)
        assert done.returncode == 4, args
        assert "weights fetch inception" in done.stderr
    assert "cut short: 12,992,512 of 95,628,359 bytes" in run_cli("weights", "verify", env=place).stdout


def test_path(run_cli: Run, tmp_path: Path) -> None:
    done = run_cli("weights", "path", env={"SYNVID_EVAL_WEIGHTS": str(tmp_path / "w")})
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'w'}\n")
    assert run_cli("weights", "path", "--weights", "v").stdout == "v\n"
    done = run_cli("weights", "path", "inception", "--weights", "v")
    assert done.returncode == 4 and not done.stdout
    assert "95,628,359 bytes" in done.stderr and "weights fetch inception" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["fetch", "incepton"], "Did you mean 'inception'"),
        (["verify", "incepton"], "Did you mean 'inception'"),
        (["path", "incepton"], "Did you mean 'inception'"),
        (["list", "--weights", "incepton=x"], "Did you mean 'inception'"),
        (["fetch", "i3d", "--weights", "i3d=x"], "no folder"),
    ],
)
def test_what_makes_no_sense_is_exit_2(run_cli: Run, args: list[str], said: str) -> None:
    done = run_cli("weights", *args)
    assert done.returncode == 2
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


def test_fetch_verify_list_path(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(weights, "FILES", (entry(server.at("/gone"), server.at("/good")),))
    where, file = ["--weights", str(tmp_path / "w")], tmp_path / "w" / "inception.pth"
    assert main(["weights", "fetch", "inception", *where]) == 0
    out = capsys.readouterr()
    assert out.out == f"{file}\n" and file.read_bytes() == CONTENT
    assert "/gone: HTTP 404 Not Found; trying another address" in out.err
    assert main(["weights", "fetch", "inception", "-q", *where]) == 0
    assert capsys.readouterr() == (f"{file}\n", "")
    assert server.times("/good") == 1
    assert main(["weights", "verify", *where]) == 0
    assert capsys.readouterr().out.split() == ["present", "inception", f"sha256:{entry().sha256}"]
    assert main(["weights", "path", "inception", *where]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    assert main(["weights", "list", *where]) == 0
    assert "present" in (text := capsys.readouterr().out) and str(file) in text
    assert "weights fetch" not in text


def test_without_names_what_the_default_metrics_need_is_fetched_and_all_is_all(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    first, good = entry(server.at("/good")), server.at("/good")
    table = (first, entry(good, name="i3d"), replace(entry(good, name="other"), network="i3d"))
    monkeypatch.setattr(weights, "FILES", table)
    where = ["--weights", str(tmp_path)]
    assert main(["weights", "list", *where]) == 0
    assert capsys.readouterr().out.endswith(f"To get them: synvid-eval weights fetch --weights {tmp_path}\n")
    assert main(["weights", "fetch", "-q", *where]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'inception.pth'}\n{tmp_path / 'i3d.pth'}\n"
    assert main(["weights", "list", *where]) == 0
    assert capsys.readouterr().out.endswith(
        f"To get them: synvid-eval weights fetch other --weights {tmp_path}\n"
    )
    assert main(["weights", "fetch", "-q", "all", *where]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["i3d.pth", "inception.pth", "other.pth"]
    assert main(["weights", "verify", "all", *where]) == 0


@pytest.mark.parametrize(
    ("folder", "said"),
    [("/dev/null/x", "Not a directory"), ("/dev/null", "File exists"), ("/proc/x", "No such file")],
)
def test_a_folder_that_cannot_be_made_is_no_bug(
    folder: str,
    said: str,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(weights, "FILES", (entry(server.at("/good")),))
    assert main(["weights", "fetch", "--weights", folder]) == 3
    out = capsys.readouterr()
    assert len(out.err.splitlines()) == 1 and not server.asked
    assert f"cannot be kept in {folder}: {said}" in out.err and "--weights DIR" in out.err


def test_a_full_disk_is_said_in_a_line(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights, "FILES", (entry(server.at("/good")),))
    monkeypatch.setattr(fetching, "_publish", full)
    assert main(["weights", "fetch", "-q", "--weights", str(tmp_path)]) == 3
    out = capsys.readouterr()
    assert len(out.err.splitlines()) == 1 and "No space left on device" in out.err
    assert list(tmp_path.iterdir()) == []


def test_a_named_file_of_unknown_hash_is_there_and_unknown(run_cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    file.write_bytes(b"mine")
    sha256 = hashlib.sha256(b"mine").hexdigest()
    where = ["--weights", f"inception={file}"]
    done = run_cli("weights", "verify", *where)
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first.split()[:3] == ["unknown", "inception", f"sha256:{sha256}"]
    assert f"{file} is none of the known files" in first
    listed = json.loads(run_cli("weights", "list", *where, "--json", "-").stdout)["weights"]
    assert [w["state"] for w in listed] == ["unknown", "missing", "missing"]
    assert (listed[0]["path"], listed[0]["identity"]) == (str(file), f"sha256:{sha256}")
    assert run_cli("weights", "path", "inception", *where).stdout == f"{file}\n"
    done = run_cli("weights", "verify", "inception", *where)  # it is not the file of that name
    assert done.returncode == 4 and done.stdout.startswith("unknown")
    assert (
        "None of the known files, used as weights of your own where they are named: inception." in done.stderr
    )
    assert (listed[0]["bytes"], listed[0]["path_bytes"]) == (95_628_359, 4)
    line = run_cli("weights", "list", *where).stdout.splitlines()[1]
    assert line.split() == [
        "inception",
        "inception",
        "4",
        "B",
        "unknown",
        str(file),
        "sha256",
        f"{sha256[:16]}…",
    ]


def test_one_file_never_has_two_hashes(run_cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.pt"
    file.write_bytes(b"mine")
    lines = run_cli("weights", "list", "--weights", f"i3d={file}").stdout.splitlines()
    shown = {line.split(str(file))[1].strip() for line in lines if str(file) in line}
    assert shown == {f"sha256 {hashlib.sha256(b'mine').hexdigest()[:16]}…"}


def test_missing_wrong_and_unknown_are_closed_each_with_its_own_line(run_cli: Run, tmp_path: Path) -> None:
    (tmp_path / "i3d_torchscript.pt").write_bytes(b"cut")
    own = tmp_path / "own.pth"
    own.write_bytes(b"own")
    where = ["--weights", f"{tmp_path},inception={own}"]
    done = run_cli("weights", "verify", "all", *where)
    assert done.returncode == 4
    fetch, rest = "synvid-eval weights fetch", f"--weights {tmp_path}"
    missing, wrong, unknown = done.stderr.splitlines()
    assert missing == f"synvid-eval: Not there: i3d-videogpt. Run: {fetch} i3d-videogpt {rest}"
    assert wrong.startswith("synvid-eval: Not what they should be, never used: i3d. ")
    assert f"{fetch} i3d {rest}" in wrong
    assert (
        unknown.startswith("synvid-eval: None of the known files") and f"{fetch} inception {rest}" in unknown
    )
    done = run_cli("weights", "verify", *where)  # not by name: only what is wrong is an error
    assert done.returncode == 4 and len(done.stderr.splitlines()) == 1 and "never used: i3d" in done.stderr


def test_the_suggested_fetch_cures(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an error says to run is run, and the same command then finds the file."""
    import shlex

    monkeypatch.setattr(weights, "FILES", (entry(server.at("/good")),))
    for folder in (tmp_path / "none yet", tmp_path / "wrong"):
        if folder.name == "wrong":
            folder.mkdir()
            (folder / "inception.pth").write_bytes(b"cut")
        assert main(["weights", "path", "inception", "--weights", str(folder)]) == 4
        said = capsys.readouterr().err
        command = said.partition("un: ")[2].partition(" (or")[0].rstrip(".\n")
        words = shlex.split(command)
        assert words[:3] == ["synvid-eval", "weights", "fetch"]
        assert main(words[1:]) == 0
        capsys.readouterr()
        assert main(["weights", "path", "inception", "--weights", str(folder)]) == 0
        assert capsys.readouterr().out == f"{folder / 'inception.pth'}\n"


def test_another_known_file_is_not_passed_off_as_the_one_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    file = tmp_path / "i3d.pth"
    file.write_bytes(CONTENT)
    table = (entry(name="i3d"), replace(entry(content=b"x", name="other"), network="i3d"))
    monkeypatch.setattr(weights, "FILES", table)
    assert main(["weights", "path", "other", "--weights", f"i3d={file}"]) == 4
    out = capsys.readouterr()
    assert not out.out and "holds the weights i3d" in out.err and "weights fetch other" in out.err


def test_a_fetch_that_fails_is_exit_4_and_leaves_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(weights, "FILES", (entry(server.at("/page"), server.at("/wrong")),))
    assert main(["weights", "fetch", "inception", "-q", "--weights", str(tmp_path / "w")]) == 4
    out = capsys.readouterr()
    assert out.out == "" and len(out.err.splitlines()) == 1
    assert "/page: sent a page" in out.err and "/wrong: sent another file" in out.err
    assert list((tmp_path / "w").iterdir()) == []


def test_every_name_is_tried_and_all_failures_are_told(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = (
        entry(server.at("/page")),
        entry(server.at("/good"), name="i3d"),
        entry(server.at("/gone"), name="c"),
    )
    monkeypatch.setattr(weights, "FILES", table)
    assert main(["weights", "fetch", "all", "-q", "--weights", str(tmp_path / "w")]) == 4
    out = capsys.readouterr()
    assert out.out == f"{tmp_path / 'w' / 'i3d.pth'}\n" and len(out.err.splitlines()) == 1
    for word in (
        "weights inception could not",
        "/page: sent a page",
        "weights c could not",
        "/gone: HTTP 404",
    ):
        assert word in out.err
    assert [p.name for p in (tmp_path / "w").iterdir()] == ["i3d.pth"]


def test_a_full_disk_keeps_no_other_name_away(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish = fetching._publish

    def full(part: Path, target: Path) -> None:
        if target.name == "inception.pth":
            raise OSError(28, "No space left on device")
        publish(part, target)

    table = (entry(server.at("/good")), entry(server.at("/good"), name="i3d"))
    monkeypatch.setattr(weights, "FILES", table)
    monkeypatch.setattr(fetching, "_publish", full)
    assert main(["weights", "fetch", "all", "-q", "--weights", str(tmp_path)]) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["i3d.pth"]
    assert "inception cannot be kept" in capsys.readouterr().err


def test_progress_is_told_where_it_takes_long(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from synvid_eval.cli import weights_command

    monkeypatch.setattr(weights, "FILES", (entry(server.at("/slow")),))
    monkeypatch.setattr(weights_command, "SAY_EVERY", 0.3)
    assert main(["weights", "fetch", "inception", "--weights", str(tmp_path)]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 10
    assert all(line.startswith("inception: ") and " of 293 KiB, " in line for line in lines)


def test_interrupted_is_130_and_goes_on(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from synvid_eval.cli import weights_command

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(weights, "FILES", (entry(server.at("/good")),))
    with monkeypatch.context() as patch:
        patch.setattr(weights_command._Line, "progress", interrupt)
        assert main(["weights", "fetch", "inception", "--weights", str(tmp_path)]) == 130
    assert [p.name for p in tmp_path.iterdir()] == [".inception.pth.part"]
    assert main(["weights", "fetch", "inception", "--weights", str(tmp_path)]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["inception.pth"]


def test_fetching_needs_no_torch(run_cli: Run) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from synvid_eval.cli import run; run(['weights', 'list']); "
        f"import {fetching.__name__}; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
