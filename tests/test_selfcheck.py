"""Known values: what needs no weights holds; what needs some is run where they are, and can fail."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from synvid_eval import selfcheck
from synvid_eval.errors import DataError, UsageError, WeightsError
from synvid_eval.networks import weights
from synvid_eval.selfcheck import CHECKS, Check, Outcome, Place, run


def check(compute, **changes) -> Check:
    facts = {"expected": 2.0, "tolerance": 0.5, "because": "why", "compute": compute} | changes
    return Check("a name", "that it works", "this test", **facts)


def one(compute, given: str | None = None, everything: bool = False, at=None, **changes) -> Outcome:
    (found,) = run(given, "cpu", everything, checks=[check(compute, **changes)], data=at)
    return found


@pytest.fixture(scope="module")
def alien(tmp_path_factory) -> dict[str, Path]:
    """State dicts of random weights, which nobody knows by hash."""
    from safetensors.torch import save_file

    from synvid_eval.networks import random

    folder = tmp_path_factory.mktemp("alien")
    found = {}
    for network in ("inception", "i3d"):
        found[network] = folder / f"{network}.safetensors"
        tensors = {n: t.contiguous() for n, t in random.random_state(network, 0).items()}
        save_file(tensors, found[network])
    return found


@pytest.mark.parametrize(
    ("got", "verdict"), [(2.0, "ok"), (1.5, "ok"), (2.5, "ok"), (2.51, "FAILED"), (1.4, "FAILED")]
)
def test_a_verdict_is_the_tolerance_kept(got: float, verdict: str) -> None:
    found = one(lambda _: got)
    assert (found.verdict, found.got, found.note) == (verdict, got, "")
    assert found.to_dict()["source"] == "this test" and found.seconds >= 0


@pytest.mark.parametrize("got", [math.nan, math.inf])
def test_no_number_is_a_failure(got: float) -> None:
    found = one(lambda _: got)
    assert (found.verdict, found.got) == ("FAILED", None) and str(got) in found.note


def test_a_check_that_breaks_has_failed_and_the_others_go_on() -> None:
    def broken(_: Place) -> float:
        raise ZeroDivisionError("made\nfor the test")

    outcomes = list(run(None, "cpu", checks=[check(broken), check(lambda _: 2.0)]))
    assert [o.verdict for o in outcomes] == ["FAILED", "ok"]
    assert outcomes[0].note == "ZeroDivisionError: made\\nfor the test"


def test_exit_codes() -> None:
    good = one(lambda _: 2.0)
    bad, of_weights = (dataclasses.replace(good, verdict="FAILED", needs=n) for n in ("", "i3d"))
    left_out = dataclasses.replace(good, verdict="not run", needs="i3d")
    assert selfcheck.exit_code([good, left_out]) == 0
    assert selfcheck.exit_code([good, of_weights, left_out]) == 4
    assert selfcheck.exit_code([bad, of_weights]) == 1


def test_without_its_weights_a_check_is_not_run(tmp_path: Path) -> None:
    found = one(lambda _: 2.0, str(tmp_path), needs="i3d")
    assert (found.verdict, found.got, found.lacks) == ("not run", None, "weights")
    assert found.note == f"needs weights: synvid-eval weights fetch i3d --weights {tmp_path}"


def test_folders_that_do_not_exist_are_errors_before_anything_runs(tmp_path: Path) -> None:
    """Else a slip of the pen would be "nothing failed"."""
    never = lambda _: pytest.fail("ran")  # noqa: E731
    with pytest.raises(WeightsError, match=r"/none does not exist\.") as caught:
        one(never, str(tmp_path / "none"))
    assert caught.value.code == 4
    with pytest.raises(DataError, match=r"--data \S*/none: it does not exist\."):
        one(never, at=tmp_path / "none", data=selfcheck.CIFAR)
    with pytest.raises(DataError, match=f"it holds no {selfcheck.CIFAR}"):
        one(never, at=tmp_path, data=selfcheck.CIFAR)


def test_without_its_data_a_check_is_not_run(tmp_path: Path) -> None:
    found = one(lambda _: 2.0, data="a-folder")
    assert (found.verdict, found.lacks) == ("not run", "data")
    assert found.note == "needs a-folder: synvid-eval selfcheck --data DIR"
    found = one(lambda _: 2.0, str(tmp_path), data="a-folder", needs="i3d")
    assert found.lacks == "weights" and found.note.endswith(f"fetch i3d --weights {tmp_path}; and a-folder")
    (tmp_path / "a-folder").mkdir()
    for at in (tmp_path, tmp_path / "a-folder"):
        assert (
            one(
                lambda place: len(place.data) - len(str(tmp_path / "a-folder")) + 2, at=at, data="a-folder"
            ).got
            == 2
        )


def test_what_cannot_be_run_here_is_listed_with_why() -> None:
    found = one(None, everything=True, cannot="nobody has it")
    assert (found.verdict, found.note, found.lacks) == ("not run", "nobody has it", "")


def test_a_file_that_is_not_what_it_should_be_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / weights.known("inception").file).write_bytes(b"cut")
    found = one(lambda _: 2.0, str(tmp_path), needs="inception")
    assert found.verdict == "FAILED" and "cut short" in found.note


def test_published_values_are_of_published_files_only(alien: dict[str, Path]) -> None:
    never = lambda _: pytest.fail("ran")  # noqa: E731
    found = one(never, f"i3d={alien['i3d']}", needs="i3d", everything=True, heavy=True)
    identity = weights.digest(alien["i3d"]).identity
    assert (found.verdict, found.lacks, found.weights) == ("not run", "", identity)
    assert found.note == f"not the published file ({identity[:23]}…)"
    assert selfcheck.exit_code([found]) == 0


def test_weights_that_do_not_fit_are_an_error_before_anything_runs(alien: dict[str, Path]) -> None:
    never = lambda _: pytest.fail("ran")  # noqa: E731
    with pytest.raises(WeightsError, match="does not fit the network"):
        one(never, f"i3d={alien['inception']}", needs="i3d")


def test_what_holds_with_any_weights_runs_with_those_that_were_named(alien: dict[str, Path]) -> None:
    seen = []

    def look(place: Place) -> float:
        seen.append(place)
        return 2.0

    found = one(look, f"i3d={alien['i3d']}", needs="i3d", any_weights=True)
    assert found.verdict == "ok" and found.weights.startswith("sha256:")
    assert (seen[0].weights, seen[0].file) == (found.weights, str(alien["i3d"]))


def test_another_known_file_is_not_run_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x.pt"
    file.write_bytes(b"known")
    blob = weights.hashes(file).git_blob
    known = [
        dataclasses.replace(f, sha256="", size=0, git_blob=blob) for f in weights.FILES if f.name == "i3d"
    ]
    rest = [f for f in weights.FILES if f.name != "i3d"]
    monkeypatch.setattr(weights, "FILES", (*known, *rest))
    found = one(lambda _: 2.0, f"i3d={file}", needs="i3d-videogpt")
    assert (found.verdict, found.note) == ("not run", "--weights names i3d, this one needs i3d-videogpt")
    assert one(lambda _: 2.0, f"i3d={file}", needs="i3d").verdict == "ok"


def test_a_long_check_is_run_when_asked_for() -> None:
    found = one(lambda _: 2.0, heavy=True, cost="an hour")
    assert (found.note, found.lacks) == ("an hour: synvid-eval selfcheck --all", "time")
    assert one(lambda _: 2.0, everything=True, heavy=True).verdict == "ok"


def test_a_device_that_is_not_there_is_refused_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="no device"):
        next(run(None, "gpu", checks=[check(lambda _: pytest.fail("ran"))]))


def test_all_that_needs_no_weights_is_ok(tmp_path: Path) -> None:
    outcomes = list(run(str(tmp_path), "cpu"))
    free = [o for o in outcomes if not o.needs]
    assert len(outcomes) == len(CHECKS) and len(free) >= 7
    assert [o.verdict for o in free] == ["ok"] * len(free), free
    rest = [o for o in outcomes if o.needs]
    assert {o.verdict for o in rest} == {"not run"} and {o.needs for o in rest} == {
        f.name for f in weights.FILES
    }
    assert len({c.name for c in CHECKS}) == len(CHECKS)
    assert all(c.proves and c.source and c.because and c.tolerance > 0 for c in CHECKS)


def test_the_values_are_those_of_the_sources() -> None:
    """Against a slip of the pen in one of the two places."""
    values = {c.name: round(c.expected, 4) for c in CHECKS if c.needs == "i3d"}
    name = "FVD of black and white clips of {} frames, protocol styleganv"
    wanted = {10: 569.2296, 15: 133.7031, 16: 152.9175, 30: 151.2565}
    assert {n: values[name.format(n)] for n in wanted} == wanted
    assert 10.1381 in values.values()
    # the wrong port of the sources is told from the right one
    assert all(abs(219 - c.expected) > c.tolerance for c in CHECKS)
    values = {c.name.partition(",")[0]: c.expected for c in CHECKS}
    assert values["FID of 256 training and 256 test images of CIFAR-10"] == 110.28082617202443
    assert values["FID of 5"] == 10.3233274 and values["KID of 5"] == 0.4718520
    assert values["FVD of cd-fvd's example"] == 3383.9645584
    assert {c.name for c in CHECKS if c.compute is None} == {"FVD of cd-fvd's example, protocol cdfvd"}
    assert all((c.compute is None) == bool(c.cannot) for c in CHECKS)


@pytest.mark.slow
def test_with_other_weights_no_published_value_is_run_and_inception_is_still_pytorch_fids(
    alien: dict[str, Path],
) -> None:
    given = f"inception={alien['inception']},i3d={alien['i3d']}"
    wanted = [
        c for c in CHECKS if c.needs and c.compute and not c.heavy and not c.data and "30" not in c.name
    ]
    outcomes = {o.name: o for o in run(given, "cpu", checks=wanted)}
    fvd = [o for n, o in outcomes.items() if n.startswith("FVD")]
    assert len(fvd) == 5 and {(o.verdict, o.got) for o in fvd} == {("not run", None)}
    assert all(o.note.startswith("not the published file") for o in fvd)
    assert selfcheck.exit_code(list(outcomes.values())) == 0
    inception = [o for n, o in outcomes.items() if n.startswith("Inception")]
    label = f"weights {inception[0].weights[:23]}… of unknown hash"
    assert len(inception) == 3 and all(label in o.name and "pretrained" not in o.name for o in inception)
    # random weights give larger features than trained ones: the difference is over the largest of them
    assert all(o.verdict == "ok" and o.got is not None and 0 < o.got < 1e-4 for o in inception)


def test_the_values_fail_with_weights_that_pass_for_the_published_file(
    alien: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the values: they can fail."""
    name, file = "i3d-videogpt", alien["i3d"]
    sha256 = weights.digest(file).sha256
    known = dataclasses.replace(weights.known(name), size=0, sha256=sha256, git_blob="")
    monkeypatch.setattr(weights, "FILES", (*(f for f in weights.FILES if f.name != name), known))
    wanted = [c for c in CHECKS if c.needs == name and "16 frames" in c.name]
    (found,) = run(f"i3d={file}", "cpu", checks=wanted)
    assert found.verdict == "FAILED" and found.got is not None and found.got > 0


