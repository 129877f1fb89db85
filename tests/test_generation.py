"""Sets made on disk: the same files whatever the workers, shards and kills; what cannot be made is said."""

from __future__ import annotations

import dataclasses
import filecmp
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from synvid_eval import banks, execute, generation, knobs, sets, writer
from synvid_eval.cache import Cache
from synvid_eval.errors import DataError, UsageError
from synvid_eval.execute import Failure, Processes, write_message
from synvid_eval.generators import presets
from synvid_eval.measurement import Options, measure
from synvid_eval.video import encode
from tests.conftest import Run

SMALL = {"size": "64", "length": "18:24", "objects": "60"}


def make(out: Path, workers: int = 1, clips: int = 4, **asked: Any) -> generation.Made:
    options = Options(workers=workers, cache=Cache(None))
    asked = {"overrides": SMALL, "kind": "ffv1", **asked}
    preset = asked.pop("preset", "moving_shapes")
    return generation.make(generation.plan(preset, clips=clips, **asked), out, options)


def frames_of(index: int, preset: str = "moving_shapes", seed: int = 0) -> np.ndarray:
    generator = presets.get(preset).configured(**SMALL)
    return np.stack(
        list(generator.draw(seed, preset, index, range(generator.clip_length(seed, preset, index))))
    )


def same_trees(a: Path, b: Path, but: Sequence[str] = ()) -> bool:
    files = [sorted(p.relative_to(r).as_posix() for p in r.rglob("*") if p.is_file()) for r in (a, b)]
    kept = [[f for f in side if f not in but] for side in files]
    return kept[0] == kept[1] and filecmp.cmpfiles(a, b, kept[0], shallow=False)[1:] == ([], [])


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


# -- what is written --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of four clips with truth, made by one worker at once."""
    out = tmp_path_factory.mktemp("whole") / "set"
    make(out, truth=["flow", "tracks"])
    return out


def test_a_set_holds_the_presets_frames(whole: Path) -> None:
    told = rows(whole)
    assert [row["index"] for row in told] == [0, 1, 2, 3]
    for row in told:
        drawn = frames_of(row["index"])
        read = np.stack(list(encode.read_clip(whole / row["file"], "ffv1")))
        assert np.array_equal(read, drawn)
        assert row["sha256"] == hashlib.sha256(drawn.tobytes()).hexdigest()
        assert (row["frames"], row["height"], row["width"], row["fps"]) == (*drawn.shape[:3], 25.0)
        assert row["psnr"] is None


def test_many_clips_go_into_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "IN_FOLDER", 2)
    make(tmp_path / "a", clips=3, truth=["masks"])
    assert [r["file"] for r in rows(tmp_path / "a")] == [
        "clips/0000/0000000.mkv",
        "clips/0000/0000001.mkv",
        "clips/0001/0000002.mkv",
    ]
    assert rows(tmp_path / "a")[2]["truth"] == "truth/0001/0000002.npz"
    assert make(tmp_path / "a", clips=3, truth=["masks"]).made == 0


def test_its_clips_are_a_set_for_everything_else(whole: Path) -> None:
    opened = sets.open_set(whole / "clips")
    assert (opened.layout, len(opened.clips)) == ("flat", 4)
    assert {c.label for c in opened.clips} == {None}


def test_truth_is_the_generators(whole: Path) -> None:
    generator = presets.get("moving_shapes").configured(**SMALL)
    for row in rows(whole):
        with np.load(whole / row["truth"]) as read:
            assert sorted(read) == ["flow", "occluded", "tracks"]
            known = generator.truth(0, "moving_shapes", row["index"], range(row["frames"]), list(read))
            for kind, array in known.items():
                assert read[kind].dtype == array.dtype and np.array_equal(read[kind], array), kind


def test_preset_toml_draws_the_set_again(whole: Path) -> None:
    found = presets.find(str(whole / "preset.toml"))
    assert (found.name, found.clips) == ("moving_shapes", 4)
    wanted = presets.get("moving_shapes").configured(**SMALL)
    assert knobs.recipe(found.configured()) == knobs.recipe(wanted)


def test_the_card_has_front_matter_and_says_what_the_set_is(whole: Path) -> None:
    _, front, text = (whole / "README.md").read_text().split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["task_categories"] == ["video-classification"]
    assert facts["size_categories"] == ["n<1K"]
    assert "moving_shapes" in facts["pretty_name"]
    assert "4 clips" in text and "| `size` | 64 |" in text and "occluded" in text


def test_workers_change_no_byte(whole: Path, tmp_path: Path) -> None:
    make(tmp_path / "two", workers=2, truth=["flow", "tracks"])
    assert same_trees(whole, tmp_path / "two")


def test_nothing_hidden_is_left(whole: Path) -> None:
    assert not list(whole.rglob(".*"))


# -- formats ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["npz", "png"])
def test_lossless_formats_give_the_frames_back(tmp_path: Path, kind: str) -> None:
    make(tmp_path / "a", kind=kind, clips=2, truth=["masks"])
    for row in rows(tmp_path / "a"):
        read = np.stack(list(encode.read_clip(tmp_path / "a" / row["file"], kind)))
        assert np.array_equal(read, frames_of(row["index"]))
        with np.load(tmp_path / "a" / row["truth"]) as arrays:
            assert arrays["masks"].shape == read.shape[:3]
    opened = sets.open_set(tmp_path / "a" / "clips")
    assert (opened.layout, len(opened.clips)) == ({"npz": "npz_clips", "png": "frames"}[kind], 2)
    _, first = next(iter(sets.open_clip(opened.clips[1]).frames([3])))
    assert np.array_equal(first, frames_of(1)[3])


