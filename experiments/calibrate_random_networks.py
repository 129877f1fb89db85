"""Makes the files of the random networks in `synvid_eval/data` again.

    python experiments/calibrate_random_networks.py [--out DIR]

random_inputs.safetensors: small frames of our own generators, on which every random network is calibrated;
those of `photo_camera` show two of scikit-image's photographs, both in the public domain (astronaut, by NASA;
rocket, by SpaceX).
random_inception.safetensors, random_i3d.safetensors: the statistics that this gives for seed 0.
`tests/networks/test_random.py` makes all of them again and compares. See `synvid_eval.networks.random`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synvid_eval import archive
from synvid_eval.generators import presets
from synvid_eval.networks import random
from synvid_eval.states import Arrays

SEED = 0
INCEPTION_SIDE, I3D_SIDE, I3D_FRAMES = 100, 75, 9

# (preset, clip, frame)
INCEPTION = [
    ("moving_shapes", 0, 0),
    ("moving_circles", 1, 30),
    ("photo_camera", 0, 0),
    ("photo_camera", 3, 40),
]
I3D = [("moving_shapes", 0), ("photo_camera", 0)]


def draw(preset: str, clip: int, frames: Sequence[int], side: int) -> NDArray[np.uint8]:
    """Frames of a clip, uint8 [T, 3, side, side]."""
    camera = preset == "photo_camera"
    size = {"width": str(side), "height": str(side)} if camera else {"size": str(side)}
    generator = presets.get(preset).configured(**size)
    return np.stack(list(generator.draw(SEED, preset, clip, frames))).transpose(0, 3, 1, 2)


def frames() -> Arrays:
    """Network → what it is calibrated on, uint8: [4, 3, 100, 100], [2, 3, 9, 75, 75]."""
    images = [draw(preset, clip, [frame], INCEPTION_SIDE)[0] for preset, clip, frame in INCEPTION]
    clips = [draw(preset, clip, range(I3D_FRAMES), I3D_SIDE).swapaxes(0, 1) for preset, clip in I3D]
    return {"inception": np.stack(images), "i3d": np.stack(clips)}


def statistics(network: str, small: Arrays) -> Arrays:
    """The calibrated statistics of seed 0."""
    module = random.drawn(network, random.SHIPPED_SEED)
    random.calibrate(module, random.inputs(network, small))
    return random.statistics(module)


def main() -> None:
    """Writes the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(random.__file__).parents[1] / "data")
    out = parser.parse_args().out
    small = frames()
    made_by = {"made by": "experiments/calibrate_random_networks.py"}
    archive.write_bytes(out / random.INPUTS_FILE, archive.pack(small, made_by))
    for network in random.GRAPHS:
        file = out / random.statistics_file(network)
        archive.write_bytes(file, archive.pack(statistics(network, small), made_by))


if __name__ == "__main__":
    main()
