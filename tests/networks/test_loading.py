"""Loading and running networks: the same bits however batched, memory, devices, files that do not fit."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from synvid_eval.errors import UsageError, WeightsError
from synvid_eval.networks import loading, random, weights
from synvid_eval.networks.loading import load, resolve_device, run
from synvid_eval.networks.sizes import FEATURES

RANDOM = {"weights": "random:0"}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Seven images that differ, as Inception takes them."""
    few = random.inputs("inception").numpy()
    return np.concatenate([few, few[:3, :, ::-1]])


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    return random.inputs("i3d").numpy()


@pytest.fixture(scope="module", autouse=True)
def _no_networks_kept() -> Iterator[None]:
    yield
    load.cache_clear()


def test_rows_are_those_of_the_network(images: np.ndarray, clips: np.ndarray) -> None:
    for network, x in (("inception", images[:2]), ("i3d", clips[:1])):
        with torch.inference_mode():
            want = random.random_network(network, 0)(torch.from_numpy(x)).numpy()
        got = run(network, x, **RANDOM)
        assert got.dtype == np.float32 and got.shape == (len(x), FEATURES[network])
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_batches_change_no_bit_on_a_cpu(images: np.ndarray, precision: str) -> None:
    want = run("inception", images, **RANDOM, precision=precision)
    for batch in (1, 3):
        assert np.array_equal(run("inception", images, **RANDOM, precision=precision, batch=batch), want)
    order = np.array([4, 0, 2])
    assert np.array_equal(run("inception", images[order], **RANDOM, precision=precision), want[order])


@pytest.mark.parametrize("size", ["0", "65537", "100000", "-1", "x", "1.5", "٣"])
def test_a_batch_that_cannot_be_is_answered_with_both_bounds(
    size: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from synvid_eval.cli import run as main

    assert main(["compare", "a", "b", f"--batch-size={size}"]) == 2
    assert f"--batch-size {size} is not possible. Give auto, or 1 to 65,536." in capsys.readouterr().err


def test_bf16_is_near_and_other(images: np.ndarray) -> None:
    exact, near = (run("inception", images[:3], **RANDOM, precision=p) for p in ("fp32", "bf16"))
    assert not np.array_equal(exact, near)
    cosine = (exact * near).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(near, axis=1)
    assert cosine.min() > 0.98


def test_the_number_of_threads_changes_no_bit_and_is_as_before(images: np.ndarray) -> None:
    want, before = run("inception", images[:1], **RANDOM), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        load.cache_clear()
        assert np.array_equal(run("inception", images[:1], **RANDOM), want)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_network_is_loaded_once_a_process() -> None:
    args = ("inception", "random:0", "", "fp32", "cpu")
    assert load(*args) is load(*args)
    assert load(*args[:3], "bf16", "cpu") is not load(*args)


def test_no_inputs_no_rows() -> None:
    empty = run("inception", np.empty((0, 3, 299, 299), np.float32), **RANDOM)
    assert empty.shape == (0, 2048) and empty.dtype == np.float32


def test_inputs_may_be_read_only_and_in_any_order(images: np.ndarray) -> None:
    want = run("inception", images[:1], **RANDOM)
    odd = np.asfortranarray(images[:1])
    odd.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(run("inception", odd, **RANDOM), want)


class Bears:
    """A network that bears `most` inputs at once, and gives each input's first value 2048 times."""

    def __init__(self, most: int, error: Exception) -> None:
        self.most, self.error, self.asked = most, error, []

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.asked.append(len(x))
        if len(x) > self.most:
            raise self.error
        return x.flatten(1)[:, :1].repeat(1, 2048)


ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> str:
    """A device whose memory is what a fake network says it is."""

    def forward(ready, part, device):
        return ready(torch.from_numpy(part)).numpy()

    monkeypatch.setattr(loading, "resolve_device", lambda text: text)
    monkeypatch.setattr(loading, "_forward", forward)
    monkeypatch.setattr(loading, "_borne", {})
    return "cuda:9"


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_a_batch_that_memory_does_not_bear_is_halved(monkeypatch: pytest.MonkeyPatch, gpu, error) -> None:
    network = Bears(3, error)
    monkeypatch.setattr(loading, "load", lambda *_: network)
    x = np.arange(11, dtype=np.float32).reshape(11, 1)
    rows = run("inception", x, **RANDOM, device=gpu)
    assert np.array_equal(rows[:, 0], x[:, 0])
    assert network.asked == [11, 5, 2, 2, 2, 2, 2, 1]


def test_what_memory_bore_is_remembered(monkeypatch: pytest.MonkeyPatch, gpu: str) -> None:
    """A process runs a clip after the other: only the first may run into the limit."""
    network = Bears(3, ERRORS[1])
    monkeypatch.setattr(loading, "load", lambda *_: network)

    def asked(x: np.ndarray, **changes) -> list[int]:
        network.asked.clear()
        rows = run("inception", x, **{**RANDOM, "device": gpu, **changes})
        assert np.array_equal(rows[:, 0], x[:, 0])
        return network.asked

    x = np.arange(11, dtype=np.float32).reshape(11, 1)
    assert asked(x, batch=4) == [4, 2, 2, 2, 2, 2, 1]
    assert asked(x) == asked(x, batch=4) == [2, 2, 2, 2, 2, 1]
    assert asked(x[:2]) == [2] and asked(x[:0]) == []
    assert asked(x, batch=1) == [1] * 11
    # of other inputs, or another device, nothing is known yet
    assert asked(x.repeat(2, 1))[:2] == [11, 5]
    assert asked(x, device="cuda:8")[:2] == [11, 5]


def test_one_input_that_is_too_much_is_an_error(monkeypatch: pytest.MonkeyPatch, gpu: str) -> None:
    monkeypatch.setattr(loading, "load", lambda *_: Bears(0, ERRORS[1]))
    with pytest.raises(UsageError, match="does not fit into the memory of cuda:9") as caught:
        run("inception", np.zeros((4, 3), np.float32), **RANDOM, device=gpu)
    assert "--device" in caught.value.hint


@pytest.mark.parametrize("error", [ERRORS[0], ERRORS[2]], ids=lambda e: type(e).__name__)
def test_on_a_cpu_nothing_is_halved(monkeypatch: pytest.MonkeyPatch, error) -> None:
    """Inputs go through one by one there: fewer of them need no less."""
    network = Bears(3, error)
    monkeypatch.setattr(loading, "load", lambda *_: network)
    with pytest.raises(UsageError, match="does not fit into the memory of cpu"):
        run("inception", np.zeros((4, 3), np.float32), **RANDOM)
    assert network.asked == [4]


OTHERS = [
    "shapes do not match",
    "CUDA error: an illegal memory access was encountered, raised from c10::cuda::CUDACachingAllocator::free",
    'INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp":42',
]


@pytest.mark.parametrize("text", OTHERS)
def test_other_errors_are_not_mistaken_for_memory(
    monkeypatch: pytest.MonkeyPatch, gpu: str, text: str
) -> None:
    network = Bears(0, RuntimeError(text))
    monkeypatch.setattr(loading, "load", lambda *_: network)
    with pytest.raises(RuntimeError) as caught:
        run("inception", np.zeros((4, 3), np.float32), **RANDOM, device=gpu)
    assert str(caught.value) == text and network.asked == [4]


def test_rows_that_are_not_finite_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "load", lambda *_: Bears(9, ERRORS[0]))
    with pytest.raises(WeightsError, match="not finite"):
        run("inception", np.full((1, 1), np.nan, np.float32), **RANDOM)