def test_mp4_says_what_it_lost(tmp_path: Path) -> None:
    done = make(tmp_path / "a", kind="mp4", clips=2)
    for row in rows(tmp_path / "a"):
        drawn = frames_of(row["index"])
        read = np.stack(list(encode.read_clip(tmp_path / "a" / row["file"], "mp4")))
        assert read.shape == drawn.shape
        error = np.mean((read.astype(float) - drawn) ** 2)
        assert row["psnr"] == pytest.approx(10 * np.log10(255**2 / error), rel=1e-12)
        assert 15 < row["psnr"] < 60
        assert row["sha256"] == hashlib.sha256(drawn.tobytes()).hexdigest()
    assert done.facts()["psnr"] == pytest.approx(np.mean([r["psnr"] for r in rows(tmp_path / "a")]))


@pytest.mark.slow
def test_webdataset_is_tar_files_read_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "IN_TAR", 2)
    make(tmp_path / "a", kind="webdataset", clips=3, truth=["masks"])
    make(tmp_path / "mp4", kind="mp4", clips=3)
    names, told = [], rows(tmp_path / "a")
    for path in sorted((tmp_path / "a" / "shards").iterdir()):
        with tarfile.open(path) as tar:
            for member in tar:
                assert (member.mtime, member.uid, member.uname) == (0, 0, "")
                names.append(member.name)
                index, data = int(member.name[:7]), tar.extractfile(member)
                assert data is not None
                content = data.read()
                if member.name.endswith(".mp4"):
                    assert content == (tmp_path / "mp4" / "clips" / member.name).read_bytes()
                    assert told[index]["file"] == f"shards/{path.name}"
                elif member.name.endswith(".json"):
                    assert json.loads(content) == told[index]
                else:
                    assert np.load(io.BytesIO(content))["masks"].dtype == np.uint16
    assert names == [f"{i:07}.{end}" for i in range(3) for end in ("mp4", "truth.npz", "json")]


def test_tar_files_are_a_set_again_for_us_and_for_webdataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import webdataset

    monkeypatch.setattr(generation, "IN_TAR", 2)
    make(tmp_path / "a", kind="webdataset", clips=3)
    make(tmp_path / "mp4", kind="mp4", clips=3)
    for index in range(3):  # the same files by the same ids
        place = tmp_path / "files" / "shards" / f"{index // 2:06}.tar" / f"{index:07}.mp4"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((tmp_path / "mp4" / "clips" / place.name).read_bytes())
    found, files = (
        measure(tmp_path / side, name="x", features=["lab", "motion"], options=Options(cache=Cache(None)))
        for side in ("a", "files")
    )
    assert [c.id for c in found.clips] == [c.id for c in files.clips]
    found.save(tmp_path / "a.measured")
    replace(files, facts=replace(files.facts, location=found.facts.location), about=found.about).save(
        tmp_path / "files.measured"
    )
    assert (tmp_path / "a.measured").read_bytes() == (tmp_path / "files.measured").read_bytes()
    location = f"{tmp_path}/a/shards/{{000000..000001}}.tar"
    samples = webdataset.WebDataset(location, shardshuffle=False, empty_check=False)
    read = {s["__key__"]: (s["mp4"], json.loads(s["json"])) for s in samples}
    told = rows(tmp_path / "a")
    assert read == {
        f"{i:07}": ((tmp_path / "mp4" / "clips" / f"{i:07}.mp4").read_bytes(), told[i]) for i in range(3)
    }


@pytest.mark.slow
def test_corrupted_tar_files_are_those_of_the_files_and_have_their_labels(
    tmp_path: Path, run_cli: Run
) -> None:
    make(tmp_path / "plain", preset="moving_shapes", kind="mp4", clips=3)
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        for number, name in enumerate(("run/0.mp4", "run/1.mp4", "jump/0.mp4")):
            (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / name).write_bytes((tmp_path / f"plain/clips/000000{number}.mp4").read_bytes())
            tar.add(tmp_path / "set" / name, name)
    asked = ("--corruption", "reverse_sampling", "--severity", "1", "--format", "webdataset", "-q")
    for side in ("set", "set.tar"):
        done = run_cli("corrupt", side, f"out-{side}", *asked)
        assert done.returncode == 0, done.stderr
    shards = [tmp_path / f"out-{side}" / "shards" / "000000.tar" for side in ("set", "set.tar")]
    assert shards[0].read_bytes() == shards[1].read_bytes()
    opened = sets.open_set(shards[1])
    assert {c.id: c.label for c in opened.clips} == {
        r["member"]: r["label"] for r in rows(tmp_path / "out-set")
    }
    assert {c.label for c in opened.clips} == {"run", "jump"}


