"""Paintings: where each tile stands, by its own colors."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from synvid_eval import paintings
from synvid_eval.errors import UsageError

FRAMES = np.repeat(np.arange(0, 160, 10, dtype=np.uint8), 64 * 64 * 3).reshape(16, 64, 64, 3)
"""Sixteen frames, each of one gray."""

CLIP = {"id": "a/b c", "label": None, "frames": list(range(0, 64, 4)), "fps": 20.0}


def maps(patches: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (8, patches, patches, 3), np.uint8)


def test_enlarged_has_blocks() -> None:
    small = maps(4)[0]
    assert np.array_equal(paintings.enlarged(small, 12), np.kron(small, np.ones((3, 3, 1), np.uint8)))
    odd = paintings.enlarged(small, 10)
    assert odd.shape == (10, 10, 3) and np.array_equal(odd[[0, 3, 5, 8]][:, [0, 3, 5, 8]], small)


@pytest.mark.parametrize(
    ("count", "want"), [(16, [1, 3, 5, 7, 9, 11, 13, 15]), (8, list(range(8))), (3, [0, 1, 2]), (1, [0])]
)
def test_tubelets_of_a_strip_are_evenly_spread(count: int, want: list[int]) -> None:
    assert paintings.chosen(count) == want


def test_each_frame_stands_beside_the_map_of_its_tubelet() -> None:
    first, second = maps(4), maps(8, 1)
    found = list(paintings.beside(FRAMES, [first, second], 2, 32))
    assert len(found) == 16 and found[0].shape == (32, 3 * 32 + 2 * paintings.GAP, 3)
    for number, frame in enumerate(found):
        assert (frame[:, :32] == 10 * number).all()
        assert np.array_equal(frame[:, 36:68], paintings.enlarged(first[number // 2], 32))
        assert np.array_equal(frame[:, 72:], paintings.enlarged(second[number // 2], 32))


def test_a_sheet_has_frames_above_and_maps_below() -> None:
    one = maps(4)
    data = paintings.sheet([("first", FRAMES, [one]), ("second", FRAMES, [one])], [["net", "about"]], 2)
    picture = np.asarray(Image.open(io.BytesIO(data)))
    side, gap = paintings.SIDE, paintings.GAP
    assert picture.shape[1] == paintings.LABELS + 8 * (side + gap) + gap
    for block in range(2):
        top = gap + block * (2 * (side + gap) + 3 * gap)
        for column in range(8):
            left = paintings.LABELS + column * (side + gap)
            assert (picture[top : top + side, left : left + side] == 20 * column).all()
            below = picture[top + side + gap : top + 2 * side + gap, left : left + side]
            assert np.array_equal(below, paintings.enlarged(one[column], side))
        labels = picture[top : top + 2 * (side + gap), : paintings.LABELS - gap]
        assert (labels[:40] < 120).any() and (labels[side:] < 120).any()
    assert data == paintings.sheet([(n, FRAMES, [one]) for n in ("first", "second")], [["net", "about"]], 2)


def test_long_labels_stay_beside_their_rows() -> None:
    one = maps(4)
    data = paintings.sheet([("x" * 300, FRAMES, [one])], [["W" * 200]], 2)
    picture = np.asarray(Image.open(io.BytesIO(data)))
    assert (picture[:, paintings.LABELS - paintings.GAP : paintings.LABELS] == 255).all()


def test_media_of_a_clip() -> None:
    one = maps(4)
    found = paintings.media(CLIP, FRAMES, [one], 2)
    assert found["columns"] == [0, 8, 16, 24, 32, 40, 48, 56]
    side, gap = paintings.SIDE, paintings.GAP
    (strip,) = found["maps"]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(strip))))
    assert picture.shape == (side, 8 * (side + gap) - gap, 4)
    assert np.array_equal(picture[:, side + gap : 2 * side + gap, :3], paintings.enlarged(one[1], side))
    assert (picture[:, side : side + gap, 3] == 0).all()  # nothing between tiles, whatever is behind
    frames = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["frames"]))).convert("RGB"))
    assert abs(int(frames[50, 3 * (side + gap) + 50, 0]) - 60) <= 3
    with av.open(io.BytesIO(base64.b64decode(found["film"]))) as film:
        stream = film.streams.video[0]
        assert (stream.height, stream.width) == (found["height"], found["width"])
        assert stream.average_rate == 5 and sum(1 for _ in film.decode(video=0)) == 16


def test_videos_are_written_aside_and_named(tmp_path: Path) -> None:
    paintings.check_folder(str(tmp_path / "out"))
    paintings.write_video(tmp_path / "out", 7, CLIP, FRAMES, [maps(4)], 2)
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == "007-a_b_c.mp4"
    with av.open(str(path)) as video:
        frames = [f.to_ndarray(format="rgb24") for f in video.decode(video=0)]
    assert len(frames) == 16 and frames[0].shape == (224, 452, 3)
    assert abs(int(frames[12][100, 100, 0]) - 120) < 5
    paintings.check_folder(str(tmp_path / "out"))
    (tmp_path / "out" / "notes.txt").write_text("mine")
    for folder in ("out", "out/notes.txt", "gone/deep"):
        with pytest.raises(UsageError, match="--video"):
            paintings.check_folder(str(tmp_path / folder))


def test_a_rate_is_the_clips_own() -> None:
    assert paintings.rate(CLIP) == 5
    assert paintings.rate({**CLIP, "fps": None, "frames": [0, 1]}) == paintings.RATE
