"""A set measured by jobs: joined to the byte of one run, whatever happens to the jobs."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synvid_eval import archive, receipts
from synvid_eval.cache import Cache
from synvid_eval.errors import DataError, UsageError
from synvid_eval.features import registry as features
from synvid_eval.measurement import Measurement, Measurer, Options, Quiet, measure, plan_pieces
from synvid_eval.sets import open_set
from synvid_eval.video.videoset import VideoSet
from tests.clips import write_set
from tests.killing import Killing

pytestmark = pytest.mark.timeout(200)

NAMES = ("lab", "motion")


def small(count: int = 24, seed: int = 0, name: str = "small") -> VideoSet:
    """Clips in memory, for which no worker is started; their ids do not tell the seed."""
    frames = np.random.default_rng(seed).integers(0, 256, (count, 17, 16, 16, 3), np.uint8)
    return open_set(frames, name=name)


def options(**more: object) -> Options:
    return Options(**{"workers": 1, "cache": Cache(None), "patience": (0.1, 0.5, 3.0), **more})  # type: ignore[arg-type]


def take(videos: VideoSet, folder: Path, shard: tuple[int, int], **more: object) -> receipts.Taken:
    stopping = more.pop("stopping", lambda: False)
    with Measurer([features.get(n)() for n in NAMES], options(**more)) as measurer:
        return receipts.take(measurer, videos, folder, shard, {}, "synvid-eval measure x", stopping)  # type: ignore[arg-type]


def saved(measurement: Measurement, path: Path) -> bytes:
    measurement.save(path)
    return path.read_bytes()


def once(videos: VideoSet, folder: Path, **more: object) -> bytes:
    return saved(measure(videos, features=NAMES, options=options(**more)), folder / "once.measured")


def joined(folder: Path) -> bytes:
    return saved(receipts.merge(folder), folder.parent / "joined.measured")


def receipts_in(folder: Path) -> list[Path]:
    return sorted((folder / "receipts").glob("*/*.safetensors"))


def test_jobs_joined_are_one_run_to_the_byte(tmp_path: Path) -> None:
    videos, parts = small(), tmp_path / "parts"
    for number in (2, 0, 1):
        taken = take(videos, parts, (number, 3))
        assert taken.measured == taken.there == taken.pieces > 0 and not taken.stopped
    assert len(receipts_in(parts)) == len(plan_pieces(videos))
    assert joined(parts) == once(videos, tmp_path)


def test_jobs_begun_in_one_number_go_on_in_another(tmp_path: Path) -> None:
    videos, parts = small(), tmp_path / "parts"
    first = take(videos, parts, (1, 3))
    assert receipts.state(parts).missing == (0, 2)
    second = take(videos, parts, (0, 1))
    assert second.measured == len(plan_pieces(videos)) - first.measured
    assert receipts.state(parts).missing == ()
    assert joined(parts) == once(videos, tmp_path)


def test_jobs_that_begin_at_one_moment_do_not_refuse_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that comes after each step of another's beginning finds a folder that it may use."""
    videos, parts, plain, seen = small(), tmp_path / "parts", Path.mkdir, []

    def beside(path: Path, *args: object, **given: object) -> None:
        plain(path, *args, **given)  # type: ignore[arg-type]
        if path.parent in (tmp_path, parts) and path.name not in seen:
            seen.append(path.name)
            take(videos, parts, (1, 2))

    monkeypatch.setattr(Path, "mkdir", beside)
    take(videos, parts, (0, 2))
    assert seen[:3] == ["parts", "receipts", "jobs"]
    assert receipts.state(parts).missing == ()


def test_what_is_missing_or_damaged_is_named_and_made_again(tmp_path: Path) -> None:
    videos, parts = small(), tmp_path / "parts"
    for number in range(2):
        take(videos, parts, (number, 2))
    files = receipts_in(parts)
    whole = files[3].read_bytes()
    files[3].write_bytes(whole[:-9])
    files[8].unlink()
    with pytest.raises(DataError, match=r"1 of \d+ pieces .* is missing: 8\. Run again: --shard 0/2"):
        receipts.merge(parts)
    take(videos, parts, (0, 2))
    with pytest.raises(DataError, match=r"3 \(damaged .*Run again: --shard 1/2"):
        receipts.merge(parts)
    assert take(videos, parts, (1, 2)).measured == 1
    assert files[3].read_bytes() == whole
    assert joined(parts) == once(videos, tmp_path)


