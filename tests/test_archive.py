"""The blob format: every bit comes back, every altered bit is noticed, and a file is whole or not there."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from synvid_eval import archive
from tests.conftest import REPOSITORY

ARRAYS = {
    "f8": np.array([0.1, -0.0, np.nan, np.inf, 5e-324]),
    "f4": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
    "i8": np.array([[-(2**63)], [2**63 - 1]]),
    "u1": np.arange(256, dtype=np.uint8),
    "bool": np.array([True, False]),
    "empty": np.zeros((0, 128), np.float32),
    "scalar": np.array(2.5),
    "strided": np.arange(20.0).reshape(4, 5)[::2, ::-1].T,
}
META = {"text": "é <b>\n\udcff", "number": 0.1, "none": None, "list": [1, [2]], "": {}}


def test_round_trip_is_exact_to_the_bit() -> None:
    arrays, meta = archive.unpack(archive.pack(ARRAYS, META))
    assert meta == META
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        assert arrays[name].tobytes() == array.tobytes()


def test_the_bytes_do_not_depend_on_the_order_of_names() -> None:
    backwards = dict(reversed(ARRAYS.items()))
    assert archive.pack(ARRAYS, META) == archive.pack(backwards, dict(reversed(META.items())))


def test_nothing_at_all_can_be_packed() -> None:
    assert archive.unpack(archive.pack({}, {})) == ({}, {})


def test_every_altered_byte_is_noticed() -> None:
    blob = archive.pack({"a": np.arange(5.0), "b": np.zeros((0,), np.int64)}, {"k": 1})
    for i in range(len(blob)):
        for flip in (0x01, 0x20, 0x80, 0xFF):
            altered = blob[:i] + bytes([blob[i] ^ flip]) + blob[i + 1 :]
            try:
                arrays, meta = archive.unpack(altered)
            except archive.Damaged:
                continue
            # a change of JSON white space is no change of what is said
            assert meta == {"k": 1}
            assert np.array_equal(arrays["a"], np.arange(5.0)) and arrays["b"].dtype == np.int64
            assert altered[i : i + 1].isspace() and blob[i : i + 1].isspace()


def test_every_length_cut_short_is_noticed() -> None:
    blob = archive.pack({"a": np.arange(5.0)}, {"k": 1})
    for length in range(len(blob)):
        with pytest.raises(archive.Damaged):
            archive.unpack(blob[:length])
    with pytest.raises(archive.Damaged):
        archive.unpack(blob + b"\0")


def test_a_foreign_safetensors_file_is_none_of_ours() -> None:
    from safetensors.numpy import save

    with pytest.raises(archive.Damaged):
        archive.unpack(save({"a": np.arange(3.0)}))
    with pytest.raises(archive.Damaged):
        archive.unpack(save({"a": np.arange(3.0)}, {"synvid-eval": "0 {}"}))


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    archive.write_bytes(path, b"old")
    archive.write_bytes(path, b"new" * 1000)
    assert path.read_bytes() == b"new" * 1000
    assert names(tmp_path) == ["a"]


def test_a_new_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    archive.write_bytes(tmp_path / "a", b"x")
    (tmp_path / "b").write_bytes(b"x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["replace", "chmod", "fdopen"])
def test_a_fault_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    path = tmp_path / "a"
    archive.write_bytes(path, b"old")

    def fail(*args: object, **_: object) -> None:
        if call == "fdopen":
            os.close(args[0])  # type: ignore[arg-type]
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError) as caught:
        archive.write_bytes(path, b"new")
    monkeypatch.undo()
    assert caught.value.errno == code
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_write_that_the_system_cuts_short(tmp_path: Path) -> None:
    """RLIMIT_FSIZE in a process of its own: the write itself fails halfway, as on a full disk."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    code = (
        "import sys, pathlib; from synvid_eval import archive\n"
        "try: archive.write_bytes(pathlib.Path(sys.argv[1]), b'x' * 2**20)\n"
        "except OSError as error: print(error.errno)"
    )

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
    )
    assert done.stdout.strip() == str(errno.EFBIG)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_an_interrupt_leaves_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        archive.write_bytes(tmp_path / "a", b"new")
    assert names(tmp_path) == []


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' * 50_000, "", "1", '{"same": 1}'])
def test_a_text_that_means_nothing_is_damage_whatever_its_checksum(text: str) -> None:
    with pytest.raises(archive.Damaged):
        archive.unpack(archive.signed({"a": np.zeros(3)}, text))


def test_a_file_whose_header_is_not_of_its_size_is_read_no_further(tmp_path: Path) -> None:
    """200 GiB that lie nowhere, a header as long, a pipe that never ends."""
    for length in (100, 150 << 30):
        with open(tmp_path / "sparse", "wb") as file:
            file.write(length.to_bytes(8, "little"))
            file.truncate(200 << 30)
        with pytest.raises(archive.Damaged, match="header"):
            archive.read(tmp_path / "sparse")
    whole = archive.pack({"a": np.zeros(3)}, {"b": 1})
    (tmp_path / "longer").write_bytes(whole + b"\0")
    with pytest.raises(archive.Damaged, match="another size"):
        archive.read(tmp_path / "longer")
    (tmp_path / "whole").write_bytes(whole)
    assert archive.read(tmp_path / "whole")[1] == {"b": 1}
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        archive.read(tmp_path / "pipe")
