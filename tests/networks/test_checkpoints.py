"""Checkpoints: read as they are and refused where they are not, held against a forward pass of our own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pickle  # noqa: TID251
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from synvid_eval.errors import DataError, SynvidEvalError, UsageError, WeightsError
from synvid_eval.networks import backbones, checkpoints, convnets, videomae
from synvid_eval.networks.checkpoints import find, from_released, open_encoder, to_released
from tests.networks import plain_videomae as plain

TINY = videomae.SIZES["tiny"]


def tensors(weights: dict[str, plain.Array]) -> dict[str, Tensor]:
    return {k: torch.from_numpy(v).float() for k, v in weights.items()}


def tiny(seed: int = 0, **how: Any) -> dict[str, plain.Array]:
    return plain.drawn(TINY.width, TINY.depth, TINY.patch, seed, **how)


def clip(frames: int, side: int, seed: int = 1) -> plain.Array:
    return np.random.default_rng(seed).standard_normal((frames, 3, side, side))


def gives(encoder: checkpoints.Encoder, x: plain.Array) -> plain.Array:
    with torch.inference_mode():
        found = encoder.module(torch.from_numpy(x)[None].float()).last_hidden_state[0]
    return found.double().numpy()


def saved(path: Path, weights: dict[str, plain.Array], wrap: str | None = None) -> str:
    state: dict[str, Any] = tensors(weights)
    torch.save({wrap: state, "epoch": 800, "args": argparse.Namespace(lr=1.0)} if wrap else state, path)
    return str(path)


def test_the_plain_pass_is_the_network_of_transformers() -> None:
    """So that both are held against each other where no file of ours is between: its weights, as they are."""
    of = videomae.Architecture(
        24, 2, 3, image=16, frames=4, patch=8, decoder_width=16, decoder_depth=1, decoder_heads=2
    )
    module = videomae.encoder(of, 4)
    weights = plain.drawn(24, 2, 8, 0)
    state = from_released(tensors(weights))
    module.load_state_dict({k.removeprefix("videomae."): v for k, v in state.items()})
    x = clip(4, 16)
    want, _ = plain.encoder(weights, x, 3)
    with torch.inference_mode():
        got = module(torch.from_numpy(x)[None].float()).last_hidden_state[0].double().numpy()
    assert np.abs(got - want).max() < 1e-5 * np.abs(want).max()


@pytest.mark.parametrize("wrap", [None, "model", "module"])
@pytest.mark.parametrize("pooled", [False, True])
def test_authors_files_give_what_a_plain_pass_gives(tmp_path: Path, wrap: str | None, pooled: bool) -> None:
    prefix = "" if pooled else "encoder."
    weights = tiny(prefix=prefix, pooled=pooled)
    found = open_encoder(saved(tmp_path / "vit.pth", weights, wrap))
    x = clip(16, 64)
    want, _ = plain.encoder(weights, x, TINY.heads, prefix, pooled)
    assert np.abs(gives(found, x) - want).max() < 1e-5 * np.abs(want).max()
    assert found.name == "vit" and found.architecture == TINY and found.signature.startswith("sha256:")
    assert not found.module.training


def test_a_published_size_is_known_by_its_shapes(tmp_path: Path) -> None:
    """ViT-S at 224 px, with an input of one tubelet, whose positions are the first ones."""
    small = videomae.SIZES["small"]
    weights = plain.drawn(small.width, small.depth, small.patch, 5)
    path = saved(tmp_path / "s.pth", weights, "model")
    assert find(path).architecture == small
    x = clip(2, 224)
    want, _ = plain.encoder(weights, x, small.heads)
    found = open_encoder(path, frames=2)
    assert np.abs(gives(found, x) - want).max() < 1e-5 * np.abs(want).max()
    with torch.inference_mode():
        exact = found.module.double()(torch.from_numpy(x)[None]).last_hidden_state[0].numpy()
    assert np.abs(exact - want).max() < 1e-6 * np.abs(want).max()  # its table of positions is float32


@pytest.mark.parametrize("size", ["base", "large", "huge"])
def test_larger_sizes_are_known_too(size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without gigabytes of weights: tensors that only have a shape, one value each."""
    of = videomae.SIZES[size]
    canonical = {k: torch.zeros(1).expand(v) for k, v in checkpoints.shapes(of).items()}
    few = {checkpoints._to_name(k, "encoder."): v for k, v in canonical.items()}
    few |= {k: torch.zeros(1).expand(3 * of.width, of.width) for k in few if k.endswith("qkv.weight")}
    monkeypatch.setattr(checkpoints, "_tensors", lambda file: few)
    monkeypatch.setattr(checkpoints.weights, "matched", lambda found, shapes, label: dict(found))
    (tmp_path / "x.pth").write_bytes(b"")
    assert find(str(tmp_path / "x.pth")).architecture == of