def test_a_receipt_of_another_place_is_not_taken(tmp_path: Path) -> None:
    videos, parts = small(), tmp_path / "parts"
    take(videos, parts, (0, 1))
    files = receipts_in(parts)
    files[4].write_bytes(files[5].read_bytes())
    with pytest.raises(DataError, match=r"4 \(damaged \(it is another"):
        receipts.merge(parts)
    assert take(videos, parts, (0, 1)).measured == 1
    assert joined(parts) == once(videos, tmp_path)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"count": 25}, "the number of videos 24, not 25"),
        ({"seed": 1}, ""),
        ({"name": "other"}, "the name"),
    ],
)
def test_a_folder_is_of_one_measurement(tmp_path: Path, other: dict[str, Any], said: str) -> None:
    videos, parts = small(), tmp_path / "parts"
    take(videos, parts, (0, 2))
    if not said:  # ids are the same; what is drawn is another thing, and so is its receipt
        before = {p: p.read_bytes() for p in receipts_in(parts)}
        assert take(small(**other), parts, (0, 2)).measured == len(before)
        return
    with pytest.raises(UsageError, match=said):
        take(small(**other), parts, (1, 2))


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        take(small(), tmp_path, (0, 1))
    assert [p.name for p in tmp_path.iterdir()] == ["diary.txt"]
    with pytest.raises(DataError, match="holds no measurement by jobs"):
        receipts.merge(tmp_path)


def test_jobs_that_begin_at_once_and_a_job_killed_at_its_begin_do_not_refuse_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos, parts = small(), tmp_path / "parts"
    (parts / "receipts").mkdir(parents=True)  # as far as the first one came
    link = os.link

    def second(aside: str, path: Path) -> None:
        monkeypatch.undo()
        take(videos, parts, (1, 2))
        link(aside, path)

    monkeypatch.setattr(os, "link", second)
    take(videos, parts, (0, 2))
    assert joined(parts) == once(videos, tmp_path)
    assert sorted(p.name for p in parts.iterdir()) == ["jobs", receipts.PLAN, "receipts"]


