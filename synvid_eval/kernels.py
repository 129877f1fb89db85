"""Where compiled kernels are kept: beside the code, or in the user's cache folder where that is read-only."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def prepare() -> None:
    """Gives numba a place of the user's own for compiled kernels, before the first kernel is declared.

    numba reads what it kept by unpickling it, so the place must not be one that others can write to.
    """
    if "NUMBA_CACHE_DIR" in os.environ or os.access(Path(__file__).parent, os.W_OK):
        return
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("synvid-eval")) / "kernels"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        usable = os.access(folder, os.W_OK)
    except OSError:
        usable = False
    os.environ["NUMBA_CACHE_DIR"] = str(folder) if usable else tempfile.mkdtemp(prefix="synvid-eval-")
