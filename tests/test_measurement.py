"""Measuring: the same bytes however a run goes, every video counted once, and sets that stay alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from synvid_eval import cache, compare
from synvid_eval.cache import Cache
from synvid_eval.errors import DataError, UsageError
from synvid_eval.measurement import PIECE, Options, Quiet, measure, parse_share, plan_pieces, read_measured
from synvid_eval.randomness import address
from synvid_eval.sets import open_set
from synvid_eval.states import BLOCKS
from synvid_eval.video.sampling import Sampler
from tests.clips import moving, write_set, write_video
from tests.conftest import Run
from tests.test_cache import state_bytes

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_set(tmp_path_factory.mktemp("set") / "clips", 12, frames=24)
    write_video(folder / "short.mp4", moving(9, seed=50), "h264")
    return folder


def options(root: Path | None = None, **more: object) -> Options:
    return Options(cache=Cache(root), **{"workers": 1, **more})  # type: ignore[arg-type]


def scores(text: str) -> str:
    return json.dumps(json.loads(text)["scores"])


@pytest.mark.slow
def test_the_same_bytes_for_workers_cache_and_order(
    tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = measure(clips, options=options())
    two = measure(clips, options=options(workers=2))
    kept = options(tmp_path / "c")
    cold = measure(clips, options=kept)
    assert kept.cache.hits == 0
    warm = measure(clips, options=kept)
    assert kept.cache.hits > 0
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda p: _Reversed(real(p)))
    other = measure(clips, options=options())
    for one in (two, cold, warm, other):
        assert state_bytes(one) == state_bytes(first)
        assert one.facts == first.facts
        assert one.clips == first.clips
    assert state_bytes(first)


class _Reversed:
    def __init__(self, entries: object) -> None:
        self._entries = entries

    def __enter__(self) -> list[os.DirEntry[str]]:
        with self._entries as entries:  # type: ignore[attr-defined]
            return list(entries)[::-1]

    def __exit__(self, *_: object) -> None:
        return None


@pytest.mark.slow
def test_blocks_are_the_sum_of_their_clips_alone(tmp_path: Path, clips: Path) -> None:
    """Folding twelve clips gives what each measured in a set of its own gives, added by hand."""
    whole = measure(clips, features=["motion"], options=options())
    values = []
    for path in sorted(clips.iterdir()):
        folder = tmp_path / path.stem
        folder.mkdir()
        shutil.copy(path, folder / path.name)
        alone = measure(folder, features=["motion"], options=options())
        state = alone.sides["motion"].total().states.get("stride1")
        if state is not None:
            values.append(state.mean)  # type: ignore[union-attr]
    total = whole.sides["motion"].total().states["stride1"]
    assert total.n == len(values) == 12  # type: ignore[union-attr]
    assert np.allclose(total.mean, np.mean(values, axis=0), rtol=1e-13)  # type: ignore[union-attr]


def test_a_clip_too_short_for_one_feature_is_measured_for_the_others(clips: Path) -> None:
    measured = measure(clips, features=["motion", "spectrum"], options=options())
    assert measured.facts.clips == 13 and measured.facts.skipped == []
    assert measured.sides["motion"].clips("stride1") == 12
    short = [c.id for c in measured.clips].index("short.mp4")
    assert np.isnan(measured.summaries["motion"]["decorrelation@1"][short])
    score = compare(
        clips,
        clips.as_posix(),
        metrics=["motion", "spectrum"],
        settings=["motion.share=0.9"],
        options=options(),
    )
    motion, spectrum = score.scores
    assert (motion.n["candidate"], motion.detail["too_short"]) == (12, 1)
    assert spectrum.n["candidate"] == 13


def test_a_measured_file_is_the_set(tmp_path: Path, clips: Path) -> None:
    measured = measure(clips, options=options())
    measured.save(tmp_path / "clips.measured")
    measured.save(tmp_path / "again.measured")
    assert (tmp_path / "clips.measured").read_bytes() == (tmp_path / "again.measured").read_bytes()
    back = read_measured(tmp_path / "clips.measured")
    assert state_bytes(back) == state_bytes(measured)
    assert (back.facts, back.clips, back.recipe()) == (measured.facts, measured.clips, measured.recipe())
    for name, columns in measured.summaries.items():
        assert {k: v.tobytes() for k, v in back.summaries[name].items()} == {
            k: v.tobytes() for k, v in columns.items()
        }
    synth = "preset:moving_circles?n=6&size=32&length=16"
    by_file = compare(synth, tmp_path / "clips.measured", options=options())
    by_folder = compare(synth, clips, options=options())
    assert scores(by_file.to_json()) == scores(by_folder.to_json())


@pytest.mark.parametrize(
    "damage", [lambda d: d[:-1], lambda d: b"", lambda d: b"text", lambda d: d[:300] + b"~" + d[301:]]
)
def test_a_damaged_measured_file_is_refused(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "a.measured"
    measure("preset:moving_circles?n=2&size=32&length=16", features=["motion"], options=options()).save(path)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DataError, match=r"is damaged or no \.measured file"):
        read_measured(path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_measured(tmp_path / "b.measured")


def test_sources_are_the_blocks() -> None:
    found = open_set("preset:photo_camera?n=24&height=32&width=32&length=16")
    assert found.sources is not None
    shards = plan_pieces(found)
    by_block: dict[int, set[str]] = {}
    for shard in shards:
        by_block.setdefault(shard.block, set()).update(found.sources[c.id] for c in shard.clips)
    assert len(by_block) == len(set(found.sources.values())) == 8
    assert all(len(s) == 1 for s in by_block.values())
    measured = measure(found, features=["motion"], options=options())
    assert measured.sides["motion"].sources


def test_a_small_set_has_a_piece_a_shard_and_shards_are_by_hash() -> None:
    import hashlib

    found = open_set("preset:moving_circles?n=4000")
    pieces = plan_pieces(found)
    assert len(pieces) == 320
    assert sorted(c.id for p in pieces for c in p.clips) == sorted(found.ids)
    for piece in pieces:
        for clip in piece.clips:
            digest = hashlib.blake2b(f"block\0{clip.id}".encode(), digest_size=8).digest()
            assert int.from_bytes(digest, "big") % BLOCKS == piece.block
    assert {c.id: p.block for p in plan_pieces(found.draw(100)) for c in p.clips}.items() <= {
        c.id: p.block for p in pieces for c in p.clips
    }.items()


def test_a_large_shard_is_cut_into_pieces_and_nothing_is_lost() -> None:
    found = open_set(f"preset:moving_circles?n={320 * PIECE * 3 // 2}")
    pieces = plan_pieces(found)
    assert 320 < len(pieces) < 800 and max(len(p.clips) for p in pieces) == PIECE
    assert sorted(c.id for p in pieces for c in p.clips) == sorted(found.ids)
    assert [p.block for p in pieces] == sorted(p.block for p in pieces)
    shards = defaultdict(list)
    for piece in pieces:
        for clip in piece.clips:
            shards[piece.block, address("block", clip.id) // BLOCKS % 16].append(clip.id)
    assert len(shards) == 320 and all(ids == sorted(ids) for ids in shards.values())


def with_bad(folder: Path, good: int, bad: int) -> Path:
    write_set(folder, good)
    for i in range(bad):
        (folder / f"bad_{i:02d}.mp4").write_bytes(b"no video " * i)
    return folder


def test_every_video_is_measured_or_skipped(tmp_path: Path) -> None:
    folder = with_bad(tmp_path / "set", 3, 5)
    os.mkfifo(folder / "fifo.mp4")
    (folder / "empty.mp4").mkdir()
    measured = measure(folder, features=["motion"], options=options(tmp_path / "c", max_skipped="100%"))
    assert measured.facts.clips + len(measured.facts.skipped) == open_set(folder).found == 10
    ids = {c.id for c in measured.clips}, {s["id"] for s in measured.facts.skipped}
    assert not ids[0] & ids[1]
    assert {s["id"]: s["reason"] for s in measured.facts.skipped}["fifo.mp4"] == "not a regular file"
    assert all(s["reason"] for s in measured.facts.skipped)
    again = measure(folder, features=["motion"], options=options(tmp_path / "c", max_skipped="100%"))
    assert again.facts == measured.facts


def test_a_link_that_dangled_is_measured_once_it_leads_somewhere(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", 2)
    (folder / "link.avi").symlink_to(tmp_path / "later.avi")
    kept = options(tmp_path / "c", max_skipped="100%")
    assert measure(folder, features=["motion"], options=kept).facts.clips == 2
    write_video(tmp_path / "later.avi", moving(20, seed=9))
    assert measure(folder, features=["motion"], options=kept).facts.clips == 3


def test_a_clip_that_could_not_be_hashed_is_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a hash nothing tells an old content from a new one."""
    folder = write_set(tmp_path / "set", 1)
    (path,) = folder.iterdir()
    monkeypatch.setattr(cache, "file_hash", lambda _: "")  # a passing fault of the disk
    kept = options(tmp_path / "c")
    before = measure(folder, features=["motion"], options=kept)
    write_video(path, moving(20, seed=77))
    after = measure(folder, features=["motion"], options=kept)
    assert kept.cache.hits == 0
    assert state_bytes(after) != state_bytes(before)