def test_a_plan_that_is_listed_before_it_is_seen_is_no_stranger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS, which keeps in mind for seconds what was not there."""
    videos, parts = small(), tmp_path / "parts"
    take(videos, parts, (0, 2))
    there = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda path: path.name != receipts.PLAN and there(path))
    assert take(videos, parts, (1, 2)).measured > 0


def test_a_full_disk_does_not_hide_why_a_job_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_set(tmp_path / "set", 1, frames=20)
    (folder / "bad.mp4").write_bytes(b"no video")
    write = archive.write_bytes

    def full(path: Path, data: bytes) -> None:
        if b'"failed"' in data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
        write(path, data)

    monkeypatch.setattr(archive, "write_bytes", full)
    with pytest.raises(DataError, match="more than --max-skipped"):
        take(open_set(folder), tmp_path / "parts", (0, 1), max_skipped="0")


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b"[1]", b'{"schema": "synvid-eval/measuring/1"}', b"\xff\xfe"]
)
def test_a_damaged_plan_is_one_line(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / receipts.PLAN).write_bytes(damage)
    with pytest.raises(DataError, match="cannot be read"):
        receipts.state(tmp_path)


def test_skipped_clips_count_over_all_jobs(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", 12, frames=20)
    for i in range(6):
        (folder / f"bad_{i}.mp4").write_bytes(b"no video " * (i + 1))
    videos, parts = open_set(folder), tmp_path / "parts"
    for number in range(3):
        take(videos, parts, (number, 3), max_skipped="5")
    with pytest.raises(DataError, match="6 of 18 videos skipped, more than --max-skipped 5"):
        receipts.merge(parts)
    allowed = saved(receipts.merge(parts, max_skipped="6"), tmp_path / "allowed.measured")
    assert allowed == once(videos, tmp_path, max_skipped="6")


def test_a_job_that_fails_says_why(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", 3, frames=20)
    for i in range(6):
        (folder / f"bad_{i}.mp4").write_bytes(b"no video " * (i + 1))
    parts = tmp_path / "parts"
    with pytest.raises(DataError, match="more than --max-skipped"):
        take(open_set(folder), parts, (0, 1), max_skipped="1")
    state = receipts.state(parts)
    assert state.jobs[0]["state"] == "failed" and state.jobs[0]["code"] == 3
    assert "max-skipped" in state.jobs[0]["error"] and state.missing == (0,)


def test_a_job_that_is_told_to_stop_keeps_what_is_in_work(tmp_path: Path) -> None:
    videos, parts = small(), tmp_path / "parts"
    asked: list[int] = []

    def stopping() -> bool:
        asked.append(1)
        return len(asked) > 5

    taken = take(videos, parts, (0, 1), stopping=stopping)
    assert taken.stopped and taken.measured == len(receipts_in(parts)) == 5
    assert receipts.state(parts).jobs[0]["state"] == "stopped"
    assert take(videos, parts, (0, 1)).measured == taken.pieces - 5
    assert joined(parts) == once(videos, tmp_path)


def test_two_jobs_on_one_part_spoil_nothing(tmp_path: Path) -> None:
    videos, parts = small(), tmp_path / "parts"
    both = [threading.Thread(target=take, args=(videos, parts, (0, 1))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert joined(parts) == once(videos, tmp_path)


def test_a_full_disk_is_one_line_and_the_job_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos, parts = small(), tmp_path / "parts"
    write, written = archive.write_bytes, []

    def full(path: Path, data: bytes) -> None:
        if path.suffix == ".safetensors" and len(written) == 7:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
        written.append(path) if path.suffix == ".safetensors" else None
        write(path, data)

    monkeypatch.setattr(archive, "write_bytes", full)
    with pytest.raises(DataError, match="No space left"):
        take(videos, parts, (0, 1))
    monkeypatch.undo()
    assert len(receipts_in(parts)) == 7
    take(videos, parts, (0, 1))
    assert joined(parts) == once(videos, tmp_path)


def test_storage_that_is_gone_for_a_while_changes_nothing(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", 6, frames=20)
    videos, parts = open_set(folder), tmp_path / "parts"
    alone = once(videos, tmp_path)
    away = threading.Timer(1.5, lambda: os.rename(tmp_path / "gone", folder))
    os.rename(folder, tmp_path / "gone")
    away.start()
    took = take(videos, parts, (0, 1))
    away.join()
    assert took.there == took.pieces
    back = receipts.merge(parts)
    assert not back.facts.skipped
    again = measure(videos, features=NAMES, options=options())
    assert back.facts == again.facts and saved(again, tmp_path / "again.measured") == alone
    assert {n: [b.clips for b in s.blocks] for n, s in back.sides.items()} == {
        n: [b.clips for b in s.blocks] for n, s in again.sides.items()
    }


class Outage(Quiet):
    """Takes a folder away when some clips are measured, for so many seconds; keeps what is said."""

    def __init__(self, folder: Path, after: int, seconds: float) -> None:
        self.folder, self.after, self.seconds, self.said = folder, after, seconds, list[str]()
        self.back: threading.Timer | None = None

    def advance(self, clips: int, cached: bool, reading: str = "") -> None:
        """Counts clips, not files that are hashed."""
        self.after -= 0 if "/" in reading else clips
        if self.after <= 0 and self.back is None:
            aside = self.folder.with_name("away")
            os.rename(self.folder, aside)
            self.back = threading.Timer(self.seconds, lambda: os.rename(aside, self.folder))
            self.back.start()

    def say(self, text: str) -> None:
        self.said.append(text)


def test_a_clip_whose_storage_goes_once_it_is_read_has_not_changed(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", 4, frames=20)
    videos, outage = open_set(folder), Outage(folder, 1, 0.3)
    alone = once(videos, tmp_path)
    cache = Cache(tmp_path / "cache")
    found = measure(videos, features=NAMES, options=options(progress=outage, cache=cache, workers=1))
    assert saved(found, tmp_path / "found.measured") == alone
    assert any("its storage is gone: tried again" in text for text in outage.said), outage.said
    assert len(list((tmp_path / "cache" / "shards").glob("*/*"))) == len(plan_pieces(videos)) * len(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["once", "by jobs"])
def test_storage_that_is_gone_for_half_a_minute_changes_nothing(tmp_path: Path, how: str) -> None:
    """With the waits that users have."""
    folder = write_set(tmp_path / "set", 40, frames=20)
    videos, parts = open_set(folder), tmp_path / "parts"
    alone = once(videos, tmp_path)
    outage = Outage(folder, 12, 30.0)
    given = {
        "workers": 2,
        "patience": Options.patience,
        "progress": outage,
        "cache": Cache(tmp_path / "cache"),
    }
    if how == "once":
        found = measure(videos, features=NAMES, options=options(**given))
        assert saved(found, tmp_path / "found.measured") == alone
    else:
        taken = take(videos, parts, (0, 1), **given)
        assert taken.there == taken.measured == taken.pieces
        assert joined(parts) == alone
    assert Options.patience == (1, 5, 30)
    assert any("tried again in 30 s" in text for text in outage.said), outage.said


def test_what_is_still_gone_at_the_end_is_skipped_and_tried_again_by_the_next_run(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", 6, frames=20)
    videos, parts = open_set(folder), tmp_path / "parts"
    lost = folder / videos.clips[2].id
    os.rename(lost, tmp_path / "aside")
    take(videos, parts, (0, 1), patience=(0.05,), max_skipped="50%")
    assert receipts.merge(parts).facts.skipped[0]["id"] == videos.clips[2].id
    os.rename(tmp_path / "aside", lost)
    assert take(videos, parts, (0, 1), max_skipped="50%").measured == 1
    assert not receipts.merge(parts).facts.skipped


CODE = """
import sys
from pathlib import Path
from synvid_eval.cli import main
main(sys.argv[1:])
"""


def job(parts: Path, *more: str) -> subprocess.Popen[bytes]:
    words = ["measure", "preset:moving_circles?n=90&size=16", "--metrics", "motion", "--cache", "none"]
    return subprocess.Popen(
        [sys.executable, "-c", CODE, *words, "--workers", "1", "--out", str(parts), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def until_some(parts: Path, least: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 100
    while len(receipts_in(parts)) < least and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)


def test_a_job_killed_again_and_again_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    parts, kills = tmp_path / "parts", 0
    for least in (10, 50):
        process = job(parts, "--shard", "0/1")
        until_some(parts, least, process)
        kills += process.poll() is None
        process.kill()
        process.communicate()
    assert kills == 2
    process = job(parts, "--shard", "0/1")
    process.communicate()
    assert process.returncode == 0
    videos = open_set("preset:moving_circles?n=90&size=16")
    measured = receipts.merge(parts)
    plain = measure(videos, features=["motion"], options=options())
    assert measured.facts == plain.facts
    assert saved(measured, tmp_path / "a.measured") == saved(
        Measurement(**{**vars(plain), "about": {**plain.about, "protocol": "default"}}),
        tmp_path / "b.measured",
    )


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_scheduler_that_ends_a_job_loses_no_piece(tmp_path: Path, name: str) -> None:
    parts = tmp_path / "parts"
    process = job(parts, "--shard", "0/1")
    until_some(parts, 5, process)
    assert process.poll() is None
    process.send_signal(getattr(signal, name))
    _, said = process.communicate()
    assert process.returncode == 130 and b"goes on from there" in said and b"Traceback" not in said
    there = len(receipts_in(parts))
    told = json.loads((parts / "jobs" / "0-of-1.json").read_text())
    assert told["state"] == "stopped" and told["pieces"][0] == there
    assert receipts.state(parts).missing == (0,)


def test_a_clip_that_kills_its_process_is_listed_and_the_others_go_on(tmp_path: Path) -> None:
    videos, parts = open_set("preset:moving_circles?n=12&size=16"), tmp_path / "parts"
    poison = Killing(clip="moving_circles/7", mark=str(tmp_path / "tries"))
    with Measurer([poison], options(max_skipped="1")) as measurer:
        taken = receipts.take(measurer, videos, parts, (0, 1), {})
    assert taken.there == taken.pieces
    assert len((tmp_path / "tries").read_text()) <= 3
    told = [archive.read(path)[1] for path in receipts_in(parts)]
    assert [s["id"] for t in told for s in t["skipped"]] == ["moving_circles/7"]
    assert sum(len(t["clips"]) for t in told) == len(videos) - 1


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_workers_killed_fifty_times_change_nothing(tmp_path: Path) -> None:
    """Each time something has come of it since the last one: who kills faster than workers start sees none
    at work.
    """
    videos = open_set("preset:moving_circles?n=600&size=64")
    alone = once(videos, tmp_path, workers=2)
    over, kills, parts = threading.Event(), 0, tmp_path / "parts"

    def kill() -> None:
        nonlocal kills
        before = 0
        while not over.wait(0.02) and kills < 50:
            there = len(receipts_in(parts))
            if there >= before + 4 or there < before:
                before = there
                for pid in workers_of(os.getpid())[:1]:
                    os.kill(pid, signal.SIGKILL)
                    kills += 1

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        for _ in range(5):
            take(videos, parts, (0, 1), workers=2)
            if kills == 50:
                break
            for path in receipts_in(parts):
                path.unlink()
    finally:
        over.set()
        killer.join()
    assert kills == 50
    assert joined(parts) == alone


def workers_of(pid: int) -> list[int]:
    """The worker processes of a process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == pid and b"synvid_eval.worker" in words:
                    found.append(int(entry.name))
    return found
