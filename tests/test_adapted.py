"""Sets that are adapted: the scheme `adapt:` and the command `adapt`, on small sets of every kind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synvid_eval import adapted, generation, sets, worker
from synvid_eval.cache import Cache
from synvid_eval.errors import DataError, UsageError
from synvid_eval.generators import adapting, presets
from synvid_eval.generators.adaptation import Draws
from synvid_eval.generators.operations import OPERATIONS
from synvid_eval.measurement import Options, content_hashes, measure
from synvid_eval.sets import open_clip, open_set
from synvid_eval.video import decode
from synvid_eval.video.decode import Unreadable
from tests.clips import moving
from tests.conftest import Run
from tests.derived_sets import (
    HEIGHT,
    TOTAL,
    WIDTH,
    Short,
    arrays,
    frames_of,
    holds_what_is_read,
    is_compared_and_inspected,
    is_refused,
    is_rehearsed_made_and_kept,
    is_the_same_by_workers_and_shards,
    survives_a_kill,
)


def adapted_set(root: Path, chain: str, options: str = "") -> Any:
    return open_set(f"adapt:{chain}?{options}of={root}")


# -- the scheme -------------------------------------------------------------------------------------


def test_clips_keep_what_they_are_called(video_set: Path) -> None:
    opened, plain = adapted_set(video_set, "shake,zoom"), open_set(video_set)
    assert opened.ids == plain.ids and len(opened) == 4
    assert [(c.label, c.fps) for c in opened.clips] == [(c.label, c.fps) for c in plain.clips]
    assert opened.name == "videos+shake+zoom"
    assert opened.said == "4 videos in 2 classes; adapted by shake,zoom, seed 0"
    assert len(open_set(f"adapt:mirror?of={video_set}", clips=2)) == 2


class Known:
    """Backgrounds of clips that are decoded already: of a chain with one background."""

    def __init__(self, clips: list[np.ndarray]) -> None:
        self.clips = clips

    def still(self, draws: Draws, which: int) -> np.ndarray:
        return self.clips[which][draws.whole(f"frame {which}", 0, len(self.clips[which]) - 1)]

    def window(self, draws: Draws, which: int, length: int) -> list[np.ndarray]:
        frames = self.clips[which]
        begin = draws.whole("begin", 0, len(frames) - min(length, len(frames)))
        return list(frames[begin : begin + length])


@pytest.mark.parametrize("chain", ["shake", "reverse", "scale,background", "clone", "published"])
@pytest.mark.parametrize("kind", ["array_set", "video_set"])
def test_a_clip_is_its_operations_on_what_was_read(kind: str, chain: str, request: Any) -> None:
    """By hand: the whole clip, decoded, through each function, with backgrounds taken from decoded clips."""
    root = request.getfixturevalue(kind)
    plain = {c.id: frames_of(c) for c in open_set(root).clips}
    opened = adapted_set(root, chain, "seed=7&")
    changed = 0
    for ref in opened.clips:
        clip, where = plain[ref.id], (7, "clip", ref.id)
        known = Known([plain[c.id] for c in adapted.Parts.read(ref).others])
        stages = adapting.parsed(chain).sampled(
            where, where, len(clip), (HEIGHT, WIDTH), others=lambda number, known=known: known
        )
        made = clip
        for operation, parameters in stages:
            made = type(operation).apply(made, parameters)
        read = frames_of(ref)
        assert np.array_equal(read, made)
        assert np.array_equal(frames_of(ref, [2, 11, 17]), made[[2, 11, 17]])
        changed += not np.array_equal(read, clip)
    assert changed >= len(opened) - 1


def test_the_seed_decides_and_the_place_does_not(array_set: Path, tmp_path: Path) -> None:
    def frames(location: str, **asked: Any) -> bytes:
        return b"".join(frames_of(c, [3]).tobytes() for c in open_set(location, **asked).clips)

    first = frames(f"adapt:shake,background?of={array_set}")
    assert frames(f"adapt:shake,background?of={array_set}&seed=0") == first
    assert frames(f"adapt:shake,background?seed=1&of={array_set}") != first
    assert frames(f"adapt:shake,background?of={array_set}", seed=1) == frames(
        f"adapt:shake,background?of={array_set}&seed=1"
    )
    copied = arrays(tmp_path / "elsewhere")
    assert frames(f"adapt:shake,background?of={copied}") == first


def test_backgrounds_are_other_clips_and_mostly_stay_when_the_set_grows(tmp_path: Path) -> None:
    def backgrounds(root: Path) -> dict[str, list[str]]:
        opened = adapted_set(root, "background,background")
        return {c.id: [o.id for o in adapted.Parts.read(c).others] for c in opened.clips}

    root = arrays(tmp_path / "grows", 20)
    before = backgrounds(root)
    assert all(len(others) == 4 and name not in others for name, others in before.items())
    assert len({o for others in before.values() for o in others}) > 10
    after = backgrounds(arrays(root, 1, first=20))
    changed = sum(a != b for name in before for a, b in zip(before[name], after[name], strict=True))
    moved = {b for name in before for a, b in zip(before[name], after[name], strict=True) if a != b}
    assert moved <= {"020.npz"} and changed < 20
    few = open_set(f"adapt:background?of={root}", clips=3)
    assert {c.path for c in few.clips} <= {c.path for c in adapted_set(root, "background").clips}


def test_of_a_preset_it_is_the_presets_own_knob() -> None:
    place = "preset:moving_shapes?n=2&size=32&length=20"
    opened = open_set(f"adapt:shake,zoom?of={place}", seed=3)
    wanted = open_set(f"{place}&adapt=shake,zoom", seed=3)
    assert opened.ids == wanted.ids and opened.name == "moving_shapes+shake+zoom"
    for one, other in zip(opened.clips, wanted.clips, strict=True):
        assert np.array_equal(frames_of(one), frames_of(other))
    assert sets.preset_recipe(opened.clips[0]) == sets.preset_recipe(wanted.clips[0])


@pytest.mark.parametrize(
    ("location", "kind", "message"),
    [
        ("adapt:shak?of=x", UsageError, "Did you mean 'shake'?"),
        ("adapt:shake", UsageError, "It is adapt:shake,zoom?of=SET, in quotes."),
        ("adapt:shake?of=", UsageError, "cannot be read"),
        ("adapt:shake?n=3&of=x", UsageError, "gives 'n', which means nothing"),
        ("adapt:shake?of=x&seed=a", UsageError, "seed=a"),
        ("adapt:shake?of=preset:moving_shapes?adapt=zoom", UsageError, "is adapted already"),
        ("adapt:shake?of=adapt:zoom?of=x", UsageError, "is adapted already"),
        ("adapt:shake?seed=1&of=preset:moving_shapes", UsageError, "Say it in the preset's query."),
        ("adapt:shake?of=preset:shapes_mix_ucf25?n=4", UsageError, "leave its real clips as they are"),
        ("adapt:shake?of=a.measured", DataError, "is measured already"),
        ("adapt:shake?of=nowhere", DataError, "nowhere does not exist"),
    ],
)
def test_what_cannot_be_adapted_is_told(location: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        open_set(location)
    assert message in str(caught.value)
    if kind is UsageError and "seed" not in location:
        with pytest.raises(UsageError):
            sets.check_usage(location)


def test_a_preset_file_that_adapts_is_not_adapted_again(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('extends = "moving_shapes"\nknobs.adapt = ["shake"]\n')
    with pytest.raises(UsageError, match="is adapted already"):
        open_set(f"adapt:zoom?of=preset:{tmp_path}/mine.toml?n=2")


def test_a_background_wants_another_clip(tmp_path: Path) -> None:
    root = arrays(tmp_path / "one", 1)
    with pytest.raises(DataError, match="has 1 clip, and backgrounds are other clips of a set"):
        adapted_set(root, "published")
    assert len(adapted_set(root, "shake")) == 1


# -- what decides a clip ----------------------------------------------------------------------------


def test_contents_of_backgrounds_are_in_the_key(tmp_path: Path) -> None:
    root = arrays(tmp_path / "set", 5)

    def hashes(chain: str, options: str = "") -> dict[str, str]:
        return content_hashes(adapted_set(root, chain, options), Cache(None), 1)

    before, plain = hashes("background"), hashes("shake")
    parts = {c.id: adapted.Parts.read(c) for c in adapted_set(root, "background").clips}
    assert len(set(before.values()) | set(plain.values())) == 10
    assert hashes("background", "seed=1&") != before and hashes("shake", "seed=0&") == plain
    assert all(hashes("shake(amplitude=3)")[i] != plain[i] for i in plain)
    behind = parts["000.npz"].others[0].id
    np.savez(root / behind, frames=moving(TOTAL, HEIGHT, WIDTH, seed=99))
    after, again = hashes("background"), hashes("shake")
    for name, own in parts.items():
        assert (after[name] != before[name]) == (behind in [c.id for c in own.clips])
        assert (again[name] != plain[name]) == (name == behind)
    opened = adapted_set(root, "background")
    (root / behind).unlink()  # it was listed: what it is behind of cannot be read either
    for name, content in content_hashes(opened, Cache(None), 1).items():
        assert (not content) == (behind in [c.id for c in parts[name].clips])


def test_measuring_keeps_and_renews(tmp_path: Path) -> None:
    root, cache = arrays(tmp_path / "set", 5), Cache(tmp_path / "cache")

    def measured() -> Any:
        return measure(
            adapted_set(root, "background,shake"), features=["lab"], options=Options(workers=1, cache=cache)
        )

    first, again = measured(), measured()
    assert first.facts.fingerprint == again.facts.fingerprint and first.facts.clips == 5
    np.savez(root / "002.npz", frames=moving(TOTAL, HEIGHT, WIDTH, seed=99))
    assert measured().facts.fingerprint != first.facts.fingerprint


@pytest.mark.parametrize("chain", ["shake", "reverse", "background(dynamic=1)", "published"])
def test_frames_that_are_announced_and_missing_change_nothing(
    array_set: Path, chain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a clip becomes depends on the frames that it has."""
    whole = [frames_of(c) for c in adapted_set(array_set, chain).clips]
    monkeypatch.setitem(sets._READERS, "array", Short)
    for ref, wanted in zip(adapted_set(array_set, chain).clips, whole, strict=True):
        reader = open_clip(ref)
        assert reader.total == len(wanted)
        read = np.stack([f for _, f in reader.frames(range(reader.total))])
        assert len(read) == len(wanted)
        if "background" not in chain and chain != "published":
            assert np.array_equal(read, wanted)
        assert np.array_equal(np.stack(list(decode.all_frames(open_clip(ref)))), read)


