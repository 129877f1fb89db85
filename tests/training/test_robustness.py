"""Robustness: its formulae, what is asked of which network, what is better; by a classifier that is known,
and by a fine-tuned run.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from synvid_eval.cache import Cache
from synvid_eval.errors import DataError, UsageError
from synvid_eval.measurement import Options, Quiet
from synvid_eval.schemas import get
from synvid_eval.sets import open_clip, open_set
from synvid_eval.training import accuracy, robustness
from synvid_eval.training.accuracy import Prediction, Predictions
from synvid_eval.training.classifiers import DamagedViews, Finetuned
from synvid_eval.training.data import Files
from synvid_eval.training.labelled import Viewed
from synvid_eval.training.robustness import Case, HeldOut, absolute, better, cases, relative
from synvid_eval.video.decode import FewerFrames
from tests.conftest import Run
from tests.training.small import held_out

OPTIONS = Options(workers=1, cache=Cache(None))
CLASSES = ("bright", "dark")
GROUPS = 6


def clips(root: Path) -> Path:
    """Two classes of gray frames, of 225 and 30 with a little structure: 2 clips of 6 sources each."""
    for label, level in (("bright", 225), ("dark", 30)):
        (root / label).mkdir(parents=True)
        for k in range(2 * GROUPS):
            frames = np.full((20, 24, 32, 3), level, np.uint8)
            frames[:, :4, :4] = 10 * k
            name = f"v_{label}_g{k // 2:02}_c{k % 2:02}.npz"
            np.savez(root / label / name, frames=frames)
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips(tmp_path_factory.mktemp("robustness") / "set")


def said_of(root: Path, folds: int = 2) -> Predictions:
    """What a run left of these clips: a source group in a fold."""
    found = []
    for clip in open_set(root).clips:
        label, group, _ = Path(clip.id).stem.removeprefix("v_").rsplit("_", 2)
        right = tuple(float(label == name) for name in CLASSES)
        found.append(Prediction(clip.id, label, f"{label}/{group}", int(group[1:]) % folds, right))
    return Predictions(CLASSES, f"kfold:{folds}", tuple(found))


class Brightness:
    """Calls a clip bright whose mean is above a threshold, which another fold has otherwise."""

    def __init__(self, root: Path, thresholds: Sequence[float] = (128, 128), name: str = "known") -> None:
        self.name, self.signature = name, f"above {thresholds}"
        self.tested, self._thresholds = said_of(root, len(thresholds)), thresholds
        self.asked: list[tuple[str, int]] = []

    def scores(self, clips: HeldOut, asked: Sequence[Case], seed: int) -> Iterator[np.ndarray]:
        folds = {clip.id: clip.fold for clip in self.tested.clips}
        for case in asked:
            found = []
            for ref, total in zip(case.damaged(clips.videos, seed).clips, clips.totals, strict=True):
                every = dict(open_clip(ref).frames(range(total)))
                mean = np.mean([every[i].mean() for i in case.shown(range(total), ref.id, seed)])
                threshold = self._thresholds[folds[ref.id]]
                self.asked.append((ref.id, folds[ref.id]))
                found.append([float(mean > threshold), float(mean <= threshold)])
            yield np.array(found)


def evaluated(of: Any, root: Path, asked: Sequence[Case], keep: Path | None = None) -> list[Predictions]:
    opened = held_out(root, [of.tested], OPTIONS)
    return list(robustness.evaluated(of, opened, asked, OPTIONS, keep))


def test_the_formulae() -> None:
    assert absolute(80, 60) == pytest.approx(0.8) and relative(80, 60) == pytest.approx(0.75)
    assert absolute(50, 60) == pytest.approx(1.1) and relative(0, 0) is None


def test_what_can_be_asked() -> None:
    found = cases(["rotate", "freeze"], [1, 5])
    assert [case.name for case in found] == ["clean", "rotate-1", "rotate-5", "freeze-1", "freeze-5"]
    refused: list[tuple[list[str], list[int], str]] = [
        (["rotat"], [1], "Did you mean 'rotate'"),
        (["rotate"], [6], "out of range"),
        (["rotate"], [], "No severity"),
        (["rotate", "rotate"], [1], "rotate is given twice"),
        (["rotate"], [2, 2], "2 is given twice"),
    ]
    for names, severities, message in refused:
        with pytest.raises(UsageError, match=message):
            cases(names, severities)


def test_accuracies_are_those_of_damaged_clips(folder: Path) -> None:
    """A quarter turn keeps 24 of 32 columns: bright clips lose a quarter of their light, 225 → about 166."""
    of = Brightness(folder, (128, 180))
    asked = cases(["static_rotate", "sampling", "reverse_sampling"], [4, 5])
    found = evaluated(of, folder, asked)
    told = robustness.document(of, held_out(folder, [of.tested], OPTIONS), asked, found, None, 0)
    jsonschema.validate(told, get("robustness"))
    value = {(c["corruption"], c["severity"]): c["accuracy"]["value"] for c in told["cells"]}
    assert told["clean"]["value"] == 100 and value["sampling", 5] == value["reverse_sampling", 4] == 100
    assert value["static_rotate", 5] == 75  # fold 1 takes its bright half for dark
    row = next(r for r in told["corruptions"] if r["corruption"] == "static_rotate")
    mean = (75 + value["static_rotate", 4]) / 2
    assert row["accuracy"] == mean and row["absolute"] == row["relative"] == pytest.approx(mean / 100)
    assert told["mean"]["accuracy"] == pytest.approx((mean + 200) / 3) and told["groups"] == 12
    assert set(of.asked) == {(c.id, c.fold) for c in of.tested.clips}  # each by the network of its fold
    rows = list(csv.DictReader(io.StringIO(robustness.sheet(told))))
    assert [r["corruption"] for r in rows[:2]] == ["clean", "static_rotate"] and len(rows) == 7
    assert float(rows[2]["accuracy"]) == 75 and float(rows[2]["low"]) < 75 < float(rows[2]["high"])


def test_progress_counts_the_clips_of_each_case(folder: Path, tmp_path: Path) -> None:
    class Counts(Quiet):
        total, done, cached = 0, 0, 0

        def begin(self, name: str, clips: int) -> None:
            self.total = clips

        def advance(self, clips: int, cached: bool, reading: str = "") -> None:
            self.done, self.cached = self.done + clips, self.cached + cached * clips

    of, asked = Brightness(folder), cases(["jumble"], [1, 2])
    opened = held_out(folder, [of.tested], OPTIONS)
    many = len(opened.totals)
    for cached in (0, 3 * many):
        told = Counts()
        list(robustness.evaluated(of, opened, asked, replace(OPTIONS, progress=told), tmp_path / "kept"))
        assert (told.total, told.done, told.cached) == (3 * many, 3 * many, cached)


def test_what_is_kept_is_not_asked_again(folder: Path, tmp_path: Path) -> None:
    of, asked = Brightness(folder), cases(["gaussian_noise", "jumble"], [1])
    found = evaluated(of, folder, asked, tmp_path / "kept")
    assert sorted(p.name for p in (tmp_path / "kept").iterdir()) == [
        "clean.json", "gaussian_noise-1.json", "jumble-1.json",
    ]  # fmt: skip
    again = Brightness(folder)
    assert evaluated(again, folder, asked, tmp_path / "kept") == found and not again.asked
    (tmp_path / "kept" / "jumble-1.json").write_text("{")
    assert evaluated(again, folder, asked, tmp_path / "kept") == found
    assert len(again.asked) == len(found[0].clips)
    other = Brightness(folder, (130, 130))
    evaluated(other, folder, asked, tmp_path / "kept")
    assert len(other.asked) == 3 * len(found[0].clips)  # other weights


def test_other_contents_are_asked_anew(tmp_path: Path) -> None:
    root, asked = clips(tmp_path / "set"), cases(["jumble"], [1])
    evaluated(Brightness(root), root, asked, tmp_path / "kept")
    changed = next((root / "dark").iterdir())
    np.savez(changed, frames=np.full((20, 24, 32, 3), 255, np.uint8))
    of = Brightness(root)
    found = evaluated(of, root, asked, tmp_path / "kept")
    assert of.asked and found[0].hits().sum() == len(found[0].clips) - 1


def test_what_is_better_by_source_group() -> None:
    """Four groups of clips, a corruption that all of one is right in, one that differs by chance."""
    rng = np.random.default_rng(0)
    groups = [f"g{k % 8}" for k in range(80)]
    own = np.stack([np.ones(80), rng.integers(0, 2, 80), np.zeros(80)]).astype(float)
    other = np.stack([rng.integers(0, 2, 80) * 0.6, rng.integers(0, 2, 80), np.ones(80)])
    found = better(own, other, groups, 0)
    assert found.differences == pytest.approx(100 * (own - other).mean(axis=1))
    assert found.surely == 1 and found.on in (1, 2) and found.interval is not None
    assert 1 <= found.interval[0] <= found.on <= found.interval[1] <= 2
    bounds = found.intervals[1]
    assert bounds is not None and bounds[0] < 0 < bounds[1]
    means = np.array([100 * (own - other)[1][np.arange(80) % 8 == k].mean() for k in range(8)])
    error = means.std(ddof=1) / np.sqrt(8)  # of groups alike in size: the plain standard error
    assert bounds[1] - bounds[0] == pytest.approx(2 * 2.3646 * error, rel=1e-3)
    few = better(own, other, ["a", "b"] * 40, 0)
    assert few.interval is None and few.intervals == (None,) * 3 and "2 source groups" in few.reason


def test_against_a_baseline(folder: Path) -> None:
    of, other = Brightness(folder), Brightness(folder, (180, 180), "worse")
    asked = cases(["static_rotate", "jumble"], [5])
    opened = held_out(folder, [of.tested, other.tested], OPTIONS)
    found, theirs = (list(robustness.evaluated(one, opened, asked, OPTIONS, None)) for one in (of, other))
    told = robustness.document(of, opened, asked, found, (other, theirs), 0)
    jsonschema.validate(told, get("robustness"))
    assert [row["difference"] for row in told["corruptions"]] == [50, 0]
    assert (told["baseline"]["name"], told["baseline"]["on"], told["baseline"]["of"]) == ("worse", 1, 2)


def test_what_does_not_fit_is_told(folder: Path, tmp_path: Path) -> None:
    of = Brightness(folder)
    more = replace(of.tested, clips=(*of.tested.clips, replace(of.tested.clips[0], id="other.npz")))
    with pytest.raises(
        DataError, match=r"set lacks 1 clip of the 25 that the run was tested on, such as other"
    ):
        held_out(folder, [more], OPTIONS)
    with pytest.raises(DataError, match="baseline was tested on other clips"):
        held_out(folder, [of.tested, more], OPTIONS)


# -- a fine-tuned run ------------------------------------------------------------------------------


def run_of(root: Path, out: Path, folds: int = 1) -> Path:
    """A run as `train finetune` leaves one, its weights drawn, without training."""
    from synvid_eval import knobs
    from synvid_eval.networks import videomae
    from synvid_eval.training.finetune import FINETUNING
    from synvid_eval.training.run_folder import RunFolder, TrainingState

    network = videomae.Architecture(width=24, depth=1, heads=2, image=16, patch=8, decoder_width=12,
                                    decoder_depth=1, decoder_heads=1)  # fmt: skip
    of = replace(FINETUNING["tiny"], short=24, crops=2)
    for fold in range(folds):
        place = RunFolder(out / f"fold-{fold}" if folds > 1 else out)
        place.path.mkdir(parents=True)
        place.begin(
            {"run": {"kind": "finetune"}, "network": knobs.values(network), "recipe": knobs.values(of)}
        )
        weights = videomae.classifier(network, 2, seed=fold)
        weights.classifier.weight.data.mul_(1000)
        place.save(TrainingState(3, dict(weights.state_dict()), {}, {}), 1)
    accuracy.write(said_of(root, folds), out / "predictions.json")
    return out


@pytest.mark.parametrize("folds", [1, 2])
def test_a_fine_tuned_run_is_asked_as_it_was_tested(folder: Path, tmp_path: Path, folds: int) -> None:
    """Scores by hand: its network on every view, built from the checkpoint alone."""
    import torch

    from synvid_eval.networks import inputs, videomae
    from synvid_eval.training.classifiers import _architecture

    out = run_of(folder, tmp_path / "run", folds)
    of = Finetuned(out, "cpu")
    fold = folds - 1
    videos = open_set(folder)
    chosen = replace(videos, clips=tuple(c for c in videos.clips if c.id in
                     {t.id for t in of.tested.clips if t.fold == fold})[:3])  # fmt: skip
    (scores,) = of.scores(HeldOut(chosen, (20,) * 3, ""), [Case()], 0)
    network = videomae.classifier(_architecture(of._configs[fold]), 2, seed=fold)
    network.classifier.weight.data.mul_(1000)
    network.eval()
    for ref, found in zip(chosen.clips, scores, strict=True):
        frames = np.stack([f for _, f in open_clip(ref).frames(range(20))])[[*range(16)]].astype(np.float32)
        later = np.stack([f for _, f in open_clip(ref).frames(range(20))])[[*range(4, 20)]].astype(np.float32)
        each = []
        for run in (frames, later):  # stride 1, since 20 frames are few; 24 × 32 px become 16 × 21
            for left in (0, 5):
                small = _resized(run)[:, :, left : left + 16]
                ready = (small / 255 - np.array(inputs.MEAN)) / np.array(inputs.STD)
                with torch.no_grad():
                    logits = network(
                        torch.tensor(ready, dtype=torch.float32).permute(0, 3, 1, 2)[None]
                    ).logits
                each.append(torch.softmax(logits[0], 0).numpy())
        assert found == pytest.approx(np.mean(each, axis=0), abs=0.02)
    assert not np.allclose(scores[0], scores[-1], atol=1e-6)


def _resized(run: np.ndarray) -> np.ndarray:
    from synvid_eval.training import crops

    return crops.resized(run.astype(np.uint8), 16, 21).astype(np.float32)


def counting(root: Path, length: int) -> HeldOut:
    """One clip that tells which frame is which: all of frame i is of level i."""
    root.mkdir()
    frames = np.arange(length, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    np.savez(root / "count.npz", frames=frames)
    return HeldOut(open_set(root), (length,), "")


def looked_at(clips: HeldOut, case: Case, segments: int = 1) -> list[list[int]]:
    """Which frames 16 frames at stride 4 are, of each segment, from the pixels alone."""
    files = Files(clips.videos, clips.totals, frames=16, stride=4)
    made = DamagedViews(Viewed(files, 16, 8, segments, 1), (case,), 0, 60.0)
    found: list[list[int]] = made((0, 0))["views"][:, :, 0, 0, 0].tolist()
    return found


def test_temporal_severities_are_not_undone_by_the_stride(tmp_path: Path) -> None:
    """180 frames are 45 at stride 4; every k-th of these is shown, and the last of them on and on."""
    clips, grid = counting(tmp_path / "set", 180), range(0, 180, 4)
    for severity, every in enumerate((2, 4, 8, 16, 32), 1):
        kept = [*grid[::every]]
        start = max(0, len(kept) - 16) // 2
        (case,) = cases(["sampling"], [severity])[1:]
        assert looked_at(clips, case) == [([*kept, *[kept[-1]] * 16])[start : start + 16]]
        (back,) = cases(["reverse_sampling"], [severity])[1:]
        assert looked_at(clips, back) == [([*kept[::-1], *[0] * 16])[start : start + 16]]


def test_frames_are_jumbled_among_those_that_are_looked_at(tmp_path: Path) -> None:
    """Stretches of two frames of native rate change no order at stride 4; here they change half of them."""
    clips, grid = counting(tmp_path / "set", 128), [*range(0, 128, 4)]
    for severity, length in ((4, 4), (5, 2)):
        (case,) = cases(["jumble"], [severity])[1:]
        shown = [frame for run in looked_at(clips, case, 2) for frame in run]
        assert shown != grid
        for begin in range(0, 32, length):
            assert sorted(shown[begin : begin + length]) == grid[begin : begin + length]
    assert [frame for run in looked_at(clips, Case(), 2) for frame in run] == grid


class Lying:
    """A reader of a clip whose last frames do not decode."""

    def __init__(self, *_: Any) -> None: ...

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        for index in wanted:
            if index >= 120:
                raise FewerFrames(120)
            yield index, np.full((8, 8, 3), index, np.uint8)


def test_frames_that_do_not_decode_are_the_last_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 250 frames 120 decode. Of the 63 that are looked at, every 32nd are those of number 128 and 0."""
    clips = replace(counting(tmp_path / "set", 120), totals=(250,))
    monkeypatch.setattr("synvid_eval.training.data.open_clip", Lying)
    (case,) = cases(["reverse_sampling"], [5])[1:]
    assert looked_at(clips, case) == [[119, *[0] * 15]]
    (frozen,) = cases(["freeze"], [5])[1:]
    assert {frame for run in looked_at(clips, frozen) for frame in run} <= {*range(0, 120, 4), 119}