def identity(file: Path) -> str:
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


@pytest.mark.slow
def test_a_state_dict_gives_the_rows_of_its_network(clips: np.ndarray, tmp_path: Path) -> None:
    state = random.random_state("i3d", 0)
    want = run("i3d", clips[:1], **RANDOM)
    pth, tensors = tmp_path / "x.pth", tmp_path / "x.safetensors"
    torch.save({n: t for n, t in state.items() if not n.endswith("num_batches_tracked")}, pth)
    tensors.write_bytes(save(state))
    for file in (pth, tensors):
        assert np.array_equal(run("i3d", clips[:1], weights=identity(file), file=str(file)), want)
    with pytest.raises(WeightsError, match="does not fit the network: it lacks Conv2d_1a_3x3") as caught:
        run("inception", clips, weights=identity(pth), file=str(pth))
    assert caught.value.code == 4 and "holds the unknown Conv3d_1a_7x7" in caught.value.message
    found = weights.locate("i3d", f"i3d={pth}")
    assert found.identity == identity(pth)
    load.cache_clear()
    pth.write_bytes(tensors.read_bytes())
    with pytest.raises(WeightsError, match="not what it was"):
        run("i3d", clips[:1], weights=found.identity, file=str(found.file))


def test_counters_of_alien_batch_norms_are_named(tmp_path: Path) -> None:
    state = random.random_state("i3d", 0) | {"Mixed_9z.b0.bn.num_batches_tracked": torch.tensor(1)}
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"the unknown Mixed_9z\.b0\.bn\.num_batches_tracked"):
        load("i3d", identity(tmp_path / "x.pth"), str(tmp_path / "x.pth"))


def test_one_tensor_too_few_is_named(tmp_path: Path) -> None:
    state = random.random_state("i3d", 0)
    del state["Mixed_4b.b1b.bn.running_var"]
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"lacks Mixed_4b\.b1b\.bn\.running_var"):
        load("i3d", identity(tmp_path / "x.pth"), str(tmp_path / "x.pth"))


