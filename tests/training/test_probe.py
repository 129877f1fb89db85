"""Probes: scikit-learn as the oracle of linear heads and neighbours; features by hand; what runs leave."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from synvid_eval.cache import Cache
from synvid_eval.errors import UsageError
from synvid_eval.measurement import Options
from synvid_eval.networks import inputs, videomae
from synvid_eval.networks.convnets import BACKBONES, ConvNet
from synvid_eval.networks.videomae import Architecture
from synvid_eval.training import accuracy, augment, engine, labelled, probe
from synvid_eval.training.data import Batches
from synvid_eval.training.engine import Devices
from synvid_eval.training.labelled import Start
from synvid_eval.training.probe import PROBING, DrawnViews, Probing, knn
from synvid_eval.training.run_folder import RunFolder, toml
from tests.training.small import planned

NANO = Architecture(24, 2, 2, image=16, frames=4)


def clouds(count: int = 90, width: int = 6, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features that overlap, so that a linear head has an optimum, far from mean 0 and deviation 1."""
    g = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    rows = g.normal(size=(classes, width))[labels] + 1.5 * g.normal(size=(count, width))
    return (rows * g.uniform(0.1, 20, width) + g.normal(0, 9, width)).astype(np.float32), labels


# -- recipes ---------------------------------------------------------------------------------------

COMMON = {
    "batch": 256, "epochs": 100, "warmup": 5, "beta1": 0.9, "weight_decay": 0.0, "last_lr": 0.0, "stride": 4,
    "segments": 5, "crops": 3, "smoothing": 0.1, "dropout": 0.5, "head": "linear",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("paper", {"optimizer": "adamw", "lr": 1e-2, "nesterov": False}),
        ("released", {"optimizer": "sgd", "lr": 0.1, "nesterov": True}),
    ],
)
def test_recipes_are_those_of_table_7_and_of_the_script(name: str, own: dict) -> None:
    assert {k: getattr(PROBING[name], k) for k in (*COMMON, *own)} == {**COMMON, **own}


def test_the_neighbours_are_spelled_out() -> None:
    assert (PROBING["knn"].neighbors, PROBING["knn"].temperature, PROBING["knn"].head) == (20, 0.07, "knn")
    assert probe.protocol(PROBING["paper"]) == "linear_probe"
    assert probe.protocol(PROBING["knn"]) == "knn"
    assert probe.protocol(PROBING["attentive"]) == "attentive_probe"


# -- heads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("optimizer", "lr"), [("sgd", 1.0), ("adamw", 0.2)])
def test_a_linear_head_comes_to_the_optimum_of_logistic_regression(
    tmp_path: Path, optimizer: str, lr: float
) -> None:
    """With all clips in each batch, no dropout and weight decay as a penalty the loss is convex, and the
    optimum is scikit-learn's on features of mean 0 and deviation 1. AdamW's decay is no penalty: without it,
    and so without a penalty there.
    """
    rows, labels = clouds()
    decay = 0.02 if optimizer == "sgd" else 0.0
    of = Probing(
        optimizer=optimizer, batch=90, steps=1500, epochs=1500, warmup=0, lr=lr * 256 / 90,
        weight_decay=decay, smoothing=0.0, dropout=0.0, save=10_000,
    )  # fmt: skip
    head = probe.linear(6, 3, 0.0, 0)
    made = DrawnViews(rows[:, None], tuple(map(str, range(90))), tuple(range(90)), tuple(labels), 0)
    folder = RunFolder(tmp_path / "run")
    with folder.held():
        folder.begin({"run": {}})
        training = engine.Training(of, head, probe.task(head, 3, 0.0), Batches(90, 90, 0, "x"), made)
        engine.train(folder, training, Devices("cpu"), Options(cache=Cache(None)).progress)
    standard = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-6)
    known = LogisticRegression(C=1 / (90 * decay) if decay else np.inf, tol=1e-10, max_iter=10_000)
    known.fit(standard, labels)
    with torch.inference_mode():
        found = torch.softmax(head.train()(torch.from_numpy(rows)), 1).numpy()
    assert found == pytest.approx(known.predict_proba(standard), abs=2e-3)


