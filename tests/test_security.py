"""What hostile input may never reach: unpickling, a shell, code from data, files outside a set's root."""

from __future__ import annotations

import ast
import json
import os
import stat
import struct
import subprocess
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import synvid_eval
from synvid_eval import archive, schemas
from synvid_eval.errors import DataError, UsageError
from synvid_eval.measurement import Options, measure
from synvid_eval.sets import open_set
from tests.clips import moving, write_video
from tests.conftest import REPOSITORY

PACKAGE = Path(synvid_eval.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
UNPICKLING = {"pickle", "_pickle", "cPickle", "shelve", "dill", "cloudpickle", "joblib", "marshal"}
COMMANDS = {"eval", "exec", "os.system", "os.popen", "tempfile.mktemp", "subprocess.getoutput"}


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object and all within it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from codes(inner)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_unpickles_or_runs_a_shell(path: Path) -> None:
    """By the names in the bytecode, and by the arguments given to what may unpickle where it is asked to."""
    source = path.read_text()
    for code in codes(compile(source, str(path), "exec")):
        assert not UNPICKLING & {*code.co_names, *(c for c in code.co_consts if isinstance(c, str))}, code
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {k.arg: ast.unparse(k.value) for k in node.keywords}
        assert name not in COMMANDS, ast.unparse(node)
        assert given.get("shell", "False") == "False", ast.unparse(node)
        if name == "torch.load":
            assert given.get("weights_only") == "True", ast.unparse(node)
        if name.endswith(("np.load", "numpy.load", "read_array", "write_array")):
            assert given.get("allow_pickle") == "False", ast.unparse(node)
    for node in ast.walk(ast.parse(source)):  # so that the names above are all there are
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("numpy", "torch"):
            assert not {"load", "*"} & {alias.name for alias in node.names}, ast.unparse(node)


@pytest.mark.slow
def test_the_main_job_unpickles_nothing(tmp_path: Path) -> None:
    """Unpickling ends the process, the workers' too, that compares videos, arrays and caches; Numba's own
    cache of compiled code, which lies beside the code, is not data.
    """
    for i in range(3):
        write_video(tmp_path / f"{i}.mkv", moving(20, seed=i), "ffv1")
    np.save(tmp_path / "set.npy", np.stack([moving(16, seed=i) for i in range(3)]))
    command = [sys.executable, "-m", "synvid_eval", "compare", "set.npy", "folder", "--workers", "1"]
    command += ["--json", "out.json", "--html", "out.html", "--cache", "cache"]
    (tmp_path / "folder").mkdir()
    for i in range(3):
        (tmp_path / f"{i}.mkv").rename(tmp_path / "folder" / f"{i}.mkv")
    places = [str(REPOSITORY), str(REPOSITORY / "tests" / "injected")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "SYNVID_EVAL_TEST_PICKLE": "none"}
    for _ in range(2):  # without and with a cache
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr[-2000:]
    for way in ("pickle.loads(b'N.')", "pickle.Unpickler(io.BytesIO(b'N.')).load()"):  # it does end
        done = subprocess.run([sys.executable, "-c", f"import io, pickle; {way}"], env=env, check=False)
        assert done.returncode == 99
    assert json.loads((tmp_path / "out.json").read_text())["scores"]


def test_lists_stay_inside_their_root(tmp_path: Path) -> None:
    """By `..`, by an absolute path and by a link, unless outside is allowed."""
    (tmp_path / "root").mkdir()
    (tmp_path / "far").mkdir()
    outside = write_video(tmp_path / "far" / "outside.mkv", moving(16), "ffv1")
    write_video(tmp_path / "root" / "inside.mkv", moving(16, seed=1), "ffv1")
    (tmp_path / "root" / "link.mkv").symlink_to(outside)
    listed = tmp_path / "list.txt"
    for row in ("../far/outside.mkv", str(outside), "link.mkv"):
        listed.write_text(f"inside.mkv 0\n{row} 1\n")
        (left,) = open_set(str(listed), root=tmp_path / "root").skipped
        assert "outside" in left[1], left
        found = open_set(str(listed), root=tmp_path / "root", follow_outside=True)
        assert len(found.clips) == 2, row


def test_pictures_of_listed_folders_stay_inside_the_root(tmp_path: Path) -> None:
    for name in ("root/own", "root/linked", "far"):
        (tmp_path / name).mkdir(parents=True)
    for i in range(3):
        for name in ("root/own", "far"):
            cv2.imwrite(str(tmp_path / name / f"{i}.png"), np.zeros((8, 8, 3), np.uint8))
        (tmp_path / "root/linked" / f"{i}.png").symlink_to(tmp_path / "far" / f"{i}.png")
    (tmp_path / "list.txt").write_text("own 3 0\nlinked 3 1\n")
    given = {"root": tmp_path / "root", "layout": "rawframes"}
    found = open_set(str(tmp_path / "list.txt"), **given)
    assert [c.id for c in found.clips] == ["own"] and "leads out of the root" in found.skipped[0][1]
    assert len(open_set(str(tmp_path / "list.txt"), follow_outside=True, **given).clips) == 2


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """A compressed array that says it holds a petabyte, and an archive whose header says so."""
    path = tmp_path / "bomb.npz"
    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1048576, 1024, 1024, 1024, 3), }"
    head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("frames.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(1000))
    with pytest.raises((DataError, UsageError)):
        measure(path, features=["lab"], options=Options(workers=1))
    claimed = json.dumps({"a": {"dtype": "U8", "shape": [1 << 50], "data_offsets": [0, 1 << 50]}}).encode()
    with pytest.raises(archive.Damaged):
        archive.unpack(struct.pack("<Q", len(claimed)) + claimed)
    with pytest.raises(archive.Damaged):
        archive.unpack(struct.pack("<Q", 1 << 60) + b"{}")


def test_temporary_files_are_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is written, nobody else may read what becomes a file; then it follows the umask."""
    seen = []
    real = os.replace

    def replace(source: str, target: str) -> None:
        seen.append(os.path.basename(source))
        real(source, target)

    opened = []
    make = archive.tempfile.mkstemp

    def mkstemp(*args: object, **more: object) -> tuple[int, str]:
        handle, name = make(*args, **more)  # type: ignore[call-overload]
        opened.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return handle, name

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(archive.tempfile, "mkstemp", mkstemp)
    archive.write_bytes(tmp_path / "out", b"x")
    assert opened == [0o600] and seen[0].startswith(".")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o666 & ~mask


def test_every_schema_names_nothing_to_fetch() -> None:
    """A validator that follows references must not go to the network."""
    text = json.dumps(schemas.SCHEMAS)
    assert '"$ref": "http' not in text