def test_frames_are_damaged_as_in_a_corrupted_set(tmp_path: Path) -> None:
    clips = counting(tmp_path / "set", 64)
    (case,) = cases(["gaussian_noise"], [3])[1:]
    files = Files(clips.videos, clips.totals, frames=16, stride=4)
    views = DamagedViews(Viewed(files, 16, 8, 1, 1), (Case(), case), 7, 60.0)((1, 0))["views"]
    damaged = open_set(f"corrupt:gaussian_noise?severity=3&seed=7&of={tmp_path / 'set'}")
    frames = [frame for _, frame in open_clip(damaged.clips[0]).frames(range(0, 64, 4))]
    assert np.array_equal(views[0], np.stack(frames))


def test_other_weights_have_another_signature(folder: Path, tmp_path: Path) -> None:
    """The same sizes and names, as a fold that is trained again has."""
    out = run_of(folder, tmp_path / "run", 2)
    before = Finetuned(out, "cpu").signature
    assert Finetuned(out, "cpu").signature == before
    file = next((out / "fold-1" / "checkpoints").iterdir())
    whole = bytearray(file.read_bytes())
    whole[-1] ^= 1
    file.write_bytes(whole)
    assert Finetuned(out, "cpu").signature != before


def test_clips_are_decoded_elsewhere_by_one_process_for_all_cases(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synvid_eval.training import classifiers, data

    def refused(*_: Any) -> None:
        raise AssertionError("decoded in the main process")

    begun = []

    def counted(*given: Any) -> Iterator[Any]:
        begun.append(given[2])
        return data.loader(*given)

    of = Finetuned(run_of(folder, tmp_path / "run", 2), "cpu", 1)
    clips = held_out(folder, [of.tested], OPTIONS)
    monkeypatch.setattr(data, "open_clip", refused)
    monkeypatch.setattr(classifiers, "loader", counted)
    found = list(robustness.evaluated(of, clips, cases(["rotate", "jumble"], [1]), OPTIONS, None))
    assert len(found) == 3 and begun == [1]


class Hangs(Viewed):
    """Clips that give no frame; a worker makes them so for itself."""

    def grid(self, index: int) -> range:
        import time

        from synvid_eval.video import decode

        decode.ArrayClip.frames = lambda *_: iter(lambda: time.sleep(60), None)  # type: ignore[method-assign]
        return super().grid(index)


def test_a_file_that_hangs_ends_in_an_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clips = counting(tmp_path / "set", 20)
    files = Files(clips.videos, clips.totals, frames=16, stride=1, patience=1.0)
    of = Finetuned(run_of(folder, tmp_path / "run"), "cpu", 1, 1.0)
    of.tested = replace(of.tested, clips=(replace(of.tested.clips[0], id="count.npz"),))
    monkeypatch.setattr(Finetuned, "_viewed", lambda *_: Hangs(files, 16, 8, 1, 1))
    with pytest.raises(DataError, match="died"):
        next(of.scores(clips, [Case()], 0))
    assert "count.npz of set: no new frame for 1 s" in capfd.readouterr().err


@pytest.mark.slow
def test_the_command(folder: Path, tmp_path: Path, run_cli: Run) -> None:
    own, other = run_of(folder, tmp_path / "own"), run_of(folder, tmp_path / "other", 2)
    args = ["robustness", str(own), str(folder), "--corruptions", "freeze,sampling", "--severities", "1,5"]
    args += ["--device", "cpu", "--workers", "1"]
    done = run_cli(
        *args, "--baseline", str(own), "--json", str(tmp_path / "r.json"), "--csv", str(tmp_path / "r.csv")
    )
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "r.json").read_text())
    jsonschema.validate(told, get("robustness"))
    assert told["clips"] == 24 and len(told["cells"]) == 4
    assert told["baseline"]["on"] == 0 and "better than own on 0 of 2 corruptions" in done.stdout
    assert len(list((own / "robustness").iterdir())) == 5
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["corruption", "kind", "1", "5", "mean", "absolute", "relative", "difference"]
    assert lines[1].startswith("freeze") and lines[-1].startswith("own is better than own")
    args[args.index("1,5")] = "1"
    args[2] = f"called={folder}"
    against = run_cli(*args, "--baseline", str(other), "--json", "-", "-q")
    assert against.returncode == 0, against.stderr
    told = json.loads(against.stdout)
    assert told["baseline"]["name"] == "other" and told["set"]["name"] == "called"  # folds of its own


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["nowhere", "SET"], 4, "nowhere is no run"),
        (["RUN", "SET", "--corruptions", "freez"], 2, "Did you mean 'freeze'?"),
        (["RUN", "SET", "--severities", "7"], 2, "out of range"),
        (["RUN", "SET", "--severities", "a"], 2, "is no list of severities"),
        (["PRE", "SET"], 2, "is a run of kind pretrain"),
        (["NEAR", "SET"], 2, "near is a run of kind probe"),
        (["RUN", "EMPTY"], 3, "lacks 24 clips of the 24"),
        # 2, then 4, then 3, whatever else is wrong
        (["nowhere", "preset:moving_circles?foo=1"], 2, "has no knob 'foo'"),
        (["nowhere", "SET", "--device", "bogus"], 2, "--device bogus is no device"),
        (["nowhere", "SET", "--workers", "-3"], 2, "--workers -3 is no number"),
        (["nowhere", "gone"], 4, "nowhere is no run"),
        (["UNDONE", "gone", "--baseline", "nowhere"], 4, "nowhere is no run"),
        (["UNDONE", "SET"], 3, "is not done"),
        (["BROKEN", "SET"], 4, "config.toml cannot be read"),
        (["BARE", "SET"], 4, "config.toml names no network or recipe: 'network'"),
        (["CUT", "SET"], 4, "step-00000003.safetensors cannot be read"),
        (["RUN", "EMPTY", "--baseline", "CUT"], 4, "step-00000003.safetensors cannot be read"),
    ],
)
def test_what_the_command_refuses(
    args: list[str], code: int, message: str, folder: Path, tmp_path: Path, run_cli: Run
) -> None:
    run_of(folder, tmp_path / "run")
    (tmp_path / "pre").mkdir()
    (tmp_path / "pre" / "config.toml").write_text('[run]\nkind = "pretrain"\n')
    (tmp_path / "few").mkdir()
    np.savez(tmp_path / "few" / "a.npz", frames=np.zeros((4, 8, 8, 3), np.uint8))
    run_of(folder, tmp_path / "near")
    config = tmp_path / "near" / "config.toml"
    config.write_text(config.read_text().replace('kind = "finetune"', 'kind = "probe"'))
    shutil.rmtree(tmp_path / "near" / "checkpoints")  # neighbors vote without
    for name in ("undone", "broken", "bare", "cut"):
        run_of(folder, tmp_path / name)
    (tmp_path / "undone" / "predictions.json").unlink()
    (tmp_path / "broken" / "config.toml").write_text("[run")
    (tmp_path / "bare" / "config.toml").write_text('[run]\nkind = "finetune"\n')
    (cut,) = (tmp_path / "cut").glob("checkpoints/*")
    cut.write_bytes(cut.read_bytes()[:-100])
    places = {"RUN": "run", "PRE": "pre", "NEAR": "near", "EMPTY": "few"}
    places |= {name.upper(): name for name in ("undone", "broken", "bare", "cut")}
    args = [str(folder) if a == "SET" else str(tmp_path / places[a]) if a in places else a for a in args]
    device = () if "--device" in args else ("--device", "cpu")
    done = run_cli("robustness", *args, "-q", *device)
    assert done.returncode == code and message in done.stderr, done.stderr