def test_batch_norm_without_weights_is_part_of_the_head() -> None:
    head = probe.linear(6, 3, 0.5, 0)
    assert [n for n, _ in head.named_parameters()] == ["2.weight", "2.bias"]
    norm = head[1]
    assert not norm.affine and norm.eps == 1e-6
    assert head[2].weight.std().item() < 1e-4


@pytest.mark.parametrize("neighbors", [1, 7, 20])
def test_neighbours_vote_as_scikit_learns(neighbors: int) -> None:
    rows, labels = clouds()
    queries, _ = clouds(40, seed=1)
    known = KNeighborsClassifier(neighbors, metric="cosine", weights=lambda d: np.exp((1 - d) / 0.07))
    known.fit(rows.astype(np.float64), labels)
    found = knn(rows, labels, queries, 3, neighbors, 0.07)
    assert found == pytest.approx(known.predict_proba(queries.astype(np.float64)), abs=1e-6)


def test_more_neighbours_than_clips_are_all_of_them() -> None:
    rows, labels = clouds(9)
    assert np.array_equal(knn(rows, labels, rows, 3, 100, 0.07), knn(rows, labels, rows, 3, 9, 0.07))
    scaled = knn(3 * rows, labels, 7 * rows, 3, 9, 0.07)  # the length of features does not matter
    assert scaled == pytest.approx(knn(rows, labels, rows, 3, 9, 0.07))


