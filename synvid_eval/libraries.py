"""Versions of the libraries that decide numbers."""

from __future__ import annotations

import functools
import importlib.metadata

from synvid_eval import __version__
from synvid_eval.video import decode


@functools.cache
def decoder_versions() -> dict[str, str]:
    """Versions of the libraries that turn files into pixels and pixels into numbers (part of every cache
    key).
    """
    from av import library_versions

    names = (
        "av",
        "pillow",
        "opencv-python-headless",
        "opencv-python",
        "numpy",
        "scipy",
        "numba",
        "scikit-image",
    )
    out = {"synvid-eval": __version__, "decoding": str(decode.REVISION), "ffmpeg": str(library_versions)}
    return out | {name: version(name) for name in names}


def version(package: str) -> str:
    """The version of an installed package; ? where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "?"
