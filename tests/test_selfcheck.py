"""Known values: what needs no weights holds; what needs some is run where they are, and can fail."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from synvid_eval import selfcheck
from synvid_eval.errors import UsageError
from synvid_eval.networks import weights
from synvid_eval.selfcheck import CHECKS, Check, Outcome, Place, run


def check(compute, **changes) -> Check:
    facts = {"expected": 2.0, "tolerance": 0.5, "because": "why", "compute": compute} | changes
    return Check("a name", "that it works", "this test", **facts)


def one(compute, given: str | None = None, everything: bool = False, **changes) -> Outcome:
    (found,) = run(given, "cpu", everything, checks=[check(compute, **changes)])
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
    assert (found.verdict, found.got) == ("not run", None)
    assert found.note == "needs weights: synvid-eval weights fetch i3d"


def test_a_file_that_is_not_what_it_should_be_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / weights.known("inception").file).write_bytes(b"cut")
    found = one(lambda _: 2.0, str(tmp_path), needs="inception")
    assert found.verdict == "FAILED" and "cut short" in found.note


def test_weights_that_were_named_are_held_against_the_values(alien: dict[str, Path]) -> None:
    seen = []

    def look(place: Place) -> float:
        seen.append(place)
        return 2.0

    found = one(look, f"i3d={alien['i3d']}", needs="i3d")
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
    assert one(lambda _: 2.0, heavy=True, cost="an hour").note == "an hour: synvid-eval selfcheck --all"
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


def test_with_other_weights_the_values_of_fvd_fail_and_inception_is_still_pytorch_fids(
    alien: dict[str, Path],
) -> None:
    given = f"inception={alien['inception']},i3d={alien['i3d']}"
    wanted = [c for c in CHECKS if c.needs and not c.heavy and "30" not in c.name]
    outcomes = {o.name: o for o in run(given, "cpu", checks=wanted)}
    fvd = [o for n, o in outcomes.items() if n.startswith("FVD")]
    assert len(fvd) == 5 and {o.verdict for o in fvd} == {"FAILED"}
    assert all(o.got is not None and o.got > 0 for o in fvd)
    assert selfcheck.exit_code(list(outcomes.values())) == 4
    (inception,) = [o for n, o in outcomes.items() if n.startswith("Inception")]
    # random weights give larger features for such frames than trained ones
    assert inception.got is not None and 0 < inception.got < 1e-3


def test_a_network_of_other_weights_does_not_pass_for_pytorch_fids(monkeypatch: pytest.MonkeyPatch) -> None:
    from synvid_eval.networks import random

    right = random.random_state
    monkeypatch.setattr(random, "random_state", lambda network, _: right(network, 1))
    assert selfcheck.inception_beside_pytorch_fid(Place()) > 0.05


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