def test_a_background_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    root = arrays(tmp_path / "set", 4)
    (root / "001.npz").write_bytes(b"no array")
    told = 0
    for ref in adapted_set(root, "background(dynamic=0)").clips:
        parts = adapted.Parts.read(ref)
        if parts.of.id != "001.npz" and "001.npz" in [c.id for c in parts.others]:
            with pytest.raises(Unreadable, match=r"its background 001\.npz: "):
                frames_of(ref, [0])
            told += 1
    assert told
    measured = measure(
        adapted_set(root, "background(dynamic=0)"), features=["lab"],
        options=Options(workers=1, cache=Cache(None), max_skipped="100%"),
    )  # fmt: skip
    assert len(measured.facts.skipped) == told + 1


def test_frames_of_several_sizes_cannot_be_adapted(array_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(decode.ArrayClip):
        def frames(self, wanted: Any) -> Any:
            for index, frame in super().frames(wanted):
                yield index, frame[: HEIGHT - index % 2]

    monkeypatch.setitem(sets._READERS, "array", Odd)
    with pytest.raises(Unreadable, match="its frames change their size"):
        frames_of(adapted_set(array_set, "shake").clips[0])


def test_few_frames_are_held(array_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain that keeps the order reads a few frames at a time."""
    monkeypatch.setattr(adapting, "CHUNK", 5)
    (ref, *_) = adapted_set(array_set, "shake").clips
    reader = adapted.AdaptedClip(ref, open_clip)
    asked: list[int] = []

    class Counting:
        total, fps = reader.total, None

        def frames(self, wanted: Any) -> Any:
            for index in wanted:
                asked.append(index)
                yield index, np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    reader._open = lambda part: Counting()
    stream = reader.frames(range(reader.total))
    next(stream)
    assert len(asked) <= 6 < reader.total
    assert len(list(stream)) == reader.total - 1


# -- the command ------------------------------------------------------------------------------------


def made(out: Path, root: Path, chain: str = "published", **asked: Any) -> generation.Made:
    options = Options(workers=asked.pop("workers", 1), cache=Cache(None))
    return generation.make(
        generation.plan_adapting(os.fspath(root), chain, options=options, **asked), out, options
    )


def test_files_hold_what_the_scheme_gives(video_set: Path, tmp_path: Path) -> None:
    done = made(tmp_path / "out", video_set, kind="ffv1", seed=4)
    holds_what_is_read(tmp_path / "out", done, adapted_set(video_set, "published", "seed=4&"))
    assert {row["seed"] for row in done.rows} == {4}
    told = json.loads((tmp_path / "out" / "generation.json").read_text())
    assert told["identity"] == {"adapt": adapting.parsed("published").spelled, "adaptation": 1}
    assert told["given"] == {"of": os.fspath(video_set), "chain": "published"}
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"synvid-eval adapt {video_set} AGAIN --clips 4 --chain published --seed 4 --format ffv1" in card
    assert "Clips keep the terms of their owners" in card and "preset.toml" not in card
    assert not (tmp_path / "out" / "preset.toml").exists()


@pytest.mark.slow
def test_workers_and_shards_change_no_byte(array_set: Path, tmp_path: Path) -> None:
    is_the_same_by_workers_and_shards(made, array_set, tmp_path)


@pytest.mark.slow
def test_another_chain_or_other_clips_are_another_set(tmp_path: Path) -> None:
    root, out = arrays(tmp_path / "set", 4), tmp_path / "out"
    made(out, root, "shake", kind="npz")
    assert made(out, root, "shake", kind="npz").made == 0
    for asked in ({"chain": "zoom"}, {"chain": "shake", "seed": 1}, {"chain": "shake", "clips": 2}):
        with pytest.raises(UsageError, match="holds a set"):
            made(out, root, kind="npz", **asked)
    np.savez(root / "002.npz", frames=moving(TOTAL, HEIGHT, WIDTH, seed=99))
    with pytest.raises(UsageError, match="its real clips, or what is in them, were others"):
        made(out, root, "shake", kind="npz")


@pytest.mark.slow
def test_killed_runs_end_in_the_same_manifest(
    video_set: Path, tmp_path: Path, cli_env: dict[str, str], run_cli: Run
) -> None:
    survives_a_kill("adapt", video_set, (), tmp_path, cli_env, run_cli)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["SET", "OUT", "--chain", "shak"], 2, "Did you mean 'shake'?"),
        (["preset:moving_shapes", "OUT", "--chain", "shake"], 2, "generate NAME OUT --set adapt=shake."),
        (["adapt:shake?of=SET", "OUT"], 2, "is adapted already"),
        (["SET", "OUT", "--format", "avi"], 2, "No format is called 'avi'"),
        (["SET", "OUT", "--clips", "0"], 2, "--clips 0 is no number of clips"),
        (["nowhere", "OUT"], 3, "nowhere does not exist"),
        (["a.measured", "OUT"], 3, "is measured already"),
    ],
)
def test_what_the_command_refuses(
    args: list[str], code: int, message: str, array_set: Path, tmp_path: Path, run_cli: Run
) -> None:
    is_refused("adapt", args, code, message, array_set, tmp_path, run_cli)


def test_clips_that_cannot_be_read_are_told_before_anything_is_made(tmp_path: Path) -> None:
    root = arrays(tmp_path / "set", 3)
    (root / "001.npz").write_bytes(b"no array")
    with pytest.raises(DataError, match=r"1 of 3 clips cannot be taken: 001\.npz: ") as caught:
        made(tmp_path / "out", root, "shake", kind="npz")
    assert "--videos" not in caught.value.hint
    with pytest.raises(UsageError, match="cannot be written as mp4"):
        odd = tmp_path / "odd"
        odd.mkdir()
        np.savez(odd / "a.npz", frames=moving(5, 31, 48))
        made(tmp_path / "out", odd, "shake")


@pytest.mark.slow
def test_the_command_and_its_rehearsal(array_set: Path, tmp_path: Path, run_cli: Run) -> None:
    asked = ["--chain", "shake,zoom(p=0.5)"]
    is_rehearsed_made_and_kept("adapt", array_set, asked, tmp_path, run_cli)
    place = f"adapt:shake,zoom(p=0.5)?of={array_set}"
    is_compared_and_inspected(place, "adapted by shake", array_set, run_cli)


def test_a_preset_is_generated_adapted(tmp_path: Path, run_cli: Run) -> None:
    args = [
        "generate",
        "moving_shapes",
        str(tmp_path / "a"),
        "--clips",
        "2",
        "--size",
        "32",
        "--length",
        "20",
    ]
    args += ["--set", "adapt=scale,shake(amplitude=1:2)", "--format", "npz", "--truth", "flow,masks", "-q"]
    done = run_cli(*args, "--cache", "none")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "a" / "manifest.jsonl").read_text().splitlines()]
    generator = presets.find(str(tmp_path / "a" / "preset.toml")).configured()
    assert adapting.parsed(generator.adapt).names == "scale,shake"
    for row in rows:
        wanted = np.stack(list(generator.draw(0, "moving_shapes", row["index"], range(20))))
        with np.load(tmp_path / "a" / row["file"]) as read:
            assert np.array_equal(read["frames"], wanted)
            known = generator.truth(0, "moving_shapes", row["index"], range(20), ["flow", "masks"])
            assert all(np.array_equal(read[kind], known[kind]) for kind in known)
    args[2] = str(tmp_path / "b")
    args[args.index("adapt=scale,shake(amplitude=1:2)")] = "adapt=published"
    refused = run_cli(*args, "--cache", "none")
    assert refused.returncode == 2 and "adapted by clone no truth is known" in refused.stderr


def test_completion_knows_the_operations() -> None:
    from synvid_eval.cli import names

    assert names.operations() == sorted([*OPERATIONS, "published"])
    assert names.location(None, None, "adapt:shake,zo") == ["adapt:shake,zoom"]  # type: ignore[arg-type]
    assert "x=adapt:published" in names.location(None, None, "x=adapt:p")  # type: ignore[arg-type]


def test_a_worker_measures_adapted_clips_alone(array_set: Path) -> None:
    """A clip's reference is all that a process needs."""
    (ref, *_) = adapted_set(array_set, "published").clips
    task = json.loads(json.dumps(worker.clip_task(ref, ["lab"])))
    assert np.array_equal(frames_of(type(ref)(**task["clip"])), frames_of(ref))


def test_what_is_adapted_is_not_written_into_its_set(array_set: Path) -> None:
    for out in (array_set / "sub", array_set):
        with pytest.raises(UsageError, match="the set that is adapted"):
            made(out, array_set, "mirror")
    assert not (array_set / "sub").exists()


def test_a_measured_set_has_no_clips_to_adapt(tmp_path: Path) -> None:
    (tmp_path / "a.measured").write_bytes(b"")
    with pytest.raises(DataError, match="is measured already"):
        sets.open_set(f"adapt:shake?of={tmp_path}/a.measured")
    assert not sets.is_measured(f"adapt:shake?of={tmp_path}/a.measured")
