"""What presets look like that are not drawn in integers: some of their pixels, as they were."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from synvid_eval.generators import presets
from synvid_eval.sets import textures_of
from tests.generators.test_shapes import GOLDEN, integer

# Every 16th pixel each way of frames 0 and 60 (of a shorter clip: the last) of a clip of each preset that is
# not drawn in integers: clip 0, or of one that has stills clip 19, the first. Seed 0, pools of 4 textures,
# scikit-image's photographs. Made by synvid_eval 0.1.0 (statistical 1, stylegan 1, photos 1, camera 1; on
# 2026-11-22 octopus 1, moving_leaves 1, fractal 1), numpy 2.4.6, scipy 1.17.1, numba 0.68,
# opencv-python-headless 5.0.0.93, scikit-image 0.26.0, x86-64, 2026-11-21, with
#   PYTHONPATH=. python -m tests.generators.test_preset_pixels
KEPT = Path(__file__).with_name("preset_pixels.npz")
FLOATS = [name for name in presets.names() if not integer(name)]


def pixels(name: str) -> np.ndarray:
    """uint8 [2, H / 16, W / 16, 3]."""
    overrides = {"pool": "4"} if "textures" in presets.get(name).knobs else {}
    if presets.get(name).generator == "full_frame":
        overrides = {}
    if any(texture.name == "photos" for texture in textures_of(presets.get(name).configured())):
        overrides["images"] = "skimage"
    generator = presets.get(name).configured(**overrides)
    index = 19 if getattr(generator, "stills", "") else 0
    last = min(60, generator.clip_length(0, name, index) - 1)
    return np.stack([frame[::16, ::16] for frame in generator.draw(0, name, index, [0, last])])


def test_every_preset_is_held():
    with np.load(KEPT) as kept:
        assert sorted([*kept, *GOLDEN]) == sorted(presets.names())


@pytest.mark.parametrize("name", FLOATS)
def test_presets_look_as_they_did(name):
    """Elsewhere 99.9 % of the pixels are within one gray level (modulo 256, where colors wrap)."""
    with np.load(KEPT) as kept:
        off = np.abs(pixels(name).astype(int) - kept[name])
    assert (np.minimum(off, 256 - off) <= 1).mean() >= 0.999


if __name__ == "__main__":
    np.savez_compressed(KEPT, **{name: pixels(name) for name in FLOATS})
    sys.exit()
