"""Small sets in the shapes that Diving48, EGTEA Gaze+, Volleyball and YUP++ unpack to: real videos and
pictures, a few frames each.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from tests.clips import moving, write_video

VOCABULARY = [["Back", "15som", "05Twis", "FREE"], ["Inward", "25som", "NoTwis", "TUCK"]]

# videos (competitions) of Diving48 on each side, and the numbers of the clips of each
DIVES = {"train": ["2x00lRzlTVQ", "-mmq0PT-u8k"], "test": ["_8Vy3dlHg2w"]}

SESSIONS = {
    "train": ["OP01-R01-PastaSalad", "OP01-R02-TurkeySandwich", "P17-R04-ContinentalBreakfast"],
    "test": ["OP02-R01-PastaSalad"],
}

# number of a video of Volleyball → its annotated frames
MATCHES = {1: (10, 50), 39: (29885, 29905), 2: (30, 90), 4: (110, 160)}


def write(path: Path, *lines: str) -> Path:
    """A text file with those lines; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def videos(root: Path, names: list[str]) -> None:
    """Files of those names below a folder: one video of 8 frames of 32 × 48 pixels, under many names."""
    root.mkdir(parents=True, exist_ok=True)
    one = write_video(root / ".one.mp4", moving(8), "h264")
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(one, root / name)
    one.unlink()


def diving48(root: Path) -> Path:
    """Two clips of each class of each video, and the vocabulary."""
    names = []
    for side, own in DIVES.items():
        items = []
        for video in own:
            for number in range(4):
                items.append(
                    {
                        "vid_name": f"{video}_{number:05}",
                        "label": number % 2,
                        "start_frame": 0,
                        "end_frame": 8,
                    }
                )
        (root / f"Diving48_V2_{side}.json").parent.mkdir(parents=True, exist_ok=True)
        (root / f"Diving48_V2_{side}.json").write_text(json.dumps(items))
        names += [f"rgb/{item['vid_name']}.mp4" for item in items]
    (root / "Diving48_vocab.json").write_text(json.dumps(VOCABULARY))
    videos(root, names)
    return root


def egtea(root: Path) -> Path:
    """Two clips of each of two actions a session; one side's sessions are of other people."""
    names = []
    for side, sessions in SESSIONS.items():
        lines = []
        for session in sessions:
            for n in range(4):
                clip = f"{session}-{1000 * n}-{1000 * n + 900}-F{24 * n:06}-F{24 * n + 22:06}"
                lines.append(f"{clip} {n % 2 + 1} 1 3 4" if n else f"{clip} 1 2 7 ")
                names.append(f"cropped_clips/{session}/{clip}.mp4")
        write(root / "action_annotation" / f"{side}_split1.txt", *lines)
    write(root / "action_annotation" / "action_idx.txt", "Inspect/Read recipe 1", "Open fridge 2")
    videos(root, names)
    return root


def volleyball(root: Path, frames: int = 8) -> Path:
    """Two clips a video, of two activities, the annotated frame in the middle of each; two players."""
    picture = moving(1)[0]
    for video, annotated in MATCHES.items():
        lines = []
        for n, frame in enumerate(annotated):
            activity = ("r_spike", "l-pass")[n]
            lines.append(f"{frame}.jpg {activity} 430 575 82 170 waiting -3 491 82 177 spiking ")
            folder = root / str(video) / str(frame)
            folder.mkdir(parents=True)
            for k in range(frames):
                shifted = np.roll(picture, 2 * k + n, axis=1)
                Image.fromarray(shifted).save(folder / f"{frame - frames // 2 + k}.jpg")
        write(root / str(video) / "annotations.txt", *lines)
    return root


def yup_plus_plus(root: Path, scenes: tuple[str, ...] = ("Beach", "WindmillFarm"), each: int = 10) -> Path:
    """`each` clips a scene and camera, one in ten for training, as the published list says it."""
    lines, names = [], []
    for camera, folder in (("static", "camera_stationary"), ("moving", "camera_moving")):
        for scene in scenes:
            for n in range(1, each + 1):
                clip = f"{scene}_{camera}_cam_{n}"
                lines.append(f"{clip} {camera}_{'test' if n % 10 else 'train'}")
                names.append(f"{folder}/{scene}/{clip}.mp4")
    write(root / "10_90_randsplit_1.txt", *lines)
    videos(root, names)
    return root
