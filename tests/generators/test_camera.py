"""The stand-in for real video: its addresses, its sources, its motion, and no download."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import cv2
import numpy as np
import pytest
from scipy import stats

from synvid_eval.errors import DataError, UsageError
from synvid_eval.generators import camera, presets
from synvid_eval.generators.camera import PHOTOGRAPHS, Camera, grain

NAME = "photo_camera"


def test_a_clip_or_frame_alone_is_that_of_the_whole():
    generator = presets.get(NAME).configured(height="60", width="80")
    whole = list(generator.draw(0, NAME, 3, range(generator.clip_length(0, NAME, 3))))
    list(generator.draw(0, NAME, 4, [0]))
    for frame, alone in zip([63, 5, 5], generator.draw(0, NAME, 3, [63, 5, 5]), strict=True):
        assert np.array_equal(alone, whole[frame])


def test_lengths_hold_16_frames_at_stride_4():
    generator = presets.get(NAME).configured()
    lengths = [generator.clip_length(0, NAME, index) for index in range(400)]
    assert min(lengths) == 64 and max(lengths) == 120


def test_clips_take_turns_over_eight_sources():
    generator = presets.get(NAME).configured()
    assert Counter(generator.source(0, NAME, index) for index in range(80)) == dict.fromkeys(PHOTOGRAPHS, 10)
    assert presets.get("moving_shapes").configured().source(0, "moving_shapes", 0) is None


def test_frames_are_moving_photographs_and_the_window_stays_inside():
    generator = Camera()
    for index in range(40):
        path = generator.path(0, NAME, index)
        photograph = camera._photograph(generator.source(0, NAME, index), 240, 320)
        tall, wide = photograph.shape[:2]
        for frame in range(0, 64, 3):
            x, y, zoom, roll = path.at(frame)
            half = np.array([[-160, -120], [160, -120], [160, 120], [-160, 120]]) * zoom
            turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
            corners = half @ turn + [wide / 2 + x, tall / 2 + y]
            assert (corners >= 0).all() and (corners <= [wide, tall]).all()


def test_without_motion_and_noise_a_frame_is_the_photograph_in_rgb():
    generator = Camera(pan=0, shake=0, noise=0, height=480, width=640)
    astronaut = next(generator.draw(0, NAME, 0, [0]))
    orange = astronaut.reshape(-1, 3).mean(0)
    assert orange[0] > orange[2] + 10  # the suit is orange: red above blue
    middle = camera._photograph("astronaut", 480, 640)
    score = cv2.matchTemplate(
        middle[::4, ::4], astronaut[::4, ::4][20:100, 30:130], cv2.TM_CCOEFF_NORMED
    ).max()
    assert score > 0.8


def test_motion_is_that_of_real_video():
    """The contract's decorrelation D at stride 4 (UCF101: .46–.50, Weizmann .65), and slower at stride 1."""

    def decorrelation(index: int, stride: int) -> float:
        frames = Camera().draw(0, NAME, index, range(0, 16 * stride, stride))
        gray = [cv2.cvtColor(frame[:, 40:280], cv2.COLOR_RGB2GRAY) for frame in frames]
        x = np.array([cv2.resize(g, (128, 128), interpolation=cv2.INTER_AREA) for g in gray], float)
        return float(((x[1:] - x[:-1]) ** 2).sum() / 2 / (((x - x.mean(0)) ** 2).sum() + 15 * x[0].size * 4))

    coarse, fine = (np.mean([decorrelation(index, stride) for index in range(24)]) for stride in (4, 1))
    assert 0.40 < coarse < 0.56
    assert 0.15 < fine < 0.35


def test_noise_has_the_strength_it_says():
    still = {"pan": 0.0, "shake": 0.0, "height": 64, "width": 64}
    clean = next(Camera(noise=0, **still).draw(0, NAME, 4, [9])).astype(float)
    grainy = next(Camera(noise=3, **still).draw(0, NAME, 4, [9])).astype(float)
    inner = (clean > 15) & (clean < 240)
    assert (grainy - clean)[inner].std() == pytest.approx(3, abs=0.15)
    assert abs((grainy - clean)[inner].mean()) < 0.15