def test_encoding_is_the_same_bytes_in_a_process_whose_memory_is_in_use(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (112, 112, 3), np.uint8) for _ in range(24)]
    found = set()
    for i in range(4):
        junk = [rng.integers(0, 256, 3_000_000 + i, np.uint8) for _ in range(4)]
        path = tmp_path / f"{i}.mp4"
        encode.write_clip(path, "mp4", frames, 25.0)
        found.add(path.read_bytes())
        del junk
    assert len(found) == 1


def test_a_clip_that_was_written_wrong_is_noticed(tmp_path: Path) -> None:
    frames = [np.full((16, 16, 3), i, np.uint8) for i in range(5)]
    encode.write_clip(tmp_path / "a.mkv", "ffv1", frames, 25.0)
    assert encode.loss(tmp_path / "a.mkv", "ffv1", lambda: frames) is None
    with pytest.raises(DataError, match="5 frames of 4"):
        encode.loss(tmp_path / "a.mkv", "ffv1", lambda: frames[:4])
    with pytest.raises(DataError, match="other pixels"):
        encode.loss(tmp_path / "a.mkv", "ffv1", lambda: [f + 1 for f in frames])


@pytest.mark.slow
def test_real_clips_of_a_mixture_are_written_too(tmp_path: Path) -> None:
    from tests.clips import write_set

    real = write_set(tmp_path / "real", 3, "ffv1", frames=18)
    make(tmp_path / "a", preset="shapes_mix_ucf25", clips=8, videos=str(real), truth=["masks"])
    told = rows(tmp_path / "a")
    taken = [r for r in told if r["id"].startswith("real/")]
    assert len(taken) == 2 and all(r["truth"] is None and r["width"] == 48 for r in taken)
    assert len({r["id"] for r in told}) == 8
    assert [r["id"] for r in told if r not in taken] == [
        f"shapes_mix_ucf25/{r['index']}" for r in told if r not in taken
    ]


def test_what_real_clips_do_not_follow_is_said(tmp_path: Path) -> None:
    from tests.clips import write_set

    real = str(write_set(tmp_path / "real", 1, "ffv1", frames=18))
    what = generation.plan(
        "shapes_mix_ucf25", clips=4, overrides=SMALL, kind="ffv1", videos=real, truth=["masks"]
    )
    size, truth = what.notes[-2:]
    assert "1 real clip keeps its own size, length and rate, whatever size=64 length=18:24 says" in size
    assert "1 real clip has no truth (masks)" in truth
    plain = generation.plan("shapes_mix_ucf25", clips=3, overrides=SMALL, videos=real, truth=["masks"])
    assert not [n for n in plain.notes if "real clip" in n]
    generation.make(what, tmp_path / "a", Options(workers=1, cache=Cache(None)))
    card = (tmp_path / "a" / "README.md").read_text()
    assert "1 clip is a real one (`real/…`), as given" in card and "without truth" in card
    assert json.loads((tmp_path / "a" / "generation.json").read_text())["notes"] == list(what.notes)


def test_a_note_is_text_in_the_card(tmp_path: Path) -> None:
    note = "# <img src=x onerror=alert(1)></script> **b** [a](http://x) `c` _d_ &amp;"
    path = tmp_path / "odd.toml"
    path.write_text(f'extends = "moving_shapes"\nnote = {json.dumps(note)}\n')
    make(tmp_path / "a", clips=1, preset=str(path), overrides={})
    card = (tmp_path / "a" / "README.md").read_text()
    assert "<img" not in card and "</script" not in card and "&lt;img src=x" in card
    for text in ("\n\\# ", "\\*\\*b", "\\[a\\]", "\\`c", "\\_d\\_", "&amp;amp;"):
        assert text in card
    assert "1 clip, " in card


def test_real_clips_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    from tests.clips import write_set

    real = write_set(tmp_path / "real", 2, "ffv1", frames=18)
    asked: dict[str, Any] = {"preset": "shapes_mix_ucf25", "clips": 5, "videos": str(real)}
    make(tmp_path / "a", **asked)
    assert make(tmp_path / "a", **asked).made == 0
    (taken,) = (r["id"].removeprefix("real/") for r in rows(tmp_path / "a") if r["id"].startswith("real/"))
    other = next(p for p in real.rglob("*.mkv") if p.name != Path(taken).name)
    (real / taken).write_bytes(other.read_bytes())
    with pytest.raises(UsageError, match="its real clips, or what is in them, were others"):
        make(tmp_path / "a", **asked)


def test_a_larger_set_gives_each_index_the_same_real_clip() -> None:
    def taken(count: int) -> dict[int, str]:
        videos = "preset:photo_camera?n=40&height=32&width=32&length=18"
        what = generation.plan("shapes_mix_ucf25", clips=count, overrides=SMALL, kind="ffv1", videos=videos)
        return {i: ref.id for i, ref in enumerate(what.refs) if ref.id.startswith("real/")}

    small, large = taken(8), taken(32)
    assert len(small) == 2 and len(set(large.values())) == 8
    assert small == {i: large[i] for i in small}


