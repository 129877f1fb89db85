"""Files of `mu` and `sigma`: the Gaussian of a set's Inception features, as pytorch-fid keeps it.

A side of a comparison for `fid` only: such a file knows neither its clips nor their number, so it has no
interval and no floor. Ours say in a third entry, `recipe`, which weights, protocol, precision and frames they
were made with, and are compared only with what was made alike; pytorch-fid reads past it. Others' do not say
it: what is compared with them is noted so. By definition sigma has ddof 1 (pytorch-fid: `np.cov`).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval import archive
from synvid_eval.errors import DataError
from synvid_eval.score import SetFacts
from synvid_eval.states import Fold, Moments, Side
from synvid_eval.video import arrays, remote

FEATURE = "inception"
DIM = 2048
_CURE = "pytorch-fid --save-stats DIR F.npz writes one, and so does measure --statistics F.npz."

# Relative to the largest entry: such files may have been float32.
_ROUNDING = 1e-6

# The weight that stands for an unknown number of rows, more than there are dimensions.
_MANY = 2.0**26


class _Given(Moments):
    """Moments whose covariance is the given one, whatever the divisor."""

    __slots__ = ("sigma",)

    sigma: NDArray[np.float64]

    def covariance(self, ddof: int) -> NDArray[np.float64]:
        """The file's sigma."""
        return np.array(self.sigma)


@dataclass(frozen=True)
class Statistics:
    """A file that was read. mu: float64 [2048]; sigma: float64 [2048, 2048], symmetric. recipe: what made it
    (see `write_statistics`), None where the file does not say.
    """

    facts: SetFacts
    mu: NDArray[np.float64]
    sigma: NDArray[np.float64]
    recipe: dict[str, Any] | None = None

    def side(self, state: str) -> Side:
        """The side that a metric on that state sees."""
        moments = _Given.of_parts(_MANY, self.mu, self.sigma * _MANY)
        moments.sigma = self.sigma
        return Side((Fold({state: moments}, {state: 0}),), 0, statistics=True)


def is_statistics(location: str) -> bool:
    """Whether a location is a `.npz` file with `mu` and `sigma` and without `frames`."""
    place = remote.place(location)
    with remote.telling(place):
        if not location.endswith(".npz") or not place.is_file():
            return False
    try:
        with remote.telling(place):
            names = set(arrays.npz_keys(place))
    except DataError:
        if isinstance(place, remote.Url):
            raise  # a store that gives no answer has not said what it is
        return False
    return {"mu", "sigma"} <= names and "frames" not in names


def read_statistics(path: str | os.PathLike[str], name: str) -> Statistics:
    """The file's Gaussian. DataError where it cannot be read, is of another shape or not finite, or where
    sigma is no covariance (not symmetric, or with a negative eigenvalue, beyond the rounding of float32).
    """
    where = os.fspath(path)
    try:
        with remote.telling(place := remote.place(path)):
            data = place.read_bytes()
        with zipfile.ZipFile(io.BytesIO(data)) as archived:  # nothing is unpacked that is larger than it says
            seen = [arrays.member_header(archived, key).shape for key in ("mu", "sigma")]
            if "recipe.npy" in archived.namelist():
                arrays.member_header(archived, "recipe")
        if seen != [(DIM,), (DIM, DIM)]:
            raise DataError(
                f"{where} holds mu {list(seen[0])}, sigma {list(seen[1])}; wanted [{DIM}], [{DIM}, {DIM}].",
                _CURE,
            )
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            mu, sigma = (np.asarray(file[key], np.float64) for key in ("mu", "sigma"))
            recipe = json.loads(str(file["recipe"])) if "recipe" in file.files else None
    except arrays.DAMAGE as error:
        why = str(error) or type(error).__name__
        raise DataError(f"{where} cannot be read as mu and sigma: {why}.", _CURE) from None
    if not (np.isfinite(mu).all() and np.isfinite(sigma).all()):
        raise DataError(f"{where}: mu or sigma is not finite.", _CURE)
    largest = float(np.abs(sigma).max())
    if float(np.abs(sigma - sigma.T).max()) > _ROUNDING * largest:
        raise DataError(f"{where}: sigma is not symmetric, so it is no covariance.", _CURE)
    sigma = (sigma + sigma.T) / 2
    try:  # it has a Cholesky factor where no eigenvalue is below minus the rounding: cheaper than eigenvalues
        np.linalg.cholesky(sigma + (_ROUNDING * largest * DIM or 1.0) * np.eye(DIM))
    except np.linalg.LinAlgError:
        least = float(np.linalg.eigvalsh(sigma)[0])
        raise DataError(
            f"{where}: sigma has the eigenvalue {least:.3g}, so it is no covariance.", _CURE
        ) from None
    fingerprint = hashlib.blake2b(data, digest_size=8).hexdigest()
    known = recipe if isinstance(recipe, dict) else None
    return Statistics(SetFacts(name, where, fingerprint, 0, 0), mu, sigma, known)


def write_statistics(path: str | os.PathLike[str], side: Side, state: str, recipe: Mapping[str, Any]) -> None:
    """Writes `mu` and `sigma` (ddof 1) of a side's state as `.npz` (aside, then renamed).

    recipe: what made them, JSON-ready: `feature` and `sampler` (knob → value), `revision` of the feature,
    `seed`, `state`; written as a third entry. Raises DataError below 2 rows.
    """
    moments = side.moments(state)
    if moments is None or moments.n < 2:
        rows = 0 if moments is None else moments.n
        raise DataError(f"{rows:g} frames have no covariance.", "Measure a set of two frames or more.")
    out = io.BytesIO()
    text = np.array(json.dumps(dict(recipe), sort_keys=True))
    np.savez(out, mu=moments.mean, sigma=moments.covariance(1), recipe=text)
    archive.write_bytes(remote.place(path), out.getvalue())
