"""A feature that ends its process at one clip, as a file does that crashes a decoder."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import ClassVar

from synvid_eval.features.base import ClipResult, Look
from synvid_eval.features.motion import Motion


@dataclass(frozen=True)
class Killing(Motion):
    """Motion of all clips but `clip`; each try of that adds a letter to the file `mark`."""

    name: ClassVar[str] = "killing"
    clip: str = ""
    mark: str = ""

    def measure(self, look: Look) -> ClipResult:
        """See `Feature.measure`."""
        if look.clip == self.clip:
            with open(self.mark, "a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGKILL)
        return super().measure(look)
