"""Fetching against a real server on loopback that cuts, stalls, redirects and lies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from synvid_eval.errors import UsageError, WeightsError
from synvid_eval.networks.fetching import Patience, fetch, proxy_of
from tests.networks.server import CONTENT, PAGE, WRONG, Server, blob_entry, entry, serving

QUICK = Patience(tries=3, pause=0.01, stall=10, slow_after=10)
HASTY = Patience(tries=3, pause=0.01, stall=0.25, slow_after=0.25)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as running:
        yield running


def left(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("make", [entry, blob_entry])
@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/good", 1),
        ("/redirect", 1),
        ("/cut", 3),
        ("/stall-once", 2),
        ("/busy-once", 2),
        ("/no-middle", 3),
    ],
)
def test_the_file_comes_in_the_end(server: Server, tmp_path: Path, path: str, asked: int, make) -> None:
    patience = Patience(tries=5, pause=0.01, stall=0.5 if "stall" in path else 10)
    one, told = make(server.at(path)), []
    found = fetch(one, tmp_path / "new", patience=patience, progress=lambda *a: told.append(a))
    assert found.file.read_bytes() == CONTENT
    assert found.name == "inception" and found.identity == f"sha256:{entry().sha256}"
    assert left(tmp_path / "new") == ["inception.pth"]
    if path != "/no-middle":
        assert server.times(path) == asked
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_a_cut_one_goes_on_where_it_ended(server: Server, tmp_path: Path) -> None:
    fetch(entry(server.at("/cut")), tmp_path, patience=QUICK)
    assert [r for _, r in server.asked] == [None, "bytes=100001-", "bytes=200002-"]


def test_the_next_address_goes_on_where_the_last_one_failed(server: Server, tmp_path: Path) -> None:
    once = Patience(tries=1, stall=0.25)
    fetch(entry(server.at("/stall"), server.at("/good")), tmp_path, patience=once)
    assert server.asked == [("/stall", None), ("/good", "bytes=50000-")]
    assert (tmp_path / "inception.pth").read_bytes() == CONTENT


def test_wrong_bytes_of_one_address_do_not_spoil_the_next(server: Server, tmp_path: Path) -> None:
    twice = Patience(tries=2, pause=0.01)
    fetch(entry(server.at("/wrong-cut"), server.at("/good")), tmp_path, patience=twice)
    assert (tmp_path / "inception.pth").read_bytes() == CONTENT
    assert server.asked[-1] == ("/good", None)


@pytest.mark.parametrize("make", [entry, blob_entry])
@pytest.mark.parametrize(
    ("path", "said", "asked"),
    [
        ("/cut-always", "ended after 100,001 of 300,001 bytes", 3),
        ("/cut-at-once", "ended after 0 of 300,001 bytes", 3),
        ("/stall", "nothing came for 0.25 s, after 50,000 bytes", 3),
        ("/silent", "no answer for 0.25 s", 3),
        ("/drip", "bytes a second", 3),
        ("/loop", "HTTP 302", None),
        ("/to-file", "HTTP 302", 1),
        ("/wrong", "sent another file (300,001 bytes", 1),
        ("/short", "1,000 bytes", 1),
        ("/short-silent", "1,000", None),
        ("/page", "sent a page (text/html)", 1),
        ("/page-as-file", f"{len(PAGE)}", None),
        ("/other-part", "sent another part than was asked for", 3),
        ("/busy", "HTTP 503 Service Unavailable", 3),
        ("/gone", "HTTP 404 Not Found", 1),
    ],
)
def test_nothing_wrong_is_kept_and_the_error_says_how_it_failed(
    server: Server, tmp_path: Path, path: str, said: str, asked: int | None, make
) -> None:
    one, told = make(server.at(path)), []
    with pytest.raises(WeightsError) as caught:
        fetch(
            one,
            tmp_path,
            patience=HASTY if path in ("/stall", "/silent", "/drip") else QUICK,
            say=told.append,
        )
    assert left(tmp_path) == []
    assert f"{server.at(path)}: " in caught.value.message
    assert any(said in text for text in (*told, caught.value.message))
    assert one.hash_text in caught.value.hint and str(tmp_path) in caught.value.hint
    if asked:
        assert server.times(path) == asked


def test_where_nobody_says_how_long_the_file_is_a_wrong_one_may_be_a_cut_one(
    server: Server, tmp_path: Path
) -> None:
    said: list[str] = []
    one = blob_entry(server.at("/cut-silent"), server.at("/cut-silent-once"))
    fetch(one, tmp_path, patience=QUICK, say=said.append)
    assert [path for path, _ in server.asked] == ["/cut-silent"] * 3 + ["/cut-silent-once"] * 2
    assert all(range_ is None for _, range_ in server.asked)
    assert "sent another file (100,001 bytes" in said[0] and "or was cut: it did not say how long" in said[0]
    assert left(tmp_path) == [one.file] and (tmp_path / one.file).read_bytes() == CONTENT


def test_an_answer_whose_end_is_said_is_asked_for_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"sent another file \(3 bytes"):
        fetch(blob_entry(server.at("/chunked")), tmp_path, patience=QUICK)
    assert server.times("/chunked") == 1


def test_an_endless_answer_is_given_up(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="sends more than the 300,001 bytes"):
        fetch(entry(server.at("/endless")), tmp_path, patience=QUICK)
    assert left(tmp_path) == []


def test_all_addresses_are_named_when_all_fail(server: Server, tmp_path: Path) -> None:
    closed = serving()
    with closed as gone:
        refused = gone.at("/good")
    paths = ["/gone", "/page", "/wrong"]
    said: list[str] = []
    with pytest.raises(WeightsError) as caught:
        one = entry(refused, *map(server.at, paths))
        fetch(one, tmp_path, patience=QUICK, say=said.append)
    assert caught.value.code == 4
    for part in ("Connection refused (asked 3 times)", "HTTP 404", "text/html", "another file"):
        assert part in caught.value.message
    assert sum("trying another address" in line for line in said) == 3


def test_a_file_that_is_there_is_not_fetched_again_and_a_wrong_one_is_replaced(
    server: Server, tmp_path: Path
) -> None:
    one = entry(server.at("/good"))
    (tmp_path / one.file).write_bytes(WRONG)
    fetch(one, tmp_path, patience=QUICK)
    assert (tmp_path / one.file).read_bytes() == CONTENT
    fetch(one, tmp_path, patience=QUICK)
    assert server.times("/good") == 1
    assert left(tmp_path) == [one.file]


def test_a_wrong_file_that_cannot_be_replaced_stays_wrong(server: Server, tmp_path: Path) -> None:
    """A fetch that fails says so; what lay there is not made to look right."""
    one = entry(server.at("/gone"))
    (tmp_path / one.file).write_bytes(WRONG)
    with pytest.raises(WeightsError, match="404"):
        fetch(one, tmp_path, patience=QUICK)
    assert (tmp_path / one.file).read_bytes() == WRONG


def test_a_proxy_of_the_environment_is_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.at(""))
    monkeypatch.setenv("http_proxy", server.at(""))
    fetch(entry("http://weights.invalid/good"), tmp_path, patience=QUICK)
    assert server.asked == [("http://weights.invalid/good", None)]
    monkeypatch.setenv("NO_PROXY", "weights.invalid")
    monkeypatch.setenv("no_proxy", "weights.invalid")
    (tmp_path / "inception.pth").unlink()
    with pytest.raises(WeightsError):
        fetch(entry("http://weights.invalid/good"), tmp_path, patience=QUICK)
    assert len(server.asked) == 1


def behind(monkeypatch: pytest.MonkeyPatch, proxy: str, name: str = "HTTPS_PROXY") -> None:
    for one in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(one, raising=False)
        monkeypatch.delenv(one.upper(), raising=False)
    monkeypatch.setenv(name, proxy)


def test_a_dead_proxy_is_named_without_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as gone:
        port = gone.server_port
    said: list[str] = []
    for proxy in (f"127.0.0.1:{port}", f"http://me:secret@127.0.0.1:{port}/"):
        behind(monkeypatch, proxy)
        with pytest.raises(WeightsError) as caught:
            fetch(entry("https://weights.invalid/good"), tmp_path, patience=QUICK, say=said.append)
        through = f"/good through the proxy 127.0.0.1:{port} (HTTPS_PROXY): "
        assert f"{through}Connection refused (asked 3 times)" in caught.value.message
        assert "Is that proxy right (HTTPS_PROXY)?" in caught.value.hint
        assert all(through in line for line in said) and "secret" not in f"{said}{caught.value}"
    behind(monkeypatch, f"127.0.0.1:{port}", "https_proxy")
    assert proxy_of("https://weights.invalid/") == (f"127.0.0.1:{port}", "https_proxy")
    assert proxy_of("http://weights.invalid/") is None
    monkeypatch.setenv("no_proxy", "weights.invalid")
    assert proxy_of("https://weights.invalid/") is None


@pytest.mark.parametrize(
    "proxy",
    ["socks5://127.0.0.1:9", "ftp://x:1", "nonsense:port", "http://", "http://me:secret@:1", "http://[/"],
)
def test_a_proxy_that_cannot_be_used_is_refused_at_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    behind(monkeypatch, proxy, "HTTP_PROXY")
    with pytest.raises(UsageError, match=r"The proxy '.*' \(HTTP_PROXY\) cannot be used") as caught:
        fetch(entry(server.at("/good")), tmp_path, patience=QUICK)
    assert "HTTP_PROXY=http://HOST:PORT" in caught.value.hint and "secret" not in str(caught.value)
    assert left(tmp_path) == [] and not server.asked
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")  # where it is passed by, it does not matter
    fetch(entry(server.at("/good")), tmp_path, patience=QUICK)
    fetch(entry(server.at("/good")), tmp_path, patience=QUICK)


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://127.0.0.1/x", "nonsense", "http://[/"])
def test_only_the_web_is_asked(tmp_path: Path, address: str) -> None:
    with pytest.raises(WeightsError):
        fetch(entry(address), tmp_path, patience=QUICK)
    assert left(tmp_path) == []


def test_interrupted_it_goes_on_the_next_time(server: Server, tmp_path: Path) -> None:
    def interrupt(here: int, size: int) -> None:
        if here > 60_000:
            raise KeyboardInterrupt

    one = entry(server.at("/good"))
    with pytest.raises(KeyboardInterrupt):
        fetch(one, tmp_path, patience=QUICK, progress=interrupt)
    assert left(tmp_path) == [".inception.pth.part"]
    fetch(one, tmp_path, patience=QUICK)
    assert server.asked[1][1] is not None
    assert left(tmp_path) == [one.file] and (tmp_path / one.file).read_bytes() == CONTENT


SCRIPT = """
import json, resource, sys
from pathlib import Path
from synvid_eval.networks.fetching import Patience, fetch
from synvid_eval.networks.weights import WeightsFile
facts, folder, limit = json.loads(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    one = WeightsFile(**facts)
    fetch(one, folder, patience=Patience(tries=1), progress=lambda h, s: print(h, flush=True))
except OSError as error:
    print("OSError", error.errno)
"""


def process(one, folder: Path, limit: int = 0) -> subprocess.Popen[str]:
    args = [sys.executable, "-c", SCRIPT, json.dumps(asdict(one)), str(folder), str(limit)]
    return subprocess.Popen(args, stdout=subprocess.PIPE, text=True)


def test_killed_it_leaves_no_file_and_goes_on(server: Server, tmp_path: Path) -> None:
    running = process(entry(server.at("/slow")), tmp_path)
    assert running.stdout is not None
    for line in running.stdout:
        if int(line) > 80_000:
            break
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert left(tmp_path) == [".inception.pth.part"]
    fetch(entry(server.at("/good")), tmp_path, patience=QUICK)
    assert int(server.asked[-1][1].removeprefix("bytes=").removesuffix("-")) > 50_000
    assert (tmp_path / "inception.pth").read_bytes() == CONTENT


def test_a_full_disk_is_the_systems_word_and_nothing_is_kept(server: Server, tmp_path: Path) -> None:
    out, _ = process(entry(server.at("/good")), tmp_path, 100_000).communicate(timeout=60)
    assert out.splitlines()[-1].startswith("OSError")
    assert left(tmp_path) == []


def test_two_at_once_fetch_it_once(server: Server, tmp_path: Path) -> None:
    one = entry(server.at("/slow"))
    found = []
    both = [threading.Thread(target=lambda: found.append(fetch(one, tmp_path))) for _ in range(2)]
    for thread in both:
        thread.start()
        time.sleep(0.05)
    for thread in both:
        thread.join()
    assert server.times("/slow") == 1
    assert [f.file.read_bytes() for f in found] == [CONTENT] * 2
    assert left(tmp_path) == [one.file]
