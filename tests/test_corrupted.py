"""Sets that are corrupted: the scheme `corrupt:` and the command `corrupt`, on small sets of every kind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synvid_eval import corrupted, derived, generation, sets, worker
from synvid_eval.cache import Cache
from synvid_eval.corruptions import Draws, registry
from synvid_eval.errors import DataError, UsageError
from synvid_eval.measurement import Options, content_hashes, measure
from synvid_eval.sets import open_clip, open_set
from synvid_eval.video import decode
from tests.clips import moving, write_video
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


def corrupted_set(root: Path, name: str, options: str = "severity=2&") -> Any:
    return open_set(f"corrupt:{name}?{options}of={root}")


# -- the scheme -------------------------------------------------------------------------------------


def test_clips_keep_what_they_are_called(video_set: Path) -> None:
    opened, plain = corrupted_set(video_set, "rotate"), open_set(video_set)
    assert opened.ids == plain.ids and len(opened) == 4
    assert [(c.label, c.fps) for c in opened.clips] == [(c.label, c.fps) for c in plain.clips]
    assert opened.name == "videos+rotate-2"
    assert opened.said == "4 videos in 2 classes; corrupted by rotate, severity 2, seed 0"
    assert len(open_set(f"corrupt:rotate?severity=1&of={video_set}", clips=2)) == 2
    assert sets.default_name(f"corrupt:rotate?of={video_set}") == "videos+rotate-3"


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("kind", ["array_set", "video_set"])
def test_a_clip_is_the_corruption_of_what_was_read(kind: str, name: str, request: Any) -> None:
    """By hand: the whole clip, decoded, its frames taken and changed one by one."""
    root = request.getfixturevalue(kind)
    corruption = registry.get(name)(severity=4)
    for ref in corrupted_set(root, name, "severity=4&seed=7&").clips:
        clip = frames_of(next(c for c in open_set(root).clips if c.id == ref.id))
        draws = Draws(7, ref.id, name)
        times = corruption.times(len(clip), draws)
        made = np.stack([corruption.change(clip[t], draws, i) for i, t in enumerate(times)])
        reader = open_clip(ref)
        assert reader.total == len(made)
        assert np.array_equal(frames_of(ref), made)
        some = sorted({0, len(made) // 2, len(made) - 1})
        assert np.array_equal(frames_of(ref, some), made[some])


def test_the_seed_decides_and_the_place_does_not(array_set: Path, tmp_path: Path) -> None:
    def frames(location: str, **asked: Any) -> bytes:
        return b"".join(frames_of(c, [3]).tobytes() for c in open_set(location, **asked).clips)

    first = frames(f"corrupt:shot_noise?severity=3&of={array_set}")
    assert frames(f"corrupt:shot_noise?of={array_set}&severity=3&seed=0") == first
    assert frames(f"corrupt:shot_noise?severity=3&seed=1&of={array_set}") != first
    assert frames(f"corrupt:shot_noise?severity=3&of={array_set}", seed=1) == frames(
        f"corrupt:shot_noise?severity=3&seed=1&of={array_set}"
    )
    assert frames(f"corrupt:shot_noise?severity=3&of={arrays(tmp_path / 'elsewhere')}") == first


def test_presets_cuts_and_corrupted_sets_are_corrupted(array_set: Path, tmp_path: Path) -> None:
    place = "preset:moving_shapes?n=2&size=32&length=20&seed=5"
    opened = open_set(f"corrupt:gaussian_noise?severity=1&of={place}", seed=3)
    drawn = open_set(place)
    assert opened.ids == drawn.ids and opened.name == "moving_shapes+gaussian_noise-1"
    noise = registry.get("gaussian_noise")(severity=1)
    for ref, plain in zip(opened.clips, drawn.clips, strict=True):
        wanted = noise.change(frames_of(plain, [9])[0], Draws(3, ref.id, noise.name), 9)
        assert np.array_equal(frames_of(ref, [9])[0], wanted)
    twice = open_set(f"corrupt:sampling?severity=1&of=corrupt:static_rotate?severity=5&of={array_set}")
    assert twice.name == "set+static_rotate-5+sampling-1"
    turn = registry.get("static_rotate")(severity=5).change
    for ref, plain in zip(twice.clips, open_set(array_set).clips, strict=True):
        turned = np.stack([turn(f, Draws(0, "", ""), 0) for f in frames_of(plain)])
        assert np.array_equal(frames_of(ref), turned[::2])
    both = open_set(f"adapt:mirror?of=corrupt:sampling?severity=1&of={array_set}")
    assert len(frames_of(both.clips[0])) == 20
    movie = write_video(tmp_path / "movie.avi", moving(50))
    assert len(open_set(f"corrupt:jumble?severity=2&of=cut:{movie}?seconds=1")) == 2


@pytest.mark.parametrize(
    ("location", "kind", "message"),
    [
        ("corrupt:gausian_noise?of=x", UsageError, "Did you mean 'gaussian_noise'?"),
        ("corrupt:rotate", UsageError, "It is corrupt:gaussian_noise?severity=3&of=SET, in quotes."),
        ("corrupt:rotate?severity=3", UsageError, "cannot be read"),
        ("corrupt:rotate?severity=6&of=x", UsageError, "rotate.severity=6 is out of range. Allowed: 1 to 5."),
        ("corrupt:rotate?severity=0&of=x", UsageError, "out of range"),
        ("corrupt:rotate?severity=two&of=x", UsageError, "rotate.severity=two cannot be read"),
        ("corrupt:rotate?severty=2&of=x", UsageError, "Did you mean 'severity'?"),
        ("corrupt:rotate?severity=2&of=x&seed=a", UsageError, "seed=a"),
        ("corrupt:rotate?of=preset:moving_shaps", UsageError, "Did you mean 'moving_shapes'"),
        ("corrupt:rotate?of=a.measured", DataError, "is measured already"),
        ("corrupt:rotate?of=nowhere", DataError, "nowhere does not exist"),
    ],
)
def test_what_cannot_be_corrupted_is_told(location: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        open_set(location)
    assert message in str(caught.value)
    if kind is UsageError and "seed" not in location:
        with pytest.raises(UsageError):
            sets.check_usage(location)


def test_the_same_noise_is_not_drawn_twice(array_set: Path) -> None:
    inner = f"corrupt:gaussian_noise?severity=1&of={array_set}"
    with pytest.raises(UsageError, match="corrupted by gaussian_noise with seed 0 already") as caught:
        open_set(f"corrupt:gaussian_noise?severity=2&of={inner}")
    assert "seed=1" in caught.value.hint
    with pytest.raises(UsageError, match="already"):
        open_set(f"corrupt:gaussian_noise?severity=2&of=corrupt:rotate?severity=1&of={inner}")
    assert len(open_set(f"corrupt:gaussian_noise?severity=2&seed=1&of={inner}")) == 4


# -- what decides a clip ----------------------------------------------------------------------------


def test_everything_that_decides_is_in_the_key(tmp_path: Path) -> None:
    root = arrays(tmp_path / "set", 3)

    def hashes(name: str, options: str = "severity=2&") -> dict[str, str]:
        return content_hashes(corrupted_set(root, name, options), Cache(None), 1)

    before = hashes("glass_blur")
    options = ("severity=3&", "severity=2&seed=1&", "severity=2&swaps=true&")
    others = [hashes("glass_blur", told) for told in options]
    others += [hashes("rotate"), content_hashes(open_set(root), Cache(None), 1)]
    assert len({h for found in [before, *others] for h in found.values()}) == 18
    assert hashes("glass_blur", "seed=0&severity=2&swaps=false&") == before
    np.savez(root / "001.npz", frames=moving(TOTAL, HEIGHT, WIDTH, seed=99))
    after = hashes("glass_blur")
    assert [name for name in before if before[name] != after[name]] == ["001.npz"]
    opened = corrupted_set(root, "glass_blur")
    (root / "001.npz").unlink()
    assert [name for name, found in content_hashes(opened, Cache(None), 1).items() if not found] == [
        "001.npz"
    ]


def test_a_set_in_memory_is_told_apart() -> None:
    frames = np.stack([moving(20, seed=k) for k in range(3)])
    plain = open_set(frames, name="m")
    opened = corrupted.corrupted(plain, registry.get("impulse_noise")(severity=1), 0)
    found = content_hashes(opened, Cache(None), 1)
    assert len(set(found.values())) == 3 and found != content_hashes(plain, Cache(None), 1)
    measured = measure(opened, features=["lab"], options=Options(workers=1, cache=Cache(None)))
    assert measured.facts.clips == 3


def test_measuring_keeps_and_renews(tmp_path: Path) -> None:
    root, cache = arrays(tmp_path / "set", 4), Cache(tmp_path / "cache")

    def measured(workers: int = 1, options: str = "severity=2&") -> str:
        opened = corrupted_set(root, "speckle_noise", options)
        found = measure(opened, features=["lab"], options=Options(workers=workers, cache=cache))
        assert found.facts.clips == 4
        return found.facts.fingerprint

    first = measured()
    kept = sorted(p.name for p in (tmp_path / "cache").rglob("*.safetensors"))
    assert measured(workers=2) == first
    assert sorted(p.name for p in (tmp_path / "cache").rglob("*.safetensors")) == kept
    assert measured(options="severity=1&") != first
    np.savez(root / "002.npz", frames=moving(TOTAL, HEIGHT, WIDTH, seed=99))
    assert measured() != first


@pytest.mark.parametrize("name", ["gaussian_noise", "reverse_sampling", "freeze", "box_jumble", "sampling"])
def test_frames_that_are_announced_and_missing_change_nothing(
    array_set: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [frames_of(c) for c in corrupted_set(array_set, name).clips]
    monkeypatch.setitem(sets._READERS, "array", Short)
    for ref, wanted in zip(corrupted_set(array_set, name).clips, whole, strict=True):
        assert np.array_equal(np.stack(list(decode.all_frames(open_clip(ref)))), wanted)
    measured = measure(
        corrupted_set(array_set, name), features=["lab"], options=Options(workers=1, cache=Cache(None))
    )
    assert measured.facts.clips == 4 and not measured.facts.skipped


def test_a_clip_that_a_corruption_leaves_nothing_of_is_skipped(tmp_path: Path) -> None:
    root = arrays(tmp_path / "set", 3)
    np.savez(root / "small.npz", frames=moving(TOTAL, 8, 8))
    opened = corrupted_set(root, "translate", "severity=1&margin=16&")
    measured = measure(
        opened, features=["lab"], options=Options(workers=1, cache=Cache(None), max_skipped="50%")
    )
    ((name, reason),) = [(s["id"], s["reason"]) if isinstance(s, dict) else s for s in measured.facts.skipped]
    assert name == "small.npz" and "translate.margin=16 leaves nothing of its frames of 8×8 px" in reason


def test_a_worker_measures_corrupted_clips_alone(array_set: Path) -> None:
    """A clip's reference is all that a process needs."""
    (ref, *_) = corrupted_set(array_set, "freeze").clips
    task = json.loads(json.dumps(worker.clip_task(ref, ["lab"])))
    assert np.array_equal(frames_of(type(ref)(**task["clip"])), frames_of(ref))