def test_hints_repeat_what_was_given(tmp_path: Path) -> None:
    given = str(tmp_path / "a folder")
    (tmp_path / "a folder").mkdir()
    again = f"synvid-eval selfcheck --weights '{given}'"
    assert one(lambda _: 2.0, given, data="a-folder").note == f"needs a-folder: {again} --data DIR"
    (tmp_path / "data").mkdir()
    at = tmp_path / "data"
    found = one(lambda _: 2.0, given, at=at, data="data", heavy=True, cost="an hour")
    assert found.note == f"an hour: {again} --data {at} --all"


def test_a_network_of_other_weights_does_not_pass_for_pytorch_fids(monkeypatch: pytest.MonkeyPatch) -> None:
    from synvid_eval.networks import random

    right = random.random_state
    monkeypatch.setattr(random, "random_state", lambda network, _: right(network, 1))
    assert selfcheck.inception_beside_pytorch_fid(Place()) > 0.05


def test_inputs_of_another_protocol_do_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each protocol's check can fail: with the resize of another one the features are far off."""
    right = selfcheck.peers_input
    other = {"tf": "clean", "clean": "tf"}
    monkeypatch.setattr(selfcheck, "peers_input", lambda frames, protocol: right(frames, other[protocol]))
    for protocol in other:
        assert selfcheck.inception_beside_pytorch_fid(Place(), protocol) > 1e-2