@pytest.mark.parametrize("head", ["encoder", "pretraining", "classifier"])
@pytest.mark.parametrize("old", [False, True])
def test_folders_of_transformers(tmp_path: Path, head: str, old: bool) -> None:
    """As save_pretrained writes them now, and with biases named as before version 5; another ε is kept."""
    of = TINY
    if head == "classifier":
        module: Any = videomae.classifier(of, 7)
    else:
        module = (videomae.encoder if head == "encoder" else videomae.pretraining)(of)
    generator = torch.Generator().manual_seed(3)
    for name, tensor in module.named_parameters():
        if name.endswith("bias"):
            tensor.data.copy_(torch.rand(tensor.shape, generator=generator) - 0.5)
    module.config.layer_norm_eps = 1e-3
    for part in (module if head == "encoder" else module.videomae).modules():
        if isinstance(part, torch.nn.LayerNorm):
            part.eps = 1e-3
    module.save_pretrained(tmp_path / "hf")
    state = module.state_dict()
    if old:
        state = {
            k.replace("query.bias", "q_bias").replace("value.bias", "v_bias"): v for k, v in state.items()
        }
        os.unlink(tmp_path / "hf" / "model.safetensors")
        torch.save(state, tmp_path / "hf" / "pytorch_model.bin")
    found = open_encoder(str(tmp_path / "hf"))
    x = clip(16, 64)
    inner = module if head == "encoder" else module.videomae
    with torch.inference_mode():
        want = inner(torch.from_numpy(x)[None].float()).last_hidden_state[0].double().numpy()
    assert np.array_equal(gives(found, x), want)
    assert found.name == "hf"
    assert all(m.eps == 1e-3 for m in found.module.modules() if isinstance(m, torch.nn.LayerNorm))


def test_a_folder_gives_what_a_plain_pass_gives(tmp_path: Path) -> None:
    weights = tiny(2)
    state = from_released(tensors(weights))
    (tmp_path / "config.json").write_text(
        json.dumps(
            {
                "model_type": "videomae",
                "image_size": 64,
                "patch_size": 8,
                "hidden_size": 192,
                "num_hidden_layers": 6,
                "num_attention_heads": 3,
                "intermediate_size": 768,
                "decoder_hidden_size": 96,
                "decoder_num_attention_heads": 3,
                "use_mean_pooling": False,
                "layer_norm_eps": 1e-6,
                "qkv_bias": True,
            }
        )
    )
    save_file(state, tmp_path / "model.safetensors")
    x = clip(16, 64)
    want, _ = plain.encoder(weights, x, 3)
    assert np.abs(gives(open_encoder(str(tmp_path)), x) - want).max() < 1e-5 * np.abs(want).max()


def run_folder(folder: Path, weights: dict[int, dict[str, Tensor]], text: str | None = None) -> str:
    (folder / "checkpoints").mkdir(parents=True)
    network = "".join(
        f"{n} = {getattr(TINY, n)}\n" for n in ("width", "depth", "heads", "image", "patch", "decoder_width")
    )
    whole = f'[run]\nkind = "pretrain"\n[network]\n{network}decoder_heads = 3\n'
    (folder / "config.toml").write_text(whole if text is None else text)
    for step, state in weights.items():
        save_file(state, folder / "checkpoints" / f"step-{step:08}.safetensors")
    return str(folder)


