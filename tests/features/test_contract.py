"""What every feature must do, run over all that are registered."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from synvid_eval import knobs
from synvid_eval.errors import UsageError
from synvid_eval.features import ClipResult, Feature, registry
from synvid_eval.features.network import NetworkFeature
from synvid_eval.states import Counts, Fold, Moments, Rows, add, fold
from tests.features.looks import look_at

STATES = {
    "hog": {"hog", "frames", "clips"},
    "i3d": {"logits", "rows"},
    "inception": {"pool3", "rows"},
    "lab": {"lab", "plane", "lightness"},
    "pixels": {"pixels"},
    "run": {"features", "rows", "smaller"},
    "motion": {"stride1", "stride2", "stride4", "speed", "acceleration"},
    "spectrum": {"spectrum", "log_spectrum", "frames"},
    "tubelet": {f"{what}{n}" for what in ("stride", "dropped", "clips") for n in (1, 2, 4)},
}
PIXEL_FEATURES = registry.names()


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    """Networks are proven elsewhere: here means of inputs stand in for their rows."""

    def rows(self, inputs):
        means = inputs.reshape(len(inputs), -1).mean(axis=1, dtype=np.float64)
        return (means[:, None] + np.arange(5)).astype(np.float32)

    monkeypatch.setattr(NetworkFeature, "rows", rows)


@pytest.fixture(scope="module")
def clip():
    return np.random.default_rng(5).integers(0, 256, (61, 48, 64, 3), dtype=np.uint8)


def measured(name, clip, **changes):
    feature = registry.get(name)(**changes)
    return feature.measure(look_at(feature, clip))


def as_bytes(result):
    arrays = [(k, a, v.tobytes()) for k, s in result.states.items() for a, v in s.to_arrays().items()]
    return dict(result.summary), arrays


def test_the_states_of_every_feature_are_written_down():
    assert set(STATES) == set(PIXEL_FEATURES)


def folds(feature, clips):
    results = [feature.measure(look_at(feature, c, name=f"clip{i}")) for i, c in enumerate(clips)]
    return [Fold(r.states, dict.fromkeys(r.states, 1)) for r in results]


def numbers(fold):
    out = {}
    for name, state in sorted(fold.states.items()):
        if isinstance(state, Rows):
            order = np.argsort(state.keys)
            parts = [state.keys[order], state.owners[order], state.rows[order]]
        else:
            counts = isinstance(state, Counts)
            parts = [state.values] if counts else [state.n, state.mean, state.covariance(0)]
        out[name] = np.concatenate([np.ravel(p).astype(float) for p in parts])
    return out, dict(sorted(fold.clips.items()))


def same(a, b):
    (left, left_clips), (right, right_clips) = numbers(a), numbers(b)
    assert left_clips == right_clips and set(left) == set(right)
    for name, values in left.items():
        assert np.allclose(values, right[name], rtol=1e-9, atol=1e-9 * np.abs(values).max()), name


def folds_in_any_way(feature, clips):
    """Zero changes nothing, any split and any order give one shot's numbers, parts are left as they were, and
    a clip gives the same whatever was measured before it.
    """
    parts = folds(feature, clips)
    before = [[a.tobytes() for s in p.states.values() for a in s.to_arrays().values()] for p in parts]
    whole = fold(parts)
    same(fold([Fold(), *parts, Fold()]), whole)
    for cut in range(1, len(parts)):
        same(fold(parts[:cut]) + fold(parts[cut:]), whole)
    same(fold(reversed(parts)), whole)
    again = folds(feature, clips)
    after = [[a.tobytes() for s in p.states.values() for a in s.to_arrays().values()] for p in parts]
    assert after == before, "adding, or measuring another clip, changed a part"
    for one, other in zip(parts, again, strict=True):
        same(one, other)


@pytest.fixture(scope="module")
def several():
    rng = np.random.default_rng(8)
    return [rng.integers(0, 256, (61, 40 + 8 * i, 48, 3), dtype=np.uint8) for i in range(4)]


@pytest.mark.parametrize("name", PIXEL_FEATURES)
def test_folding(name, several):
    folds_in_any_way(registry.get(name)(), several)


@dataclasses.dataclass(frozen=True)
class Remembers(Feature):
    """Broken on purpose: what a clip gives depends on how many were measured before."""

    name = "remembers"
    looks_at = "frames"
    seen = []

    def view(self):
        return mean_color

    def measure(self, look):
        self.seen.append(look.clip)
        return ClipResult({}, {"color": Moments.of_rows(np.stack(look.looked_at()) + len(self.seen))})


@dataclasses.dataclass(frozen=True)
class Shares(Remembers):
    """Broken on purpose: every clip gets the same state, with a part that `+` of another clip changes."""

    name = "shares"
    rows = np.zeros((1, 3))

    def measure(self, look):
        self.rows[:] += np.stack(look.looked_at()).mean(axis=0)
        return ClipResult({}, {"color": Moments.of_rows(self.rows)})


def mean_color(frame):
    return frame.mean(axis=(0, 1))


@pytest.mark.parametrize("kind", [Remembers, Shares])
def test_a_broken_feature_fails_the_contract(kind, several):
    with pytest.raises(AssertionError):
        folds_in_any_way(kind(), several)


@pytest.mark.parametrize("name", PIXEL_FEATURES)
def test_states_are_the_documented_ones_and_add_up(name, clip):
    one = measured(name, clip)
    assert set(one.states) == STATES[name]
    other = measured(name, clip[:, ::-1, ::-1])
    for key, state in one.states.items():
        assert isinstance(state, (Moments, Counts, Rows))
        add(state, other.states[key])
    assert all(isinstance(v, float) for v in one.summary.values())


@pytest.mark.parametrize("name", PIXEL_FEATURES)
def test_repetition_gives_the_same_bytes_and_leaves_the_input_alone(name, clip):
    before = clip.copy()
    first = as_bytes(measured(name, clip))
    assert np.array_equal(clip, before)
    clip.setflags(write=False)
    try:
        assert as_bytes(measured(name, clip)) == first
    finally:
        clip.setflags(write=True)
    strided = np.asfortranarray(clip)
    assert as_bytes(measured(name, strided)) == first


@pytest.mark.parametrize("name", PIXEL_FEATURES)
def test_views_are_left_alone(name, clip):
    feature = registry.get(name)()
    look = look_at(feature, clip)
    before = {i: v.copy() for i, v in look.views.items()}
    feature.measure(look)
    for i, view in look.views.items():
        assert np.array_equal(view, before[i], equal_nan=True)


@pytest.mark.parametrize("name", PIXEL_FEATURES)
def test_a_view_is_equal_to_another_of_the_same_recipe_and_refuses_what_is_no_frame(name):
    view = registry.get(name)().view()
    assert view == registry.get(name)().view()
    assert hash(view) == hash(registry.get(name)().view())
    for bad in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"a frame is uint8 \[H, W, 3\]"):
            view(bad)


@pytest.mark.parametrize("name", PIXEL_FEATURES)
def test_no_frames_and_single_pixels_are_no_crash(name):
    feature = registry.get(name)()
    empty = feature.measure(look_at(feature, np.zeros((0, 8, 8, 3), np.uint8)))
    assert "spectrum" not in empty.states and "hog" not in empty.states and "lab" not in empty.states
    for shape in ((1, 1), (2, 1), (1, 5), (16, 16), (127, 3)):
        feature.measure(look_at(feature, np.full((16, *shape, 3), 7, np.uint8)))


@pytest.mark.parametrize("name", PIXEL_FEATURES)
def test_an_unknown_knob_is_an_error(name):
    with pytest.raises(UsageError, match="no knob 'sdie'"):
        knobs.replace(registry.get(name)(), {"sdie": "3"})


@pytest.mark.parametrize("name", PIXEL_FEATURES)
def test_every_knob_is_described_bounded_readable_and_guarded(name):
    kind = registry.get(name)
    for field in dataclasses.fields(kind):
        assert field.metadata["help"]
        assert knobs.parse(kind, field.name, str(field.default)) == field.default
        choices, low, high = (field.metadata[k] for k in ("choices", "low", "high"))
        bad = ["nonsense"] if choices else []
        if not choices and field.type != "str":
            bad = [bound for bound in (low - 1, None if high is None else high + 1) if bound is not None]
        for value in bad:
            with pytest.raises(UsageError, match=f"{name}.{field.name}"):
                knobs.replace(kind(), {field.name: str(value)})


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("spectrum", {"low": "0.3"}),
        ("spectrum", {"bins": "4"}),
        ("tubelet", {"patch": "9", "side": "8"}),
        ("hog", {"cells": "9", "side": "8"}),
    ],
)
def test_knobs_that_contradict_each_other_are_an_error(name, settings):
    with pytest.raises(UsageError):
        knobs.replace(registry.get(name)(), settings)
