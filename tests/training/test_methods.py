"""Methods on views: their losses by independent arithmetic, queues and momentum, that runs go on, recipes."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from synvid_eval import knobs
from synvid_eval.errors import DataError, UsageError
from synvid_eval.measurement import Options, Quiet
from synvid_eval.networks import checkpoints
from synvid_eval.networks.convnets import ConvNet
from synvid_eval.training import augment, data, methods, recipe
from synvid_eval.training.methods import byol, moco, simclr, supervised, viewed
from synvid_eval.training.pretrain import PlannedPretraining
from synvid_eval.training.run_folder import RunFolder
from tests import downstream_sets
from tests.clips import write_video
from tests.training.conftest import same, weights
from tests.training.test_engine import Quits, Stop

VIEWED = ("moco", "simclr", "byol", "supervised")
NANO = [
    "network.image=16", "network.frames=4", "network.stage=8", "stride=1", "batch=4", "clips=16", "drawn=24",
    "save=2", "keep=100",
]  # fmt: skip
OF = {"moco": ["queue=8", "hidden=16", "values=8"], "simclr": ["hidden=16", "values=8"],
      "byol": ["hidden=16", "values=8", "predictor=16"], "supervised": ["classes=4"]}  # fmt: skip
NET = ConvNet("tsm-resnet18", image=16, frames=4, stage=8)


@pytest.fixture
def plan(options: Options) -> Any:
    """(method, location, settings) → what is planned, on a network of milliseconds."""

    def planned(method: str, location: str = "moving_shapes", *settings: str, **more: Any) -> Any:
        of = methods.named(method)
        backbone = more.pop("backbone", None)
        own = [s for s in NANO if backbone != "vit" or not s.startswith("network.stage")]
        chosen, network = recipe.chosen(of.recipes, "tiny", [*own, *OF[method], *settings], backbone)
        return PlannedPretraining(location, chosen, network, options, method=method, device="cpu", **more)

    return planned


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def cross_entropy(logits: np.ndarray, right: int) -> float:
    return float(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[right])


# -- losses -----------------------------------------------------------------------------------------


def test_simclr_is_nt_xent() -> None:
    """Chen et al. 2020, equation 1, averaged over all views, written out view by view."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    found = simclr.loss(torch.tensor(first), torch.tensor(second), 0.3).item()
    views = unit(np.concatenate([first, second]))
    losses = []
    for i in range(10):
        others = [j for j in range(10) if j != i]
        logits = np.array([views[i] @ views[j] / 0.3 for j in others])
        losses.append(cross_entropy(logits, others.index((i + 5) % 10)))
    assert found == pytest.approx(np.mean(losses), rel=1e-5)


def test_simclr_of_two_opposite_clips() -> None:
    """Each view has its like at product 1 and two at −1: log(1 + 2 exp(−2 / T))."""
    found = simclr.loss(*[torch.tensor([[3.0, 0], [-1.0, 0]])] * 2, 0.5).item()
    assert found == pytest.approx(math.log(1 + 2 * math.exp(-4)), rel=1e-6)


def test_byol_is_twice_one_minus_the_cosine() -> None:
    told, target = torch.tensor([[2.0, 0], [0, 1], [3, 4]]), torch.tensor([[1.0, 0], [0, -5], [4, 3]])
    assert byol.loss(told, target).item() == pytest.approx(np.mean([0, 4, 2 - 2 * 24 / 25]), rel=1e-6)


def contrast(**of: Any) -> tuple[moco.QueueContrast, Any]:
    chosen = moco.QueueContrast(batch=2, queue=6, hidden=8, values=4, temperature=0.2, dropout=0.0, **of)
    return chosen, moco.build(chosen, NET, 0)


def test_moco_is_infonce_over_the_queue_without_the_clips_own_keys() -> None:
    """He et al. 2020, equation 1; keys of the clip itself are left out, as in the released code."""
    _, module = contrast()
    module.clips[:] = torch.tensor([-1, 7, 3, -1, 7, 9])
    rng = np.random.default_rng(1)
    queries, keys = unit(rng.normal(size=(2, 4))), unit(rng.normal(size=(2, 4)))
    found = module.loss(
        torch.tensor(queries).float(), torch.tensor(keys).float(), torch.tensor([7, 5])
    ).item()
    queue = module.queue.double().numpy()
    losses = []
    for i, left_out in enumerate([{1, 4}, set()]):
        far = [queue[j] @ queries[i] / 0.2 for j in range(6) if j not in left_out]
        losses.append(cross_entropy(np.array([queries[i] @ keys[i] / 0.2, *far]), 0))
    assert found == pytest.approx(np.mean(losses), rel=1e-5)


