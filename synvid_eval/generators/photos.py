"""Photos: pictures of a folder tree as textures: the stand-in for what the published sets took from ImageNet.

Yu et al. 2024 (arXiv 2410.24213) paste crops of ImageNet pictures onto shapes (1.3 million, or 300,000 or
150,000 of them), use them as backgrounds and as stills. Which pictures are taken is not stored here: `images`
names a folder, of which every JPEG, PNG and WebP counts, however deep, or is `skimage`: the eight color
photographs that scikit-image installs.

The files are sorted by their paths relative to the folder. A pool takes them in an order of its own, drawn
by (seed, pool): none is taken twice before all were taken once. A picture is its centered square (`fit`; how
the released code made its squares is not said), made `size` px large by area averaging.

What is read, and how: a picture is turned as its EXIF says; of an animated one the first frame is taken;
alpha lies over black; of 16 bits the upper 8 are kept; CMYK becomes RGB without a profile. A file that cannot
be read (cut short, no picture, more than 100 megapixels) is passed over: the next one in the pool's order
stands in its place, and `Photos.broken` lists it.

The content of all files is part of what identifies these textures, their place is not. Same bytes on one
machine and library version; elsewhere decoders of JPEG may round otherwise.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from synvid_eval import randomness
from synvid_eval.archive import write_bytes
from synvid_eval.cache import Cache, file_hash
from synvid_eval.errors import DataError
from synvid_eval.generators import camera, pool
from synvid_eval.generators.base import Frame
from synvid_eval.generators.resize import resized
from synvid_eval.generators.texture import Texture
from synvid_eval.knobs import knob
from synvid_eval.video.decode import Unreadable, read_picture
from synvid_eval.video.layouts import walk

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")

INSTALLED = "skimage"
"""What `images` says for the photographs that scikit-image installs."""

ENVIRONMENT = "SYNVID_EVAL_IMAGES"
"""The variable that stands for `images` where it is not given."""

CHECKED = 2000
"""At most that many files, those a pool takes first, are decoded in search of broken ones (see `broken`)."""


@dataclass(frozen=True)
class Files:
    """The pictures of a folder. names: paths relative to `root`, sorted. hashes: of their contents, "" where
    a file cannot be read.
    """

    root: Path
    names: tuple[str, ...]
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class Photos(Texture):
    """Pictures of a folder tree, or scikit-image's (see the module's docstring)."""

    name: ClassVar[str] = "photos"
    revision: ClassVar[int] = 1
    exact: ClassVar[bool] = False

    fit: str = knob(
        "crop",
        "how a picture becomes square: crop takes the centered square of its short side, stretch all of it",
        choices=("crop", "stretch"),
        source="our choice: not known of the released sets",
    )
    images: str = knob(
        "",
        f"folder of pictures (any tree of JPEG, PNG, WebP), or {INSTALLED}: the color photographs that "
        f"scikit-image installs; where empty, what {ENVIRONMENT} says",
        source="yours",
        recipe=False,
    )

    def files(self, tell: Callable[[str, int], None] = lambda path, total: None) -> Files:
        """The pictures it draws from, listed and hashed once a process (hashes of files that did not change
        are kept in the cache folder). `tell` hears of each file that is hashed, and of how many.

        Raises:
            DataError: no folder is given, it is missing, or no picture lies in it.
        """
        given = self.images or os.environ.get(ENVIRONMENT, "")
        if not given:
            raise DataError(
                "No pictures are given, which stand for ImageNet's here.",
                "Give --images DIR (any folder of JPEG, PNG, WebP), or --images skimage for the eight "
                f"photographs that scikit-image installs; or set {ENVIRONMENT}.",
            )
        place = given if given == INSTALLED else os.path.abspath(os.path.expanduser(given))
        if place not in _LISTED:
            _LISTED[place] = _listed(place, tell)
        return _LISTED[place]

    def prepare(self, tell: Callable[[str, int], None]) -> None:
        """See `Texture.prepare`: lists and hashes the files."""
        self.files(tell)

    def order(self, seed: int, pool: str) -> NDArray[np.int64]:
        """The order in which a pool takes the files: int64 [N], a permutation."""
        draws = randomness.stream(self.key(seed, pool, 0, "order"), len(self.files().names))
        return np.argsort(draws, kind="stable")

    def picture(self, seed: int, pool: str, index: int) -> Frame:
        """Picture `index` of a pool: uint8 [size, size, 3] RGB; see `Texture.picture`.

        Raises:
            DataError: no file can be read, or one is no longer what it was when it was listed.
        """
        self.key(seed, pool, index)
        files, order = self.files(), _order(self, seed, pool)
        for step in range(len(order)):
            number = int(order[(index + step) % len(order)])
            path = files.root / files.names[number]
            if file_hash(os.fspath(path)) != files.hashes[number]:
                raise DataError(f"The picture {path} changed while it was used.", "Run again.")
            try:
                return squared(read_picture(path), self.size, self.fit)
            except Unreadable:
                continue
        raise DataError(f"None of the {len(order)} pictures of {files.root} can be read.", "Give others.")

    def source(self, seed: int, pool: str, index: int) -> str | None:
        """The file that picture `index` of a pool shows; None where all are broken (see `broken`: of those
        that it does not look at each counts as sound).
        """
        names, order = self.files().names, _order(self, seed, pool)
        broken = _broken(self, seed, pool)
        at = (names[order[(index + step) % len(order)]] for step in range(len(order)))
        return next((name for name in at if name not in broken), None)

    def broken(self, seed: int = 0, pool: str = "") -> list[tuple[str, str]]:
        """(path relative to the folder, reason) of the files that cannot be read, among the first `CHECKED`
        that the pool takes, sorted. They are decoded for it; what was found is kept with the pools.
        """
        files = self.files()
        known = _read_checked()
        before = len(known)
        found = []
        for number in sorted(_order(self, seed, pool)[:CHECKED].tolist()):
            path, content = files.root / files.names[number], files.hashes[number]
            if content not in known:
                try:
                    read_picture(path)
                    known[content] = ""
                except Unreadable as error:
                    known[content] = str(error).removeprefix(f"{path.name}: ")
            if known[content]:
                found.append((files.names[number], known[content]))
            known.pop("", None)  # what cannot even be opened has no content to be known by
        if len(known) > before:
            with contextlib.suppress(OSError):
                _checked().parent.mkdir(parents=True, exist_ok=True)
                write_bytes(_checked(), json.dumps(known).encode())
        return found

    def identity(self) -> dict[str, Any]:
        """See `Texture.identity`; with the number of files, and a hash of their names and contents."""
        files = self.files()
        text = "\0".join(f"{n}\0{h}" for n, h in zip(files.names, files.hashes, strict=True))
        content = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        return {**super().identity(), "pictures": len(files.names), "content": content}


def squared(picture: Frame, size: int, fit: str = "crop") -> Frame:
    """A picture uint8 [H, W, 3] as a square: uint8 [size, size, 3]. fit: see `Photos.fit`."""
    if fit == "crop":
        tall, wide = picture.shape[:2]
        side = min(tall, wide)
        top, left = (tall - side) // 2, (wide - side) // 2
        picture = picture[top : top + side, left : left + side]
    return resized(picture, size, size)


@functools.lru_cache(maxsize=8)
def _order(texture: Photos, seed: int, pool: str) -> NDArray[np.int64]:
    order = texture.order(seed, pool)
    order.flags.writeable = False
    return order


@functools.lru_cache(maxsize=8)
def _broken(texture: Photos, seed: int, pool: str) -> frozenset[str]:
    return frozenset(name for name, _ in texture.broken(seed, pool))


_LISTED: dict[str, Files] = {}
"""What this process has listed, by place."""


def _listed(given: str, tell: Callable[[str, int], None]) -> Files:
    if given == INSTALLED:
        root, names = camera.folder(), sorted(camera.PHOTOGRAPHS.values())
    else:
        root = Path(given)
        if not root.is_dir():
            what = "is no folder" if root.exists() else "does not exist"
            raise DataError(f"--images {given} {what}.", f"Give a folder of pictures, or {INSTALLED}.")
        below = walk(root).pictures
        names = sorted(
            f"{folder}/{name}" if folder else name
            for folder, inside in below.items()
            for name in inside
            if name.lower().endswith(SUFFIXES)
        )
    if not names:
        raise DataError(f"No JPEG, PNG or WebP picture lies in {given}.", "Give a folder of pictures.")
    paths = [os.fspath(root / name) for name in names]
    kept = pool.folder()
    cache = Cache(kept.parent if kept.name == "textures" else kept)  # a folder without a cache is its own
    hashes = cache.content_hashes(paths, f"photos {root}", tell=tell)
    return Files(root, tuple(names), tuple(hashes[path] for path in paths))


def _checked() -> Path:
    return pool.folder() / "photos.json"


def _read_checked() -> dict[str, str]:
    """Content hash → why that picture cannot be read, "" where it can."""
    try:
        known = json.loads(_checked().read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {k: v for k, v in known.items() if isinstance(v, str)} if isinstance(known, dict) else {}
