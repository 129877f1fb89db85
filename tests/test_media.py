from __future__ import annotations

import base64
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from synvid_eval import compare, measure, read_comparison
from synvid_eval.cache import Cache
from synvid_eval.comparison import DEFAULT_METRICS
from synvid_eval.errors import UsageError
from synvid_eval.features.network import Networks
from synvid_eval.measurement import Options
from synvid_eval.media import _plane, previews
from synvid_eval.preview import plan, small_size
from synvid_eval.sets import open_set
from tests.clips import moving, write_set, write_video


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("sets")
    for name, seed in (("synth", 0), ("real", 50)):
        folder = root / name
        folder.mkdir()
        for i in range(6):
            write_video(folder / f"{i}.mkv", moving(40, 64 + 2 * i, 96, seed=seed + i), "ffv1")
    return root / "synth", root / "real"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def options(cache: Path, **more: Any) -> Options:
    return Options(workers=1, cache=Cache(cache), **more)


def compared(sets: tuple[Path, Path], cache: Path, **more: Any) -> Any:
    more = {"metrics": DEFAULT_METRICS, "with_media": True, "options": options(cache), **more}
    return compare(str(sets[0]), str(sets[1]), **more)


def test_scores_do_not_know_of_media(sets: tuple[Path, Path], cache: Path) -> None:
    with_media, without = compared(sets, cache), compared(sets, cache, with_media=False)
    assert with_media.scores == without.scores and not without.media
    assert "media" not in json.loads(without.to_json())
    again, warnings = read_comparison(with_media.to_json())
    assert not warnings and again.to_json() == with_media.to_json()


@pytest.mark.slow
def test_same_bytes_again_from_the_cache_and_without(sets: tuple[Path, Path], cache: Path) -> None:
    first = compared(sets, cache).media
    assert first == compared(sets, cache).media
    assert first == compared(sets, cache, options=Options(workers=2, cache=Cache(None))).media


def test_distances_and_nearest_clips_are_those_of_the_clips_own_numbers(
    sets: tuple[Path, Path], cache: Path
) -> None:
    result = compared(sets, cache)
    one = measure(str(sets[0]), features=["spectrum"], options=options(cache))
    alpha = dict(zip([c.id for c in one.clips], one.summaries["spectrum"]["alpha"], strict=True))
    of_reference = result.score("synth", "spectrum").detail["reference"]
    part = result.media["metrics"]["spectrum"]["sets"]["synth"]
    assert part["seen"] == 6 and set(part["clips"]["ids"]) == set(alpha)
    for name, x, far in zip(*(part["clips"][k] for k in ("ids", "x", "distance")), strict=True):
        assert x == pytest.approx(alpha[name], rel=1e-3)
        assert far == pytest.approx(abs(alpha[name] - of_reference), rel=2e-3, abs=1e-4)
    away = {name: abs(a - of_reference) for name, a in alpha.items()}
    assert part["nearest"] == min(away, key=away.__getitem__)
    assert part["farthest"] == max(away, key=away.__getitem__)
    assert sum(part["histogram"]["share"]) == pytest.approx(1, abs=0.01)
    other = result.media["metrics"]["spectrum"]["sets"]["real"]
    assert other["histogram"]["edges"] == part["histogram"]["edges"]


def test_pictures_of_every_default_metric_are_there(sets: tuple[Path, Path], cache: Path) -> None:
    found = compared(sets, cache).media["metrics"]
    assert list(found) == list(DEFAULT_METRICS)
    for name, keys in {
        "color": {"ab", "lightness"},
        "spectrum": {"log_spectrum_deviation", "histogram"},
        "motion": {"histogram"},
        "tubelet": set(),
        "effective_rank": {"eigenvalues"},
    }.items():
        for part in found[name]["sets"].values():
            assert set(part) == keys | {"clips", "nearest", "farthest", "seen"}
        assert found[name]["axes"]["distance"]


def test_planes_are_those_of_an_eigendecomposition() -> None:
    g = np.random.default_rng(0)
    for d in (5, 60):  # fewer dimensions than rows, and more
        a, b = g.normal(size=(30, d)) * np.linspace(5, 1, d), g.normal(size=(10, d)) + 3
        basis, middle, shares = _plane([a, b])
        assert middle == pytest.approx((a.mean(0) + b.mean(0)) / 2)
        mixed = sum(((r - middle).T @ (r - middle)) / len(r) for r in (a, b)) / 2
        values, vectors = np.linalg.eigh(mixed)
        assert shares == pytest.approx((values[::-1] / values.sum())[:2])
        for k in range(2):
            assert abs(basis[:, k] @ vectors[:, -1 - k]) == pytest.approx(1)
            assert basis[np.abs(basis[:, k]).argmax(), k] > 0


def test_one_clip_a_set_and_flat_clips_are_no_crash(tmp_path: Path, cache: Path) -> None:
    for name, frames in (("one", moving(20)), ("flat", np.zeros((20, 32, 48, 3), np.uint8))):
        (tmp_path / name).mkdir()
        write_video(tmp_path / name / "a.mkv", frames, "ffv1")
    result = compared((tmp_path / "one", tmp_path / "flat"), cache)
    json.dumps(result.media, allow_nan=False)
    assert result.media["clips"]["one"][0]["video"]