@pytest.fixture(scope="module")
def cifar(tmp_path_factory) -> Path:
    """Files as CIFAR-10's binary version has them, with other pictures; sparse is what they are on disk."""
    folder = tmp_path_factory.mktemp("data") / selfcheck.CIFAR
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i, name in enumerate([*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]):
        records = np.full((10_000, 3073), 9, np.uint8)
        records[:, 1:] = rng.integers(0, 40 * i + 50, (10_000, 1), np.uint8)
        records[:, 1:1025] //= 2  # the red plane
        records.tofile(folder / name)
    return folder


def test_images_of_cifar_are_read_in_their_order(cifar: Path, tmp_path: Path) -> None:
    train, test = selfcheck.cifar(str(cifar), True), selfcheck.cifar(str(cifar), False)
    assert train.shape == (50_000, 32, 32, 3) and test.shape == (10_000, 32, 32, 3)
    raw = np.fromfile(cifar / "data_batch_2.bin", np.uint8).reshape(10_000, 3073)
    wanted = raw[3, 1:].reshape(3, 32, 32).transpose(1, 2, 0)
    assert np.array_equal(train[10_003], wanted) and wanted[0, 0, 0] == wanted[0, 0, 1] // 2
    with pytest.raises(DataError, match=r"test_batch\.bin cannot be read: No such file"):
        selfcheck.cifar(str(tmp_path), False)
    (tmp_path / "test_batch.bin").write_bytes(b"cut")
    with pytest.raises(DataError, match=r"has 3 bytes in place of 30,730,000"):
        selfcheck.cifar(str(tmp_path), False)


