"""Worker processes (`python -m tests.slow`, the module's name in SLOW) that draw slowly and hang on files."""

from __future__ import annotations

import importlib
import os
import time
from typing import Any

from synvid_eval.generators.shapes import Shapes
from synvid_eval.video.decode import VideoFile

PAUSE = 1.5

_draw = Shapes.draw


def _slowly(self: Shapes, *address: Any) -> Any:
    time.sleep(PAUSE)
    return _draw(self, *address)


def _never(self: VideoFile, *wanted: Any) -> Any:
    time.sleep(1000)


if __name__ == "__main__":
    Shapes.draw = _slowly  # type: ignore[method-assign]
    VideoFile.frames = _never  # type: ignore[method-assign]
    importlib.import_module(f"synvid_eval.{os.environ['SLOW']}").main()