def test_states_are_folded_with_one_thread(clips: Path) -> None:
    seen: set[int] = set()

    class Watching(Quiet):
        def advance(self, clips: int, cached: bool, reading: str = "") -> None:
            seen.update(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")

    with threadpool_limits(2):
        measure(clips, features=["motion"], options=options(progress=Watching()))
    assert seen == {1}


@pytest.mark.parametrize(
    ("allowed", "fine"),
    [("5%", False), ("2", False), ("20%", False), ("3", True), ("30%", True), ("100%", True)],
)
def test_how_many_may_be_skipped(tmp_path: Path, allowed: str, fine: bool) -> None:
    folder = with_bad(tmp_path / "set", 7, 3)
    if fine:
        assert (
            len(measure(folder, features=["motion"], options=options(max_skipped=allowed)).facts.skipped) == 3
        )
    else:
        with pytest.raises(
            DataError, match=f"of 10 videos skipped, more than --max-skipped {allowed} allows: bad_0"
        ):
            measure(folder, features=["motion"], options=options(max_skipped=allowed))


def test_too_many_skipped_ends_a_run_early(tmp_path: Path, run_cli: Run) -> None:
    folder = with_bad(tmp_path / "set", 0, 100)
    for i in range(200):
        os.link(folder / "bad_99.mp4", folder / f"more_{i}.mp4")
    done = run_cli(
        "compare", "set", "preset:moving_circles?n=4", "--metrics", "motion", "--workers", "1", "-q"
    )
    assert done.returncode == 3
    assert "of 300 videos skipped, more than --max-skipped 5% allows" in done.stderr
    count = int(done.stderr.split(" of 300")[0].rsplit(" ", 1)[1])
    assert 15 < count <= 40  # as soon as it was certain (15 are allowed; whole shards are counted)
    # the reason, which is all ten's, is said once
    assert done.stderr.count("cannot be decoded") == 1 and f"and {count - 10} more" in done.stderr
    assert sum(done.stderr.count(f"{kind}_") for kind in ("bad", "more")) == 10


def test_nothing_measurable_is_an_error_even_where_all_may_be_skipped(tmp_path: Path) -> None:
    folder = with_bad(tmp_path / "set", 0, 3)
    with pytest.raises(DataError, match="none of 3 videos can be measured"):
        measure(folder, features=["motion"], options=options(max_skipped="100%"))


@pytest.mark.parametrize("text", ["", "x", "-1", "101%", "-5%", "nan%", "1.5", "%", "٣"])
def test_shares_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError, match="--max-skipped"):
        parse_share(text)


