"""Sets in a store: the same clips, the same scores as on a disk."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synvid_eval import sets
from synvid_eval.cache import Cache
from synvid_eval.comparison import compare
from synvid_eval.errors import DataError, UsageError
from synvid_eval.measurement import Options, content_hashes
from tests import downstream_sets
from tests.clips import moving, write_video
from tests.conftest import Run
from tests.stores.conftest import upload
from tests.stores.servers import KEY, SECRET, Proxy

METRICS = ("--metrics", "color,spectrum,motion,tubelet", "-q")
OPTIONS = ("--corruption", "jumble", "--severity", "2", "-q")


def scores(done: Any) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["scores"]


def as_known(location: str, **asked: Any) -> list[tuple[Any, ...]]:
    """What a set's clips are, whatever they lie on."""
    opened = sets.open_set(location, **asked)
    return [(c.id, c.kind, c.index, c.label, c.fps) for c in opened.clips] + [*opened.skipped]


@pytest.mark.slow
def test_comparing_two_folders_of_a_bucket_gives_the_scores_of_the_disk(
    store: Proxy, s3: Any, pair: Path, run_cli: Run
) -> None:
    upload(s3, pair, "pair")
    local = scores(run_cli("compare", pair / "a", pair / "b", *METRICS, "--json", "-"))
    words = ["compare", "s3://bucket/pair/a/", "s3://bucket/pair/b", *METRICS, "--workers", "2"]
    first = run_cli(*words, "--json", "-", "--csv", "s3://bucket/out/f.csv")
    assert scores(first) == local
    assert [c["clips"] for c in json.loads(first.stdout)["candidates"]] == [6]
    reads = [r for r in store.seen if r.reads]
    assert {r.path.partition("?")[0] for r in reads} == {
        f"/bucket/pair/{p.relative_to(pair).as_posix()}" for p in pair.rglob("*.*")
    }
    assert all("If-Match" in r.headers for r in reads)
    store.reset()
    assert scores(run_cli(*words, "--json", "-")) == local
    assert not [r for r in store.seen if r.reads]  # the listing says that nothing changed
    text = s3.get_object(Bucket="bucket", Key="out/f.csv")["Body"].read().decode()
    assert len(text.splitlines()) == 5
    assert "s3://bucket/pair/a/" in first.stdout
    for secret in (KEY, SECRET):
        assert secret not in first.stdout + first.stderr


def test_measurements_are_written_and_read_there(store: Proxy, s3: Any, pair: Path, run_cli: Run) -> None:
    upload(s3, pair, "measured")
    place, color = "s3://bucket/out/a.measured", ("--metrics", "color", "-q")
    done = run_cli("measure", "s3://bucket/measured/a", "--out", place, *color)
    assert done.returncode == 0, done.stderr
    found = run_cli("compare", place, "b=s3://bucket/measured/b/", *color, "--json", "-")
    assert scores(found) == scores(run_cli("compare", pair / "a", pair / "b", *color, "--json", "-"))
    page = run_cli("compare", place, place, *color, "--html", "s3://bucket/out/page.html")
    assert page.returncode == 0, page.stderr
    html = s3.get_object(Bucket="bucket", Key="out/page.html")
    assert html["Body"].read().startswith(b"<!doctype html>") or html["ContentLength"] > 1000


def test_a_damaged_measurement_is_told_of(store: Proxy, s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="bad.measured", Body=b"no such thing")
    with pytest.raises(DataError, match=r"s3://bucket/bad\.measured is damaged"):
        compare(["s3://bucket/bad.measured"], "preset:moving_circles?n=2", options=Options())


@pytest.mark.parametrize("layout", ["auto", "flat", "classes", "nested"])
def test_layouts_are_those_of_the_disk(store: Proxy, s3: Any, tmp_path: Path, layout: str) -> None:
    names = ["top.mp4", "a/x.mp4", "a/.hidden.mp4", "b/y.AVI", "b/c/z.webm", ".secret/q.mp4", "notes.txt"]
    for name in [*names, "odd.mp4/inner.mp4", "é.mp4"]:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    upload(s3, tmp_path / "set", f"layout-{layout}")
    remote = as_known(f"s3://bucket/layout-{layout}/", layout=layout)
    assert remote == as_known(os.fspath(tmp_path / "set"), layout=layout)


def test_keys_that_are_no_plain_paths_are_listed_as_skipped(store: Proxy, s3: Any) -> None:
    for key in ("ok.mp4", "../up.mp4", "a//b.mp4", "./c.mp4", "d/../e.mp4"):
        s3.put_object(Bucket="bucket", Key=f"odd/{key}", Body=b"x")
    s3.put_object(Bucket="bucket", Key="odd/folder/", Body=b"")
    opened = sets.open_set("s3://bucket/odd/")
    assert opened.ids == ["ok.mp4"]
    assert {r for _, r in opened.skipped} == {"its key is no plain path"}
    assert {i for i, _ in opened.skipped} == {"../up.mp4", "a//b.mp4", "./c.mp4", "d/../e.mp4"}


