"""The pictures of one metric: what its number saw, drawn so that one sees it without reading.

`figures` draws whatever a metric's scores and media hold, in this order: log-spectra, colors in the a*b*
plane and lightness, spatial and temporal halves, Fréchet terms, eigenvalue spectra, the clips themselves,
optical flow. Which metric it is does not matter: keys that are there are drawn, so that another tool's
numbers and a new metric get the pictures that their data allow. It recomputes nothing that was measured;
medians, ellipses and histograms of the sampled clips are made here, for the eye only.

All data are hostile until proven: what is of the wrong type, not finite or beyond ±1e15 is left out, and
nothing raises. Every picture has its numbers as a table. Series are told by color, dash and marker (see
`svg`). Where many sets do not fit, the nearest are drawn, and the caption says so; the table holds all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from synvid_eval.report.bars import halves, terms
from synvid_eval.report.colors import colors
from synvid_eval.report.curves import eigenvalues, flow, spectra
from synvid_eval.report.drawing import Figure, Shown, View
from synvid_eval.report.points import clip_points
from synvid_eval.score import Score

__all__ = ["Figure", "Shown", "figures"]


def figures(
    label: str,
    identity: str,
    scores: Sequence[Score],
    media: Mapping[str, Any],
    sets: Sequence[Shown],
    reference: Shown,
) -> list[Figure]:
    """The pictures of the metric `label`; an empty list where nothing can be drawn.

    identity: a prefix that makes ids unique in the page. scores: this metric's. media: what stands under
    `media.metrics[label]`, in any state. sets: the candidates in the page's order. Never raises for odd data.
    """
    view = View(label, identity, scores, media, sets, reference)
    return [figure for draw in _PICTURES for figure in draw(view)]


_PICTURES: tuple[Callable[[View], list[Figure]], ...] = (
    spectra,
    colors,
    halves,
    terms,
    eigenvalues,
    clip_points,
    flow,
)
