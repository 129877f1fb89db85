"""Array files: mapped where they can be, the pixels that NumPy reads, a plain text for every refusal."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from synvid_eval.errors import DataError
from synvid_eval.measurement import Options, measure
from synvid_eval.sets import open_clip, open_set
from synvid_eval.video import decode
from synvid_eval.video.arrays import open_array


@pytest.fixture
def clips() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, 5, 7, 6, 3), dtype=np.uint8)


def test_npy_is_mapped(tmp_path: Path, clips: NDArray[np.uint8]) -> None:
    np.save(tmp_path / "a.npy", clips)
    opened = open_array(tmp_path / "a.npy")
    assert isinstance(opened.frames, np.memmap)
    assert opened.loaded == 0
    assert np.array_equal(opened.frames, clips)


@pytest.mark.parametrize("order", ["C", "F"])
def test_stored_npz_is_mapped(tmp_path: Path, clips: NDArray[np.uint8], order: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, labels=np.arange(100), frames=np.asarray(clips, order=order))  # type: ignore[call-overload]
    opened = open_array(path)
    assert isinstance(opened.frames, np.memmap)
    assert opened.loaded == 0
    with np.load(path) as oracle:
        assert np.array_equal(opened.frames, oracle["frames"])


def test_stored_npz_with_extra_fields_in_the_local_header(tmp_path: Path, clips: NDArray[np.uint8]) -> None:
    """Zip64 members carry more in the local header than in the central directory."""
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("frames.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, clips)
    opened = open_array(path)
    assert isinstance(opened.frames, np.memmap)
    assert np.array_equal(opened.frames, clips)


def test_compressed_npz_is_loaded_and_its_size_said(tmp_path: Path, clips: NDArray[np.uint8]) -> None:
    path = tmp_path / "a.npz"
    big = np.zeros((4, 16, 64, 64, 3), np.uint8)
    big[0, :5, :7, :6] = clips[0]
    np.savez_compressed(path, frames=big)
    opened = open_array(path)
    assert opened.loaded == big.nbytes
    assert np.array_equal(opened.frames, big)
    found = open_set(path)
    assert found.notes == (
        f"{path} is compressed: {big.nbytes / 2**20:.1f} MiB are loaded into memory a process",
    )


def test_a_compressed_npz_is_not_loaded_to_be_listed(
    tmp_path: Path, clips: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, frames=clips)
    monkeypatch.setattr(np.lib.format, "read_array", None)
    assert len(open_set(path)) == 3


def test_a_header_that_promises_more_than_the_archive_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("frames.npy", "w") as member,
    ):
        header = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 64, 1024, 1024, 3)}
        np.lib.format.write_array_header_1_0(member, header)
    with pytest.raises(DataError, match="it is cut short: 201,326,592,000,000 bytes announced"):
        open_set(path)


@pytest.mark.parametrize("name", ["object.npz", "object.npy", "other.npz", "short.npy"])
def test_refusals_are_sentences(tmp_path: Path, clips: NDArray[np.uint8], name: str) -> None:
    np.savez(tmp_path / "object.npz", frames=np.array([{}], dtype=object))
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "other.npz", video=clips)
    np.save(tmp_path / "short.npy", clips)
    (tmp_path / "short.npy").write_bytes((tmp_path / "short.npy").read_bytes()[:200])
    with pytest.raises(DataError) as caught:
        open_set(tmp_path / name)
    assert ".." not in str(caught.value) and '"' not in str(caught.value)


def test_a_changed_file_is_opened_anew(tmp_path: Path, clips: NDArray[np.uint8]) -> None:
    path = tmp_path / "a.npy"
    np.save(path, clips)
    open_array(path)
    np.save(path, clips[:2])
    assert len(open_array(path).frames) == 2


def test_sets_of_arrays(tmp_path: Path, clips: NDArray[np.uint8]) -> None:
    np.save(tmp_path / "many.npy", clips)
    found = open_set(tmp_path / "many.npy", fps=12)
    assert found.ids == ["many[0]", "many[1]", "many[2]"]
    assert (found.name, found.layout) == ("many", "npy")
    assert found.said == "3 clips of 5×7×6×3 in one array, at 12 frames/s"
    reader = open_clip(found.clips[1])
    assert (reader.total, reader.fps) == (5, 12)
    assert all(np.array_equal(f, clips[1, i]) for i, f in reader.frames([0, 3]))
    np.savez(tmp_path / "one.npz", frames=clips[2])
    one = open_set(tmp_path / "one.npz")
    assert one.ids == ["one[0]"]
    assert np.array_equal(np.stack([f for _, f in open_clip(one.clips[0]).frames(range(5))]), clips[2])


def test_an_array_in_memory(clips: NDArray[np.uint8]) -> None:
    found = open_set(clips, name="mine")
    assert found.ids == ["mine[0]", "mine[1]", "mine[2]"]
    assert np.array_equal(next(iter(open_clip(found.clips[2], clips).frames([4])))[1], clips[2, 4])


def test_ids_of_more_than_ten_clips_are_numbers_in_order(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((12, 1, 2, 2, 3), np.uint8))
    found = open_set(tmp_path / "a.npy")
    assert {c.id: c.index for c in found.clips} == {f"a[{i}]": i for i in range(12)}


REFUSED = {
    "float": (np.zeros((2, 3, 4, 4, 3)), r"holds float64 \[2, 3, 4, 4, 3\]\. Save uint8 RGB"),
    "gray": (np.zeros((2, 3, 4, 4), np.uint8), r"holds uint8 \[2, 3, 4, 4\]"),
    "channels first": (np.zeros((2, 3, 3, 4, 4), np.uint8), r"holds uint8 \[2, 3, 3, 4, 4\]"),
    "empty": (np.zeros((0, 3, 4, 4, 3), np.uint8), r"holds no pixel: its shape is \[0, 3, 4, 4, 3\]"),
    "no frame": (np.zeros((2, 0, 4, 4, 3), np.uint8), r"holds no pixel"),
    "scalar": (np.uint8(3), r"holds uint8 \[\]"),
    "objects": (np.array([[1], [2, 3]], dtype=object), r"cannot be read as an array"),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("kind", ["npy", "npz", "compressed"])
def test_refusals_say_what_was_seen(tmp_path: Path, what: str, kind: str) -> None:
    array, text = REFUSED[what]
    path = tmp_path / f"a.{kind[:3]}"
    if kind == "npy":
        np.save(path, array, allow_pickle=True)
    elif kind == "npz":
        np.savez(path, frames=array)
    else:
        path = tmp_path / "a.npz"
        np.savez_compressed(path, frames=array)
    with pytest.raises(DataError, match=text):
        open_set(path)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    np.save(tmp_path / "a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", frames=np.array([Trap()], dtype=object))
    np.savez_compressed(tmp_path / "b.npz", frames=np.array([Trap()], dtype=object))
    for name in ("a.npy", "a.npz", "b.npz"):
        with pytest.raises(DataError, match="cannot be read as an array"):
            open_set(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_statistics_are_no_clips(tmp_path: Path) -> None:
    np.savez(tmp_path / "fid.npz", mu=np.zeros(4), sigma=np.eye(4))
    with pytest.raises(DataError, match="`mu` and `sigma`"):
        open_set(tmp_path / "fid.npz")
    np.savez(tmp_path / "other.npz", video=np.zeros(4))
    with pytest.raises(DataError, match=r"it has no array `frames` \(it holds video\)\. Save"):
        open_set(tmp_path / "other.npz")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize(
    "data", [b"", b"text, no array", b"\x93NUMPY", b"PK\x03\x04rest", b"\x93NUMPY\x01\x00\x10\x00{'descr': ("]
)
def test_damaged_files(tmp_path: Path, suffix: str, data: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    with pytest.raises(DataError, match="cannot be read as"):
        open_set(path)


@pytest.mark.parametrize("kind", ["npy", "npz", "compressed"])
def test_cut_short_anywhere(tmp_path: Path, kind: str, clips: NDArray[np.uint8]) -> None:
    path = tmp_path / ("a.npy" if kind == "npy" else "a.npz")
    if kind == "npy":
        np.save(path, clips)
    else:
        (np.savez if kind == "npz" else np.savez_compressed)(path, frames=clips)
    data = path.read_bytes()
    for length in range(0, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:length])
        with pytest.raises(DataError):
            open_set(path)


def test_an_archive_named_npy(tmp_path: Path, clips: NDArray[np.uint8]) -> None:
    np.savez(tmp_path / "a.npz", frames=clips)
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(DataError, match="cannot be read as an array"):
        open_set(tmp_path / "a.npy")


def test_a_folder_of_npz_clips(tmp_path: Path, clips: NDArray[np.uint8]) -> None:
    folder = tmp_path / "set"
    (folder / "run").mkdir(parents=True)
    np.savez(folder / "a.npz", frames=clips[0])
    np.savez_compressed(folder / "run" / "b.npz", frames=clips[1], label=np.arange(3))
    found = open_set(folder, fps=12)
    assert (found.layout, found.ids) == ("npz_clips", ["a.npz", "run/b.npz"])
    for ref, want in zip(found.clips, clips, strict=False):
        reader = open_clip(ref)
        assert (reader.total, reader.fps) == (5, 12)
        assert all(np.array_equal(f, want[i]) for i, f in reader.frames([0, 2, 4]))


def test_broken_npz_clips_are_listed_with_their_reason(tmp_path: Path) -> None:
    long = np.random.default_rng(0).integers(0, 256, (20, 24, 24, 3), dtype=np.uint8)
    for i in range(4):
        np.savez(tmp_path / f"good_{i}.npz", frames=np.roll(long, i, axis=1))
    np.savez(tmp_path / "many.npz", frames=long[None])
    np.savez(tmp_path / "float.npz", frames=long.astype(np.float32))
    np.savez(tmp_path / "other.npz", video=long)
    np.savez(tmp_path / "object.npz", frames=np.array([{}], dtype=object))
    whole = (tmp_path / "good_0.npz").read_bytes()
    (tmp_path / "short.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.npz").write_bytes(b"")
    measured = measure(tmp_path, features=["motion"], options=Options(workers=1, max_skipped="100%"))
    assert [c.id for c in sorted(measured.clips, key=lambda c: c.id)] == [f"good_{i}.npz" for i in range(4)]
    reasons = {s["id"]: s["reason"] for s in measured.facts.skipped}
    assert set(reasons) == {f"{n}.npz" for n in ("many", "float", "other", "object", "short", "empty")}
    assert "many clips [N, T, H, W, 3]: give the file itself" in reasons["many.npz"]
    assert reasons["float.npz"] == (
        "holds float32 [20, 24, 24, 3]; wanted is `frames` uint8 RGB [T, H, W, 3]"
    )
    assert not any(str(tmp_path) in reason for reason in reasons.values())
    assert "frames" in reasons["other.npz"]
    assert all(len(r) > 10 and not r.endswith(".") for r in reasons.values())


def test_what_does_not_fit_now_may_fit_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little memory is the machine's doing: the clip is skipped, and the next run tries again."""

    def refuse(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 9 GiB")

    np.savez_compressed(tmp_path / "a.npz", frames=np.zeros((4, 8, 8, 3), np.uint8))
    monkeypatch.setattr(np.lib.format, "read_array", refuse)
    with pytest.raises(decode.Unreadable, match="Unable to allocate 9 GiB") as raised:
        open_clip(decode.ClipRef("a", "array", str(tmp_path / "a.npz"), -1))
    assert not raised.value.lasting
