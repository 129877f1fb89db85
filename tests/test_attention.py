"""Attention: components of keys against a forward pass and a PCA of our own; caches, threads, errors."""

from __future__ import annotations

import copy
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from synvid_eval import attention, pairs
from synvid_eval.attention import Asked, look
from synvid_eval.cache import Cache
from synvid_eval.errors import DataError, UsageError, WeightsError
from synvid_eval.measurement import Options, Quiet
from synvid_eval.networks import checkpoints, videomae
from synvid_eval.schemas import get
from synvid_eval.score import dump_json
from synvid_eval.sets import open_set
from tests.clips import moving, write_video
from tests.networks import plain_videomae as plain

TINY = videomae.SIZES["tiny"]
SET = "preset:moving_circles?n=14&size=64&length=40&objects=8"
ASKED = Asked(clips=12, frames=8)


def options(cache: Path | None = None, workers: int = 1, **more: Any) -> Options:
    return Options(cache=Cache(cache), workers=workers, **more)


def settled(found: attention.Attention) -> tuple[dict[str, Any], list[bytes]]:
    """What must be the same however it was come by: the document but for the run, and all pictures."""
    document = {k: v for k, v in found.document.items() if k != "run"}
    return document, [m.tobytes() for one in found.painted for m in one.maps]


@pytest.fixture(scope="module")
def weights() -> dict[str, plain.Array]:
    return plain.drawn(TINY.width, TINY.depth, TINY.patch, 9)