@pytest.mark.slow
def test_real_clips_are_looked_at_beforehand(tmp_path: Path) -> None:
    from tests.clips import write_set

    real = write_set(tmp_path / "real", 3, "ffv1", frames=18)
    asked: dict[str, Any] = {"preset": "shapes_mix_ucf75", "clips": 4, "videos": str(real)}
    broken = sorted(real.rglob("*.mkv"))[:2]
    for path in broken:
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"2 of 3 real clips cannot be taken: real/.*; real/.*Take them out"):
        make(tmp_path / "a", **asked)
    odd = "preset:photo_camera?n=9&height=33&width=32&length=18"
    with pytest.raises(UsageError, match=r"3 real clips, such as .* of 32×33 px, cannot be written as mp4"):
        make(tmp_path / "a", **{**asked, "videos": odd, "kind": "mp4"})
    assert not (tmp_path / "a").exists()
    assert make(tmp_path / "a", **{**asked, "videos": odd}).made == 4


# -- shards -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_shards_and_merge_equal_one_run(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "parts"
    for i in (2, 0, 1):
        make(out, shard=(i, 3), truth=["tracks", "flow"])
    assert not (out / "manifest.jsonl").exists()
    generation.merge(out)
    own = [f"{k}-{i}-of-3.{e}" for i in range(3) for k, e in (("manifest", "jsonl"), ("generation", "json"))]
    assert same_trees(whole, out, own)
    assert generation.merge(out).rows == generation.merge(out).rows


@pytest.mark.slow
def test_shards_of_tar_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "IN_TAR", 1)
    make(tmp_path / "whole", kind="webdataset", clips=2)
    for i in range(2):
        make(tmp_path / "parts", kind="webdataset", clips=2, shard=(i, 2))
    generation.merge(tmp_path / "parts")
    own = [f"{k}-{i}-of-2.{e}" for i in range(2) for k, e in (("manifest", "jsonl"), ("generation", "json"))]
    assert same_trees(tmp_path / "whole", tmp_path / "parts", own)


@pytest.mark.slow
def test_merge_names_what_is_missing_or_differs(tmp_path: Path) -> None:
    out = tmp_path / "parts"
    make(out, shard=(0, 3), clips=3)
    with pytest.raises(DataError, match="2 of 3 shards are missing: 1/3, 2/3"):
        generation.merge(out)
    (out / "generation-1-of-3.json").write_bytes((out / "generation-0-of-3.json").read_bytes())
    with pytest.raises(DataError, match="not finished: 1/3"):
        generation.merge(out)
    told = json.loads((out / "generation-1-of-3.json").read_text())
    told["identity"]["speed"] = "9"
    (out / "generation-1-of-3.json").write_text(json.dumps(told))
    with pytest.raises(DataError, match=r'Shard 1 was made otherwise than shard 0: speed "1.2:3.0", not "9"'):
        generation.merge(out)
    (out / "generation-1-of-3.json").unlink()
    make(out, shard=(1, 3), clips=3)
    make(out, shard=(2, 3), clips=3)
    clip = out / "clips" / "0000002.mkv"
    data = clip.read_bytes()
    clip.unlink()
    with pytest.raises(DataError, match=r"1 file is gone or .* clips/0000002.mkv"):
        generation.merge(out)
    assert not (out / "manifest.jsonl").exists()
    clip.write_bytes(data)
    manifest = out / "manifest-1-of-3.jsonl"
    text = manifest.read_text()
    manifest.write_text("garbage\n")
    with pytest.raises(DataError, match="2 clips of 3; the first that is missing is 1"):
        generation.merge(out)
    manifest.write_text(text.replace("clips/0000001.mkv", "../0000001.mkv"))
    with pytest.raises(DataError, match="no file of the set"):
        generation.merge(out)


def test_merge_wants_shards(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no shards"):
        generation.merge(whole)
    with pytest.raises(DataError, match="no folder"):
        generation.merge(tmp_path / "nothing")


# -- going on ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_finished_set_is_not_made_again(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    make(out, clips=2)
    before = {p: p.stat().st_mtime_ns for p in (out / "clips").iterdir()}
    done = make(out, clips=2)
    assert (done.made, done.kept) == (0, 2)
    assert before == {p: p.stat().st_mtime_ns for p in (out / "clips").iterdir()}
    (out / "clips" / "0000001.mkv").unlink()
    assert make(out, clips=2).made == 1


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "set"
    make(out, clips=1)
    for asked, word in (
        ({"clips": 2}, "holds a set of 1 clips, not 2: a set neither grows nor shrinks.*or give --clips 1"),
        ({"clips": 2, "seed": 1}, "clips 1, not 2"),
        ({"clips": 1, "seed": 1}, "seed 0, not 1"),
        ({"clips": 1, "kind": "npz"}, 'format "ffv1", not "npz"'),
        ({"clips": 1, "overrides": {**SMALL, "speed": "5"}}, 'speed "1.2:3.0", not "5"'),
        ({"clips": 1, "shard": (0, 2)}, "made at once"),
        ({"clips": 1, "preset": "moving_circles"}, 'preset "moving_shapes"'),
    ):
        with pytest.raises(UsageError, match=word):
            make(out, **asked)  # type: ignore[arg-type]
    make(tmp_path / "parts", clips=2, shard=(0, 2))
    with pytest.raises(UsageError, match="in 2 shards"):
        make(tmp_path / "parts", clips=2)
    with pytest.raises(UsageError, match="in 2 shards"):
        make(tmp_path / "parts", clips=2, shard=(0, 3))


def test_hostile_folders(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "generation.json").write_text("[" * 100_000)
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "generation.json").write_text("[]")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "generation.json").write_text(json.dumps({"schema": generation.SCHEMA}))
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "generation.json").write_text('{"schema": "synvid-eval/generation/1", "clips": 1}')
    for name, word in (("file", "no folder"), ("full", "not empty")):
        with pytest.raises(UsageError, match=word):
            make(tmp_path / name, clips=1)
    for name, word in (
        ("odd", "read"),
        ("list", "schema"),
        ("bare", "preset is missing"),
        ("old", "version"),
    ):
        for call in (lambda out: make(out, clips=1), generation.merge):
            with pytest.raises(DataError, match=word):
                call(tmp_path / name)
        assert len(list((tmp_path / name).iterdir())) == 1
    with pytest.raises(DataError, match="cannot be written"):
        make(tmp_path / "file" / "inner", clips=1)
    assert (tmp_path / "full" / "thesis.tex").exists()