def test_few_frames_are_held(array_set: Path) -> None:
    """Frames are read as they come, also where neighbors change places."""
    for name, most in (("gaussian_noise", 1), ("jumble", 16)):
        (ref, *_) = corrupted_set(array_set, name).clips
        reader = open_clip(ref)
        asked: list[int] = []

        class Counting:
            total, fps = reader.total, None

            def frames(self, wanted: Any, asked: list[int] = asked) -> Any:
                for index in wanted:
                    asked.append(index)
                    yield index, np.zeros((HEIGHT, WIDTH, 3), np.uint8)

        reader._reader = Counting()  # type: ignore[attr-defined]
        reader._open = lambda part: Counting()  # type: ignore[attr-defined]
        stream = reader.frames(range(reader.total))
        next(iter(stream))
        assert len(asked) <= most


def test_notes_of_the_clip_are_kept(video_set: Path) -> None:
    class Noted(decode.VideoFile):
        def frames(self, wanted: Any) -> Any:
            yield from super().frames(wanted)
            self.notes.append("seen")

    (ref, *_) = corrupted_set(video_set, "rotate").clips
    reader = corrupted.CorruptedClip(ref, Noted)
    list(reader.frames([0]))
    assert "seen" in reader.notes and derived.is_drawn(ref) is False