def start(cli_env: dict[str, str], cwd: Path, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "synvid_eval", *args],
        cwd=cwd,
        env=cli_env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # a shell that starts the tests in the background has them ignore it, and so what they start
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_for_shards(root: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while len(list(root.glob("shards/*/*.safetensors"))) < count and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


SLOW = "preset:moving_shapes?n=120&size=96&length=48:48"


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_stopped_run_goes_on(
    tmp_path: Path, cli_env: dict[str, str], run_cli: Run, how: signal.Signals
) -> None:
    args = ("compare", SLOW, "preset:static_circles?n=4&size=32", "--metrics", "motion", "--json", "a.json")
    stopped = start(cli_env, tmp_path, *args, "--workers", "1")
    wait_for_shards(tmp_path / "cache", 10, stopped)
    os.kill(stopped.pid, how)
    _, err = stopped.communicate(timeout=30)
    if how == signal.SIGINT:
        assert stopped.returncode == 130
        assert "Interrupted." in err and "the same command goes on from there" in err
    else:
        assert stopped.returncode == -signal.SIGKILL
    assert not (tmp_path / "a.json").exists()
    kept = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "cache").glob("shards/*/*.safetensors")}
    assert 10 <= len(kept) < 100  # it was stopped on the way
    again = run_cli(*args, "--workers", "2")
    assert again.returncode == 0, again.stderr
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "cache").glob("shards/*/*.safetensors")}
    assert kept.items() <= after.items()  # not written again, so not measured again
    assert len(after) > len(kept)
    fresh = run_cli(*args[:-1], "b.json", "--cache", "none", "--workers", "2")
    assert fresh.returncode == 0
    assert scores((tmp_path / "a.json").read_text()) == scores((tmp_path / "b.json").read_text())


