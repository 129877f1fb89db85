"""Photos: what a folder of pictures gives, in which order, and what becomes of hostile files."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synvid_eval.errors import DataError, UsageError
from synvid_eval.generators import photos, textures
from synvid_eval.generators.photos import Photos, squared


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listings are kept for the life of a process."""
    photos._LISTED.clear()
    photos._order.cache_clear()
    photos._broken.cache_clear()
    monkeypatch.delenv(photos.ENVIRONMENT, raising=False)


def flat(color: tuple[int, int, int], size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new("RGB", size, color)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    (root / "deep/er").mkdir(parents=True)
    flat((200, 0, 0)).save(root / "b.png")
    flat((0, 200, 0)).save(root / "deep/a.webp", lossless=True)
    flat((0, 0, 200)).save(root / "deep/er/c.png")
    (root / "notes.txt").write_text("no picture")
    (root / ".hidden.png").write_bytes(b"no picture either")
    return root


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header says that many pixels, with next to no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 999))
        + chunk(b"IEND", b"")
    )


def test_it_is_found_by_its_name():
    assert textures.get("photos") is Photos


def test_a_tree_in_an_order_of_the_pools_own(tree):
    texture = Photos(size=16, images=os.fspath(tree))
    assert texture.files().names == ("b.png", "deep/a.webp", "deep/er/c.png")
    colors = {"b.png": (200, 0, 0), "deep/a.webp": (0, 200, 0), "deep/er/c.png": (0, 0, 200)}
    for seed, pool in ((0, "p"), (1, "p"), (0, "q")):
        order = texture.order(seed, pool)
        assert sorted(order) == [0, 1, 2]  # none twice before all were there
        for index in range(7):
            name = texture.files().names[order[index % 3]]
            picture = texture.picture(seed, pool, index)
            assert picture.shape == (16, 16, 3) and picture.dtype == np.uint8
            assert (picture == colors[name]).all()
    orders = {tuple(texture.order(seed, "p")) for seed in range(40)}
    assert len(orders) == 6


def test_content_is_its_identity_and_place_is_not(tree, tmp_path):
    before = Photos(images=os.fspath(tree)).identity()
    assert before["pictures"] == 3 and os.fspath(tmp_path) not in str(before)
    moved = tmp_path / "moved"
    tree.rename(moved)
    assert Photos(images=os.fspath(moved)).identity() == before
    photos._LISTED.clear()
    flat((200, 0, 1)).save(moved / "b.png")
    assert Photos(images=os.fspath(moved)).identity() != before
    photos._LISTED.clear()
    flat((200, 0, 0)).save(moved / "b.png")
    assert Photos(images=os.fspath(moved)).identity() == before
    photos._LISTED.clear()
    (moved / "b.png").rename(moved / "z.png")
    assert Photos(images=os.fspath(moved)).identity() != before
    assert Photos(images=os.fspath(moved), fit="stretch").identity()["fit"] == "stretch"


def test_a_picture_that_changes_under_way_is_told(tree):
    texture = Photos(size=16, images=os.fspath(tree))
    texture.files()
    for name in texture.files().names:
        flat((9, 9, 9)).save(tree / name)
    with pytest.raises(DataError, match="changed while it was used"):
        texture.picture(0, "p", 0)


def test_the_photographs_of_scikit_image():
    texture = Photos(size=32, images="skimage")
    pictures = [texture.picture(0, "p", index) for index in range(8)]
    assert len({p.tobytes() for p in pictures}) == 8
    assert texture.picture(0, "p", 8).tobytes() == pictures[0].tobytes()
    assert texture.broken() == []


