"""Augmentation: closed forms, Pillow as the oracle of its operations, distributions of the draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from scipy import stats

from synvid_eval.errors import UsageError
from synvid_eval.training import augment
from synvid_eval.training.augment import Box, Mixing, Policy
from tests.clips import moving


def frames(count: int = 3, height: int = 40, width: int = 56, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(moving(count, height, width, seed)).permute(0, 3, 1, 2).contiguous()


def pictures(clip: torch.Tensor) -> list[Image.Image]:
    return [Image.fromarray(f.permute(1, 2, 0).numpy()) for f in clip]


def stacked(images: list[Image.Image]) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.asarray(i) for i in images])).permute(0, 3, 1, 2)


# -- RandAugment -----------------------------------------------------------------------------------


def solarized_add(picture: Image.Image, add: int) -> Image.Image:
    table = [min(255, i + add) if i < 128 else i for i in range(256)]
    return picture.point(table * 3)


@pytest.mark.parametrize("level", [0.0, 3.0, 7.0, 10.0])
@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("autocontrast", lambda p, s: ImageOps.autocontrast(p)),
        ("equalize", lambda p, s: ImageOps.equalize(p)),
        ("invert", lambda p, s: ImageOps.invert(p)),
        (
            "posterize",
            lambda p, s: p.point([i >> (4 + int(4 * s)) << (4 + int(4 * s)) for i in range(256)] * 3),
        ),
        ("solarize", lambda p, s: ImageOps.solarize(p, 256 - int(256 * s))),
        ("solarize_add", lambda p, s: solarized_add(p, int(110 * s))),
        ("color", lambda p, s: ImageEnhance.Color(p).enhance(1 + 0.9 * s)),
        ("contrast", lambda p, s: ImageEnhance.Contrast(p).enhance(1 + 0.9 * s)),
        ("brightness", lambda p, s: ImageEnhance.Brightness(p).enhance(1 + 0.9 * s)),
        ("sharpness", lambda p, s: ImageEnhance.Sharpness(p).enhance(1 + 0.9 * s)),
    ],
)
def test_colors_change_as_pillow_changes_them(name: str, oracle, level: float) -> None:
    """Pillow is what the released code runs; one level in rounding lies between it and torchvision."""
    clip = frames()
    found = augment.apply(clip, name, level)
    expected = stacked([oracle(p, level / 10) for p in pictures(clip)])
    assert found.dtype == torch.uint8
    difference = (found.int() - expected.int()).abs()
    assert difference.max() <= (3 if name in ("color", "contrast", "sharpness") else 1)
    assert difference.float().mean() < 0.6


@pytest.mark.parametrize("negated", [False, True])
@pytest.mark.parametrize("level", [2.0, 9.0])
@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y", "translate_x", "translate_y"])
def test_shapes_change_as_pillow_changes_them(name: str, level: float, negated: bool) -> None:
    yy, xx = np.mgrid[:64, :80]
    smooth = np.stack([128 + 100 * np.sin(xx / 9 + c) * np.cos(yy / 7) for c in range(3)], -1).astype(
        np.uint8
    )
    clip = torch.from_numpy(smooth).permute(2, 0, 1)[None]
    (picture,) = pictures(clip)
    s = (-1 if negated else 1) * level / 10
    across, down = -round(0.45 * s * 80), -round(0.45 * s * 64)
    coefficients = {
        "shear_x": (1, 0.3 * s, 0, 0, 1, 0),
        "shear_y": (1, 0, 0, 0.3 * s, 1, 0),
        "translate_x": (1, 0, across, 0, 1, 0),
        "translate_y": (1, 0, 0, 0, 1, down),
    }
    bilinear, gray = Image.Resampling.BILINEAR, (128, 128, 128)
    if name == "rotate":
        expected = picture.rotate(30 * s, bilinear, fillcolor=gray)
    else:
        expected = picture.transform(
            picture.size, Image.Transform.AFFINE, coefficients[name], bilinear, fillcolor=gray
        )
    found = augment.apply(clip, name, level, negated)
    difference = (found.int() - stacked([expected]).int()).abs().float().amax(dim=(0, 1))
    assert (difference <= 3).float().mean() > 0.93  # all but the line where the fill begins
    assert not torch.equal(found, clip)


@pytest.mark.parametrize("name", augment.OPERATIONS)
def test_all_frames_of_a_clip_are_treated_alike(name: str) -> None:
    clip = frames(4)
    whole = augment.apply(clip, name, 6.0)
    assert torch.equal(whole, torch.cat([augment.apply(f[None], name, 6.0) for f in clip]))


@pytest.mark.parametrize(
    "name", sorted(set(augment.OPERATIONS) - {"autocontrast", "equalize", "invert", "posterize"})
)
def test_level_0_changes_nothing_and_a_higher_one_more(name: str) -> None:
    slope = (
        torch.arange(60, dtype=torch.uint8).repeat(3, 48, 1) + torch.arange(48, dtype=torch.uint8)[:, None]
    )
    clip = (slope * torch.tensor([1, 2, 2], dtype=torch.uint8)[:, None, None])[None] + 20
    clip[..., 20:24, 20:24] = 0

    def change(level: float) -> float:
        return (augment.apply(clip, name, level).float() - clip.float()).abs().mean().item()

    assert change(0.0) == 0
    assert 0 < change(3.0) < change(9.0)


def test_policies_are_spelled_as_in_the_scripts() -> None:
    assert augment.policy("rand-m7-n4-mstd0.5-inc1") == Policy(7, 4, 0.5)
    assert augment.policy("rand-m9-mstd0.5-inc1") == Policy(9, 2, 0.5)
    assert augment.policy("none") is None
    for text in ("", "rand", "rand-m9", "rand-m11-inc1", "rand-m9-n0-inc1", "rand-m9-x3-inc1", "original"):
        with pytest.raises(UsageError):
            augment.policy(text)
    with pytest.raises(UsageError, match=r"No augmentation is called 'rand-m9-n2\.5-inc1'"):
        augment.policy("rand-m9-n2.5-inc1")


def test_draws_of_operations_are_as_described() -> None:
    policy = Policy(9, 4, 0.5)
    drawn = [augment.operations(policy, key) for key in range(4000)]
    counts = [len(one) for one in drawn]
    assert (
        stats.chisquare(np.bincount(counts, minlength=5), stats.binom.pmf(range(5), 4, 0.5) * 4000).pvalue
        > 1e-3
    )
    names = [name for one in drawn for name, _, _ in one]
    assert stats.chisquare([names.count(n) for n in augment.OPERATIONS]).pvalue > 1e-3
    levels = np.array([level for one in drawn for _, level, _ in one])
    assert (
        levels.max() == 10
        and stats.kstest(levels[levels < 10], stats.truncnorm(-18, 2, 9, 0.5).cdf).pvalue > 1e-3
    )
    assert 0.47 < np.mean([negated for one in drawn for _, _, negated in one]) < 0.53


def test_a_key_is_all_that_decides() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    clip = frames()
    several = [augment.rand_augment(clip, Policy(9, 4, 0.5), key) for key in (5, 5, 6)]
    assert torch.equal(several[0], several[1]) and not torch.equal(several[0], several[2])
    assert torch.equal(torch.get_rng_state(), before)


# -- crops, flips, erasing -------------------------------------------------------------------------


def test_crops_have_the_area_and_aspect_they_are_drawn_with() -> None:
    boxes = [augment.crop_box(240, 320, key) for key in range(4000)]
    for box in boxes:
        assert box.top >= 0 and box.top + box.height <= 240 and box.left >= 0 and box.left + box.width <= 320
    areas = np.array([b.height * b.width for b in boxes]) / (240 * 320)
    aspects = np.array([b.width / b.height for b in boxes])
    assert 0.078 < areas.min() < 0.09 and areas.max() > 0.95
    assert 0.74 < aspects.min() < 0.76 and 1.31 < aspects.max() < 1.35
    small = areas < 0.5  # such ones always fit, so nothing is left out
    assert stats.kstest(areas[small], "uniform", args=(0.08, areas[small].max() - 0.08)).pvalue > 1e-3
    low, high = map(math.log, augment.ASPECT)
    assert stats.kstest(np.log(aspects[small]), "uniform", args=(low, high - low)).pvalue > 1e-3


def test_where_no_crop_fits_it_is_the_middle() -> None:
    found = {augment.crop_box(10, 1000, key) for key in range(200)}
    assert Box(0, 493, 10, 13) in found


def test_a_crop_of_the_whole_frame_at_its_size_is_the_frame() -> None:
    clip = frames(2, 48, 48)
    assert torch.equal(augment.resized_crop(clip, Box(0, 0, 48, 48), 48), clip)
    assert torch.equal(augment.resized_crop(clip, Box(4, 8, 32, 32), 32), clip[..., 4:36, 8:40])


def test_flips_are_even() -> None:
    assert 0.47 < np.mean([augment.flips(key) for key in range(4000)]) < 0.53


def test_erasing() -> None:
    boxes = [augment.erase_box(64, 64, key) for key in range(4000)]
    there = [b for b in boxes if b is not None]
    assert 0.23 < len(there) / 4000 < 0.27
    areas = np.array([b.height * b.width for b in there]) / 64**2
    assert (
        areas.min() > 0.015
        and areas.max() < 0.345
        and stats.ks_1samp(areas, stats.uniform(0.02, 1 / 3 - 0.02).cdf).statistic < 0.06
    )
    clip = torch.zeros(16, 3, 64, 64)
    box = Box(3, 5, 20, 30)
    found = augment.erased(clip, box, key=9)
    inside = found[..., 3:23, 5:35]
    assert (found != 0).sum() == inside.numel() and not clip.any()
    assert stats.kstest(inside.flatten().numpy()[::7], "norm").pvalue > 1e-3
    assert not torch.equal(inside[0], inside[1])
    assert torch.equal(found, augment.erased(clip, box, key=9))
    assert augment.erase_box(64, 64, 0, probability=0) is None


# -- batches ---------------------------------------------------------------------------------------


def test_mixup_by_hand() -> None:
    clips = torch.arange(4.0)[:, None, None, None, None].expand(4, 2, 3, 4, 5).clone()
    targets = torch.eye(4)
    found, labels = augment.mixed(clips, targets, Mixing(0.75))
    assert found[:, 0, 0, 0, 0].tolist() == [0.75, 1.25, 1.75, 2.25]
    assert labels[0].tolist() == [0.75, 0, 0, 0.25]
    assert clips[0].unique().tolist() == [0]


def test_cutmix_by_hand() -> None:
    clips = torch.arange(4.0)[:, None, None, None, None].expand(4, 6, 3, 4, 5).clone()
    found, labels = augment.mixed(clips, torch.eye(4), Mixing(0.7, Box(1, 2, 2, 3)))
    assert (found[0] == 3).sum() == 6 * 3 * 2 * 3
    assert (found[0, :, :, 1:3, 2:5] == 3).all()
    assert labels[0].tolist() == pytest.approx([0.7, 0, 0, 0.3])
    released, _ = augment.mixed(clips, torch.eye(4), Mixing(0.7, Box(1, 2, 2, 2), "released"))
    assert (released[0, 1:3, :, 2:4, :] == 3).all()
    assert (released[0] == 3).sum() == 2 * 3 * 2 * 5


def test_a_box_and_the_share_of_the_label_agree() -> None:
    for key in range(300):
        how = augment.mixing(64, 48, key)
        assert how is not None and 0 <= how.own <= 1
        if how.box is not None:
            assert how.own == pytest.approx(1 - how.box.height * how.box.width / (64 * 48))
            assert how.box.top + how.box.height <= 64 and how.box.left + how.box.width <= 48


def test_shares_follow_their_distributions() -> None:
    found = [augment.mixing(224, 224, key) for key in range(3000)]
    cut = [h for h in found if h.box is not None]
    assert 0.47 < len(cut) / 3000 < 0.53
    own = np.array([h.own for h in found if h.box is None])
    assert stats.kstest(own, stats.beta(0.8, 0.8).cdf).pvalue > 1e-3
    # in the whole plane a box would take a uniform share; what lies outside the frame only raises `own`
    assert np.mean([h.own for h in cut]) > 0.5
    assert augment.mixing(8, 8, 0, mixup=0, cutmix=0) is None
    assert augment.mixing(8, 8, 0, mixup=0, cutmix=1).box is not None
    assert augment.mixing(8, 8, 0, mixup=0.8, cutmix=0).box is None


def test_smoothing_by_hand() -> None:
    targets = augment.smoothed(torch.tensor([2, 0]), 5, 0.1)
    assert targets.tolist() == [
        pytest.approx([0.02, 0.02, 0.92, 0.02, 0.02]),
        pytest.approx([0.92, *[0.02] * 4]),
    ]
    # the loss is torch's own with label smoothing
    logits = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    ours = torch.nn.functional.cross_entropy(logits, targets)
    theirs = torch.nn.functional.cross_entropy(logits, torch.tensor([2, 0]), label_smoothing=0.1)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)


def test_a_share_of_clips_is_blurred_by_a_small_gaussian() -> None:
    """Of 3 × 3 px, alike in all frames: the deviation decides what of a bright pixel its neighbors get."""
    clip = torch.zeros(2, 3, 5, 5, dtype=torch.uint8)
    clip[:, :, 2, 2] = 255
    found = [augment.blurred(clip, key, 0.5) for key in range(400)]
    kept = [torch.equal(one, clip) for one in found]
    assert sum(kept) / 400 == pytest.approx(0.5, abs=0.07)
    centers = [int(one[0, 0, 2, 2]) for one, same in zip(found, kept, strict=True) if not same]

    def center(sigma: float) -> float:
        beside = math.exp(-1 / (2 * sigma**2))
        return 255 / (1 + 2 * beside) ** 2

    assert min(centers) == pytest.approx(center(2.0), abs=2) and max(centers) > center(0.4)
    middle = sorted(centers)[len(centers) // 2]
    assert middle == pytest.approx(center(1.05), abs=4)  # deviations are uniform in 0.1 to 2
    for one in found[:20]:
        assert torch.equal(one[0], one[1]) and not one[:, :, 0].any()
    assert torch.equal(augment.blurred(clip, 5, 0.0), clip)
    assert torch.equal(augment.blurred(clip, 7, 1.0), augment.blurred(clip, 7, 1.0))


# -- classes that a mirror exchanges ----------------------------------------------------------------


def test_classes_that_are_each_others_mirror_images_are_told() -> None:
    volleyball = ["l-pass", "l-spike", "l_set", "l_winpoint", "r-pass", "r-spike", "r_set", "r_winpoint"]
    (note,) = augment.mirrored(volleyball, "flip", "false")
    assert "(l-pass, r-pass and 3 more pairs)" in note and "--set flip=false" in note
    moved = [
        "Pulling something from left to right",
        "Pulling something from right to left",
        "Folding something",
    ]
    (note,) = augment.mirrored(moved, "mirror", "0")
    assert "(Pulling something from left to right, Pulling something from right to left)" in note
    assert not augment.mirrored(["left_turn", "u_turn"], "flip", "false")  # of no other class
    assert not augment.mirrored(["ApplyLipstick", "CliffDiving", "Archery", "rope", "lope"], "flip", "false")