class Program(torch.nn.Module):
    """What StyleGAN-V's file looks like from outside."""

    def forward(self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool) -> torch.Tensor:
        value = x.mean() + (10.0 if rescale else 0.0) + (100.0 if resize else 0.0)
        return value.repeat(x.shape[0], 400) if return_features else x


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from dataclasses import replace

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Program()), tmp_path / "i3d_torchscript.pt")
    data = (tmp_path / "i3d_torchscript.pt").read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    known = replace(weights.known("i3d"), size=len(data), sha256=sha256, git_blob="")
    monkeypatch.setattr(weights, "FILES", (weights.FILES[0], known))
    return tmp_path / "i3d_torchscript.pt"


def test_the_known_program_is_called(program: Path, clips: np.ndarray) -> None:
    found = weights.locate("i3d", str(program.parent))
    args = {"weights": found.identity, "file": str(found.file)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = run("i3d", clips, **args)
    np.testing.assert_allclose(made[:, 7], clips.mean((1, 2, 3, 4)), rtol=0, atol=1e-5)
    native = run("i3d", np.full((1, 3, 9, 30, 40), 5, np.uint8), **args)
    assert native.shape == (1, 400) and (native == 115).all()
    with pytest.raises(UsageError, match="bf16"):
        run("i3d", clips, **args, precision="bf16")


def test_a_program_that_is_not_known_is_not_run(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(WeightsError, match="TorchScript program, no state dict: it is not run"):
        load("i3d", identity(program), str(program))


@pytest.mark.parametrize(
    ("args", "error", "said"),
    [
        (("vgg", "random:0", ""), UsageError, "vgg"),
        (("inception", "", ""), WeightsError, "weights fetch inception"),
        (("inception", "random:x", ""), UsageError, "random:x"),
        (("inception", "random:", ""), UsageError, "random:1"),
        (("inception", "random:0", "", "fp16"), UsageError, "bf16"),
        (("inception", "random:0", "", "fp32", "tpu"), UsageError, "tpu"),
        (("inception", "sha256:00", "/nowhere/x.pth"), WeightsError, "/nowhere/x.pth cannot be read"),
    ],
)
def test_what_cannot_be_loaded(args: tuple[str, ...], error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        load(*args)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", "cpu:0", "cuda:0\n"])
def test_what_is_no_device(text: str) -> None:
    with pytest.raises(UsageError, match="is no device"):
        resolve_device(text)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("cpu") == resolve_device("auto") == "cpu"
    for text in ("cuda", "cuda:1", "mps"):
        with pytest.raises(UsageError, match=text) as caught:
            resolve_device(text)
        assert caught.value.code == 2 and "auto" in caught.value.hint
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("auto") == resolve_device("mps") == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == "cuda"
    assert resolve_device("cuda:1") == "cuda:1"
    with pytest.raises(UsageError, match="2 CUDA devices") as caught:
        resolve_device("cuda:2")
    assert "cuda:1" in caught.value.hint


def test_shortcuts_of_the_hardware_are_off_inside_and_as_before_outside() -> None:
    backends = torch.backends
    before = backends.cudnn.benchmark
    backends.cudnn.benchmark = True
    try:
        with loading.exact():
            assert backends.cudnn.deterministic and not backends.cudnn.benchmark
            if hasattr(backends.cuda.matmul, "fp32_precision"):
                assert backends.cuda.matmul.fp32_precision == "ieee"
                assert backends.cudnn.conv.fp32_precision == "ieee"
            else:
                assert not backends.cuda.matmul.allow_tf32 and not backends.cudnn.allow_tf32
        assert backends.cudnn.benchmark
    finally:
        backends.cudnn.benchmark = before


@pytest.mark.device
@pytest.mark.parametrize(
    "place",
    [
        pytest.param(
            "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
        ),
        pytest.param(
            "mps", marks=pytest.mark.skipif(not torch.backends.mps.is_available(), reason="no MPS device")
        ),
    ],
)
def test_a_device_gives_what_the_cpu_gives(place: str, images: np.ndarray, clips: np.ndarray) -> None:
    for network, x in (("inception", images), ("i3d", clips)):
        want = run(network, x, **RANDOM)
        got = run(network, x, **RANDOM, device=place)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-3)
        assert np.array_equal(run(network, x, **RANDOM, device=place), got)


def test_what_compares_a_device_with_the_cpu_is_found_as_the_manual_says() -> None:
    marks = test_a_device_gives_what_the_cpu_gives.pytestmark  # type: ignore[attr-defined]
    assert "device" in [m.name for m in marks]
    docs = Path(__file__).resolve().parents[2] / "docs"
    for page in ("weights.md", "metrics.md"):
        text = (docs / page).read_text()
        assert "pytest -m device" in text and "pytest -k" not in text
