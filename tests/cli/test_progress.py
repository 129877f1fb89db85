"""Progress: a plain line where nobody watches, also while nothing comes in; nothing with --quiet."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from synvid_eval.cli import common


def test_a_log_gets_a_line_with_rate_time_left_and_what_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(common, "PLAIN_EVERY", 0.05)
    with common.Terminal(quiet=False) as progress:
        progress.begin("ucf101", 10)
        progress.advance(4, cached=True, reading="a/b.avi")
        progress.advance(2, cached=False, reading="a/\x1b[31mc.avi")
        time.sleep(0.3)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2  # nothing came in meanwhile, and the log still says what is waited for
    assert lines[0].startswith("ucf101: 6 of 10 clips, ")
    assert "clips/s, about 1 s left, reading a/\\x1b[31mc.avi" in lines[0]


def test_nothing_is_said_before_the_first_line_is_due_nor_with_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with common.Terminal(quiet=False) as progress:
        progress.begin("a", 2)
        progress.advance(1, cached=False)
    monkeypatch.setattr(common, "PLAIN_EVERY", 0.02)
    with common.Terminal(quiet=True) as progress:
        progress.begin("a", 2)
        progress.advance(1, cached=False)
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_the_live_line_shows_rate_and_the_clip_that_is_read() -> None:
    live = common._live()
    task = live.add_task("ucf101", total=10, pace="", reading="")
    live.update(task, completed=3, pace="12.5 clips/s, about 3 s left", reading="Biking/v_1.avi")
    console = Console(width=100, file=io.StringIO())
    console.print(live.get_renderable())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for word in ("ucf101", "3/10", "12.5 clips/s, about 3 s left", "Biking/v_1.avi"):
        assert word in text, word


def test_a_live_line_that_is_done_says_how_long_it_took_and_stops_guessing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(common.sys.stderr, "isatty", lambda: True)
    progress = common.Terminal(quiet=False)
    live = common._live()
    progress._live = live

    def lines() -> list[str]:
        console = Console(width=100, file=io.StringIO())
        console.print(live.get_renderable())
        return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]

    now = time.monotonic()
    monkeypatch.setattr(common.time, "monotonic", lambda: now)
    progress.begin("a", 3)
    now += 20
    progress.advance(2, cached=False, reading="c.avi")
    assert "0.1 clips/s, about 10 s left c.avi" in lines()[0]
    now += 1
    progress.advance(1, cached=False)
    progress.begin("b", 2)
    progress.advance(2, cached=True)
    progress.advance(0, cached=True)
    progress.begin("c", 2)
    progress.advance(1, cached=False)
    progress.begin("d", 2)
    assert [line.rpartition("━ ")[2] for line in lines()] == [
        "3/3 done in 21 s", "2/2 from the cache", "1/2 stopped", "d 0/2"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59.6, "60 s"), (250, "4 min"), (7300, "2.0 h"), (3 * 86400, "3.0 days")],
)
def test_time_for_people(seconds: float, text: str) -> None:
    assert common.time_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (1023 * 1024, "1023 KiB"),
        (3.4e6, "3.24 MiB"),
        (2**43, "8 TiB"),
    ],
)
def test_sizes_for_people(size: float, text: str) -> None:
    assert common.size_text(size) == text