# -- the command ------------------------------------------------------------------------------------


def made(out: Path, root: Path, name: str = "rotate", severity: int = 2, **asked: Any) -> generation.Made:
    options = Options(workers=asked.pop("workers", 1), cache=Cache(None))
    what = generation.plan_corrupting(os.fspath(root), name, severity, options=options, **asked)
    return generation.make(what, out, options)


def test_files_hold_what_the_scheme_gives(video_set: Path, tmp_path: Path) -> None:
    done = made(tmp_path / "out", video_set, "glass_blur", kind="ffv1", seed=4, settings={"swaps": "true"})
    opened = corrupted_set(video_set, "glass_blur", "severity=2&swaps=true&seed=4&")
    holds_what_is_read(tmp_path / "out", done, opened)
    assert {row["seed"] for row in done.rows} == {4}
    told = json.loads((tmp_path / "out" / "generation.json").read_text())
    assert told["identity"] == registry.get("glass_blur")(severity=2, swaps=True).identity()
    assert told["given"] == {
        "of": os.fspath(video_set), "corruption": "glass_blur", "severity": "2", "set": "swaps=true",
    }  # fmt: skip
    card = (tmp_path / "out" / "README.md").read_text()
    again = f"synvid-eval corrupt {video_set} AGAIN --clips 4 --corruption glass_blur --severity 2"
    assert f"{again} --set swaps=true --seed 4 --format ffv1" in card
    assert "corrupted by synvid-eval" in card and "What corrupts the set again" in card
    assert (
        "synthetic" not in card and "  - corrupted\n" in card and f"# {video_set.name}, corrupted\n" in card
    )