def test_supervised_is_smoothed_cross_entropy() -> None:
    """Of the mean over moments of a linear layer on the mean over places, from the encoder's tokens."""
    of, net = supervised.Classes(smoothing=0.1, dropout=0.0), ConvNet("tsm-resnet18", 40, 4, 8)
    module: Any = supervised.build(of, net, 0, 3).eval()
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, 40, 40, 3), np.uint8)
    with torch.no_grad():
        found = module({"first": torch.from_numpy(frames), "label": torch.tensor([2, 0])}).item()
        light = (frames / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        tokens = module.encoder(torch.from_numpy(light.transpose(0, 1, 4, 2, 3)).float()).double().numpy()
    assert tokens.shape == (2, 4 * 2 * 2, 64)
    kernel, bias = (tensor.detach().double().numpy() for tensor in module.head.parameters())
    wanted = []
    for clip, label in zip(tokens, (2, 0), strict=True):
        moments = [clip[4 * t : 4 * t + 4].mean(0) for t in range(4)]
        logits = np.mean([kernel @ moment + bias for moment in moments], axis=0)
        each = np.array([cross_entropy(logits, k) for k in range(3)])
        wanted.append(0.9 * each[label] + 0.1 * each.mean())
    assert found == pytest.approx(np.mean(wanted), rel=1e-5)


def test_a_head_is_on_each_moment_and_its_mean_is_taken() -> None:
    """As in the released code: not the head of the mean, since it is no linear one."""

    class Given(nn.Module):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            return torch.arange(2 * 4 * 1 * 3, dtype=torch.float32).reshape(2, 4, 3)

    found = viewed.represented(NET, Given(), nn.ReLU(), torch.zeros((2, 4, 16, 16, 3), dtype=torch.uint8), 0)
    assert found.tolist() == [[4.5, 5.5, 6.5], [16.5, 17.5, 18.5]]


# -- queue and momentum -----------------------------------------------------------------------------


def test_the_queue_begins_with_drawn_unit_vectors_of_no_clip() -> None:
    _, module = contrast()
    assert torch.allclose(module.queue.norm(dim=1), torch.ones(6)) and (module.clips == -1).all()
    assert torch.equal(module.queue, contrast()[1].queue)
    chosen = moco.QueueContrast(batch=2, queue=6, hidden=8, values=4)
    assert not torch.equal(module.queue, moco.build(chosen, NET, 1).queue)


def test_keys_take_the_place_of_the_oldest() -> None:
    _, module = contrast()
    before = module.queue.clone()
    keys = torch.arange(20.0).reshape(5, 4)
    module.enqueue(keys, torch.arange(5))
    assert torch.equal(module.queue[:5], keys) and torch.equal(module.queue[5], before[5])
    module.enqueue(keys[:2] + 100, torch.tensor([8, 9]))
    assert module.clips.tolist() == [9, 1, 2, 3, 4, 8] and int(module.place) == 1
    assert torch.equal(module.queue[5], keys[0] + 100) and torch.equal(module.queue[0], keys[1] + 100)


@pytest.mark.parametrize("method", ["moco", "byol"])
def test_the_momentum_encoder_follows_behind_a_step(method: str) -> None:
    of = methods.named(method)
    chosen = knobs.replace(of.recipes["tiny"], {"momentum": "0.75", "batch": "2"})
    module: Any = of.network(chosen, NET, 0, None)  # type: ignore[arg-type]
    with torch.no_grad():
        for weight in (*module.encoder.parameters(), *module.head.parameters()):
            weight.add_(1)
    module.encoder.bn1.running_mean.fill_(5)
    before = {n: p.clone() for n, p in module.momentum.named_parameters()}
    left = [(torch.ones((1, chosen.values)), torch.tensor([i])) for i in (4, 7)] if method == "moco" else []
    of.behind(module, chosen, 0, 2, left)
    # of BYOL the share grows by half a cosine: of 0.75 at step 1 of 2 it is 1 − 0.25 / 2
    share = 0.75 if method == "moco" else 0.875
    for name, weight in module.momentum.named_parameters():
        torch.testing.assert_close(weight, before[name] + (1 - share), rtol=1e-5, atol=1e-6)
        assert not weight.requires_grad
    assert (module.momentum["encoder"].bn1.running_mean == 0).all()  # its own
    if method == "moco":
        assert module.clips[:3].tolist() == [4, 7, -1] and (module.queue[:2] == 1).all()


def test_byols_share_grows_to_one() -> None:
    found = [byol.share(0.996, step, 100) for step in (0, 50, 100)]
    assert found == pytest.approx([0.996, 0.998, 1.0], abs=1e-12)


def test_the_queue_holds_a_batch_in_its_order_however_it_is_passed(tmp_path: Path, plan: Any) -> None:
    for name, micro in (("whole", 4), ("parts", 2)):
        planned = plan("moco", "moving_shapes", "steps=3", f"micro={micro}", "adapt=own")
        planned.made(tmp_path / name)
    wanted = [planned.source.number(i, e) for step in (2, 1) for e, i in planned.batches.items(step)]
    for name in ("whole", "parts"):  # twelve keys into eight places: the third batch is where the first was
        found = weights(tmp_path / name)
        assert found["clips"].tolist() == wanted and int(found["place"]) == 4


# -- a run ------------------------------------------------------------------------------------------


def killed(tmp_path: Path, plan: Any, method: str, *said: str, at: int, saved: int, **more: Any) -> None:
    """Trains the same twice, into `whole`, and into `parts`, where it is ended behind step `at` and goes on
    from step `saved`; both must end in the same bytes and say the same losses.
    """
    plan(method, *said, **more).made(tmp_path / "whole")
    ended = plan(method, *said, **more)
    object.__setattr__(ended.options, "progress", Quits(4 * at))
    with pytest.raises(Stop):
        ended.made(tmp_path / "parts")
    object.__setattr__(ended.options, "progress", Quiet())
    assert len(RunFolder(tmp_path / "parts").rows()) == at
    assert RunFolder(tmp_path / "parts").newest().step == saved  # type: ignore[union-attr]
    again = plan(method, *said, **more)
    again.made(tmp_path / "parts")
    assert same(tmp_path / "whole", tmp_path / "parts")
    rows = [[(r["step"], r["loss"]) for r in RunFolder(tmp_path / n).rows()] for n in ("whole", "parts")]
    assert rows[0] == rows[1] and len(rows[0]) == again.steps


@pytest.mark.parametrize("method", VIEWED)
def test_a_run_that_was_killed_ends_in_the_same_bytes(tmp_path: Path, plan: Any, method: str) -> None:
    """Queue, momentum encoder, moments of batch norms, what AdamW remembers, and the log."""
    classes = "preset:fractal_supervised_250?iterations=300"
    place = classes if method == "supervised" else "moving_shapes"
    killed(tmp_path, plan, method, place, "steps=5", "dropout=0.5", "adapt=own", at=3, saved=2, loaders=0)
    names = set(weights(tmp_path / "whole"))
    wanted = {
        "moco": {"momentum.encoder.bn1.running_var", "momentum.head.0.weight", "queue", "clips", "place"},
        "byol": {"momentum.encoder.bn1.running_var", "momentum.head.0.weight", "predictor.0.weight"},
    }
    assert {"encoder.conv1.weight", "optimizer/exp_avg/head.0.weight"} | wanted.get(method, set()) <= names


# spawns a process that draws, three times
@pytest.mark.slow
def test_a_run_whose_adaptation_grows_ends_in_the_same_bytes(tmp_path: Path, plan: Any) -> None:
    """Ended in its second epoch, it goes on in its first; a process of its own adapts clips meanwhile."""
    said = ("moving_shapes", "steps=10", "save=3", "adapt=published", "adapt_batch=4", "curriculum=2")
    killed(tmp_path, plan, "moco", *said, at=5, saved=3, loaders=1)
    # the same in this process; and the strength of an epoch decides
    plan("moco", *said).made(tmp_path / "here")
    assert same(tmp_path / "whole", tmp_path / "here")
    plan("moco", *said[:-1], "curriculum=0").made(tmp_path / "strong")
    assert not same(tmp_path / "whole", tmp_path / "strong")


@pytest.mark.parametrize("method", VIEWED)
def test_what_a_run_leaves(tmp_path: Path, plan: Any, method: str) -> None:
    """Its config and card say method and network; its encoder is what features and fine-tuning open."""
    preset = "fractal_supervised_250?iterations=300" if method == "supervised" else "moving_shapes"
    facts = plan(method, f"preset:{preset}", "steps=2").made(tmp_path / "run")
    assert facts["done"] == 2 and facts["method"] == method
    config: Any = RunFolder(tmp_path / "run").config()
    assert config["run"]["method"] == method and config["network"]["backbone"] == "tsm-resnet18"
    assert "TSM ResNet-18" in (tmp_path / "run" / "card.md").read_text()
    found = checkpoints.tokens(checkpoints.find(str(tmp_path / "run")))
    counts = "num_batches_tracked"  # which decide nothing
    ours = {
        n: t for n, t in weights(tmp_path / "run").items() if n.startswith("encoder.") and counts not in n
    }
    opened = {f"encoder.{n}": t for n, t in found.state_dict().items() if counts not in n}
    assert set(opened) == set(ours) and all(torch.equal(opened[n], ours[n]) for n in ours)
    card = (tmp_path / "run" / "card.md").read_text()
    assert ("16 clips in 4 classes, seed 0" in card) == (method == "supervised") == ("classes" in facts)
    note = "- **note**: the queue begins with drawn vectors, to which no clip is near: losses of the first 2 "
    assert (note in card) == (method == "moco")
    with pytest.raises(UsageError, match=r"recipe\.micro=0, not 2"):
        plan(method, f"preset:{preset}", "steps=2", "micro=2").made(tmp_path / "run")


@pytest.mark.parametrize("method", ["moco", "simclr", "byol"])
def test_a_transformer_is_trained_too(tmp_path: Path, plan: Any, method: str) -> None:
    small = ["network.width=24", "network.depth=1", "network.heads=2", "network.patch=8"]
    planned = plan(method, "moving_shapes", "steps=2", "adapt=own", *small, backbone="vit")
    assert planned.made(tmp_path / "run")["done"] == 2
    assert checkpoints.find(str(tmp_path / "run")).architecture.width == 24


def test_a_preset_of_masked_autoencoding_says_nothing_of_methods(tmp_path: Path, planned: Any) -> None:
    """So that what was begun before there were others goes on."""
    planned("moving_circles", "steps=1").made(tmp_path / "run")
    config: Any = RunFolder(tmp_path / "run").config()
    assert not {"method", "world"} & set(config["run"])
    old = {"optimizer", "mask_ratio", "scales", "curriculum", "size"}
    assert old <= set(config["recipe"]) and "backbone" not in config["recipe"]


# bars of the set that move look alike in both views of a clip: what is to be learned is there
@pytest.mark.slow
@pytest.mark.parametrize("method", VIEWED)
def test_the_loss_falls_where_clips_are_seen_again_and_again(
    tmp_path: Path, plan: Any, method: str, bars: Path
) -> None:
    settings = ("steps=160", "batch=8", "adapt=own", "network.stage=16", "lr=0.1", "augment=none", "blur=0")
    more = ("queue=16", "momentum=0.9", "clip=0") if method == "moco" else ()
    planned = plan(method, str(bars), *settings, *more)
    planned.made(tmp_path / "run")
    losses = [row["loss"] for row in RunFolder(tmp_path / "run").rows()]
    begin = losses[4:14] if method == "moco" else losses[:10]  # the queue is full of keys by then
    assert np.mean(losses[-10:]) < 0.6 * np.mean(begin), losses


@pytest.mark.slow
@pytest.mark.parametrize("method", ["moco", "simclr", "byol"])
def test_two_processes_train_as_one(tmp_path: Path, plan: Any, method: str) -> None:
    """torchrun with gloo: keys and views of both are gathered, batch norms see both. By plain gradient steps,
    which are as large as gradients are. Nothing is dropped here: what is, is drawn by each device for itself.
    """
    said = ["steps=2", "adapt=own", "save=1", "optimizer=sgd", "beta1=0", "clip=0", "warmup=0", "lr=6.4"]
    plan(method, "moving_shapes", *said).made(tmp_path / "one")
    settings = [x for s in [*NANO, *OF[method], *said] for x in ("--set", s)]
    done = subprocess.run(
        [*(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"),
         *("-m", "synvid_eval", "train", "pretrain", "moving_shapes", "--recipe", "tiny", "--method", method),
         *("--out", str(tmp_path / "two"), "--device", "cpu", *settings)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert "Warning" not in done.stderr, done.stderr  # of strides of gradients, of words that are out of use
    losses = [[row["loss"] for row in RunFolder(tmp_path / name).rows()] for name in ("one", "two")]
    assert losses[1] == pytest.approx(losses[0], rel=2e-4)
    # float32 sums in another order are apart by 3e-5 behind the first step, ten times that behind the second
    for step, apart in ((1, 2e-4), (2, 2e-3)):
        name = f"checkpoints/step-{step:08}.safetensors"
        one, other = load_file(tmp_path / "one" / name), load_file(tmp_path / "two" / name)
        assert set(one) == set(other)
        for key, tensor in one.items():
            difference = (tensor.double() - other[key].double()).norm()
            assert difference <= apart * tensor.double().norm(), (step, key)
        # biases of norms begin at 0: they are the gradient alone
        assert all(one[f"encoder.layer{n}.0.bn1.bias"].norm() > 1e-3 for n in (1, 2, 3, 4))


def test_a_run_that_is_done_is_not_done_again(
    tmp_path: Path, plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = plan("simclr", "moving_shapes", "steps=2").made(tmp_path / "run")
    (tmp_path / "run" / "card.md").unlink()  # as of a process that was killed in front of it

    def never(*_: Any) -> Any:
        raise AssertionError("A network is made for nothing.")

    monkeypatch.setattr(PlannedPretraining, "training", never)
    again = plan("simclr", "moving_shapes", "steps=2").made(tmp_path / "run")
    assert (first["already"], again["already"]) == (False, True)
    assert {**again, "already": False} == first and "SimCLR" in (tmp_path / "run" / "card.md").read_text()
    for settings in (("steps=2", "lr=0.5"), ("steps=2", "values=4")):  # another one that is as long is told
        with pytest.raises(UsageError, match="holds a run with recipe"):
            plan("simclr", "moving_shapes", *settings).made(tmp_path / "run")


def test_another_run_is_told_in_words(tmp_path: Path, plan: Any, planned: Any) -> None:
    plan("simclr", "moving_shapes", "steps=1").made(tmp_path / "run")
    with pytest.raises(UsageError, match=r"holds a run with run\.method=simclr, not videomae\."):
        planned("moving_shapes", "steps=1").made(tmp_path / "run")
    with pytest.raises(UsageError, match=r"holds a run on moving_shapes, not on moving_circles\."):
        plan("simclr", "moving_circles", "steps=1").made(tmp_path / "run")


# -- what cannot be ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "location", "settings", "said"),
    [
        ("moco", "moving_shapes", ("queue=9",), "queue=9 is no multiple of batch=4"),
        ("simclr", "moving_shapes", ("micro=1",), "Passes of 1 clip are too small"),
        ("byol", "moving_shapes", ("batch=1",), "Passes of 1 clip are too small"),
        ("supervised", "moving_shapes", (), "moving_shapes has no classes"),
        ("moco", "preset:moving_shapes?adapt=shake", ("adapt=zoom",), "adapted already.*adapt=own"),
        ("moco", "moving_shapes", ("adapt=shke",), "'shke'.*shake"),
        (
            "moco",
            "moving_shapes",
            (
                "adapt=zoom",
                "adapt_second=",
            ),
            "adapt= cannot be read",
        ),
        ("moco", "moving_shapes", ("adapt_second=zoom",), "adapt_second=zoom means nothing"),
        ("moco", "moving_shapes", ("augment=rand",), "augmentation"),
        ("moco", "moving_shapes", ("adapt=own", "adapt_batch=4"), "adapt_batch=4 means nothing"),
        ("moco", "moving_shapes", ("adapt=zoom", "adapt_batch=3"), "adapt_batch=3 does not divide batch=4"),
        ("moco", "moving_shapes", ("mask_ratio=0.5",), "no knob 'mask_ratio'"),
        ("moco", "moving_shapes", ("layer_decay=0.5",), "layer_decay"),
    ],
)
def test_what_cannot_be(
    tmp_path: Path, plan: Any, method: str, location: str, settings: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        plan(method, location, *settings, "steps=1").made(tmp_path / "run")


def test_masked_autoencoding_takes_transformers_only(options: Options) -> None:
    chosen, network = recipe.chosen(recipe.PRETRAINING, "tiny", [], "tsm-resnet18")
    with pytest.raises(UsageError, match="backbone=tsm-resnet18 has no patches"):
        PlannedPretraining("moving_circles", chosen, network, options)


def test_an_unknown_method_is_told_of() -> None:
    with pytest.raises(UsageError, match=r"No method is called 'mocco'.*moco"):
        methods.named("mocco")


# -- views ------------------------------------------------------------------------------------------


def test_a_view_is_a_function_of_its_address(plan: Any) -> None:
    make = plan("moco", "moving_shapes", "augment=rand-m7-n2-mstd0.5-inc1").training("cpu").make
    one = make((1, 3))
    assert set(one) == {"first", "second", "clip"} and one["clip"] == 3
    assert one["first"].shape == (4, 16, 16, 3) and one["first"].dtype == np.uint8
    again = plan("moco", "moving_shapes", "augment=rand-m7-n2-mstd0.5-inc1").training("cpu").make((1, 3))
    assert all(np.array_equal(one[k], again[k]) for k in one)
    assert not np.array_equal(one["first"], one["second"])
    assert not np.array_equal(one["first"], make((2, 3))["first"])


def test_views_have_starts_of_their_own_and_run_the_same_way(plan: Any) -> None:
    """Of a clip whose frames count up, seen plainly."""
    plain = ("adapt=own", "augment=none", "blur=0", "mirror=0", "area=1")
    planned = plan("simclr", "moving_shapes", *plain)
    source = planned.source

    class Counts:
        key, name = source.key, "counts"

        def clip(self, index: int, epoch: int, view: int | None = None, batch: int | None = None) -> Any:
            _, frames = source._clips.chosen(index, epoch, view)
            return np.stack([np.full((16, 16, 3), f, np.uint8) for f in frames])

        def number(self, index: int, epoch: int) -> int:
            return index

    make = viewed.Views(Counts(), planned.chosen, planned.network, 0)  # type: ignore[arg-type]
    made = [make((e, i)) for e in range(5) for i in range(16)]
    steps = [[int(m[v][1, 0, 0, 0]) - int(m[v][0, 0, 0, 0]) for v in ("first", "second")] for m in made]
    assert all(a == b and abs(a) == 1 for a, b in steps)
    assert 20 < sum(a == -1 for a, _ in steps) < 60
    starts = [[int(m[v].min()) for v in ("first", "second")] for m in made]
    assert sum(a != b for a, b in starts) > 60


@pytest.mark.parametrize(("shared", "groups"), [(1, 12), (2, 6), (4, 3)])
def test_a_batch_may_share_the_draws_of_the_camera(
    plan: Any, monkeypatch: pytest.MonkeyPatch, shared: int, groups: int
) -> None:
    """In each view, of one training batch, in whatever order it is passed; and whether time is reversed."""
    from synvid_eval.generators import adapting

    seen: list[bytes] = []
    made = adapting.made

    def heard(stages: Any, *others: Any) -> Any:
        seen.append(b"".join(parameters.matrices((24, 24)).tobytes() for _, parameters in stages))
        return made(stages, *others)

    monkeypatch.setattr(adapting, "made", heard)
    said = ("adapt=perspective", "adapt_second=same", f"adapt_batch={shared}", "curriculum=0")
    planned = plan("moco", "moving_shapes", *said)
    make = planned.training("cpu").make
    cameras: dict[tuple[int, int], set[bytes]] = {}
    for step in (1, 5, 6):  # of two epochs
        for rank in (1, 0):
            for item in [i for items in planned.batches.share(step, rank, 2, 2) for i in items]:
                make(item)
                group = (4 * step + planned.batches.items(step).index(item)) // shared
                for view in (0, 1):
                    cameras.setdefault((group, view), set()).add(seen[view - 2])
    assert len(cameras) == 2 * groups and all(len(some) == 1 for some in cameras.values())
    assert len(set.union(*cameras.values())) == 2 * groups

    class Counts(data.DrawnClips):
        def clip(self, index: int, epoch: int, view: int | None = None, batch: int | None = None) -> Any:
            return np.stack([np.full((16, 16, 3), 9 * at, np.uint8) for at in range(4)])

    views = dataclasses.replace(make, source=Counts(planned.source._clips))
    ways: dict[int, set[bool]] = {}
    for step in range(40):
        for place, item in enumerate(planned.batches.items(step)):
            frames = views(item)["first"]
            back = bool(frames[0].mean() > frames[-1].mean())
            ways.setdefault((4 * step + place) // shared, set()).add(back)
    assert all(len(some) == 1 for some in ways.values()) and len(set.union(*ways.values())) == 2


def test_the_second_view_is_adapted_less(plan: Any) -> None:
    """As there: the first in all ways, the second by scale and background only (SSL_EASY_K)."""
    first, second = moco.QueueContrast().adapts
    from synvid_eval.generators import adapting

    published = adapting.parsed("published")
    of_camera = [o.name for o in published.operations if o.name not in ("reverse", "mirror")]
    assert [o.name for o in adapting.parsed(first).operations] == of_camera
    assert adapting.parsed(first).links == tuple(
        link for link in published.links if link[0].name not in ("reverse", "mirror")
    )
    assert adapting.parsed(second).names == "scale,background"
    assert {o.name: o for o in adapting.parsed(second).operations}["background"].shift == 0  # type: ignore[attr-defined]
    assert moco.QueueContrast(adapt_second="same").adapts == (first, first)
    assert moco.QueueContrast(adapt="own").adapts == ("own", "own")
    assert supervised.Classes().adapts == (first,)


def test_a_clip_is_drawn_once_for_both_views(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from synvid_eval.generators import fractal

    counted: list[Any] = []
    counts = fractal.Fractal.counts

    def heard(self: Any, maps: Any, found: Any, seed: int, preset: str, index: int) -> Any:
        counted.append((preset, index))
        return counts(self, maps, found, seed, preset, index)

    monkeypatch.setattr(fractal.Fractal, "counts", heard)
    fractal._clips.clear()
    preset = "preset:fractal_diversity?iterations=300"
    make = plan("moco", preset, "adapt_second=shake", "adapt=scale").training("cpu").make
    make((0, 5))
    assert set(counted) == {("fractal_diversity", 5)} and 18 <= len(counted) <= 20
    make((1, 5))  # another epoch adapts what is kept
    assert len(counted) <= 20


def test_a_set_of_files_is_adapted_anew_in_each_view(tmp_path: Path, plan: Any) -> None:
    camera = f"adapt={viewed.CAMERA}"
    (tmp_path / "videos").mkdir()
    rng = np.random.default_rng(0)
    for name in "abc":
        clip = np.repeat(rng.integers(0, 256, (1, 24, 32, 3), np.uint8), 8, 0)
        write_video(tmp_path / "videos" / f"{name}.mkv", clip, "ffv1")
    planned = plan("moco", str(tmp_path / "videos"), camera, "curriculum=4", "batch=2")
    source = planned.source
    seen = [source.clip(0, epoch, view) for epoch in (4, 5) for view in (0, 1)]
    assert all(clip.shape == (4, 24, 32, 3) for clip in seen)
    assert all(not np.array_equal(seen[i], seen[j]) for i in range(4) for j in range(i))
    assert np.array_equal(seen[0], source.clip(0, 4, 0))
    assert source.identity() != plan("moco", str(tmp_path / "videos"), "adapt=own").source.identity()
    alike = plan("moco", str(tmp_path / "videos"), "adapt=perspective", "adapt_second=same", "adapt_batch=4")
    one = alike.source
    assert np.array_equal(one.clip(0, 4, 0, 7), one.clip(0, 4, 0, 7))
    assert not np.array_equal(one.clip(0, 4, 0, 7), one.clip(0, 4, 0, 8))
    assert not np.array_equal(one.clip(0, 4, 0, 7), one.clip(0, 4, 1, 7))
    # clips that do not move, of one size: what is black around them is the camera alone
    dark = [[(one.clip(i, e, 0, 7) == 0).all(-1).tobytes() for i in range(3)] for e in (4, 5)]
    assert len({*dark[0], *dark[1]}) == 1
    assert len({(one.clip(i, 4, 0) == 0).all(-1).tobytes() for i in range(3)}) == 3
    own = plan("moco", f"adapt:shift?of={tmp_path / 'videos'}", "adapt=own").source
    assert not np.array_equal(own.clip(0, 0, 0), own.clip(0, 0, 1))  # the set's chain, drawn anew
    assert not np.array_equal(own.clip(0, 0), own.clip(0, 0, 0))
    with pytest.raises(UsageError, match=r"adapted already"):
        plan("moco", f"adapt:shift?of={tmp_path / 'videos'}", camera)
    with pytest.raises(DataError, match="backgrounds are other clips"):
        os.remove(tmp_path / "videos" / "b.mkv")
        os.remove(tmp_path / "videos" / "c.mkv")
        plan("moco", str(tmp_path / "videos"), camera)


def test_mirrored_clips_of_other_classes_are_told(tmp_path: Path, plan: Any) -> None:
    for label in ("turn left", "turn right"):
        (tmp_path / label).mkdir()
        for number in range(2):
            write_video(tmp_path / label / f"{number}.mkv", np.zeros((8, 16, 16, 3), np.uint8), "ffv1")
    planned = plan("supervised", str(tmp_path))
    (note,) = planned.method.notes(planned.chosen, planned.source)
    assert "mirror mirrors clips" in note and "--set mirror=0" in note
    assert not planned.method.notes(plan("supervised", str(tmp_path), "mirror=0").chosen, planned.source)
    simclr = plan("simclr", str(tmp_path))
    assert not simclr.method.notes(simclr.chosen, simclr.source)


def test_views_of_a_file_stand_before_other_clips_each_time(
    tmp_path: Path, plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A background that both views, or all epochs, show would tell a clip from others."""
    from synvid_eval import adapted
    from synvid_eval.training import data

    (tmp_path / "videos").mkdir()
    for number in range(12):
        clip = np.full((8, 16, 16, 3), 20 * number, np.uint8)
        write_video(tmp_path / "videos" / f"{number}.mkv", clip, "ffv1")
    source = plan("moco", str(tmp_path / "videos"), "adapt=background(dynamic=0)", "batch=2").source
    opened: list[str] = []
    open_clip = data.open_clip

    def heard(ref: Any, *more: Any) -> Any:
        opened.append(adapted.Parts.read(ref).of.id)
        behind.append(frozenset(clip.id for clip in adapted.Parts.read(ref).others))
        return open_clip(ref, *more)

    monkeypatch.setattr(data, "open_clip", heard)
    for index, clip in enumerate(source.clips):
        behind: list[frozenset[str]] = []
        for epoch in range(6):
            for view in (0, 1):
                source.clip(index, epoch, view)
        assert len(behind) == 12 and len(set(behind)) > 6  # of 12 · 11 / 2 pairs
        assert len(frozenset.union(*behind)) > 6 and clip.id not in frozenset.union(*behind)
        assert sum(first == second for first, second in zip(behind[::2], behind[1::2], strict=True)) < 3
    assert opened == [clip.id for clip in source.clips for _ in range(12)]


def test_a_file_that_is_trained_on_is_decoded_only_as_far_as_is_wanted(
    tmp_path: Path, plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synvid_eval.video.decode import VideoFile

    (tmp_path / "videos").mkdir()
    for name in "ab":
        clip = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)
        write_video(tmp_path / "videos" / f"{name}.mkv", clip, "ffv1")
    source = plan("moco", str(tmp_path / "videos"), "adapt=zoom", "batch=2", "stride=1").source
    frames, read = VideoFile.frames, list[int]()

    def heard(self: Any, wanted: Any) -> Any:
        for at, frame in frames(self, wanted):
            read.append(at)
            yield at, frame

    monkeypatch.setattr(VideoFile, "frames", heard)
    source.clip(0, 0, 0)
    assert len(read) == source.frames == len({*read})


def test_classes_of_a_set_are_its_labels(plan: Any, bars: Path) -> None:
    planned = plan("supervised", str(bars))
    make = planned.training("cpu").make
    assert planned.source.classes() == ["across", "blink", "down"]
    labels = [planned.source.classes()[make((0, i))["label"]] for i in range(len(planned.source))]
    assert labels == [clip.label for clip in planned.source.clips] and "second" not in make((0, 0))


def test_a_blur_is_a_gaussian_of_nine_pixels_at_the_drawn_deviation() -> None:
    """Edges are mirrored and values rounded, as torchvision's are; the same on all frames of a clip."""
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 9, 11), np.uint8)
    wide = np.pad(frames.astype(float), ((0, 0), (0, 0), (1, 1), (1, 1)), "reflect")
    deviations = []
    for key in range(400):
        found = augment.blurred(torch.from_numpy(frames), key, 0.5).numpy()
        drawn, place = augment.uniform(key, "blur", 2)
        if drawn >= 0.5:
            assert np.array_equal(found, frames)
            continue
        deviations.append(0.1 + 1.9 * place)
        weights = np.exp(-(np.array([-1.0, 0, 1]) ** 2) / (2 * deviations[-1] ** 2))
        weights /= weights.sum()
        wanted = sum(
            weights[i] * weights[j] * wide[:, :, i : i + 9, j : j + 11] for i in range(3) for j in range(3)
        )
        assert np.abs(found - wanted).max() < 0.5 + 1e-3  # of float32
    assert 150 < len(deviations) < 250
    assert min(deviations) < 0.15 and max(deviations) > 1.95


def test_a_cubic_crop_is_torchs_interpolation() -> None:
    """Of pytorchvideo's RandomResizedCrop, which the released code crops by: not antialiased."""
    frames = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), np.uint8)
    found = augment.cubic_crop(frames, augment.Box(3, 5, 30, 28), 12).astype(float)
    part = torch.from_numpy(frames[:, 3:33, 5:33]).permute(0, 3, 1, 2).double()
    wanted = torch.nn.functional.interpolate(part, size=(12, 12), mode="bicubic", align_corners=False)
    assert np.abs(found - wanted.clamp(0, 255).permute(0, 2, 3, 1).numpy()).max() <= 1


# -- recipes ----------------------------------------------------------------------------------------

FRACTAL = {
    "backbone": "tsm-resnet50", "optimizer": "adamw", "batch": 32, "epochs": 25, "warmup": 3, "stride": 2,
    "weight_decay": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "clip": 5.0, "clips": 100_000,
    "curriculum": 5, "area": 0.9, "augment": "rand-m7-n2-mstd0.5-inc1", "blur": 0.5, "mirror": 0.5,
    "dropout": 0.8, "fresh": False,
}  # fmt: skip
OWN = {
    "moco": {"queue": 16_384, "momentum": 0.999, "temperature": 0.07, "values": 128, "hidden": 512,
             "reverse": 0.5},
    "simclr": {"temperature": 0.1, "values": 128, "hidden": 512, "reverse": 0.5},
    "byol": {"momentum": 0.997, "values": 256, "hidden": 512, "predictor": 1024, "reverse": 0.5},
    "supervised": {"smoothing": 0.0, "reverse": 0.0},
}  # fmt: skip


@pytest.mark.parametrize("method", VIEWED)
def test_paper_fractal(method: str) -> None:
    """Svyezhentsev et al. 2024, and the released cfg/_default.py, cfg/pretrain_ssl, cfg/pretrain_sup."""
    found, network = recipe.chosen(methods.named(method).recipes, "paper-fractal", [])
    values = knobs.values(found)
    assert {k: values[k] for k in FRACTAL | OWN[method]} == FRACTAL | OWN[method]
    assert (network.frames, network.image, network.width) == (8, 112, 2048)


def test_the_published_schedule() -> None:
    """8e-4 at batch 32, from 1e-6 to 1e-5, by timm's CosineLRScheduler, whose value for a step is set behind
    it; the cosine runs over all steps, the warm-up's too.
    """
    rates = moco.QueueContrast().schedule(3125)
    assert (rates.steps, rates.warmup) == (78_125, 9_375)
    assert (rates.peak, rates.last, rates.first) == (8e-4, 1e-5, 1e-6)
    assert rates.rate(0) == rates.rate(1) == 1e-6
    assert rates.rate(9_375) == pytest.approx(1e-6 + (8e-4 - 1e-6) * 9_374 / 9_375)
    at = 0.5 * (1 + math.cos(math.pi * 9_375 / 78_125))
    assert rates.rate(9_376) == pytest.approx(1e-5 + (8e-4 - 1e-5) * at) and at < 0.97
    assert rates.rate(78_124) == pytest.approx(1e-5, rel=1e-4)


def test_recipes_of_ours_are_smaller() -> None:
    for method in VIEWED:
        of = methods.named(method).recipes
        assert list(of) == ["paper-fractal", "small", "tiny"]
        _, network = recipe.chosen(of, "tiny", [])
        assert (network.backbone, network.image) == ("tsm-resnet18", 48)
        for backbone in ("r2plus1d-18", "csn-26", "vit"):
            assert recipe.chosen(of, "tiny", [], backbone)[1].backbone == backbone


def test_knobs_say_where_they_come_from() -> None:
    for method in VIEWED:
        kind = type(methods.named(method).recipes["paper-fractal"])
        for field in dataclasses.fields(kind):
            if field.name in {*FRACTAL, *OWN[method]} - {"optimizer", "beta1", "fresh"}:
                assert field.metadata["source"], field.name


# -- clips that a batch has several times -----------------------------------------------------------


def test_other_views_of_a_clip_are_no_negatives_of_simclr() -> None:
    """Written out view by view, where a pass has one clip twice."""
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=(4, 7)), rng.normal(size=(4, 7))
    clips = [5, 9, 5, 2]
    found = simclr.loss(torch.tensor(first), torch.tensor(second), 0.3, torch.tensor(clips)).item()
    views, losses = unit(np.concatenate([first, second])), []
    for i in range(8):
        right = (i + 4) % 8
        seen = [j for j in range(8) if j == right or clips[j % 4] != clips[i % 4]]
        losses.append(cross_entropy(np.array([views[i] @ views[j] / 0.3 for j in seen]), seen.index(right)))
    assert found == pytest.approx(np.mean(losses), rel=1e-5)


def test_simclr_is_told_which_clips_its_batch_has() -> None:
    """Of one clip alone, however often it is there, nothing is to be told apart."""
    module = simclr.build(simclr.PassContrast(hidden=8, values=4, dropout=0.0), NET, 0).eval()
    frames = torch.randint(0, 256, (3, 4, 16, 16, 3), dtype=torch.uint8)
    batch = {"first": frames, "second": frames.flip(0), "clip": torch.tensor([4, 4, 4])}
    with torch.no_grad():
        assert module(batch).item() == 0
        assert module({**batch, "clip": torch.arange(3)}).item() > 0


# -- classes of a supervised run --------------------------------------------------------------------


# spawns a process that decodes
@pytest.mark.slow
def test_a_supervised_run_keeps_its_labels_and_the_order_of_its_head(
    tmp_path: Path, plan: Any, bars: Path
) -> None:
    planned = plan("supervised", str(bars), "steps=2")
    planned.made(tmp_path / "run")
    run = (RunFolder(tmp_path / "run").config() or {})["run"]
    assert run["classes"] == ["across", "blink", "down"] and run["labels"] == planned.source.labelling()
    begun = plan("supervised", str(bars), "steps=2")
    videos = begun.source.videos
    first, *others = videos.clips
    assert first.label == "across"
    begun.source.videos = dataclasses.replace(
        videos, clips=(dataclasses.replace(first, label="down"), *others)
    )
    begun.source.__dict__.pop("_labelled")
    assert begun.source.identity() == planned.source.identity()  # clips are the same
    with pytest.raises(UsageError, match="whose clips' classes are others now") as told:
        begun.made(tmp_path / "run")
    assert "run.labels" not in str(told.value)
    assert "classes" not in plan("simclr", str(bars)).config()["run"]


def test_labels_are_walked_through_once(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from synvid_eval.generators import Clips

    seen: list[int] = []
    label = Clips.label

    def counted(self: Clips, index: int, epoch: int | None = None) -> str | None:
        seen.append(index)
        return label(self, index, epoch)

    monkeypatch.setattr(Clips, "label", counted)
    planned = plan("supervised", "preset:fractal_supervised_500?n=8")
    planned.training("cpu")
    planned.config()
    assert seen == [0, *range(8)]


def test_a_supervised_run_takes_the_classes_of_a_list(tmp_path: Path, plan: Any) -> None:
    """And no sessions for classes; other methods want none."""
    kitchen = str(downstream_sets.egtea(tmp_path / "egtea"))
    with pytest.raises(UsageError, match=r"--split NAME, of test_split1, train_split1;"):
        plan("supervised", kitchen)
    found = plan("supervised", kitchen, split="train_split1")
    assert found.source.classes() == ["Inspect/Read recipe", "Open fridge"]
    assert len(plan("simclr", kitchen).source) == 16


def test_tiny_has_several_clips_of_each_class(plan: Any) -> None:
    tiny, _ = recipe.chosen(supervised.RECIPES, "tiny", [])
    assert tiny.clips >= 8 * tiny.classes > 0
    assert [
        recipe.chosen(supervised.RECIPES, name, [])[0].classes for name in ("small", "paper-fractal")
    ] == [0] * 2
    planned = plan("supervised", "fractal_supervised_500")
    source = planned.source
    labels = [source.label(i, 0) for i in range(len(source))]
    assert len(labels) == 16 and all(labels.count(label) == 4 for label in labels)
    assert planned.facts()["classes"] == len(source.classes()) == 4
    assert len(plan("supervised", "preset:fractal_supervised_500?classes=2").source.classes()) == 2
    assert (
        len(plan("supervised", "preset:fractal_supervised_500?classes=8", "clips=32").source.classes()) == 8
    )


@pytest.mark.parametrize("method", ["moco", "simclr", "byol"])
def test_one_clip_is_told_from_nothing(plan: Any, method: str) -> None:
    with pytest.raises(UsageError, match=rf"has 1 clip, and {method} learns what tells clips apart"):
        plan(method, "moving_shapes", "clips=1")


def test_a_class_of_one_clip_teaches_nothing(plan: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"16 clips in 9 classes: fewer than two a class.*--set classes=…"):
        plan("supervised", "fractal_supervised_500", "classes=9")
    # of which other epochs show others
    assert len(plan("supervised", "fractal_supervised_500", "classes=9", "fresh=true").source) == 16
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_video(tmp_path / name / "0.mkv", np.zeros((8, 24, 32, 3), np.uint8), "ffv1")
    with pytest.raises(UsageError, match="2 clips in 2 classes: fewer than two a class"):
        plan("supervised", str(tmp_path))


# -- settings that decide nothing -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "knob"), [("moco", "clips"), ("moco", "drawn"), ("supervised", "classes")]
)
def test_what_a_set_of_files_has_no_use_for_is_refused(plan: Any, bars: Path, method: str, knob: str) -> None:
    """Where it was asked for; what recipes say for presets is none of its business."""
    plan(method, str(bars))
    with pytest.raises(UsageError, match=f"--set {knob}=[0-9]+ means nothing for .*bars: it is for presets"):
        plan(method, str(bars), given={knob})


def test_a_number_is_given_once(plan: Any) -> None:
    plan("moco", "preset:moving_shapes?n=8")
    with pytest.raises(UsageError, match="says n=8, and --set clips=16"):
        plan("moco", "preset:moving_shapes?n=8", given={"clips"})
    with pytest.raises(UsageError, match="says classes=2, and --set classes=4"):
        plan("supervised", "preset:fractal_supervised_500?classes=2", given={"classes"})


def test_adapt_none_is_plain(plan: Any, bars: Path) -> None:
    plain = plan("moco", "moving_shapes", "adapt=own")
    none = plan("moco", "moving_shapes", "adapt=none", "curriculum=5")
    assert none.chosen.curriculum == 0 and none.chosen.adapt == "none"
    assert none.source.identity() == plain.source.identity()
    assert np.array_equal(none.source.clip(3, 1, 1), plain.source.clip(3, 1, 1))
    assert len(plan("moco", str(bars), "adapt=none").source) == 30
    for place in ("preset:moving_shapes?adapt=shake", f"adapt:shake?of={bars}"):
        with pytest.raises(UsageError, match=r"adapted already, and the recipe says adapt=none.*adapt=own"):
            plan("moco", place, "adapt=none")
    for settings in (("adapt=none", "adapt_batch=4"), ("adapt=none", "adapt_second=zoom")):
        with pytest.raises(UsageError, match="means nothing with adapt=none"):
            plan("moco", "moving_shapes", *settings)


def test_one_view_may_be_plain(plan: Any, bars: Path) -> None:
    said = ("adapt=perspective", "adapt_second=none", "curriculum=2")
    for place in ("moving_shapes", str(bars)):
        source, plain = (plan("moco", place, *of).source for of in (said, ("adapt=none",)))
        assert np.array_equal(source.clip(0, 2, 1), plain.clip(0, 2, 1))
        assert not np.array_equal(source.clip(0, 2, 0), plain.clip(0, 2, 0))


def test_a_curriculum_is_of_what_adapts(plan: Any, bars: Path) -> None:
    """Of a chain of one's own, in a preset or around a set, too; where nothing adapts only the recipe's own
    is left away.
    """
    for place in ("preset:moving_shapes?adapt=zoom", f"adapt:zoom?of={bars}"):
        grows, full = (plan("moco", place, "adapt=own", f"curriculum={n}").source for n in (2, 0))
        assert not np.array_equal(grows.clip(0, 1, 0), full.clip(0, 1, 0))
        assert np.array_equal(grows.clip(0, 2, 0), full.clip(0, 2, 0))
    for place in ("moving_shapes", str(bars)):
        assert plan("moco", place, "adapt=own", "curriculum=2").chosen.curriculum == 0
        with pytest.raises(
            UsageError, match=r"curriculum=2 means nothing: .* is not adapted.*adapt=published"
        ):
            plan("moco", place, "adapt=own", "curriculum=2", given={"curriculum"})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("adapt_second=own", "adapt=zoom"), "adapt_second=own means nothing where adapt is a chain"),
        (("adapt_second=own", "adapt=own"), "adapt_second=own means nothing with adapt=own"),
        (("adapt_second=same", "adapt=own"), "adapt_second=same means nothing with adapt=own"),
    ],
)
def test_views_are_left_to_what_is_trained_on_together(settings: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        recipe.chosen(moco.RECIPES, "small", settings)


@pytest.mark.parametrize("method", VIEWED)
@pytest.mark.parametrize(
    ("name", "image", "width"), [("paper-fractal", 112, 768), ("small", 112, 384), ("tiny", 48, 192)]
)
def test_a_transformer_sees_what_the_recipe_says(method: str, name: str, image: int, width: int) -> None:
    """As many frames, as large, as the convolutional network that the recipe is for."""
    recipes = methods.named(method).recipes
    _, network = recipe.chosen(recipes, name, [], "vit")
    _, convolutional = recipe.chosen(recipes, name, [])
    assert (network.frames, network.image) == (convolutional.frames, convolutional.image) == (8, image)
    assert network.width == width
    assert recipe.chosen(recipes, name, ["network.frames=4"], "vit")[1].frames == 4


@pytest.mark.parametrize("method", VIEWED)
def test_a_small_recipe_has_a_small_transformer(method: str) -> None:
    chosen, network = recipe.chosen(methods.named(method).recipes, "small", [], "vit")
    assert (chosen.size, network.size, network.width) == ("small", "small", 384)
    assert recipe.chosen(methods.named(method).recipes, "small", ["size=tiny"], "vit")[1].size == "tiny"