@pytest.fixture(scope="module")
def file(weights: dict[str, plain.Array], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("authors") / "vit.pth"
    torch.save({"model": {k: torch.from_numpy(v).float() for k, v in weights.items()}}, path)
    return str(path)


@pytest.fixture(scope="module")
def found(file: str) -> attention.Attention:
    return look(SET, [file, "random:0:tiny"], replace(ASKED, masks=True), options())


def inputs(clip: attention.Clip) -> NDArray[np.float64]:
    """A clip as it goes in: [tubelets, 2, 3, 64, 64], normalized as ImageNet is."""
    frames = pairs.pairs(clip.ref, ASKED.frames, 2, TINY.image)[0]["frames"].astype(np.float64) / 255
    x = (frames - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return x.transpose(0, 3, 1, 2).reshape(-1, 2, 3, 64, 64)


def expected(found: attention.Attention, weights: dict[str, plain.Array], what: str) -> NDArray[np.float64]:
    """All rows, by the plain forward pass: two frames at a time."""
    rows = [plain.encoder(weights, x, TINY.heads)[1][what] for c in found.clips for x in inputs(c)]
    return np.concatenate(rows)


@pytest.mark.slow
def test_streamed_components_are_those_of_a_plain_pass(
    found: attention.Attention, weights: dict[str, plain.Array]
) -> None:
    rows = expected(found, weights, "keys")
    about = found.document["checkpoints"][0]
    exact = PCA(3, svd_solver="full").fit(rows)
    assert about["tokens"] == len(rows) == 12 * 4 * 64
    assert np.allclose(about["explained"][:3], exact.explained_variance_ratio_, rtol=1e-5)
    axes = exact.components_
    axes = axes * np.sign(axes[np.arange(3), np.abs(axes).argmax(1)])[:, None]
    projected = (rows - exact.mean_) @ axes.T
    low, high = np.quantile(projected, [0.01, 0.99], axis=0)
    assert np.allclose(about["scale"], np.stack([low, high], 1), rtol=1e-4, atol=1e-4)
    colors = 255 * np.clip((projected - low) / (high - low), 0, 1)
    maps = np.concatenate([m.reshape(-1, 3) for m in found.painted[0].maps])
    assert np.abs(maps - colors).max() <= 0.5 + 0.01


@pytest.mark.parametrize("what", attention.WHAT)
def test_what_is_tapped_is_what_the_network_itself_computes(
    what: str, file: str, weights: dict[str, plain.Array], found: attention.Attention
) -> None:
    """By hooks within a whole pass of transformers' network, and by the plain one."""
    module = checkpoints.open_encoder(file, frames=2).module
    x = inputs(found.clips[0])[:1]
    seen: dict[str, torch.Tensor] = {}
    block = module.encoder.layer[-1]
    heads = block.attention.attention
    parts = {"keys": heads.key, "queries": heads.query, "values": heads.value, "tokens": block}
    hook = parts[what].register_forward_hook(lambda module, given, out: seen.update(out=out))
    with torch.inference_mode():
        module(torch.from_numpy(x).float())
        got = attention.tapped(module, torch.from_numpy(x).float(), TINY.depth - 1, what)
    hook.remove()
    assert torch.equal(got, seen["out"])
    want = plain.encoder(weights, x[0], TINY.heads)[1][what]
    assert np.abs(got[0].double().numpy() - want).max() < 1e-5 * np.abs(want).max()


def test_an_inner_layer_is_that_layer(file: str, found: attention.Attention) -> None:
    module = checkpoints.open_encoder(file, frames=2).module
    x = torch.from_numpy(inputs(found.clips[0])[:1]).float()
    with torch.inference_mode():
        got = attention.tapped(module, x, 2, "tokens")
        module.encoder.layer = module.encoder.layer[:3]
        module.layernorm = None
        assert torch.equal(got, module(x).last_hidden_state)
    by_both = [look(SET, [file], replace(ASKED, clips=2, layer=n), options()) for n in (2, -4)]
    assert (
        settled(by_both[0])[1] == settled(by_both[1])[1]
        and by_both[1].document["checkpoints"][0]["layer"] == 2
    )


def test_the_document_fits_its_schema_and_tells_all(found: attention.Attention, file: str) -> None:
    document = json.loads(dump_json(found.document))
    jsonschema.validate(document, get("attention"))
    assert [c["name"] for c in document["checkpoints"]] == ["vit", "random:0:tiny"]
    assert document["checkpoints"][0]["signature"] == checkpoints.find(file).signature
    assert document["checkpoints"][1]["signature"] == "random:0:tiny"
    drawn = open_set(SET).draw(12)
    assert sorted(c["id"] for c in document["clips"]) == drawn.ids and document["set"]["clips"] == 12
    assert all(len(c["frames"]) == 8 for c in document["clips"])
    broken = copy.deepcopy(document)
    del broken["checkpoints"][0]["scale"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, get("attention"))


def test_the_number_is_of_the_exact_masks(found: attention.Attention) -> None:
    """Its parts against scikit-learn, with masks from the frames themselves: no circle is black."""
    from sklearn.metrics import roc_auc_score

    shares = []
    for clip in found.clips:
        for start in range(0, 8, 2):
            objects = []
            for index in clip.indices[start : start + 2]:
                (frame,) = (f for _, f in open_frames(clip, [index]))
                objects.append((frame > 0).any(-1).reshape(8, 8, 8, 8).mean((1, 3)))
            shares.append(np.mean(objects, 0).ravel())
    moving_ = np.concatenate(shares) > 0.5
    for number, painted in enumerate(found.painted):
        separation = found.document["checkpoints"][number]["separation"]
        maps = np.concatenate([m.reshape(-1, 3) for m in painted.maps]).astype(float)
        area = roc_auc_score(moving_, maps[:, separation["component"] - 1])
        # colors are cut off at the quantiles and have 256 steps
        assert separation["value"] == pytest.approx(max(area, 1 - area), abs=0.01)
        assert separation["moving"] == pytest.approx(moving_.mean(), abs=1e-9)
        assert separation["value"] == max(separation["components"])


def open_frames(clip: attention.Clip, indices: list[int]) -> Any:
    from synvid_eval.sets import open_clip

    return open_clip(clip.ref).frames(indices)


@pytest.mark.slow
def test_threads_caches_and_runs_that_were_stopped_change_nothing(
    found: attention.Attention, file: str, tmp_path: Path
) -> None:
    given = [file, "random:0:tiny"]
    asked = replace(ASKED, masks=True)
    want = settled(found)
    assert settled(look(SET, given, asked, options(workers=2))) == want

    class Stopped(Exception):
        pass

    class Stop(Quiet):
        done = 0

        def advance(self, clips: int, cached: bool, reading: str = "") -> None:
            self.done += 1
            if self.done == 7:
                raise Stopped

    with pytest.raises(Stopped):
        look(SET, given, asked, options(tmp_path / "c", progress=Stop()))
    again = options(tmp_path / "c")
    assert settled(look(SET, given, asked, again)) == want
    first = again.cache.hits
    assert first >= 7
    third = options(tmp_path / "c")
    assert settled(look(SET, given, asked, third)) == want
    assert third.cache.hits == 4 * 12  # each clip twice, for each of two checkpoints
    other = look(SET, given, replace(asked, what="values"), options(tmp_path / "c"))
    assert settled(other)[1] != want[1]


def test_a_folder_of_other_norms_has_rows_of_its_own(tmp_path: Path) -> None:
    """The file of weights is the same; its config.json says another ε."""
    module = videomae.encoder(TINY)
    for name, epsilon in (("one", 1e-6), ("other", 1e-1)):
        module.config.layer_norm_eps = epsilon
        module.save_pretrained(tmp_path / name)
    few = replace(ASKED, clips=2, frames=2)
    cache = tmp_path / "cache"
    one, again, other = (
        look(SET, [f"x={tmp_path / name}"], few, options(cache)) for name in ("one", "one", "other")
    )
    assert settled(one) == settled(again)
    assert settled(one)[0]["checkpoints"][0]["signature"] == settled(other)[0]["checkpoints"][0]["signature"]
    assert settled(one)[0]["checkpoints"][0]["scale"] != settled(other)[0]["checkpoints"][0]["scale"]


def test_torch_has_its_threads_again(file: str) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        look(SET, [file], replace(ASKED, clips=2), options(workers=2))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_memory_does_not_grow_with_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 4 MB of rows a clip, 40 clips at once would be 160 MB; rows are drawn in place of a network's."""

    class Drawn(attention._Network):
        def __init__(self, *given: Any) -> None:
            pass

        def close(self) -> None:
            pass

        def rows(self, frames: NDArray[Any]) -> NDArray[np.float32]:
            rng = np.random.default_rng(int(frames.sum()))
            return rng.standard_normal((len(frames) // 2 * 64 * 20, TINY.width), np.float32)

    class Grid(attention.Pca):
        def project(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
            return super().project(rows)[::20]

    monkeypatch.setattr(attention, "_Network", Drawn)
    monkeypatch.setattr(attention, "Pca", Grid)
    peaks = []
    for count in (10, 40):
        tracemalloc.start()
        look(SET.replace("n=14", "n=60"), ["random:0:tiny"], replace(ASKED, clips=count), options())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] > 8e6 and peaks[1] < peaks[0] + 8e6


@pytest.mark.slow
def test_labels_and_short_and_broken_clips(tmp_path: Path) -> None:
    for name, count, seed in (("a/0", 40, 0), ("a/1", 40, 1), ("a/2", 7, 2), ("b/0", 40, 3), ("b/1", 1, 4)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_video(tmp_path / f"{name}.mkv", moving(count, seed=seed), "ffv1")
    done = look(str(tmp_path), ["random:0:tiny"], replace(ASKED, label="a"), options())
    assert {c.ref.id for c in done.clips} == {"a/0.mkv", "a/1.mkv", "a/2.mkv"}
    assert {len(c.indices) for c in done.clips} == {8, 6}
    assert any("1 clips have fewer than 8 frames" in n for n in done.document["notes"])
    with pytest.raises(UsageError, match=r"no clip of .* has it"):
        look(str(tmp_path), ["random:0:tiny"], replace(ASKED, label="c"), options())
    with pytest.raises(DataError, match=r"b/1.mkv: 1 frames are less than a tubelet"):
        look(str(tmp_path), ["random:0:tiny"], ASKED, options())
    done = look(str(tmp_path), ["random:0:tiny"], ASKED, options(max_skipped="1"))
    (skipped,) = done.document["set"]["skipped"]
    assert skipped["id"] == "b/1.mkv" and len(done.clips) == 4
    assert len(list(attention.frames_of(done, 32, 4, options()))) == 4


def test_errors_come_in_the_order_of_their_codes(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pth"
    bad.write_bytes(b"x")
    with pytest.raises(UsageError, match="speed"):
        look("preset:moving_circles?sped=1", [str(bad)], ASKED, options())
    with pytest.raises(WeightsError, match="bad"):
        look(str(tmp_path / "gone"), [str(bad)], ASKED, options())
    with pytest.raises(DataError, match="gone"):
        look(str(tmp_path / "gone"), ["random:0:tiny"], ASKED, options())
    with pytest.raises(WeightsError, match="no checkpoint at"):
        look(SET, [str(tmp_path / "gone.pth")], ASKED, options())
    with pytest.raises(UsageError, match="has 6 layers"):
        look(SET, ["random:0:tiny"], replace(ASKED, layer=6), options())
    with pytest.raises(UsageError, match="random:0:csn-26 is a convolutional network, ir-CSN-26"):
        look(SET, ["random:0:csn-26"], ASKED, options())
    with pytest.raises(UsageError, match=r"'value'|nothing that is looked at"):
        Asked(what="value")
    with pytest.raises(UsageError, match="frames"):
        Asked(frames=1)


@pytest.mark.slow
def test_masks_are_of_presets_that_know_them(tmp_path: Path) -> None:
    write_video(tmp_path / "0.mkv", moving(20), "ffv1")
    asked = replace(ASKED, masks=True)
    with pytest.raises(UsageError, match="not known"):
        look(str(tmp_path), ["random:0:tiny"], asked, options())
    with pytest.raises(UsageError, match="truth"):
        look("preset:fractal_linear_motion?n=2", ["random:0:tiny"], asked, options())
    still = look(SET.replace("moving", "static"), ["random:0:tiny"], asked, options())
    separation = still.document["checkpoints"][0]["separation"]
    assert separation["value"] is None and "no token shows objects that move" in separation["reason"]


def test_none_given_is_a_random_network_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(videomae.SIZES, "base", TINY)
    done = look(SET, [], replace(ASKED, clips=2), options(seed=3))
    assert done.document["checkpoints"][0]["name"] == "random:3"


def test_tubelets_must_be_alike(file: str, tmp_path: Path, weights: dict[str, plain.Array]) -> None:
    other = dict(weights)
    other["encoder.patch_embed.proj.weight"] = other["encoder.patch_embed.proj.weight"][:, :, :1]
    torch.save({k: torch.from_numpy(v).float() for k, v in other.items()}, tmp_path / "one.pth")
    with pytest.raises(UsageError, match="tubelets of 1 and 2"):
        look(SET, [file, str(tmp_path / "one.pth")], ASKED, options())


@pytest.mark.slow
def test_a_rehearsal_says_time_and_disk(file: str) -> None:
    plan = attention.rehearse(SET, [file, "random:0:tiny"], ASKED, options())
    assert plan.features == ["vit: keys", "random:0:tiny: keys"] and plan.sets[0].clips == 12
    assert plan.cache_bytes == 2 * 12 * 4 * 64 * 192 * 4
    assert plan.seconds is not None and plan.seconds > 0
