"""Convolutional backbones: the shift and TSM by hand, torchvision's own networks where there is no shift,
sizes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from synvid_eval.errors import UsageError
from synvid_eval.networks import backbones
from synvid_eval.networks.convnets import BACKBONES, ConvNet, shifted
from synvid_eval.training import recipe
from synvid_eval.training.finetune import FINETUNING


def test_the_shift_of_a_tensor_made_by_hand() -> None:
    # 3 frames of 8 channels and one place: channel c of frame t is 10 t + c
    frames = torch.tensor([[10.0 * t + c for c in range(8)] for t in range(3)])[:, :, None, None]
    found = shifted(frames, 3, 8)[:, :, 0, 0]
    assert found.tolist() == [
        [10, 0, 2, 3, 4, 5, 6, 7],
        [20, 1, 12, 13, 14, 15, 16, 17],
        [0, 11, 22, 23, 24, 25, 26, 27],
    ]


def test_no_clip_of_a_batch_sees_another_one() -> None:
    frames = torch.arange(2 * 3 * 8.0).reshape(6, 8, 1, 1)
    both = shifted(frames, 3, 4)
    assert torch.equal(both, torch.cat([shifted(frames[:3], 3, 4), shifted(frames[3:], 3, 4)]))


def moved(frames: torch.Tensor, time: int, part: int) -> torch.Tensor:
    """The shift of Lin et al. 2019, frame by frame: features [B · time, C, H, W]."""
    made, fold = frames.clone(), frames.shape[1] // part
    for row in range(len(frames)):
        t = row % time
        made[row, :fold] = frames[row + 1, :fold] if t + 1 < time else 0
        made[row, fold : 2 * fold] = frames[row - 1, fold : 2 * fold] if t else 0
    return made


def by_hand(state: dict[str, torch.Tensor], clips: torch.Tensor, part: int) -> torch.Tensor:
    """TSM over a ResNet from its weights, in float64: clips [B, T, 3, S, S] → tokens."""
    weights, time = {name: tensor.double() for name, tensor in state.items()}, clips.shape[1]

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        mean, variance, scale, bias = (
            weights[f"{name}.{of}"][:, None, None] for of in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * scale + bias

    def convolved(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        kernel = weights[f"{name}.weight"]
        return F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)

    def block(x: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        # the stride is that of the first convolution of 3 × 3, as in torchvision
        deep = f"{name}.conv3.weight" in weights
        y = norm(convolved(moved(x, time, part), f"{name}.conv1.net", 1 if deep else stride), f"{name}.bn1")
        y = norm(convolved(y.relu(), f"{name}.conv2", stride if deep else 1), f"{name}.bn2")
        if deep:
            y = norm(convolved(y.relu(), f"{name}.conv3"), f"{name}.bn3")
        if f"{name}.downsample.0.weight" in weights:
            x = norm(convolved(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
        return (x + y).relu()

    x = norm(convolved(clips.double().flatten(0, 1), "conv1", 2), "bn1").relu()
    x = F.max_pool2d(x, 3, 2, 1)
    for stage in (1, 2, 3, 4):
        count = len({name.split(".")[1] for name in weights if name.startswith(f"layer{stage}.")})
        for number in range(count):
            x = block(x, f"layer{stage}.{number}", 2 if stage > 1 and number == 0 else 1)
    # a token a place, row after row, moment after moment
    batch, (width, height, across) = len(clips), x.shape[1:]
    return x.reshape(batch, time, width, height * across).movedim(2, 3).reshape(batch, -1, width)


@pytest.mark.parametrize("shift", [8, 4])
@pytest.mark.parametrize("name", ["tsm-resnet18", "tsm-resnet50"])
def test_tsm_is_a_resnet_with_shifts_written_out(name: str, shift: int) -> None:
    module = ConvNet(name, image=48, frames=4, stage=16, shift=shift).encoder()
    generator = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):  # as after a training
            part.running_mean.normal_(0, 0.1, generator=generator)  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 2, generator=generator)  # type: ignore[union-attr]
    clips = torch.randn(2, 4, 3, 48, 48, generator=generator)
    with torch.inference_mode():
        found, wanted = module(clips).double(), by_hand(module.state_dict(), clips, shift)
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()


def changed(module: nn.Module, frames: int, at: int) -> list[bool]:
    """Of each frame's tokens whether they are others once frame `at` of a clip is another."""
    generator = torch.Generator().manual_seed(0)
    clips = torch.randn(1, frames, 3, 32, 32, generator=generator).repeat(2, 1, 1, 1, 1)
    clips[1, at] = torch.randn(3, 32, 32, generator=generator)
    with torch.inference_mode():
        one, other = module(clips).unflatten(1, (frames, -1)).abs().unbind()
    return ((one - other).abs().flatten(1).amax(1) > 1e-4 * one.max()).tolist()