def test_damaged_rows_are_made_again(tmp_path: Path) -> None:
    out = tmp_path / "set"
    make(out, clips=3)
    good = (out / "manifest.jsonl").read_bytes()
    lines = good.splitlines()
    lies = {**json.loads(lines[2]), "file": "/etc/passwd"}
    (out / "manifest.jsonl").write_bytes(b"\n".join([lines[0], b'{"index": 1}', json.dumps(lies).encode()]))
    assert make(out, clips=3).made == 2
    assert (out / "manifest.jsonl").read_bytes() == good


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "victim"),
    [
        ("ffv1", "clips/0000001.mkv"),
        ("ffv1", "truth/0000001.npz"),
        ("npz", "clips/0000001.npz"),
        ("png", "clips/0000001/00003.png"),
    ],
)
def test_what_was_cut_is_made_again(tmp_path: Path, kind: str, victim: str) -> None:
    """A power cut may leave a file empty that a record tells of."""
    out = tmp_path / "set"
    make(out, clips=2, kind=kind, truth=["masks"])
    good, size = (out / "manifest.jsonl").read_bytes(), (out / victim).stat().st_size
    os.truncate(out / victim, 0)
    assert make(out, clips=2, kind=kind, truth=["masks"]).made == 1
    assert (out / victim).stat().st_size == size and (out / "manifest.jsonl").read_bytes() == good
    for row in rows(out):
        assert row["bytes"] == writer.size_of(out / row["file"])
        own = None if row["truth"] == row["file"] else (out / row["truth"]).stat().st_size
        assert row["truth_bytes"] == own


def test_what_is_written_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    rename = os.replace
    monkeypatch.setattr(writer, "settle", lambda path: seen.append(f"settled {path.name}"))
    monkeypatch.setattr(writer.os, "replace", lambda a, b: (seen.append(f"named {b.name}"), rename(a, b)))
    what = generation.plan("moving_shapes", clips=1, overrides=SMALL, kind="ffv1", truth=["masks"])
    for name in ("clips", "truth", ".records"):
        (tmp_path / name).mkdir()
    run = generation._Run(what, tmp_path, Options(workers=1, cache=Cache(None)))
    writer.write(run._task(0), "ffv1", ["masks"])
    names = ["0000000.npz", "0000000.mkv", "0000000.json"]  # the record last
    assert [s.removeprefix("named ") for s in seen[1::2]] == names
    assert all(s.startswith(f"settled .{n}.") for s, n in zip(seen[::2], names, strict=True))


def test_a_tar_file_that_was_cut_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "IN_TAR", 2)
    out = tmp_path / "set"
    make(out, clips=4, kind="webdataset", truth=["masks"])
    good = {p: p.read_bytes() for p in (out / "shards").iterdir()}
    cut_in_half(out / "shards" / "000001.tar")
    done = make(out, clips=4, kind="webdataset", truth=["masks"])
    assert (done.made, done.kept) == (2, 2)
    assert {p: p.read_bytes() for p in (out / "shards").iterdir()} == good


@pytest.mark.slow
def test_merge_looks_at_truth_and_at_members_of_tar_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(2):
        make(tmp_path / "a", clips=2, truth=["masks"], shard=(i, 2))
    truth = tmp_path / "a" / "truth" / "0000001.npz"
    data = truth.read_bytes()
    for spoil in (truth.unlink, lambda: truth.write_bytes(data[:-1])):
        spoil()
        with pytest.raises(DataError, match=r"1 file is gone or .* truth/0000001\.npz"):
            generation.merge(tmp_path / "a")
    truth.write_bytes(data)
    cut_in_half(tmp_path / "a" / "clips" / "0000000.mkv")
    with pytest.raises(DataError, match=r"1 file is gone or .* clips/0000000\.mkv"):
        generation.merge(tmp_path / "a")
    monkeypatch.setattr(generation, "IN_TAR", 1)
    for i in range(2):
        make(tmp_path / "b", clips=2, kind="webdataset", truth=["masks"], shard=(i, 2))
    tar = tmp_path / "b" / "shards" / "000001.tar"
    whole = tar.read_bytes()

    def without(left_out: str) -> None:
        with tarfile.open(fileobj=io.BytesIO(whole)) as old, tarfile.open(tar, "w") as new:
            for member in old:
                if not member.name.endswith(left_out):
                    new.addfile(member, old.extractfile(member))

    for spoil in (lambda: without(".mp4"), lambda: without(".npz"), lambda: cut_in_half(tar), tar.unlink):
        spoil()
        with pytest.raises(DataError, match=r"1 file is gone or .* shards/000001\.tar"):
            generation.merge(tmp_path / "b")


