"""What was drawn and may be wanted again: arrays, of which so many bytes are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.uint8]

BACKGROUND = "/background"
"""What the name of a preset ends in by which the clips of backgrounds are drawn: a few, wanted often."""


class Kept:
    """Arrays by key: those used last, up to `most` bytes, and `least` of them however large they are."""

    def __init__(self, most: int, least: int = 0) -> None:
        self._most, self._least, self._bytes = most, least, 0
        self._arrays: OrderedDict[Any, Array] = OrderedDict()
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Forgets all of them."""
        with self._lock:
            self._arrays.clear()
            self._bytes = 0

    def get(self, key: Any, draw: Callable[[], Array]) -> Array:
        """The array of a key, drawn where it is not kept; read-only."""
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
                return self._arrays[key]
        array = draw()
        array.flags.writeable = False
        with self._lock:
            if key not in self._arrays:
                self._arrays[key] = array
                self._bytes += array.nbytes
            while self._bytes > self._most and len(self._arrays) > self._least:
                self._bytes -= self._arrays.popitem(last=False)[1].nbytes
        return array
