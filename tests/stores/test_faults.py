"""What goes wrong with a store: nothing that is read is wrong, and nothing that is not read goes unsaid."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from synvid_eval import sets
from synvid_eval.errors import DataError, MissingPackageError, UsageError
from synvid_eval.video import decode, remote
from synvid_eval.video.decode import ClipRef, Unreadable
from tests.clips import moving, sequential, write_video
from tests.conftest import Run
from tests.stores.conftest import upload
from tests.stores.servers import KEY, SECRET, Proxy, Request

METRICS = ("--metrics", "color,spectrum", "-q", "--json", "-")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience and pauses of tests of one process."""
    monkeypatch.setattr(remote, "PATIENCE", 3.0)
    monkeypatch.setattr(remote, "_ANSWERED", set())
    monkeypatch.setattr(remote, "FIRST_PATIENCE", 1.0)
    monkeypatch.setattr(remote, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(remote, "LONGEST_PAUSE", 0.1)


FAULTS = ("503", "500", "drop", "cut", "short")


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", FAULTS)
def test_bytes_are_whole_whatever_fails_on_the_way(
    store: Proxy, s3: Any, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the answers to reading, two of three are bad: the bytes are those that were written."""
    monkeypatch.setattr(remote, "BLOCK", 1000)
    data = bytes(i * 7919 % 251 for i in range(4321))
    s3.put_object(Bucket="bucket", Key="bytes.bin", Body=data)

    def fail(request: Request) -> str | None:
        return fault if request.reads and sum(r.reads for r in store.seen) % 3 else None

    store.reset(fail)
    assert remote.read_bytes("s3://bucket/bytes.bin") == data
    assert sum(r.reads for r in store.seen) == 15


@pytest.mark.usefixtures("quick")
def test_a_request_without_an_answer_is_made_again(
    store: Proxy, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_ANSWER", 1)
    monkeypatch.setattr(store, "patience", 3.0)
    s3.put_object(Bucket="bucket", Key="late.bin", Body=b"late")
    store.reset(lambda r: "hang" if r.reads and sum(q.reads for q in store.seen) == 1 else None)
    begun, beats = time.monotonic(), []
    assert remote.read_bytes("s3://bucket/late.bin", beat=lambda: beats.append(1)) == b"late"
    assert 1 <= time.monotonic() - begun < 3
    assert len(beats) == 3  # opening, and reading twice: who waits hears of each


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", FAULTS)
def test_what_never_comes_is_an_error_not_an_end(store: Proxy, s3: Any, tmp_path: Path, fault: str) -> None:
    """FFmpeg takes an error for the end of a file: the second block of a video that never comes must not."""
    path = write_video(tmp_path / "v.mpg", moving(60), "mpeg2")
    s3.upload_file(os.fspath(path), "bucket", "broken.mpg")
    size = path.stat().st_size
    remote.BLOCK, before = size // 3, remote.BLOCK
    try:
        store.reset(lambda r: fault if r.reads and "bytes=0-" not in r.headers.get("Range", "") else None)
        with pytest.raises(Unreadable) as seen:
            reader = decode.VideoFile(ClipRef("v", "file", "s3://bucket/broken.mpg"))
            list(reader.frames([0]))
        assert not seen.value.lasting
        assert re.search(r"tried for \d+ s$", str(seen.value)), str(seen.value)
        store.reset()
        reader = decode.VideoFile(ClipRef("v", "file", "s3://bucket/broken.mpg"))
        assert reader.total == len(sequential(path))
    finally:
        remote.BLOCK = before


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_listing_is_whole_or_none(store: Proxy, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"c{i:04}.mp4" for i in range(350)]
    for name in names:
        s3.put_object(Bucket="bucket", Key=f"pages/{name}", Body=b"x")
    monkeypatch.setattr(store, "page", 100)

    def every_other(request: Request) -> str | None:
        return "503" if "continuation-token" in request.path and request.number % 2 else None

    for fault in ("cut", "drop", "503"):
        store.reset(lambda r, f=fault: f if "list-type=2" in r.path and r.number % 2 else None)
        assert list(remote.listing("s3://bucket/pages")) == names, fault
    store.reset(every_other)
    assert sets.open_set("s3://bucket/pages/").ids == names
    store.reset(lambda r: "500" if "continuation-token" in r.path else None)
    with pytest.raises(DataError, match=r"s3://bucket/pages/ cannot be opened: .*tried for"):
        sets.open_set("s3://bucket/pages/")


def test_scores_are_those_of_the_disk_while_requests_fail(
    store: Proxy, s3: Any, pair: Path, run_cli: Run
) -> None:
    """Every kind of fault in turn, on a third of all requests, of a run with two processes."""
    upload(s3, pair, "faulty")

    def fail(request: Request) -> str | None:
        kinds = FAULTS if request.reads else ("503", "500", "drop")
        return kinds[request.number // 3 % len(kinds)] if request.number % 3 == 1 else None

    local = run_cli("compare", pair / "a", pair / "b", *METRICS)
    store.reset(fail)
    words = ("compare", "s3://bucket/faulty/a/", "s3://bucket/faulty/b/", *METRICS, "--workers", "2")
    found = run_cli(*words)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["scores"] == json.loads(local.stdout)["scores"]
    assert not any(s["skipped"] for s in json.loads(found.stdout)["candidates"])


@pytest.mark.slow
def test_a_store_that_is_gone_for_a_while_changes_nothing(
    store: Proxy, s3: Any, pair: Path, run_cli: Run
) -> None:
    upload(s3, pair, "outage")
    local = run_cli("compare", pair / "a", pair / "b", *METRICS)
    away: list[float] = []

    def fail(request: Request) -> str | None:
        if request.reads and not away:
            away.append(time.monotonic())
        return "drop" if away and time.monotonic() - away[0] < 6 else None

    store.reset(fail)
    words = ("compare", "s3://bucket/outage/a/", "s3://bucket/outage/b/", *METRICS, "--workers", "2")
    found = run_cli(*words, "--decode-timeout", "5")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["scores"] == json.loads(local.stdout)["scores"]
    assert time.monotonic() - away[0] > 6


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["files", "tar"])
def test_a_store_that_is_gone_for_half_a_minute_changes_no_byte_of_a_measurement(
    store: Proxy, s3: Any, pair: Path, run_cli: Run, tmp_path: Path, layout: str
) -> None:
    """With the waits that users have, of a set measured at once and by jobs."""
    if layout == "files":
        upload(s3, pair / "a", "half/set")
    else:
        with tarfile.open(tmp_path / "set.tar", "w") as tar:
            tar.add(pair / "a", ".")
        s3.upload_file(os.fspath(tmp_path / "set.tar"), "bucket", "half/set.tar")
    where = "s3://bucket/half/set" + (".tar" if layout == "tar" else "/")
    words = ("measure", where, "--metrics", "color,motion", "--workers", "2", "--cache", "none")
    alone = run_cli(*words, "--out", "alone.measured")
    assert alone.returncode == 0, alone.stderr
    for more in (("--out", "found.measured"), ("--shard", "0/1", "--out", "parts")):
        away: list[float] = []

        def fail(request: Request, away: list[float] = away) -> str | None:
            if request.reads and not away and sum(r.reads for r in store.seen) > 4:
                away.append(time.monotonic())
            return "drop" if away and time.monotonic() - away[0] < 30 else None

        store.reset(fail)
        done = run_cli(*words, *more)
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - away[0] > 30
    assert run_cli("merge", "parts", "--out", "joined.measured").returncode == 0
    alone_bytes = (tmp_path / "alone.measured").read_bytes()
    assert (tmp_path / "found.measured").read_bytes() == alone_bytes
    assert (tmp_path / "joined.measured").read_bytes() == alone_bytes


@pytest.mark.usefixtures("quick")
def test_an_object_that_is_replaced_is_never_mixed(
    store: Proxy, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replaced after the listing, or between two reads: the clip is skipped, and not kept in the cache."""
    one = write_video(tmp_path / "one.mp4", moving(40, seed=1), "h264")
    two = write_video(tmp_path / "two.mp4", moving(40, seed=2), "h264")
    s3.upload_file(os.fspath(one), "bucket", "replaced/v.mp4")
    (clip,) = sets.open_set("s3://bucket/replaced/").clips
    s3.upload_file(os.fspath(two), "bucket", "replaced/v.mp4")
    with pytest.raises(Unreadable, match="it was replaced since the set was listed") as seen:
        sets.open_clip(clip)
    assert not seen.value.lasting
    (clip,) = sets.open_set("s3://bucket/replaced/").clips
    monkeypatch.setattr(remote, "BLOCK", 1000)
    store.reset()

    def replace(request: Request) -> str | None:
        if request.reads and sum(r.reads for r in store.seen) == 2:
            s3.upload_file(os.fspath(one), "bucket", "replaced/v.mp4")
        return None

    store.reset(replace)
    with pytest.raises(Unreadable, match="it was replaced since the set was listed"):
        sets.open_clip(clip)


@pytest.mark.slow
def test_a_replaced_clip_is_listed_and_measured_the_next_time(
    store: Proxy, s3: Any, pair: Path, run_cli: Run, tmp_path: Path
) -> None:
    upload(s3, pair, "swapped")
    other = write_video(tmp_path / "other.avi", moving(40, seed=77), "xvid")
    done: list[int] = []

    def replace(request: Request) -> str | None:
        if request.reads and not done:
            done.append(1)
            s3.upload_file(os.fspath(other), "bucket", "swapped/a/class0/v4.mpg")
        return None

    store.reset(replace)
    words = ("compare", "s3://bucket/swapped/a/", "s3://bucket/swapped/b/", *METRICS, "--workers", "1")
    first = run_cli(*words, "--max-skipped", "50%")
    assert first.returncode == 0, first.stderr
    skipped = json.loads(first.stdout)["candidates"][0]["skipped"]
    assert [s["id"] for s in skipped] == ["class0/v4.mpg"]
    assert "it was replaced since the set was listed" in skipped[0]["reason"]
    again = json.loads(run_cli(*words).stdout)
    assert not again["candidates"][0]["skipped"]
    local = tmp_path / "local"
    for path in (pair / "a").rglob("*.*"):
        to = local / path.relative_to(pair / "a")
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(path.read_bytes() if path.name != "v4.mpg" else other.read_bytes())
    expected = run_cli("compare", f"a={local}", pair / "b", *METRICS)
    assert again["scores"] == json.loads(expected.stdout)["scores"]


@pytest.mark.slow
def test_a_killed_run_goes_on_with_what_it_had(
    store: Proxy, s3: Any, pair: Path, cli_env: dict[str, str], run_cli: Run, tmp_path: Path
) -> None:
    upload(s3, pair, "killed")
    words = ("compare", "s3://bucket/killed/a/", "s3://bucket/killed/b/", *METRICS, "--workers", "1")
    half = threading.Event()

    def watch(request: Request) -> str | None:
        if sum(r.reads for r in store.seen) > 8:
            half.set()
        return None

    store.reset(watch)
    with subprocess.Popen(
        [sys.executable, "-m", "synvid_eval", *words], env=cli_env, cwd=tmp_path, stdout=subprocess.DEVNULL
    ) as process:
        assert half.wait(100)
        process.send_signal(signal.SIGKILL)
    read = {r.path.partition("?")[0] for r in store.seen if r.reads}
    store.reset()
    found = run_cli(*words)
    assert found.returncode == 0, found.stderr
    read_again = {r.path.partition("?")[0] for r in store.seen if r.reads}
    assert len(read) > 3
    assert len(read_again) < 12
    local = run_cli("compare", pair / "a", pair / "b", *METRICS)
    assert json.loads(found.stdout)["scores"] == json.loads(local.stdout)["scores"]


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_errors_are_one_line_and_say_what_to_do(
    store: Proxy, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"s3://bucket/none does not exist"):
        sets.open_set("s3://bucket/none")
    with pytest.raises(DataError, match=r"0 videos under s3://bucket/none\."):
        sets.open_set("s3://bucket/none/")
    with pytest.raises(DataError, match=r"s3://no-such-bucket/x/ cannot be opened: no such bucket\. Check"):
        sets.open_set("s3://no-such-bucket/x/")
    s3.put_object(Bucket="bucket", Key="text.mp4", Body=b"x")
    with pytest.raises(DataError, match="one video"):
        sets.open_set("s3://bucket/text.mp4")
    store.reset(lambda r: "403")
    with pytest.raises(DataError, match=r"access denied\. Check the credentials"):
        sets.open_set("s3://bucket/x/")
    store.reset(lambda r: "503")
    with pytest.raises(DataError, match=r"the store is busy, tried for \d+ s\. Check the network"):
        sets.open_set("s3://bucket/x/")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    remote._system.cache_clear()
    store.reset()
    with pytest.raises(DataError, match=r"no credentials for it were found\. Set AWS_ACCESS_KEY_ID"):
        sets.open_set("s3://bucket/x/")


@pytest.mark.usefixtures("quick")
def test_a_store_without_an_answer_is_told_of_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    remote._system.cache_clear()
    begun = time.monotonic()
    with pytest.raises(DataError, match=r"no good answer \(\w+\), tried for"):
        sets.open_set("s3://bucket/x/")
    assert time.monotonic() - begun < 20
    remote._system.cache_clear()


SIGNED = "https://host.example/v.npy?X-Amz-Signature=abcdef0123&X-Amz-Credential=AKIA"


@pytest.mark.parametrize(
    "location", ["s3://KEY:hush@bucket/a/", SIGNED, "https://user:hush@host.example/v.npy", "gs://hush@b/x"]
)
def test_secrets_in_a_location_are_refused_and_not_repeated(location: str, run_cli: Run) -> None:
    for words in (
        ("compare", location, "preset:moving_circles?n=2", "--json", "-"),
        ("compare", f"corrupt:jumble?severity=1&of={location}", "preset:moving_circles?n=2"),
        ("measure", "preset:moving_circles?n=2", "--out", f"{location}.measured"),
        ("compare", *["preset:moving_circles?n=2"] * 2, "--json", location),
        ("inspect", location),
        ("measure", location, "--out", "f.measured"),
        ("generate", "moving_circles", location, "--clips", "1"),
    ):
        done = run_cli(*words)
        assert done.returncode == 2, (words, done.stderr)
        for secret in ("hush", "abcdef0123", "AKIA"):
            assert secret not in done.stdout + done.stderr
        assert "Secrets do not belong" in done.stderr


def test_no_credential_is_kept_or_told(
    store: Proxy, s3: Any, pair: Path, run_cli: Run, tmp_path: Path
) -> None:
    """Not in a result, a page, a log with -v, an error with -v, or any file of the cache."""
    upload(s3, pair, "secret")
    words = ("compare", "s3://bucket/secret/a/", "s3://bucket/secret/b/", "--metrics", "color", "-v")
    done = run_cli(*words, "--json", "f.json", "--html", "f.html")
    assert done.returncode == 0, done.stderr
    store.reset(lambda r: "403")
    bad = run_cli("compare", "s3://bucket/secret/", "s3://bucket/secret/b/", "-v")
    assert bad.returncode == 3
    assert "Traceback" in bad.stderr
    written = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(written) > 5
    texts = [p.read_bytes() for p in written]
    texts += [(o.stdout + o.stderr).encode() for o in (done, bad)]
    for secret in (KEY, SECRET, "AWS4-HMAC"):
        assert not any(secret.encode() in text for text in texts)


def test_usage_is_refused_before_anything_is_asked(store: Proxy, run_cli: Run) -> None:
    circles = "preset:moving_circles?n=2"
    for words, said in (
        (("compare", "ftp://host/x", circles), "No store is called ftp://"),
        (("compare", "s3://", circles), "names no bucket"),
        (("compare", "http://h/x?a=1", circles), "is given with a query"),
        (("generate", "moving_circles", "s3://bucket/out"), "OUT wants a place on this machine"),
        (("compare", circles, circles, "--cache", "s3://bucket/c"), "--cache wants a place on this machine"),
        (
            ("measure", circles, "--shard", "0/2", "--out", "s3://bucket/parts/"),
            "--out of --shard wants a place on this machine",
        ),
        (("compare", circles, circles, "--json", "https://h/f.json"), "web servers are read only"),
        (("compare", circles, circles, "--json", "s3://bucket/x/"), "is a folder"),
        (("compare", "s3://bucket/a/", circles, "--json", "s3://bucket/a/f.json"), "lies in"),
        (
            ("textures", "make", "leaves", "--out", "gs://b/x", "--n", "1"),
            "wants a place on this machine",
        ),
    ):
        done = run_cli(*words)
        assert done.returncode == 2, (words, done.stderr)
        assert said in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_target_without_a_bucket_is_told_of_before_the_work(store: Proxy, run_cli: Run) -> None:
    circles = "preset:moving_circles?n=2"
    done = run_cli("compare", circles, circles, "--json", "s3://no-such-bucket/f.json")
    assert done.returncode == 3
    assert "no such bucket" in done.stderr


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
def test_a_missing_package_names_its_extra(
    scheme: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synvid_eval import extras

    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(extras, "extras", lambda: {"s3": ["s3fs"], "gcs": ["gcsfs"]})
    monkeypatch.setattr("importlib.metadata.packages_distributions", dict)
    monkeypatch.setattr(extras, "_spec", lambda top: None)
    remote._system.cache_clear()
    with pytest.raises(
        MissingPackageError, match=rf"{package} \(extra '{'s3' if scheme == 's3' else 'gcs'}'\)"
    ):
        sets.open_set(f"{scheme}://bucket/x/")


def test_known_errors_are_not_lost_on_their_way() -> None:
    with pytest.raises(UsageError, match="No store is called az://"):
        remote.checked("az://container/x")
    assert remote.checked("plain/path") == "plain/path"


@pytest.mark.parametrize(
    "url", ["s3://AKIA0:wJal/rXUt@bucket/x", "s3://AKIA0:wJalrXUt@bucket/x", "https://me:wJal/rXUt@host/x"]
)
def test_a_password_with_a_slash_is_none_of_a_bucket_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match="a user or password") as error:
        remote.checked(url)
    assert "rXUt" not in f"{error.value.message} {error.value.hint}"


@pytest.mark.parametrize(
    "url",
    ["s3://bucket/a:b@c", "s3://arn:aws:s3:x:1:accesspoint/n@k", "http://h:80/a@b", "http://[::1]:80/a@b"],
)
def test_a_port_or_an_at_in_a_name_is_no_password(url: str) -> None:
    assert remote.checked(url) == url
