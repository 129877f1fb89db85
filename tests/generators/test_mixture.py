"""Mixtures and full frames: which clips are replaced, by what; walks that fill the frame."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from synvid_eval.errors import DataError, UsageError
from synvid_eval.generators import textures
from synvid_eval.generators.full_frame import FullFrame
from synvid_eval.generators.mixture import Mixture, replaced
from synvid_eval.generators.shapes import Shapes

DEAD = {"stills": "dead_leaves(size=64)", "size": 32}


@pytest.mark.parametrize("share", ["0", "0.05", "0.25", "0.5", "0.75", "1", "0.3333"])
def test_any_run_from_the_first_holds_the_share(share):
    exact = Fraction(share)
    taken = [replaced(exact, i) for i in range(1000)]
    counts = np.cumsum(taken)
    assert all(abs(counts[n - 1] - exact * n) < 1 for n in range(1, 1001))
    assert [n for n in range(1, 1001) if (exact * n).denominator == 1 and counts[n - 1] != exact * n] == []


def test_one_clip_in_twenty_is_a_still_and_the_others_are_as_without():
    mixture, shapes = Mixture(**DEAD), Mixture(size=32)
    assert [i for i in range(60) if mixture.is_still(i)] == [19, 39, 59]
    for index in (0, 18, 20):
        assert np.array_equal(*(next(g.draw(0, "m", index, [5])) for g in (mixture, shapes)))
    first, last = mixture.draw(0, "m", 19, [0, 60])
    assert np.array_equal(first, last) and not np.array_equal(first, next(shapes.draw(0, "m", 19, [0])))
    again = textures.get("dead_leaves")(size=64).picture(0, "m", 0)
    assert abs(first.mean() - again.mean()) < 1  # the first still is the first texture, made smaller
    assert not np.array_equal(first, next(mixture.draw(0, "m", 39, [0])))


def test_stills_of_pictures_are_all_different_before_one_comes_again():
    mixture = Mixture(stills="photos(size=32)", images="skimage", size=32)
    stills = [next(mixture.draw(0, "m", 20 * k + 19, [0])).tobytes() for k in range(9)]
    assert len(set(stills[:8])) == 8 and stills[8] == stills[0]


def test_truth_of_a_still_is_that_nothing_moves():
    mixture = Mixture(**DEAD)
    truth = mixture.truth(0, "m", 19, [0, 4, 8])
    assert {k: v.shape for k, v in truth.items()} == {
        "flow": (2, 32, 32, 2),
        "masks": (3, 32, 32),
        "tracks": (0, 3, 2),
        "occluded": (0, 3),
        "hidden": (2, 32, 32),
    }
    moving = mixture.truth(0, "m", 0, [0, 4, 8])
    assert {k: v.dtype for k, v in truth.items()} == {k: v.dtype for k, v in moving.items()}
    assert not any(v.any() for v in truth.values()) and moving["masks"].any()
    assert not any(ids.any() for ids in mixture.ids(0, "m", 19, [0, 1]))
    with pytest.raises(UsageError, match="no truth 'depth'"):
        mixture.truth(0, "m", 19, [0], ["depth"])


def test_real_clips_are_not_drawn():
    mixture = Mixture(real="0.25", size=32)
    assert [i for i in range(12) if mixture.is_real(i)] == [3, 7, 11]
    next(mixture.draw(0, "m", 2, [0]))
    for call in (mixture.draw, mixture.ids, mixture.truth):
        with pytest.raises(UsageError, match=r"Clip 3 of this mixture is a real one.*--videos SET"):
            call(0, "m", 3, [0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"real": "0.2:0.4"}, "mixture.real=0.2:0.4 is a range."),
        ({"real": "1.5"}, "out of range"),
        ({"real": "half"}, "is no range"),
        ({"real": "0.5", "stills": "stylegan"}, "stills and real clips in one mixture."),
        ({"stills": "stylegang"}, "Did you mean 'stylegan'?"),
        ({"stills": "stylegan(sigm=3)"}, "Did you mean 'sigma'?"),
    ],
)
def test_bad_mixtures(given, message):
    with pytest.raises(UsageError) as caught:
        Mixture(**given)
    assert message in str(caught.value)


def test_identity_has_what_stills_show(monkeypatch):
    monkeypatch.delenv("SYNVID_EVAL_IMAGES", raising=False)
    with pytest.raises(DataError, match="No pictures are given"):
        Mixture(stills="photos").identity(0)
    identity = Mixture(stills="photos", images="skimage", videos="/some/where").identity(0)
    assert identity["still_textures"][0]["pictures"] == 8 and "/some/where" not in str(identity)
    assert set(Shapes().identity(0)) < set(identity)


def test_full_frame_is_a_walk_of_the_clips_own():
    generator = FullFrame(size=64, textures="stylegan(size=64,sigma=0.3)")
    frames = list(generator.draw(0, "d", 4, [0, 30, 90]))
    recipe = textures.get("stylegan")(size=64, sigma=0.3)
    for frame, expected in zip(frames, recipe.walk(0, "d", 4, [0, 30, 90]), strict=True):
        assert np.array_equal(frame, expected)
    assert not np.array_equal(frames[0], frames[2])
    (alone,) = generator.draw(0, "d", 4, [90])
    assert np.array_equal(alone, frames[2])
    with pytest.raises(UsageError, match="clip 0 has no frame"):
        generator.draw(0, "d", 0, [5000])


def test_full_frame_resizes_and_shares():
    generator = FullFrame(size=48, textures="stylegan(size=64)+dead_leaves(size=64)")
    still = 0
    for index in range(40):
        first, last = generator.draw(0, "d", index, [0, 60])
        assert first.shape == (48, 48, 3)
        still += np.array_equal(first, last)
    assert 10 < still < 30
    assert [r["texture"] for r in generator.identity(0)["made_of"]] == ["stylegan", "dead_leaves"]


def test_full_frame_of_nothing():
    with pytest.raises(UsageError, match=r"full_frame\.textures is empty"):
        FullFrame(textures=" ")