@pytest.mark.parametrize(("name", "blocks"), [("tsm-resnet18", 8), ("tsm-resnet50", 16)])
def test_every_block_of_tsm_sees_the_frames_beside_its_own(name: str, blocks: int) -> None:
    module = ConvNet(name, image=32, frames=5, stage=16).encoder()
    assert changed(module, 5, 2) == [True] * 5
    behind = {name: part for name, part in module.named_modules() if hasattr(part, "net")}
    wanted = {f"{name}.conv1" for name, _ in module.named_modules() if re.fullmatch(r"layer\d\.\d", name)}
    assert set(behind) == wanted and len(behind) == blocks
    plain: Any
    for shifts in behind.values():  # alone it carries a frame to both neighbors and no farther
        for plain in behind.values():
            plain.forward = plain.net.forward
        del shifts.__dict__["forward"]
        assert changed(module, 5, 2) == [False, True, True, True, False]
    plain.forward = plain.net.forward
    assert changed(module, 5, 2) == [False, False, True, False, False]


@pytest.mark.parametrize(("name", "make"), [("tsm-resnet18", "resnet18"), ("tsm-resnet50", "resnet50")])
def test_a_shift_of_no_channel_is_torchvisions_resnet(name: str, make: str) -> None:
    module = ConvNet(name, image=32, frames=2).encoder()
    for part in module.modules():
        if hasattr(part, "net"):
            part.forward = part.net.forward
    theirs = getattr(torchvision.models, make)()
    state = {key.replace("conv1.net.", "conv1."): value for key, value in module.state_dict().items()}
    theirs.load_state_dict(state | {k: v for k, v in theirs.state_dict().items() if k.startswith("fc.")})
    theirs.avgpool, theirs.fc = nn.Identity(), nn.Identity()
    clips = torch.randn(3, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = theirs.eval()(clips.flatten(0, 1))
        torch.testing.assert_close(module(clips).flatten(), wanted.flatten())


def test_r2plus1d_is_torchvisions() -> None:
    module = ConvNet("r2plus1d-18", image=32, frames=4).encoder()
    theirs = torchvision.models.video.r2plus1d_18()
    theirs.load_state_dict(
        module.state_dict() | {k: v for k, v in theirs.state_dict().items() if k.startswith("fc.")}
    )
    theirs.fc = nn.Identity()
    clips = torch.randn(2, 4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(module(clips).mean(1), theirs.eval()(clips.transpose(1, 2)))


@pytest.mark.parametrize(
    "of",
    [ConvNet(name) for name in BACKBONES]
    + [ConvNet(name, image=48, frames=5, stage=16) for name in BACKBONES],
    ids=str,
)
def test_tokens_are_as_many_and_as_wide_as_is_said(of: ConvNet) -> None:
    clips = torch.zeros(2, of.frames, 3, of.image, of.image)
    with torch.inference_mode():
        assert of.encoder()(clips).shape == (2, of.tokens, of.width)


def test_a_channel_separated_network_mixes_channels_in_convolutions_of_one_place_only() -> None:
    module = ConvNet("csn-26").encoder()
    convolutions = [part for name, part in module.named_modules() if isinstance(part, nn.Conv3d)][1:]
    assert {part.kernel_size for part in convolutions} == {(1, 1, 1), (3, 3, 3)}
    for part in convolutions:
        assert (part.groups == part.in_channels == part.out_channels) == (part.kernel_size == (3, 3, 3))
    # 1 below, 3 in each of 8 blocks, and the classifier: 26; beside 4 that bring inputs to size
    assert len(convolutions) == 3 * 8 + 4


def test_weights_are_functions_of_seed_and_name() -> None:
    one, same, other = (ConvNet("tsm-resnet18", stage=8).encoder(seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["layer1.0.conv1.net.weight"], other["layer1.0.conv1.net.weight"])
    torch.manual_seed(5)
    before = torch.get_rng_state()
    ConvNet("tsm-resnet18", stage=8).encoder()
    assert torch.equal(before, torch.get_rng_state())


def test_layers_below_the_top() -> None:
    of = ConvNet("tsm-resnet18")
    names = of.encoder().state_dict()
    assert {of.below(name) for name in names} == {1, 2, 3, 4, 5}
    assert of.below("layer4.1.bn2.weight") == 1 and of.below("bn1.weight") == 5


def test_networks_that_differ_are_called_so() -> None:
    """A table of accuracies knows them by this."""
    small = ConvNet("tsm-resnet18", image=32, stage=8)
    assert small.model == "TSM ResNet-18 of 8 channels 32 px"
    others = [replace(small, frames=4), replace(small, shift=2), replace(small, image=48)]
    assert len({of.model for of in (small, *others)}) == 4
    assert others[1].model == "TSM ResNet-18 of 8 channels 32 px 1/2 shifted"


def test_backbones_have_names() -> None:
    assert [backbones.named(name).backbone for name in backbones.NAMES] == list(backbones.NAMES)
    with pytest.raises(UsageError, match=r"No backbone is called 'tsm-resnet5'.*tsm-resnet50"):
        backbones.named("tsm-resnet5")
    made = ConvNet("csn-26", image=64)
    assert backbones.of_table({**vars(made), "more": 1}) == made
    assert backbones.of_table({"width": 96, "heads": 3}).backbone == backbones.VIT
    with pytest.raises(UsageError, match=r"network\.image=8"):
        ConvNet(image=8)


def test_a_shift_where_nothing_is_shifted_is_refused_when_asked_for() -> None:
    """A run's config has all knobs, and is read."""
    old = backbones.of_table({"backbone": "r2plus1d-18", "stage": 8, "shift": 4})
    assert old == ConvNet("r2plus1d-18", stage=8, shift=4)
    for name in ("r2plus1d-18", "csn-26"):
        with pytest.raises(UsageError, match=rf"network\.shift means nothing for backbone={name}"):
            recipe.chosen(FINETUNING, "small", ["network.shift=4"], name)
        recipe.chosen(FINETUNING, "small", ["network.stage=8"], name)
    assert recipe.chosen(FINETUNING, "small", ["network.shift=4"], "tsm-resnet18")[1] == ConvNet(
        "tsm-resnet18", shift=4
    )


def test_a_shift_of_no_channel_is_refused() -> None:
    narrow = ["network.stage=8", "network.shift=16"]
    with pytest.raises(UsageError, match=r"network\.shift=16 shifts none of the 8 channels"):
        recipe.chosen(FINETUNING, "small", narrow, "tsm-resnet18")
    recipe.chosen(FINETUNING, "small", narrow, "tsm-resnet50")  # its blocks give four times as many
    frames = torch.ones(2, 8, 1, 1)
    assert torch.equal(shifted(frames, 2, 16), frames) and not torch.equal(shifted(frames, 2, 8), frames)