def test_two_that_begin_at_once_make_one_set(tmp_path: Path) -> None:
    """The second sees the first one's claim, however close they are: one lock for the folder."""
    out = tmp_path / "set"
    out.mkdir()
    plans = [
        generation.plan("moving_shapes", clips=1, seed=s, overrides=SMALL, kind="ffv1") for s in range(4)
    ]
    gate = threading.Barrier(4)
    found: list[int] = []
    refused: list[str] = []

    def begin(what: generation.Plan) -> None:
        gate.wait()
        try:
            generation.make(what, out, Options(workers=1, cache=Cache(None)))
            found.append(what.seed)
        except Exception as error:
            refused.append(str(error))

    threads = [threading.Thread(target=begin, args=(what,)) for what in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1 and rows(out)[0]["seed"] == found[0]
    assert ["made otherwise: seed" in text for text in refused] == [True] * 3, refused


def test_a_claim_waits_for_another(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with generation._topmost(tmp_path):
            order.append("second")

    with generation._topmost(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"] and not list(tmp_path.iterdir())


def test_what_kills_left_goes_and_clips_of_pictures_are_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "set"
    make(out, clips=2, kind="png")
    for left in (".abcd_123.part", "clips/.0000001.99.part"):
        (out / left).write_text("x")
    listed: list[Path] = []
    below = generation._below
    monkeypatch.setattr(generation, "_below", lambda folder: (listed.append(folder), below(folder))[1])
    assert make(out, clips=2, kind="png").made == 0
    assert not list(out.rglob(".*"))
    assert out / "clips" in listed and out / "clips" / "0000001" not in listed


def test_a_full_disk_is_said_and_no_half_clip_is_left(tmp_path: Path) -> None:
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from synvid_eval.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    args = ["generate", "moving_shapes", str(tmp_path / "a"), "--clips", "2", "--format", "npz", "-q"]
    args += ["--size", "64", "--length", "20", "--workers", "1", "--cache", "none"]
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == 3, done.stderr
    assert "cannot be written" in done.stderr and "goes on" in done.stderr
    assert not (tmp_path / "a" / "manifest.jsonl").exists()
    assert not list((tmp_path / "a" / "clips").iterdir())


def killed(args: Sequence[str], out: Path, env: dict[str, str], times: int) -> int:
    """Runs a command again and again, each time killed after a clip or two more; how often it was killed."""
    rng, kills = random.Random(0), 0
    for _ in range(times):
        process = subprocess.Popen(
            [sys.executable, "-m", "synvid_eval", *args],
            env=env,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        have, more = len(list(out.glob(".records/[0-9]*.json"))), rng.choice([0, 1])
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            if len(list(out.glob(".records/[0-9]*.json"))) > have + more:
                time.sleep(rng.random() * 0.02)
                process.kill()
            time.sleep(0.002)
        kills += process.wait() < 0
    return kills


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        ("mp4", 1),
        pytest.param("mp4", 20, marks=pytest.mark.slow),
        pytest.param("webdataset", 20, marks=pytest.mark.slow),
    ],
)
def test_killed_runs_end_in_the_same_manifest(
    tmp_path: Path, cli_env: dict[str, str], run_cli: Run, times: int, kind: str
) -> None:
    clips = 6 * times
    args = ["generate", "moving_shapes", "--clips", str(clips), "--size", "64", "--length", "40:60"]
    args += ["--format", kind, "--truth", "masks", "--workers", "2", "-q"]
    args.insert(2, str(tmp_path / "killed"))
    kills = killed(args, tmp_path / "killed", cli_env, times)
    assert kills == times
    assert run_cli(*args).returncode == 0
    args[2] = str(tmp_path / "once")
    assert run_cli(*args).returncode == 0
    assert same_trees(tmp_path / "once", tmp_path / "killed")
    assert not list((tmp_path / "killed").rglob(".*"))


# -- usage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"preset": "moving_shaps"}, "moving_shapes"),
        ({"kind": "avi"}, "'avi'"),
        ({"truth": ["depth"]}, "'depth'"),
        ({"preset": "photo_camera", "overrides": {}, "truth": ["flow"]}, "truth 'flow'"),
        ({"preset": "photo_camera", "overrides": {}, "truth": ["all"]}, "truth 'all'"),
        ({"clips": 0}, "--clips 0"),
        ({"overrides": {"sped": "2"}}, "speed"),
        ({"overrides": {"size": "65"}, "kind": "mp4"}, "even sizes"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_written(
    tmp_path: Path, asked: dict[str, Any], word: str
) -> None:
    with pytest.raises(UsageError, match=word):
        make(tmp_path / "a", **{"clips": 1, **asked})
    assert not (tmp_path / "a").exists()


def test_the_command(run_cli: Run, tmp_path: Path) -> None:
    args = [
        "generate",
        "moving_circles",
        "a",
        "--clips",
        "2",
        "--size",
        "64",
        "--length",
        "18",
        "--fps",
        "30",
    ]
    done = run_cli(*args, "--set", "objects=50", "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["clips"] == 2
    assert rows(tmp_path / "a")[0]["fps"] == 30.0
    again = run_cli(*args, "--set", "objects=51", "-q")
    assert again.returncode == 2 and "objects 50, not 51" in again.stderr
    assert run_cli(*args, "--set", "size=32").returncode == 2
    merged = run_cli("merge", "a")
    assert merged.returncode == 3 and "holds no shards" in merged.stderr


# -- banks ------------------------------------------------------------------------------------------


def bank(out: Path, count: int = 6, workers: int = 1, **asked: Any) -> banks.Bank:
    options = Options(workers=workers, cache=Cache(None))
    return banks.make_bank("dead_leaves", count, out, options, **{"settings": {"size": "32"}, **asked})


@pytest.mark.slow
def test_banks_are_the_same_whatever_makes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(banks, "CHUNK", 2)
    done = bank(tmp_path / "one")
    assert (done.made, done.missing) == (6, 0)
    assert bank(tmp_path / "two", shard=(0, 2)).missing == 3
    part = bank(tmp_path / "two", shard=(1, 2), workers=2)
    assert (part.made, part.missing) == (3, 0)
    assert same_trees(tmp_path / "one", tmp_path / "two")
    assert bank(tmp_path / "one").made == 0


def test_a_preset_shows_its_bank(tmp_path: Path) -> None:
    bank(tmp_path / "bank", 20)
    knobs_of = {**SMALL, "textures": "dead_leaves(size=32)", "pool": "20"}
    drawn = presets.get("moving_shapes").configured(**knobs_of)
    banked = dataclasses.replace(drawn, bank=str(tmp_path / "bank"))
    for a, b in zip(*(g.draw(0, "x", 0, range(3)) for g in (drawn, banked)), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.slow
def test_a_preset_file_and_a_card_say_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bank(Path("bank"), 20)
    overrides = {**SMALL, "textures": "dead_leaves(size=32)", "bank": "bank"}
    make(Path("a"), clips=2, overrides=overrides, seed=3)
    found = presets.find("a/preset.toml")
    assert found.configured().bank == "bank"  # type: ignore[attr-defined]
    make(Path("b"), preset="a/preset.toml", clips=2, seed=3, overrides={})
    assert [r["sha256"] for r in rows(Path("a"))] == [r["sha256"] for r in rows(Path("b"))]
    for text in (Path("a/preset.toml").read_text(), Path("a/README.md").read_text()):
        assert "generate preset.toml AGAIN --clips 2 --seed 3 --format ffv1" in text
        assert "Textures dead_leaves: " in text and "count=20" in text and "size=32" in text
        assert "Those of them that bank holds" in text
    videos = "preset:photo_camera?n=9&height=32&width=32&length=18"
    make(Path("c"), preset="images_mix_ucf50", clips=2, images="skimage", videos=videos)
    for name in ("preset.toml", "README.md"):
        assert f"--images skimage --videos '{videos}'" in Path("c", name).read_text()


@pytest.mark.slow
def test_a_bank_that_was_cut_is_mended(tmp_path: Path) -> None:
    bank(tmp_path / "bank")
    path = tmp_path / "bank" / "dead_leaves.rgbx"
    good = path.read_bytes()
    os.truncate(path, 5000)
    done = bank(tmp_path / "bank")
    assert (done.made, done.missing) == (5, 0) and path.read_bytes() == good
    os.truncate(path, 5000)
    part = bank(tmp_path / "bank", shard=(0, 2))
    assert (part.made, part.missing) == (2, 3)  # those of the other shard are told, too
    assert (bank(tmp_path / "bank").made, path.read_bytes()) == (3, good)
    with open(path, "r+b") as file:
        file.seek(3 * 32 * 32 * 4)
        file.write(b"\x01\x02\x03")
    assert (bank(tmp_path / "bank").made, path.read_bytes()) == (1, good)


def test_a_bank_without_its_text_is_left_alone(tmp_path: Path) -> None:
    bank(tmp_path / "bank")
    path = tmp_path / "bank" / "dead_leaves.rgbx"
    good = path.read_bytes()
    (tmp_path / "bank" / "dead_leaves.json").unlink()
    for count in (2, 6):
        with pytest.raises(UsageError, match=r"is there without dead_leaves\.json"):
            bank(tmp_path / "bank", count)
    assert path.read_bytes() == good


def test_a_writer_opens_its_bank_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    (tmp_path / "bank").mkdir()
    told = {"textures": "dead_leaves(size=32)", "images": "", "seed": 0, "pool": "p", "count": 4}
    setup = {"bank": {**told, "folder": str(tmp_path / "bank")}, "beat": 1.0}
    make_one = writer._bank
    monkeypatch.setattr(writer, "_bank", lambda told: (opened.append(told), make_one(told))[1])
    tasks, answers = io.BytesIO(), io.BytesIO()
    for indices in ([0, 1], [2, 3]):
        write_message(tasks, b"T", json.dumps(writer.texture_task(indices)).encode())
    tasks.seek(0)
    writer._serve(setup, tasks, answers)
    assert len(opened) == 1 and (tmp_path / "bank" / "dead_leaves.rgbx").stat().st_size == 4 * 32 * 32 * 4


def test_banks_that_cannot_be(tmp_path: Path) -> None:
    bank(tmp_path / "bank")
    with pytest.raises(UsageError, match="other textures"):
        bank(tmp_path / "bank", seed=1)
    with pytest.raises(UsageError, match="other textures"):
        bank(tmp_path / "bank", count=7)
    with pytest.raises(UsageError, match="--n 0"):
        bank(tmp_path / "other", count=0)
    with pytest.raises(UsageError, match="size"):
        bank(tmp_path / "other", settings={"siz": "32"})
    with pytest.raises(DataError, match="room"):
        bank(tmp_path / "other", count=10**12)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        bank(tmp_path / "file")
    options = Options(workers=1, cache=Cache(None))
    with pytest.raises(UsageError, match="--images nowhere means nothing for dead_leaves"):
        bank(tmp_path / "other", images="nowhere")
    with pytest.raises(UsageError, match="2 kinds"):
        banks.make_bank("dead_leaves+stylegan", 1, tmp_path / "o", options)
    with pytest.raises(UsageError, match="stylegan"):
        banks.make_bank("stylgan", 1, tmp_path / "o", options)


def test_the_commands_of_banks(run_cli: Run, tmp_path: Path) -> None:
    done = run_cli("textures", "make", "dead_leaves", "--n", "3", "--out", "bank", "--set", "size=32", "-q")
    assert done.returncode == 0, done.stderr
    assert "3 textures, 3 made now, complete" in done.stdout
    assert (tmp_path / "bank" / "dead_leaves.rgbx").stat().st_size == 3 * 32 * 32 * 4


# -- rehearsals and signs of life -------------------------------------------------------------------


def tree(*folders: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for folder in folders for p in folder.rglob("*")}


@pytest.mark.slow
def test_a_dry_run_tells_and_leaves_nothing(
    run_cli: Run, tmp_path: Path, cli_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    args = ["generate", "acc_transforming_images", "a", "--images", "skimage", "--clips", "3"]
    args += ["--size", "64", "--length", "20", "--set", "pool=5", "--cache", "kept", "--truth", "masks"]
    before = tree(tmp_path)
    done = run_cli(*args, "--dry-run", "--json", "-")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["clips"], told["kept"], told["frames"], told["textures"]) == (3, 0, 60, 5)
    assert told["texture_bytes"] == 5 * 256 * 256 * 4 and told["seconds"] > 0 and told["bytes"] > 3_000
    assert tree(tmp_path).keys() == before.keys()
    assert run_cli(*args, "-q").returncode == 0
    size = sum(r["bytes"] + r["truth_bytes"] for r in rows(tmp_path / "a"))
    assert size / 2 < told["bytes"] < size * 2
    before = tree(tmp_path)
    done = run_cli(*args, "--dry-run")
    assert "3 clips, 3 of them there" in done.stdout and "all clips are there" in done.stdout
    assert tree(tmp_path) == before
    other = run_cli(*args, "--dry-run", "--seed", "1")
    assert other.returncode == 2 and "seed 0, not 1" in other.stderr


@pytest.mark.slow
def test_a_real_clip_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.clips import write_set

    real = write_set(tmp_path / "real", 2, "ffv1", frames=18)
    options = Options(workers=1, cache=Cache(None), decode_timeout=2.0)
    asked: dict[str, Any] = {"clips": 5, "overrides": SMALL, "kind": "ffv1", "videos": str(real)}
    what = generation.plan("shapes_mix_ucf25", **asked)
    monkeypatch.setenv("SLOW", "writer")
    monkeypatch.setattr(execute, "Processes", lambda module, *rest: Processes("tests.slow", *rest))
    began = time.monotonic()
    with pytest.raises(DataError, match=r"Clip real/.* hung: no new frame for 2 s \(--decode-timeout\)"):
        generation.make(what, tmp_path / "a", options)
    assert time.monotonic() - began < 60


@pytest.mark.slow
@pytest.mark.parametrize("module", ["prober", "writer", "worker"])
def test_a_clip_that_is_drawn_slowly_is_no_file_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """Neither where it is previewed nor where it is written or measured."""
    from synvid_eval import features, prober, worker
    from synvid_eval.video.sampling import Sampler

    (ref,) = sets.open_set("preset:moving_circles?n=1&size=32&length=18").clips
    setup: dict[str, Any] = {"loud": False, "path": [], "format": "npz", "truth": []}
    if module == "worker":
        setup = worker.setup_task([features.registry.get("lab")()], Sampler(), 0, False)
    task = {
        "prober": prober.preview_task(ref, True),
        "writer": writer.clip_task(ref, tmp_path / "a.npz", None, tmp_path / "a.json", {}),
        "worker": worker.clip_task(ref, ["lab"]),
    }[module]
    monkeypatch.setenv("SLOW", module)
    pool = Processes("tests.slow", 1, setup, timeout=0.5)  # of a second and a half
    try:
        ((_, answer),) = pool.map([task])
    finally:
        pool.close()
    assert not isinstance(answer, Failure) and "skipped" not in answer[1], answer
