"""Convolutional backbones: the shift by hand, torchvision's own networks where there is no shift, sizes."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

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