def test_a_run_gives_its_newest_checkpoint(tmp_path: Path) -> None:
    states = {
        step: dict(videomae.pretraining(TINY, step).state_dict()) | {"optimizer/exp_avg.0": torch.ones(3)}
        for step in (20, 100)
    }
    found = open_encoder(run_folder(tmp_path / "run", states))
    want = videomae.encoder(TINY, 100)
    x = clip(16, 64)
    assert found.name == "run" and found.architecture == TINY
    assert not np.array_equal(gives(found, x), gives(open_encoder("random:20:tiny"), x))
    state = videomae.pretraining(TINY, 100).videomae.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in found.module.state_dict().items())
    assert found.module.state_dict().keys() == want.state_dict().keys()


def run_of(folder: Path, of: backbones.Backbone, state: dict[str, Tensor], method: str = "moco") -> str:
    """A run of contrastive pre-training: the encoder, and what stands beside it."""
    beside = {"projector.0.weight": torch.ones(2, 3), "queue": torch.zeros(4, 2), "momentum.x": torch.ones(1)}
    whole = {f"encoder.{name}": value for name, value in state.items()} | beside
    table = "".join(f"{k} = {json.dumps(v)}\n" for k, v in dataclasses.asdict(of).items())
    return run_folder(
        folder, {7: whole}, f'[run]\nkind = "pretrain"\nmethod = "{method}"\n[network]\n{table}'
    )