def test_workers_end_with_a_killed_parent(tmp_path: Path, cli_env: dict[str, str]) -> None:
    stopped = start(
        cli_env, tmp_path, "measure", SLOW, "--out", "a.measured", "--metrics", "motion", "--workers", "1"
    )
    wait_for_shards(tmp_path / "cache", 2, stopped)
    children = [int(p) for p in Path(f"/proc/{stopped.pid}/task/{stopped.pid}/children").read_text().split()]
    assert children
    stopped.kill()
    stopped.communicate(timeout=30)
    deadline = time.monotonic() + 15
    alive = set(children)
    while alive and time.monotonic() < deadline:
        alive = {
            c
            for c in alive
            if Path(f"/proc/{c}/cmdline").exists() and Path(f"/proc/{c}/cmdline").read_bytes()
        }
        time.sleep(0.05)
    assert not alive


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc for a process's peak")
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_memory_does_not_grow_with_the_number_of_clips(tmp_path: Path, cli_env: dict[str, str]) -> None:
    """1,500 clips more may cost 4 KiB each (their records), and the measuring itself some noise of 4 MiB."""
    code = (
        "import sys\n"
        "from synvid_eval.measurement import measure, Options\n"
        "from synvid_eval.cache import Cache\n"
        "options = Options(cache=Cache(None), workers=1)\n"
        "measure(sys.argv[1], features=['motion', 'spectrum', 'lab'], options=options)\n"
        # not ru_maxrss, which starts from the peak of the process that started this one
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    peaks = []
    for count in (300, 1800):
        pixels = np.random.default_rng(0).integers(0, 256, (count, 17, 16, 16, 3), np.uint8)
        np.save(tmp_path / f"{count}.npy", pixels)
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / f"{count}.npy")],
            capture_output=True,
            text=True,
            check=True,
            env=cli_env,
        )
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 1500 * 4 / 1024 + 4, peaks


def test_what_is_cached_for_one_feature_does_not_change_what_another_can_read(tmp_path: Path) -> None:
    """A frame that only a run looks at is broken: the clip is skipped, whatever was asked for first."""
    rng = np.random.default_rng(0)
    for clip in range(4):
        folder = tmp_path / "set" / f"c{clip}"
        folder.mkdir(parents=True)
        for i in range(100):
            cv2.imwrite(str(folder / f"{i:03d}.png"), rng.integers(0, 256, (24, 24, 3), np.uint8))
    plan = Sampler().plan(100, "c2", 0)
    only_run = next(i for run in plan.runs.values() for i in run if i not in plan.frames)
    (tmp_path / "set" / "c2" / f"{only_run:03d}.png").write_bytes(b"broken")
    found = []
    for features in (["lab"], ["lab", "motion"]):
        options = Options(workers=1, cache=Cache(tmp_path / "cache"), max_skipped="100%")
        found.append(measure(tmp_path / "set", features=features, options=options))
    cold = measure(
        tmp_path / "set",
        features=["lab", "motion"],
        options=Options(workers=1, cache=Cache(None), max_skipped="100%"),
    )
    assert [s["id"] for s in cold.facts.skipped] == ["c2"]
    assert found[0].facts == found[1].facts == cold.facts


def test_a_file_that_changes_while_it_is_measured_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path / "set", 2)
    cache = Cache(tmp_path / "cache")
    monkeypatch.setattr(cache, "changed", lambda path: path.endswith("clip_000.avi"))
    measured = measure(tmp_path / "set", features=["lab"], options=Options(workers=1, cache=cache))
    assert measured.facts.clips == 2
    assert cache.info()["entries"] == 1


def test_share_of_skipped_is_exact() -> None:
    assert parse_share("29%")(100) == 29
    assert parse_share("57%")(100) == 57