def test_images_of_cifar_are_drawn_and_made_noisy_as_the_source_does_it(cifar: Path) -> None:
    rng = np.random.RandomState(2020)
    images = selfcheck.cifar(str(cifar), False)
    for image, index in zip(
        selfcheck.cifar_drawn(str(cifar), False, 5, noise=True), rng.choice(10_000, 5, False), strict=True
    ):
        wanted = images[index].astype(np.float32)
        wanted += rng.randn(*wanted.shape) * 64
        assert np.array_equal(image, np.trunc(wanted).astype(int) % 256)
    plain = selfcheck.cifar_drawn(str(cifar), True, 4)
    assert np.array_equal(
        plain, selfcheck.cifar(str(cifar), True)[np.random.RandomState(2020).choice(50_000, 4, False)]
    )


def test_fid_and_kid_of_cifar_are_those_of_its_rows(cifar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By NumPy alone, from the protocol's rows, which are told from those of other protocols."""
    from synvid_eval.features.inception import Inception
    from synvid_eval.networks import loading

    place = Place("random:0", "", "cpu", data=str(cifar))
    fed = []

    def few(network, inputs, **_):  # eight values of each input stand for its row
        fed.append(inputs)
        return inputs[:, :, 40:60:10, 50:70:10].reshape(len(inputs), -1)[:, :8].astype(np.float32)

    monkeypatch.setattr(loading, "run", few)
    got = selfcheck.cifar_fid(place, 20)
    view = Inception(protocol="tf").view()
    assert np.array_equal(fed[0][0], view(selfcheck.cifar_drawn(str(cifar), True, 20)[0]))
    rows = [
        few("", np.stack([view(i) for i in selfcheck.cifar_drawn(str(cifar), t, 20)])).astype(float)
        for t in (True, False)
    ]
    s, t = (np.cov(r, rowvar=False) for r in rows)
    gap = rows[0].mean(0) - rows[1].mean(0)
    roots = np.sqrt(np.linalg.eigvals(s @ t).astype(complex)).real.sum()
    assert got == pytest.approx(gap @ gap + np.trace(s + t) - 2 * roots, rel=1e-5, abs=1e-6)

    def normal(place, train, count, noise):
        assert (count, noise) == (5000, not train)
        return np.random.default_rng(int(train)).normal(size=(60, 8)).astype(np.float32) + train

    monkeypatch.setattr(selfcheck, "_cifar_rows", normal)
    x, y = (normal(place, t, 5000, not t).astype(float) for t in (True, False))
    k, m, n = (((a @ b.T) / 8 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    wanted = sum((q.sum() - np.trace(q)) / (60 * 59) for q in (k, m)) - 2 * n.mean()
    assert selfcheck.cifar_kid(place) == pytest.approx(wanted, rel=1e-6)


def test_a_collapsed_network_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from synvid_eval.networks import loading

    def dead(network, inputs, **_):
        rows = np.full((len(inputs), 400), 0.3, np.float32)
        return rows + np.arange(len(inputs), dtype=np.float32)[:, None] * np.float32(1e-7)

    monkeypatch.setattr(loading, "run", dead)
    (found,) = run(None, "cpu", checks=[c for c in CHECKS if c.name.startswith("random network i3d")])
    assert found.verdict == "FAILED"


def test_fvd_of_black_and_white_is_the_squared_distance_of_two_rows() -> None:
    """By hand: −1 and 1 through the network, no resize that matters."""
    from synvid_eval.networks import loading

    rows = [
        loading.run("i3d", np.full((1, 3, 10, 224, 224), v, np.float32), weights="random:0") for v in (-1, 1)
    ]
    wanted = float(((rows[0] - rows[1]).astype(np.float64) ** 2).sum())
    for protocol in ("styleganv", "videogpt"):
        got = selfcheck.black_and_white(Place("random:0"), 10, protocol)
        assert got == pytest.approx(wanted, rel=1e-5)


def test_noise_is_the_stream_of_the_source() -> None:
    wanted = np.random.RandomState(1).rand(2, 16, 224, 224, 3).astype(np.float32)
    got = np.concatenate(list(selfcheck.noise_clips(1, 2)))
    assert got.dtype == np.float32
    assert np.array_equal(got, wanted.transpose(0, 4, 1, 2, 3))


def test_the_distance_of_noise_divides_by_n_less_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from synvid_eval.networks import loading

    rng = np.random.default_rng(0)
    rows = iter(rng.normal(size=(12, 4)).astype(np.float32))
    fed, kept, said = [], [], []

    def run_fake(network, inputs, **_):
        fed.append((network, inputs.shape, float(inputs.min()) >= 0))
        kept.append(next(rows))
        return kept[-1][None]

    monkeypatch.setattr(loading, "run", run_fake)
    monkeypatch.setattr(selfcheck, "NOISE_CLIPS", 6)
    monkeypatch.setattr(selfcheck, "noise_clips", lambda seed: (np.zeros((1, 3, 16, 8, 8)) for _ in range(6)))
    monkeypatch.setattr(selfcheck, "SAY_EVERY", 0.0)
    got = selfcheck.noise(Place("sha256:x", "f", "cpu", said.append))
    a, b = np.array(kept[:6], np.float64), np.array(kept[6:], np.float64)
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    wanted = (
        ((a.mean(0) - b.mean(0)) ** 2).sum()
        + np.trace(s + t)
        - 2 * np.sqrt(np.linalg.eigvals(s @ t)).real.sum()
    )
    assert got == pytest.approx(wanted, rel=1e-9)
    assert set(fed) == {("i3d", (1, 3, 16, 8, 8), True)} and len(fed) == 12
    assert said[0].startswith("1 of 12 clips, about ")
