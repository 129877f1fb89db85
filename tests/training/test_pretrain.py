"""Masked autoencoding: what a network is given, that it learns, what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synvid_eval.errors import UsageError
from synvid_eval.measurement import Options
from synvid_eval.networks import inputs, videomae
from synvid_eval.training import pretrain, recipe
from synvid_eval.training.methods import masked
from synvid_eval.training.run_folder import RunFolder
from tests.clips import write_video


def test_an_item_has_the_networks_size_and_its_mask(planned: Any) -> None:
    made = planned().training("cpu").make
    one = made((0, 3))
    assert one["frames"].shape == (4, 16, 16, 3) and one["frames"].dtype == np.uint8
    assert one["mask"].shape == (2 * 2 * 2,) and one["mask"].mean() == 0.75
    assert all(np.array_equal(one[k], made((0, 3))[k]) for k in one)
    assert any((one["mask"] != made((e, 3))["mask"]).any() for e in range(1, 9))


def test_frames_are_normalized_as_imagenet_is() -> None:
    frames = torch.tensor([[[[[0, 128, 255]]]]], dtype=torch.uint8)
    found = inputs.normalized(frames)
    assert found.shape == (1, 1, 3, 1, 1)
    wanted = [(v / 255 - m) / s for v, m, s in zip((0, 128, 255), inputs.MEAN, inputs.STD, strict=True)]
    assert found.flatten().tolist() == pytest.approx(wanted, rel=1e-6)


def test_the_loss_is_that_of_hidden_normalized_patches(planned: Any) -> None:
    """Written out anew: per tubelet patch and channel, zero mean and unit deviation (ddof 1)."""
    plan = planned()
    network = videomae.pretraining(plan.network, 0)
    item = plan.training("cpu").make((0, 0))
    frames, mask = torch.from_numpy(item["frames"])[None], torch.from_numpy(item["mask"])[None]
    loss = masked.task(network)({"frames": frames, "mask": mask})
    filled = network(inputs.normalized(frames), bool_masked_pos=mask).logits[0]
    pixels = item["frames"].astype(np.float64) / 255
    squares = []
    hidden = iter(filled.detach().double().numpy())
    for t in range(2):
        for row in range(2):
            for column in range(2):
                if not item["mask"][t * 4 + row * 2 + column]:
                    continue
                patch = pixels[2 * t : 2 * t + 2, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
                flat = patch.reshape(-1, 3)
                wanted = (flat - flat.mean(0)) / (flat.std(0, ddof=1) + 1e-6)
                squares.append((next(hidden).reshape(-1, 3) - wanted) ** 2)
    assert loss.item() == pytest.approx(np.mean(squares), rel=1e-4)


@pytest.mark.slow
def test_it_overfits_eight_clips(tmp_path: Path, planned: Any) -> None:
    """It fills in clips that it was trained on far better than others of the same preset."""
    eight = "preset:moving_shapes?n=8&length=16&objects=12"
    plan = planned(
        eight, "batch=8", "steps=1200", "lr=0.1", "last_lr=0.001", "network.width=96", "network.depth=3",
        "network.decoder_width=96", "stride=1", "scales=1", "save=1000",
    )  # fmt: skip
    facts = plan.made(tmp_path / "run")
    network = videomae.pretraining(plan.network)
    network.load_state_dict(RunFolder(tmp_path / "run").newest().network)

    def loss(location: str) -> float:
        make = planned(location, "stride=1", "scales=1").training("cpu").make
        items = [{k: torch.from_numpy(v)[None] for k, v in make((9999, i)).items()} for i in range(8)]
        with torch.no_grad():
            return float(np.mean([masked.task(network)(item).item() for item in items]))

    seen, unseen = loss(eight), loss(f"{eight}&seed=1")
    assert seen < 0.5 * facts["first_loss"] and seen < 0.5 * unseen, (seen, unseen, facts)


@pytest.mark.slow
def test_tiny_learns_within_sixty_steps(tmp_path: Path, options: Options) -> None:
    """The mean loss of steps 51 to 60 is at most 0.9 times that of steps 1 to 10."""
    chosen, network = recipe.chosen(recipe.PRETRAINING, "tiny", ["steps=60"])
    pretrain.PlannedPretraining("moving_circles", chosen, network, options, device="cpu").made(
        tmp_path / "run"
    )
    losses = [row["loss"] for row in RunFolder(tmp_path / "run").rows()]
    assert len(losses) == 60 and np.mean(losses[50:]) <= 0.9 * np.mean(losses[:10])


def test_a_short_preset_takes_a_lower_stride_and_says_so(planned: Any) -> None:
    plan = planned("preset:moving_circles?length=12")
    (note,) = plan.source.notes()
    assert "12 frames are too short for 4 frames at stride 4" in note and "down to 3" in note


@pytest.mark.slow
def test_any_set_is_trained_on(tmp_path: Path, planned: Any) -> None:
    for i in range(4):
        rng = np.random.default_rng(i)
        np.savez(tmp_path / f"{i}.npz", frames=rng.integers(0, 256, (20, 24, 32, 3), np.uint8))
    facts = planned(str(tmp_path), "steps=2").made(tmp_path.parent / f"{tmp_path.name}-run")
    assert facts["clips"] == 4 and facts["done"] == 2


def test_a_run_says_what_it_is(tmp_path: Path, planned: Any) -> None:
    plan = planned("preset:moving_circles?n=8", "steps=2")
    facts = plan.made(tmp_path / "run")
    assert facts["steps"] == facts["done"] == 2 and Path(facts["checkpoint"]).exists()
    config = RunFolder(tmp_path / "run").config()
    assert config is not None and config["network"]["width"] == 24 and config["run"]["clips"] == 8
    card = (tmp_path / "run" / "card.md").read_text()
    assert "preset:moving_circles?n=8: 8 clips" in card and "width 24, 2 layers" in card


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path, planned: Any) -> None:
    planned("moving_circles", "steps=1").made(tmp_path / "run")
    with pytest.raises(UsageError, match=r"recipe\.lr=0\.016, not 0\.5"):
        planned("moving_circles", "steps=1", "lr=0.5").made(tmp_path / "run")
    planned("moving_circles", "steps=1", "save=9").made(tmp_path / "run")  # decides no weight


@pytest.mark.parametrize(
    ("location", "settings", "said"),
    [
        ("movng_circles", (), "neither a preset nor a path.*moving_circles"),
        ("moving_circles", ("mask_ratio=0.1",), "hides 0 of the 4"),
        ("moving_circles", ("curriculum=3",), "curriculum"),
        ("preset:moving_circles?length=3", (), "frames"),
        ("preset:moving_circles?n=abc", (), "n=abc"),
        ("preset:moving_circles?seed=x", (), "seed=x"),
        ("moving_circles", ("layer_decay=0.7",), "layer_decay"),
    ],
)
def test_what_cannot_be_trained(planned: Any, location: str, settings: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        planned(location, *settings)


def test_a_set_may_be_called_as_one_likes(tmp_path: Path, planned: Any) -> None:
    np.savez(tmp_path / "a.npz", frames=np.zeros((20, 24, 32, 3), np.uint8))
    named, plain = planned(f"real={tmp_path}"), planned(str(tmp_path))
    assert named.source.name == "real"
    items = [plan.training("cpu").make((3, 0)) for plan in (named, plain)]
    assert all(np.array_equal(items[0][key], items[1][key]) for key in items[0])
    assert named.batches.items(5) == plain.batches.items(5)


def test_drawn_clips_take_the_short_side_too(planned: Any) -> None:
    assert planned("moving_circles", "short=40").source.clip(0, 0).shape == (4, 40, 40, 3)


@pytest.mark.parametrize("preset", ["moving_circles", "photo_camera"])
def test_presets_are_drawn_at_the_recipes_size(planned: Any, preset: str) -> None:
    """Whether they have one knob for both sides or one for each."""
    assert planned(preset, "drawn=40").source.clip(0, 0).shape == (4, 40, 40, 3)


def test_how_a_set_is_opened_can_be_said(tmp_path: Path, planned: Any) -> None:
    (tmp_path / "videos").mkdir()
    for name, gray in (("a", 0), ("b", 100), ("c", 200)):
        write_video(tmp_path / "videos" / f"{name}.mkv", np.full((20, 24, 32, 3), gray, np.uint8), "ffv1")
    (tmp_path / "some.txt").write_text("b.mkv 0\nc.mkv 1\n")
    found = planned(str(tmp_path / "some.txt"), root=str(tmp_path / "videos")).source
    assert len(found) == 2 and [int(found.clip(i, 0).max()) for i in (0, 1)] == [100, 200]
    with pytest.raises(UsageError, match="--split some means nothing for preset:moving_circles"):
        planned("moving_circles", split="some")
    with pytest.raises(UsageError, match="--images skimage means nothing for preset:moving_circles"):
        planned("moving_circles", images="skimage")
    given, asked = planned("acc_transforming_images", images="skimage"), "?images=skimage"
    same = planned(f"preset:acc_transforming_images{asked}")
    assert np.array_equal(given.source.clip(0, 0), same.source.clip(0, 0))
    assert given.source.identity() == same.source.identity()


@pytest.mark.parametrize(
    ("steps", "ends", "said"),
    [
        (1, 1, "1.0000 in its one step"),
        (3, 1, "1.0000 over the first step, 3.0000 over the last"),
        (5, 2, "1.5000 over the first 2 steps, 4.5000 over the last"),
        (40, 10, "5.5000 over the first 10 steps, 35.5000 over the last"),
    ],
)
def test_the_first_and_the_last_loss_are_of_other_steps(
    tmp_path: Path, steps: int, ends: int, said: str
) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / f"step-{steps:08}.safetensors").touch()
    rows = "".join(f"{n},{float(n)},0.1,9.0\n" for n in range(1, steps + 1))
    (tmp_path / "log.csv").write_text("step,loss,lr,clips_per_s\n" + rows)
    came = pretrain.outcome(RunFolder(tmp_path))
    assert came["ends"] == ends and pretrain.losses(came) == said


def test_what_is_for_presets_only(tmp_path: Path, planned: Any) -> None:
    np.savez(tmp_path / "a.npz", frames=np.zeros((20, 24, 32, 3), np.uint8))
    with pytest.raises(UsageError, match="fresh means nothing"):
        planned(str(tmp_path), "fresh=true")


def test_a_dry_run_says_time_and_disk(planned: Any) -> None:
    facts = planned("moving_circles", "steps=10").rehearsed()
    assert facts["seconds"] == pytest.approx(10 * facts["seconds_a_step"])
    assert 0 < facts["drawing_share"] < 1
    count = sum(p.numel() for p in videomae.pretraining(planned().network).parameters())
    assert facts["parameters"] == count and facts["bytes"] == 4 * count * 3 * 100