def test_a_listing_of_several_pages_is_whole(store: Proxy, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"c{i:04}.mp4" for i in range(350)]
    for name in names:
        s3.put_object(Bucket="bucket", Key=f"many/{name}", Body=b"x")
    store.reset()
    monkeypatch.setattr(store, "page", 100)
    opened = sets.open_set("s3://bucket/many/")
    assert opened.ids == names
    assert sum("continuation-token" in r.path for r in store.seen) == 3


def frames(folder: Path, seeds: tuple[int, ...]) -> Path:
    for seed in seeds:
        (folder / f"clip{seed}").mkdir(parents=True)
        for number, frame in enumerate(moving(18, seed=seed)):
            Image.fromarray(frame).save(folder / f"clip{seed}" / f"img_{number + 1}.png")
    return folder


def test_frame_folders_arrays_and_lists(store: Proxy, s3: Any, tmp_path: Path) -> None:
    """One location of each kind: its clips have the frames of the copy on the disk, and are known."""
    root = tmp_path / "kinds"
    frames(root / "frames", (1, 2))
    clips = np.stack([moving(18, seed=s) for s in (3, 4, 5)])
    np.save(root / "stack.npy", clips)
    np.save(root / "fortran.npy", np.asfortranarray(clips))
    np.savez(root / "stored.npz", frames=clips)
    np.savez_compressed(root / "packed.npz", frames=clips)
    (root / "clips").mkdir()
    np.savez(root / "clips" / "one.npz", frames=clips[0])
    for number, label in enumerate(("run", "walk")):
        (root / "videos" / label).mkdir(parents=True)
        write_video(root / "videos" / label / "v 1.mp4", moving(20, seed=6 + number), "h264")
    (root / "list.txt").write_text("videos/run/v 1.mp4 0\nvideos/walk/v 1.mp4 1\nvideos/gone.mp4 1\n")
    (root / "raw.txt").write_text("frames/clip1 18 0\nframes/clip2 18 1\n")
    upload(s3, root, "kinds")
    kinds = ["frames", "stack.npy", "fortran.npy", "stored.npz", "packed.npz", "clips", "list.txt", "raw.txt"]
    for kind in kinds:
        local, far = os.fspath(root / kind), f"s3://bucket/kinds/{kind}"
        assert as_known(far) == as_known(local), kind
        ours, theirs = sets.open_set(local), sets.open_set(far)
        assert all(content_hashes(theirs, Cache(None), 1).values()), kind
        for one, other in zip(ours.clips, theirs.clips, strict=True):
            mine, read = sets.open_clip(one), sets.open_clip(other)
            assert (read.total, read.fps) == (mine.total, mine.fps)
            wanted = [0, 3, read.total - 1]
            for (_, a), (_, b) in zip(mine.frames(wanted), read.frames(wanted), strict=True):
                assert np.array_equal(a, b), (kind, one.id)


def test_a_list_on_the_disk_may_name_what_lies_in_a_store(
    store: Proxy, s3: Any, pair: Path, tmp_path: Path
) -> None:
    upload(s3, pair, "listed")
    listed = tmp_path / "list.txt"
    listed.write_text("class0/v0.avi 0\nclass1/v1.mp4 1\n")
    opened = sets.open_set(listed, root="s3://bucket/listed/a")
    assert [(c.id, c.path, bool(c.stamp)) for c in opened.clips] == [
        (i, f"s3://bucket/listed/a/{i}", True) for i in ("class0/v0.avi", "class1/v1.mp4")
    ]
    urls = tmp_path / "urls.txt"
    urls.write_text("s3://bucket/listed/a/class0/v0.avi 0\ns3://bucket/listed/b/class0/v0.avi 0\n")
    inside = sets.open_set(urls, root="s3://bucket/listed/a/")
    assert inside.ids == ["class0/v0.avi"]
    assert [r for _, r in inside.skipped] == ["outside the root (--follow-outside reads it)"]
    both = sets.open_set(urls, follow_outside=True)
    assert both.ids == ["bucket/listed/a/class0/v0.avi", "bucket/listed/b/class0/v0.avi"]
    assert all(c.stamp for c in both.clips)


def test_a_cut_movie_gives_the_frames_of_the_disk(store: Proxy, s3: Any, tmp_path: Path) -> None:
    movie = write_video(tmp_path / "movie.mp4", moving(100), "h264")
    s3.upload_file(os.fspath(movie), "bucket", "cut/movie.mp4")
    here = sets.open_set(f"cut:{movie}?seconds=1")
    there = sets.open_set("cut:s3://bucket/cut/movie.mp4?seconds=1")
    assert there.name == "movie"
    assert there.ids == here.ids
    assert len(here.ids) == 4
    for one, other in zip(here.clips, there.clips, strict=True):
        mine = [f for _, f in sets.open_clip(one).frames(range(25))]
        theirs = [f for _, f in sets.open_clip(other).frames(range(25))]
        assert np.array_equal(mine, theirs)