def test_a_head_that_attends_knows_no_order_of_tokens_and_learns_where_means_do_not() -> None:
    """One token of each clip tells its class, the mean over tokens does not: +v and −v cancel out."""
    head = probe.attentive(8, 2, 2, 0.0, 0).train()
    g = torch.Generator().manual_seed(0)
    tokens = 0.1 * torch.randn(64, 6, 8, generator=g)
    labels = torch.arange(64) % 2
    tokens[:, 0, 0] += 3
    tokens[:, 0, 1 + labels] += 0.0
    for i, label in enumerate(labels):
        tokens[i, 0, 1 + label] += 3
        tokens[i, 1, 1 + label] -= 3
    shuffled = tokens[:, torch.tensor([3, 0, 5, 1, 4, 2])]
    assert torch.allclose(head(tokens), head(shuffled), atol=1e-6)
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3)
    for _ in range(150):
        loss = torch.nn.functional.cross_entropy(head(tokens), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (head(tokens).argmax(1) == labels).float().mean() > 0.95


# -- features --------------------------------------------------------------------------------------


def test_features_are_normed_means_of_the_last_tokens_without_the_last_norm() -> None:
    g = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (3, 4, 16, 16, 3), dtype=torch.uint8, generator=g)
    module = probe.encoder(Start("s", NANO, None), 0)
    found = NANO.pooled(module(inputs.normalized(frames)))
    whole = videomae.encoder(NANO, 0)  # the same weights, with the norm of pre-training behind them
    seen = []
    whole.encoder.register_forward_hook(lambda m, i, out: seen.append(out.last_hidden_state))
    whole(inputs.normalized(frames))
    mean = seen[0].mean(1)
    mean = (mean - mean.mean(1, keepdim=True)) / (mean.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
    assert torch.allclose(found, mean, atol=1e-5)
    assert not any(p.requires_grad for p in module.parameters()) and not module.training


@pytest.mark.parametrize("name", BACKBONES)
def test_features_of_a_convolutional_run_are_those_of_its_encoder(
    bars: Path, options: Options, tmp_path: Path, name: str
) -> None:
    """Frozen, by the running statistics of the run, whatever is passed through it beside."""
    of = ConvNet(name, image=32, frames=4, stage=8)
    module = of.encoder(3).train()
    module(torch.randn(4, 4, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    tensors = {f"encoder.{n}": t for n, t in module.state_dict().items()} | {"queue": torch.zeros(3)}
    save_file(tensors, run / "checkpoints" / "step-00000002.safetensors")
    config = {"run": {"kind": "pretrain", "method": "moco"}, "network": dataclasses.asdict(of)}
    (run / "config.toml").write_text(toml(config))
    few = ("steps=2", "epochs=2")
    plan = planned(probe, bars, options, *few, split="kfold:2", backbone=name, begin=str(run))
    assert plan.begin.architecture == of
    plan.made(tmp_path / "probed")
    with torch.inference_mode():
        for index in (0, 7):
            shown = labelled.Viewed(plan.on.files, 4, 32, 2, 1)((0, index))["views"]
            clips = (torch.from_numpy(shown).double() / 255).permute(0, 1, 4, 2, 3)
            mean, std = (torch.tensor(v).double()[:, None, None] for v in (inputs.MEAN, inputs.STD))
            want = module.eval()(((clips - mean) / std).float()).mean(1)
            torch.testing.assert_close(torch.from_numpy(plan._features[index]), want, atol=1e-5, rtol=1e-4)
    frozen = probe.encoder(plan.begin, 0)
    assert not any(p.requires_grad for p in frozen.parameters()) and not frozen.training
    assert all(torch.equal(t, module.state_dict()[n]) for n, t in frozen.state_dict().items() if t.dim())


def test_an_attentive_head_fits_any_width(bars: Path, options: Options, tmp_path: Path) -> None:
    plan = planned(probe, bars, options, "steps=2", of="attentive", split="kfold:2", backbone="tsm-resnet18")
    assert plan.made(tmp_path / "run")["accuracy"]["clips"] == 30
    assert plan._features.shape == (30, 2, 4, 64)  # views, tokens: 4 frames of one place


@pytest.mark.slow
def test_features_are_computed_once_and_mended_where_they_are_damaged(
    bars: Path, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "PART", 8)
    plan = planned(probe, bars, options)
    made = labelled.Viewed(plan.on.files, 4, 16, 2, 1)
    asked, done = [], []

    def run(frames: torch.Tensor) -> torch.Tensor:
        asked.append(len(frames))
        return frames.float().mean(dim=(1, 2, 3))

    first = probe.features(tmp_path / "f", made, run, 16, 0, done.append)
    assert first.shape == (30, 2, 3) and sum(asked) == 60 and done == [8, 8, 8, 6]
    again = probe.features(tmp_path / "f", made, run, 16, 0, done.append)
    assert np.array_equal(first, again) and sum(asked) == 60
    path = tmp_path / "f" / "clips-000008.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    assert np.array_equal(first, probe.features(tmp_path / "f", made, run, 16, 0, done.append))
    assert sum(asked) == 76


def test_each_epoch_draws_one_of_the_views() -> None:
    rows = np.arange(2 * 5 * 3, dtype=np.float32).reshape(2, 5, 3)
    made = DrawnViews(rows, ("a", "b"), (1,), (0, 1), 0)
    drawn = [made((epoch, 0)) for epoch in range(200)]
    assert {int(d["features"][0]) for d in drawn} == {15, 18, 21, 24, 27}
    assert all(d["label"] == 1 for d in drawn)
    assert np.array_equal(made((7, 0))["features"], drawn[7]["features"])


# -- runs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROBING)
def test_runs(bars: Path, options: Options, tmp_path: Path, name: str) -> None:
    settings = ["steps=40", "warmup=0", "epochs=40"] if name != "knn" else []
    facts = planned(probe, bars, options, *settings, of=name).made(tmp_path / "run")
    assert facts["accuracy"]["clips"] == 30 and facts["about"]["kind"] == "probe"
    assert facts["accuracy"]["top1"]["value"] > 45  # a random network tells more than chance, 33
    folds = sorted(p.name for p in (tmp_path / "run").glob("fold-*"))
    assert folds == [f"fold-{k}" for k in range(5)]
    rows = RunFolder(tmp_path / "run" / "fold-0").rows()
    assert len(rows) == (0 if name == "knn" else 40)
    assert len(list((tmp_path / "run" / "features").iterdir())) == 1
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    planned(probe, bars, options, *settings, of=name).made(tmp_path / "run")
    assert before == {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}


def test_a_run_without_folds_of_its_own(bars: Path, options: Options, tmp_path: Path) -> None:
    ids = planned(probe, bars, options).on.files.videos.ids
    split = tmp_path / "split.json"
    split.write_text(str({"train": ids[::2], "test": ids[1::2]}).replace("'", '"'))
    planned(probe, bars, options, of="knn", split=str(split)).made(tmp_path / "run")
    found = accuracy.read(tmp_path / "run" / "predictions.json")
    assert {c.id for c in found.clips} == set(ids[1::2])
    assert (tmp_path / "run" / "config.toml").exists() and (tmp_path / "run" / "features").is_dir()


def test_features_that_would_not_fit_are_refused(
    bars: Path, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "MOST_BYTES", 1000)
    with pytest.raises(UsageError, match="The features of bars take 0 GiB"):
        planned(probe, bars, options, of="attentive").made(tmp_path / "run")


def test_a_linear_head_does_not_learn_from_single_clips(bars: Path, options: Options) -> None:
    with pytest.raises(UsageError, match="batch=1 is too little for a linear head"):
        planned(probe, bars, options, "batch=1")
    assert planned(probe, bars, options, "batch=1", of="knn").of.head == "knn"


def test_smaller_passes_are_of_the_encoder_and_change_no_head(
    bars: Path, options: Options, tmp_path: Path
) -> None:
    """A linear head sees its whole batch, on which its norm depends."""
    for name, micro in (("one", "0"), ("single", "1")):
        asked = planned(probe, bars, options, "epochs=2", f"micro={micro}", split="kfold:2")
        asked.made(tmp_path / name)
    one, other = (accuracy.read(tmp_path / name / "predictions.json") for name in ("one", "single"))
    for mine, theirs in zip(one.clips, other.clips, strict=True):
        assert mine.scores == pytest.approx(theirs.scores, rel=1e-4)


@pytest.mark.parametrize(("micro", "cure"), [(0, "--set micro=8"), (4, "--set micro=2"), (1, "--set size=")])
def test_too_little_memory_names_the_views_to_try(
    bars: Path, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, micro: int, cure: str
) -> None:
    plan = planned(probe, bars, options, f"micro={micro}")
    monkeypatch.setattr(Architecture, "pooled", lambda self, tokens: torch.empty(1 << 50))
    with pytest.raises(UsageError, match=r"views? at once .* for the memory of cpu") as error:
        plan.made(tmp_path / "run")
    assert cure in error.value.hint


def test_too_little_memory_for_a_head_names_the_batch_to_try(
    bars: Path, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(probe, bars, options)
    monkeypatch.setattr(augment, "smoothed", lambda *given: torch.empty(1 << 50))
    with pytest.raises(UsageError, match="8 clips at once are too many") as error:
        plan.made(tmp_path / "run")
    assert "--set batch=4" in error.value.hint


@pytest.mark.parametrize("name", ["paper", "knn", "attentive"])
def test_knobs_that_decide_nothing(name: str) -> None:
    idle = probe.PlannedProbe.idle(PROBING[name])
    assert "layer_decay" in idle and "head" not in idle and "segments" not in idle
    assert ("lr" in idle, "neighbors" in idle, "heads" in idle) == {
        "paper": (False, True, True), "knn": (True, False, True), "attentive": (False, True, False),
    }[name]  # fmt: skip


def test_heads_have_to_divide_the_width(bars: Path, options: Options, tmp_path: Path) -> None:
    plan = planned(probe, bars, options, "heads=5", of="attentive")
    with pytest.raises(UsageError, match="heads=5 does not divide the width 24"):
        plan.made(tmp_path / "run")
    assert dataclasses.replace(plan.of, heads=0) == planned(probe, bars, options, of="attentive").of