def test_the_environment_stands_in(tree, monkeypatch):
    monkeypatch.setenv(photos.ENVIRONMENT, os.fspath(tree))
    assert len(Photos().files().names) == 3
    assert len(Photos(images="skimage").files().names) == 8


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_hostile_pictures_are_listed_and_passed_over(tree):
    good = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(good, "JPEG")
    (tree / "cut.jpg").write_bytes(good.getvalue()[: len(good.getvalue()) // 2])
    (tree / "bomb.png").write_bytes(bomb(60_000, 60_000))
    (tree / "large.png").write_bytes(bomb(11_000, 10_000))
    (tree / "huge.png").write_bytes(bomb(2**31 - 1, 2**31 - 1))
    (tree / "empty.jpg").write_bytes(b"")
    (tree / "text.webp").write_text("<script>alert(1)</script>")
    (tree / "a\nb.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tree / "loop").symlink_to(tree)
    (tree / "gone.png").symlink_to(tree / "nowhere.png")
    os.mkfifo(tree / "pipe.png")
    texture = Photos(size=16, images=os.fspath(tree))
    broken = dict(texture.broken())
    assert {"cut.jpg", "bomb.png", "large.png", "huge.png", "empty.jpg", "text.webp", "a\nb.png"} <= set(
        broken
    )
    assert set(texture.files().names) - set(broken) == {"b.png", "deep/a.webp", "deep/er/c.png"}
    assert "megapixels" in broken["large.png"] and "bomb" in broken["bomb.png"]
    assert broken["text.webp"] == "no picture"
    colors = {tuple(texture.picture(0, "p", index)[0, 0]) for index in range(30)}
    assert colors == {(200, 0, 0), (0, 200, 0), (0, 0, 200)}
    assert dict(texture.broken()) == broken  # remembered by content


def test_odd_pictures_are_read(tmp_path):
    Image.new("CMYK", (20, 20), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=95)
    Image.fromarray(np.full((20, 20), 0x8012, np.uint16)).save(tmp_path / "deep.png")
    Image.new("RGBA", (20, 20), (200, 100, 50, 0)).save(tmp_path / "clear.png")
    Image.new("L", (20, 20), 77).save(tmp_path / "gray.png")
    frames = [Image.new("RGB", (20, 20), c) for c in ((200, 0, 0), (0, 200, 0))]
    frames[0].save(
        tmp_path / "moves.webp", save_all=True, append_images=frames[1:], duration=40, lossless=True
    )
    Image.new("P", (1, 1), 0).save(tmp_path / "dot.png")
    texture = Photos(size=16, images=os.fspath(tmp_path))
    assert texture.broken() == []
    seen = {}
    for index, number in enumerate(texture.order(0, "p")):
        seen[texture.files().names[number]] = texture.picture(0, "p", index).mean((0, 1)).round().tolist()
    assert seen["cmyk.jpg"][0] > 240 and max(seen["cmyk.jpg"][1:]) < 15
    assert seen["deep.png"] == [128, 128, 128] and seen["gray.png"] == [77, 77, 77]
    assert seen["clear.png"] == [0, 0, 0] and seen["moves.webp"] == [200, 0, 0]


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError) as caught:
        Photos().identity()
    assert "--images DIR" in caught.value.hint and "skimage" in caught.value.hint and caught.value.code == 3
    (tmp_path / "file.png").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    for place, message in (("gone", "does not exist"), ("file.png", "is no folder"), ("empty", "No JPEG")):
        with pytest.raises(DataError, match=message):
            Photos(images=os.fspath(tmp_path / place)).files()
    (tmp_path / "empty/bad.png").write_bytes(b"bad")
    photos._LISTED.clear()
    with pytest.raises(DataError, match=r"None of the 1 pictures"):
        Photos(images=os.fspath(tmp_path / "empty")).picture(0, "p", 0)
    with pytest.raises(UsageError, match="negative"):
        Photos(images="skimage").picture(0, "p", -1)


def test_squares():
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255
    assert (squared(wide, 10) == 255).all()
    stretched = squared(wide, 10, "stretch")
    assert stretched.shape == (10, 10, 3) and stretched.mean() == 85
    assert squared(np.full((1, 1, 3), 7, np.uint8), 16).tolist() == np.full((16, 16, 3), 7).tolist()