@pytest.mark.slow
def test_clips_are_adapted_corrupted_and_inspected_from_there(
    store: Proxy, s3: Any, pair: Path, tmp_path: Path, run_cli: Run
) -> None:
    upload(s3, pair / "a", "derived")
    for scheme in ("corrupt:jumble?severity=3&of=", "adapt:zoom?of="):
        far = run_cli("compare", f"x={scheme}s3://bucket/derived/", pair / "b", *METRICS, "--json", "-")
        near = run_cli("compare", f"x={scheme}{pair / 'a'}", pair / "b", *METRICS, "--json", "-")
        assert scores(far) == scores(near)
    far = json.loads(run_cli("inspect", "s3://bucket/derived/", "--json", "-", "-q").stdout)
    near = json.loads(run_cli("inspect", pair / "a", "--json", "-", "-q").stdout)
    for key in ("bytes", "codecs", "containers", "sizes", "clips", "duplicates"):
        assert far.get(key) == near.get(key), key
    dry = run_cli("compare", "s3://bucket/derived/", pair / "b", *METRICS, "--dry-run")
    assert dry.returncode == 0, dry.stderr


def test_names_of_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    named = sets.name_sets(["s3://bucket/one/videos/", "s3://bucket/two/videos", "x=gs://b/v.npy"])
    assert named == [
        ("one/videos", "s3://bucket/one/videos/"),
        ("two/videos", "s3://bucket/two/videos"),
        ("x", "gs://b/v.npy"),
    ]
    assert sets.default_name("s3://bucket/a.b") == "a.b"
    assert sets.default_name("s3://bucket/a.measured") == "a"
    assert sets.name_sets(["s3://bucket/a=b/"]) == [("a=b", "s3://bucket/a=b/")]


def test_file_urls_are_paths(pair: Path, tmp_path: Path, run_cli: Run) -> None:
    out = tmp_path / "out.json"
    words = ["compare", f"file://{pair}/a", f"b=file://{pair}/b/", *METRICS, "--json", f"file://{out}"]
    done = run_cli(*words)
    assert done.returncode == 0, done.stderr
    local = scores(run_cli("compare", pair / "a", pair / "b", *METRICS, "--json", "-"))
    assert json.loads(out.read_text())["scores"] == local


def test_options_for_lists_mean_nothing_for_a_remote_folder(store: Proxy, s3: Any, pair: Path) -> None:
    upload(s3, pair / "a", "folder")
    with pytest.raises(UsageError, match="no list is looked for"):
        sets.open_set("s3://bucket/folder", split="train")
    for layout in ("ucf101", "volleyball"):
        with pytest.raises(UsageError, match=r"no list is looked for.* Volleyball, .* are read on a disk"):
            sets.open_set("s3://bucket/folder", layout=layout)
    with pytest.raises(DataError, match=r"--root s3://bucket/none is no folder"):
        sets.open_set("s3://bucket/folder", root="s3://bucket/none")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "place", "split"),
    [
        ("diving48", "Diving48_V2_train.json", None),
        ("egtea", "action_annotation/train_split1.txt", None),
        ("yup_plus_plus", "10_90_randsplit_1.txt", "moving_train"),
    ],
)
def test_lists_of_downstream_sets_name_the_same_clips_there(
    store: Proxy, s3: Any, tmp_path: Path, name: str, place: str, split: str | None
) -> None:
    folder = getattr(downstream_sets, name)(tmp_path / name)
    upload(s3, folder, name)
    there = as_known(f"s3://bucket/{name}/{place}", split=split)
    assert there == as_known(str(folder / place), split=split) and len(there) > 1
    assert len({clip[3] for clip in there}) == 2  # its classes, by their names


@pytest.mark.slow
def test_written_sets_take_their_real_clips_from_there(
    store: Proxy, s3: Any, pair: Path, tmp_path: Path, run_cli: Run
) -> None:
    """`corrupt SET OUT` reads a store and writes a folder; the folder has what the disk's set gives."""
    upload(s3, pair / "a", "written")
    done = run_cli("corrupt", "s3://bucket/written/", "far", *OPTIONS)
    assert done.returncode == 0, done.stderr
    assert run_cli("corrupt", pair / "a", "near", *OPTIONS).returncode == 0
    rows = [
        {json.loads(line)["sha256"] for line in (tmp_path / side / "manifest.jsonl").open()}
        for side in ("far", "near")
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 6
    shutil.rmtree(tmp_path / "far")