def test_previews_are_readable_pictures_of_their_clips(sets: tuple[Path, Path], cache: Path) -> None:
    found = compared(sets, cache).media["clips"]["synth"]
    assert sum(c["shown"] for c in found) == 4 and len(found) == 6
    for clip in found:
        with Image.open(io.BytesIO(base64.b64decode(clip["poster"]))) as poster:
            assert poster.format == "WEBP" and poster.size == (clip["width"], clip["height"])
    clip = next(c for c in found if c["id"] == "0.mkv")
    source = moving(40, 64, 96, seed=0)
    with av.open(io.BytesIO(base64.b64decode(clip["video"]))) as container:
        assert container.streams.video[0].codec_context.name == "vp9"
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert len(frames) == clip["frames"] == 16 and clip["fps"] == 12.5
    assert frames[0].shape == (64, 96, 3)  # never larger than the clip
    error = [np.abs(f.astype(float) - source[4 + 2 * i]).mean() for i, f in enumerate(frames)]
    wrong = [np.abs(f.astype(float) - source[2 * i]).mean() for i, f in enumerate(frames)]
    assert max(error) < min(wrong)


def test_sets_without_previews_say_why(sets: tuple[Path, Path], cache: Path, tmp_path: Path) -> None:
    measure(str(sets[0]), options=options(cache)).save(tmp_path / "a.measured")
    result = compare(
        str(tmp_path / "a.measured"),
        str(sets[1]),
        metrics=["color"],
        with_media=True,
        no_previews=["real"],
        options=options(cache),
    )
    assert result.media["clips"] == {}
    said = {"a": "A measured file holds no clips.", "real": "Left out by --no-previews."}
    assert result.media["no_clips"] == said
    assert set(compared(sets, cache, no_previews=["all"]).media["no_clips"]) == {"synth", "real"}
    with pytest.raises(UsageError, match=r"--no-previews reel: no set has this name\. .*real"):
        compared(sets, cache, no_previews=["reel"])


def test_a_set_in_memory_has_previews(cache: Path) -> None:
    arrays = [np.stack([moving(20, seed=s + i) for i in range(3)]) for s in (0, 9)]
    result = compare(arrays[0], arrays[1], metrics=["motion"], with_media=True, options=options(cache))
    assert [len(c) for c in result.media["clips"].values()] == [3, 3]


@pytest.mark.slow
def test_metrics_of_one_network_share_their_clips(sets: tuple[Path, Path], cache: Path) -> None:
    asked = ["kid", "diversity", "fid"]
    result = compared(sets, cache, metrics=asked, networks=Networks(features="random"), frames=1)
    first, *others = (f"{name}[random-inception]" for name in asked)
    found = result.media["metrics"]
    assert "clips" in found[first]["sets"]["synth"] and "eigenvalues" in found[others[0]]["sets"]["synth"]
    for label in others:
        assert found[label]["like"] == first and "clips" not in found[label]["sets"]["synth"]


@pytest.mark.slow
def test_many_sets_have_few_points_each(cache: Path) -> None:
    sets = [f"s{i}=preset:moving_circles?n=12&seed={i}" for i in range(29)]
    result = compare(
        sets[:-1],
        sets[-1],
        metrics=["color"],
        with_media=True,
        no_previews=["all"],
        options=dataclasses.replace(options(cache), workers=2),
    )
    parts = result.media["metrics"]["color"]["sets"].values()
    assert {len(p["clips"]["ids"]) for p in parts} <= {6, 7, 8} and len(parts) == 29
    assert all(p["nearest"] in p["clips"]["ids"] and p["farthest"] in p["clips"]["ids"] for p in parts)


def test_clips_that_cannot_be_read_again_are_left_out(tmp_path: Path) -> None:
    opened = open_set(str(write_set(tmp_path / "gone", 2)))
    how = Options(workers=1, cache=Cache(None))
    measured = measure(opened, features=["lab"], options=how)
    for clip in opened.clips[:1]:
        Path(clip.path).write_bytes(b"RIFF")
    found = previews({}, [measured], [opened], how, set())
    assert [c["id"] for c in found["clips"]["gone"]] == [opened.clips[1].id]
    Path(opened.clips[1].path).unlink()
    found = previews({}, [measured], [opened], how, set())
    assert found == {"clips": {}, "no_clips": {"gone": "None of the chosen clips could be read again."}}


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((240, 320), (150, 112)),
        ((144, 180), (140, 112)),
        ((40, 30), (30, 40)),
        ((1, 999), (200, 2)),
        ((1, 1), (2, 2)),
    ],
)
def test_sizes_are_even_and_fit(size: tuple[int, int], small: tuple[int, int]) -> None:
    assert small_size(*size) == small


@pytest.mark.parametrize(
    ("total", "first", "stride", "count"), [(1, 0, 1, 1), (16, 0, 1, 16), (31, 0, 2, 16), (100, 34, 2, 16)]
)
def test_frames_are_in_the_middle(total: int, first: int, stride: int, count: int) -> None:
    assert plan(total) == list(range(first, first + stride * count, stride))