def test_clips_that_grow_shorter_are_whole_files(array_set: Path, tmp_path: Path) -> None:
    done = made(tmp_path / "out", array_set, "sampling", 3, kind="npz")
    assert [row["frames"] for row in done.rows] == [5, 6, 6, 5]


@pytest.mark.slow
def test_another_severity_or_seed_is_another_set(array_set: Path, tmp_path: Path) -> None:
    made(tmp_path / "out", array_set, kind="npz")
    assert made(tmp_path / "out", array_set, kind="npz").made == 0
    others = {
        "severity 2, not 3": {"severity": 3},
        "seed 0, not 1": {"seed": 1},
        'corruption "rotate", not "freeze"': {"name": "freeze"},
        "holds a set of 4 clips, not 2": {"clips": 2},
    }
    for said, asked in others.items():
        with pytest.raises(UsageError, match=said):
            made(tmp_path / "out", array_set, kind="npz", **asked)  # type: ignore[arg-type]


@pytest.mark.slow
def test_workers_and_shards_change_no_byte(array_set: Path, tmp_path: Path) -> None:
    is_the_same_by_workers_and_shards(made, array_set, tmp_path)


@pytest.mark.slow
def test_killed_runs_end_in_the_same_manifest(
    video_set: Path, tmp_path: Path, cli_env: dict[str, str], run_cli: Run
) -> None:
    asked = ["--corruption", "jumble", "--severity", "1"]
    survives_a_kill("corrupt", video_set, asked, tmp_path, cli_env, run_cli)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["SET", "OUT", "--corruption", "rotat", "--severity", "2"], 2, "Did you mean 'rotate'?"),
        (["SET", "OUT", "--corruption", "rotate", "--severity", "9"], 2, "rotate.severity=9 is out of range"),
        (["SET", "OUT", "--corruption", "rotate", "--severity", "x"], 2, "severity"),
        (["SET", "OUT", "--severity", "2"], 2, "--corruption"),
        (["SET", "OUT", "--corruption", "rotate", "--severity", "2", "--set", "a=1"], 2, "no knob 'a'"),
        (["SET", "OUT", "--corruption", "rotate", "--severity", "2", "--set", "severity=1"], 2, "both say"),
        (["SET", "OUT", "--corruption", "rotate", "--severity", "2", "--format", "avi"], 2, "No format"),
        (["SET", "SET/in", "--corruption", "rotate", "--severity", "2"], 2, "the set that is corrupted"),
        (["nowhere", "OUT", "--corruption", "rotate", "--severity", "2"], 3, "nowhere does not exist"),
        (["a.measured", "OUT", "--corruption", "rotate", "--severity", "2"], 3, "is measured already"),
    ],
)  # fmt: skip
def test_what_the_command_refuses(
    args: list[str], code: int, message: str, array_set: Path, tmp_path: Path, run_cli: Run
) -> None:
    is_refused("corrupt", args, code, message, array_set, tmp_path, run_cli)


@pytest.mark.slow
def test_the_command_and_its_rehearsal(array_set: Path, tmp_path: Path, run_cli: Run) -> None:
    asked = ["--corruption", "zoom_blur", "--severity", "1"]
    is_rehearsed_made_and_kept("corrupt", array_set, asked, tmp_path, run_cli)
    place = f"corrupt:zoom_blur?severity=1&of={array_set}"
    is_compared_and_inspected(place, "corrupted by zoom_blur", array_set, run_cli)
    place = "corrupt:rotate?severity=1&of=preset:moving_shapes?n=2&size=32&length=20"
    file = str(tmp_path / "a.measured")
    drawn = run_cli("measure", place, "--out", file, "--metrics", "color", "--cache", "none")
    assert drawn.returncode == 0, drawn.stderr


def test_list_explain_and_completion_know_the_corruptions(run_cli: Run) -> None:
    from synvid_eval.cli import names

    assert names.corruptions() == registry.names()
    assert names.location(None, None, "corrupt:gau") == ["corrupt:gaussian_noise"]  # type: ignore[arg-type]
    assert "x=corrupt:rotate" in names.location(None, None, "x=corrupt:r")  # type: ignore[arg-type]
    rows = json.loads(run_cli("list", "corruptions", "--json", "-").stdout)["corruptions"]
    assert {r["name"]: r["severities"] for r in rows}["shot_noise"] == {"photons": [250, 100, 50, 30, 15]}
    assert "photons 250 100 50 30 15" in run_cli("list", "corruptions").stdout
    told = run_cli("explain", "defocus_blur").stdout
    assert "radius     3    4    6    8    10" in told and "ms a frame of 320 × 240" in told
    assert "corrupt:NAME?KNOB=VALUE&of=SET" in told