def test_grain_is_normal_and_addressed():
    draws = grain(7, 100_001, 10.0)
    assert (draws.mean(), draws.std()) == (pytest.approx(0, abs=0.1), pytest.approx(10, abs=0.1))
    assert (
        stats.kstest(
            draws + np.random.default_rng(0).uniform(-0.5, 0.5, len(draws)), "norm", (0, 10)
        ).statistic
        < 0.01
    )
    assert np.array_equal(grain(7, 50, 10.0), draws[:50]) and not np.array_equal(
        grain(8, 50, 10.0), draws[:50]
    )


# Frame 40 of clips 0…7 at seed 0, reduced to 2 × 3 RGB by area. Made by: synvid_eval 0.1.0 (camera 1),
# OpenCV 5.0.0, scikit-image 0.26.0, x86-64, 2026-11-21, with
#   PYTHONPATH=. python -c "from tests.generators.test_camera import thumbnails; print(thumbnails())"
THUMBNAILS = [
    [74, 46, 39, 170, 126, 114, 106, 102, 100, 184, 104, 96, 122, 71, 59, 54, 53, 51],
    [134, 98, 63, 148, 107, 76, 147, 112, 81, 159, 113, 80, 149, 95, 52, 149, 109, 75],
    [177, 88, 55, 199, 123, 64, 186, 97, 63, 100, 21, 9, 64, 25, 17, 136, 47, 24],
    [47, 65, 101, 51, 65, 96, 41, 56, 87, 73, 90, 122, 85, 97, 120, 63, 75, 100],
    [134, 116, 108, 129, 87, 81, 136, 100, 89, 116, 84, 83, 133, 98, 92, 127, 80, 71],
    [20, 21, 21, 17, 18, 18, 16, 18, 17, 15, 17, 16, 21, 20, 20, 25, 24, 24],
    [238, 119, 84, 218, 85, 57, 220, 76, 51, 232, 103, 78, 220, 88, 62, 216, 81, 56],
    [143, 119, 100, 165, 147, 129, 168, 141, 113, 190, 179, 170, 201, 197, 196, 185, 176, 169],
]


def thumbnails() -> list[list[int]]:
    frames = (next(presets.get(NAME).configured().draw(0, NAME, index, [40])) for index in range(8))
    return [cv2.resize(frame, (3, 2), interpolation=cv2.INTER_AREA).ravel().tolist() for frame in frames]


def test_thumbnails():
    assert np.abs(np.array(thumbnails()) - THUMBNAILS).max() <= 1


def test_a_missing_photograph_says_how_to_get_it(tmp_path, monkeypatch):
    camera._photograph.cache_clear()
    monkeypatch.setattr(camera, "folder", lambda: tmp_path)
    with pytest.raises(
        DataError, match=r"astronaut.png is missing or cannot be read\. scikit-image installs it: pip"
    ):
        Camera().draw(0, NAME, 0, [0])
    (tmp_path / "astronaut.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="cannot be read"):
        Camera().draw(0, NAME, 0, [0])
    (tmp_path / "astronaut.png").write_bytes(b"")
    with pytest.raises(DataError, match="cannot be read"):
        Camera().draw(0, NAME, 0, [0])


def test_bad_frames_are_refused():
    with pytest.raises(UsageError, match="has no frame 500"):
        Camera().draw(0, NAME, 0, [500])


def test_neither_skimage_nor_pooch_is_imported():
    script = (
        "import sys; from synvid_eval.generators import presets; "
        f"next(presets.get('{NAME}').configured().draw(0, '{NAME}', 1, [0])); "
        "print(sorted({'skimage', 'pooch', 'torch'} & set(sys.modules)))"
    )
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "[]"