@pytest.mark.parametrize("name", convnets.BACKBONES)
def test_a_run_of_a_convolutional_network_gives_its_tokens(tmp_path: Path, name: str) -> None:
    """By the statistics that it has learned, which are not those that it began with."""
    of = convnets.ConvNet(name, image=32, frames=4, stage=8)
    module = of.encoder(3).train()
    clips = torch.randn(2, 4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    module(clips)
    run = run_of(tmp_path / "run", of, module.state_dict())
    with torch.inference_mode():
        want = module.eval()(clips)
        assert not torch.allclose(of.encoder(3)(clips), want)
        for place in (run, f"{run}/checkpoints/step-00000007.safetensors"):
            found = find(place)
            assert torch.equal(checkpoints.tokens(found)(clips), want)
            assert found.architecture == of and found.signature.startswith("sha256:")
            assert not checkpoints.tokens(found).training
    said = message_of_building(found)
    assert said.startswith(f"step-00000007 is a convolutional network, {of.title}") and "transformers" in said


def message_of_building(found: checkpoints.Checkpoint) -> str:
    with pytest.raises(UsageError) as caught:
        checkpoints.build(found)
    return str(caught.value)


def test_a_transformer_of_another_method_gives_its_tokens(tmp_path: Path) -> None:
    module = TINY.encoder(3)
    found = find(run_of(tmp_path / "run", TINY, module.state_dict()))
    clips = torch.randn(1, 16, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        want = module(clips)
        assert torch.equal(checkpoints.tokens(found)(clips), want)
        assert torch.equal(checkpoints.build(found).module(clips).last_hidden_state, want)


def test_a_run_that_lacks_tensors_names_them(tmp_path: Path) -> None:
    of = convnets.ConvNet("tsm-resnet18", image=32, frames=4, stage=8)
    whole = of.encoder().state_dict()
    lacking = {k: v for k, v in whole.items() if not k.startswith("layer2.1")}
    assert "lacks layer2.1.conv1.net.weight" in message(run_of(tmp_path / "a", of, lacking))
    foreign = whole | {"fc.weight": torch.ones(2, 2)}
    assert "holds the unknown fc.weight" in message(run_of(tmp_path / "b", of, foreign))
    wider = dataclasses.replace(of, stage=16)
    assert "has other shapes: layer1.0.conv1.net.weight [8, 64, 3, 3] for [16, 64, 3, 3]" in message(
        run_of(tmp_path / "c", wider, whole)
    )
    shallow = dataclasses.replace(TINY, depth=2)
    assert "holds the unknown videomae.encoder.layer.2" in message(
        run_of(tmp_path / "d", shallow, TINY.encoder().state_dict())
    )
    text = '[network]\nbackbone = "resnet"\n'
    assert "names no network" in message(run_folder(tmp_path / "e", {}, text))


def test_random_networks_of_any_backbone() -> None:
    found = find("random:4:csn-26")
    assert found.architecture == convnets.ConvNet("csn-26") and found.tensors is None
    clips = torch.randn(1, 8, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(checkpoints.tokens(found)(clips), convnets.ConvNet("csn-26").encoder(4)(clips))


def test_names_there_and_back() -> None:
    for module in (videomae.pretraining(TINY, 1), videomae.classifier(TINY, 5, 1)):
        state = dict(module.state_dict())
        released = to_released(state)
        back = from_released(released)
        assert back.keys() == state.keys() and len(released) < len(state)
        assert all(torch.equal(back[k], state[k]) for k in state)
        again = to_released(back)
        assert again.keys() == released.keys() and all(torch.equal(again[k], released[k]) for k in released)


def test_names_are_the_authors() -> None:
    """Those of one layer and of what stands alone, as read in released checkpoints."""
    released = to_released(videomae.pretraining(TINY).state_dict())
    pairs = ("norm1", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    layer = {f"{part}.{kind}" for part in pairs for kind in ("weight", "bias")}
    layer |= {"attn.q_bias", "attn.v_bias", "attn.qkv.weight"}
    alone = {"mask_token", "encoder_to_decoder.weight"} | {
        f"{part}.{kind}"
        for part in ("encoder.patch_embed.proj", "encoder.norm", "decoder.norm", "decoder.head")
        for kind in ("weight", "bias")
    }
    blocks = {f"encoder.blocks.{i}.{n}" for i in range(6) for n in layer}
    blocks |= {f"decoder.blocks.{i}.{n}" for i in range(4) for n in layer}
    assert set(released) == alone | blocks
    tuned = to_released(videomae.classifier(TINY, 5).state_dict())
    tops = {
        f"{part}.{kind}" for part in ("patch_embed.proj", "fc_norm", "head") for kind in ("weight", "bias")
    }
    assert set(tuned) == tops | {f"blocks.{i}.{n}" for i in range(6) for n in layer}


@pytest.mark.parametrize("state", [{"blocks.0.attn.k_bias": torch.ones(2)}, {"cls_token": torch.ones(2)}])
def test_unknown_names_are_refused(state: dict[str, Tensor]) -> None:
    for convert in (from_released, to_released):
        with pytest.raises(WeightsError, match=next(iter(state))):
            convert(state)


def message(location: Path | str, kind: type[SynvidEvalError] = WeightsError) -> str:
    with pytest.raises(kind) as caught:
        find(str(location))
    assert caught.value.code == {WeightsError: 4, DataError: 3, UsageError: 2}[kind]
    assert "\n" not in caught.value.message
    return str(caught.value)


def test_partial_and_wrong_files_name_their_tensors(tmp_path: Path) -> None:
    whole = tiny()
    path = tmp_path / "x.pth"
    lacking = {k: v for k, v in whole.items() if "blocks.3" not in k}
    said = message(saved(path, lacking, "model"))
    assert "lacks encoder.blocks.3.attn.qkv.weight" in said and "and 10 more" in said
    odd = whole | {"encoder.blocks.0.gamma_1": np.ones(192), "encoder.pos_embed": np.ones((1, 512, 192))}
    said = message(saved(path, odd))
    assert "holds the unknown encoder.blocks.0.gamma_1, encoder.pos_embed" in said
    shaped = whole | {"encoder.blocks.1.attn.q_bias": np.ones(191)}
    said = message(saved(path, shaped))
    assert "encoder.blocks.1.attn.q_bias [191] for [192]" in said
    broken = whole | {"encoder.norm.bias": np.full(192, np.nan)}
    assert "NaN or infinite values in encoder.norm.bias" in message(saved(path, broken))
    wide = plain.drawn(200, 1, 16, 0)
    said = message(saved(path, wide))
    assert "[200, 3, 2, 16, 16]" in said and "768 (base)" in said
    assert "is no VideoMAE: it lacks" in message(saved(path, {"conv1.weight": np.ones((2, 2))}))
    assert "epoch is no tensor" in message(_nested(tmp_path / "n.pth"))


def _nested(path: Path) -> Path:
    torch.save({"weights": {"a": torch.ones(1)}, "epoch": 3}, path)
    torch.save({"epoch": 3, "b": torch.ones(1)}, path)
    return path


class Evil:
    """Runs when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.mark,)


def test_nothing_of_a_file_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    torch.save({"model": {"a": torch.ones(1)}, "args": Evil(mark)}, tmp_path / "evil.pth")
    assert "what would run code is not run" in message(tmp_path / "evil.pth")
    torch.save({"a": Evil(mark)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert "not run" in message(tmp_path / "old.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"a": Evil(mark)}))
    assert "not run" in message(tmp_path / "plain.pth")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "videomae"}')
    torch.save({"a": Evil(mark)}, folder / "pytorch_model.bin")
    assert "not run" in message(folder)
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "program.pt"))
    assert "TorchScript program" in message(tmp_path / "program.pt")
    assert not mark.exists()
    with pytest.raises(FileExistsError):  # it would have run
        mark.mkdir()
        pickle.loads((tmp_path / "plain.pth").read_bytes())


def test_damaged_files_and_folders(tmp_path: Path) -> None:
    path = Path(saved(tmp_path / "x.pth", tiny()))
    path.write_bytes(path.read_bytes()[:5000])
    assert "cut short" in message(path)
    (tmp_path / "noise.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{" + b"\xff" * 40)
    assert "cannot be read as a state dict" in message(tmp_path / "noise.safetensors")
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "neither config.toml" in message(folder)
    (folder / "config.json").write_text('{"model_type": "vit"}')
    assert "'vit', not of 'videomae'" in message(folder)
    (folder / "config.json").write_text('{"model_type": "videomae", "hidden_act": "relu"}')
    assert "hidden_act='relu'" in message(folder)
    (folder / "config.json").write_text('{"model_type": "videomae", "num_attention_heads": 7}')
    assert "no multiple" in message(folder)
    (folder / "config.json").write_text('{"model_type": "videomae"}')
    assert "neither model.safetensors" in message(folder)
    (folder / "config.json").write_text("{")
    assert "cannot be read" in message(folder)
    assert "has no checkpoint yet" in message(run_folder(tmp_path / "run", {}))
    assert "names no network" in message(run_folder(tmp_path / "bad", {}, "[run]\n"))
    assert "cannot be read" in message(run_folder(tmp_path / "worse", {}, "[[["))


def test_what_is_not_there_and_random_networks(tmp_path: Path) -> None:
    assert "no checkpoint at" in message(tmp_path / "gone.pth", WeightsError)
    for text in ("random:x", "random:-1", "random", "random:0:tiny:1"):
        message(text, UsageError)
    assert "huge" in message("random:0:hug", UsageError)
    found = open_encoder(None, seed=3)
    assert (found.name, found.signature, found.architecture) == (
        "random:3",
        "random:3",
        videomae.SIZES["base"],
    )
    one, other = (open_encoder(f"random:{seed}:tiny") for seed in (0, 1))
    assert not torch.equal(
        one.module.encoder.layer[0].output.dense.weight, other.module.encoder.layer[0].output.dense.weight
    )


def test_lost_biases_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some versions of transformers lost them: what is loaded is not what was read."""
    path = saved(tmp_path / "x.pth", tiny())
    built = videomae.encoder

    def forgetful(of: videomae.Architecture, seed: int = 0) -> Any:
        module = built(of, seed)
        load = module.load_state_dict

        def lose(state: dict[str, Tensor]) -> Any:
            return load({k: v * 0 if k.endswith("query.bias") else v for k, v in state.items()})

        module.load_state_dict = lose
        return module

    monkeypatch.setattr(videomae, "encoder", forgetful)
    with pytest.raises(WeightsError, match=r"6 biases of queries and values, encoder.layer.0.attention"):
        open_encoder(path)
