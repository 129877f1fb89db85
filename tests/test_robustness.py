"""Bad input beside good: nothing stops the run, everything is counted, hostile names stay text."""

from __future__ import annotations

import csv
import html.parser
import json
import os
from pathlib import Path

import pytest

from synvid_eval.video.layouts import clip_id
from tests.clips import moving, write_video
from tests.conftest import Run

pytestmark = pytest.mark.timeout(200)

HOSTILE = [
    "<blink>bold.mp4",
    "<script>alert(1)<!--.mp4",
    "\"'quotes' & ampersands\".mp4",
    "new\nline.mp4",
    "=1+1.mp4",
    "-rf.mp4",
    "up..\\..\\up.mp4",
    "\x1b[31mred.mp4",
    "[bold]rich[bold].mp4",
    "‮desrever.mp4",
    os.fsdecode(b"\xff\xfe.mp4"),
]


class Tags(html.parser.HTMLParser):
    """The element names and attribute values of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.slow
def test_hostile_names_stay_text_everywhere(tmp_path: Path, run_cli: Run) -> None:
    folder = tmp_path / "<marquee>set\n"
    folder.mkdir()
    good = write_video(tmp_path / "good.mp4", moving(20), "h264")
    for i, name in enumerate(HOSTILE):
        os.link(good, folder / name.replace(".mp4", " good.mp4"))
        (folder / name).write_bytes(b"bad" * i)
    done = run_cli(
        "compare", folder, "preset:moving_circles?n=4&size=32&length=16", "--metrics", "motion,spectrum",
        "--max-skipped", "100%", "--json", "a.json", "--csv", "a.csv", "--html", "a.html", "--workers", "1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "a.json").read_text())
    side = document["candidates"][0]
    assert {s["id"] for s in side["skipped"]} == {clip_id(n) for n in HOSTILE}
    assert side["clips"] == len(HOSTILE)
    # the terminal sees no control characters, and names do not break lines
    for text in (done.stdout, done.stderr):
        assert all(c.isprintable() or c == "\n" for c in text)
        assert "<marquee>set\\n" in text and "<marquee>set\n" not in text
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 and {r["candidate"] for r in rows} == {side["name"]}
    page = (tmp_path / "a.html").read_text()
    parser = Tags()
    parser.feed(page)
    assert "<script>alert" not in page and "<blink>bold" not in page and "<marquee>set" not in page
    assert not {"blink", "marquee"} & set(parser.tags)
    assert "<blink>bold.mp4" in parser.text


@pytest.mark.timeout(60)
def test_odd_things_in_a_set_are_listed_by_a_real_run(tmp_path: Path, run_cli: Run) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write_video(folder / "good.avi", moving(20))
    os.mkfifo(folder / "fifo.mp4")
    (folder / "folder.mp4").mkdir()
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("text")
    (folder / "link.mp4").symlink_to("nowhere")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    refused = run_cli("measure", "set", "--out", "a.measured", "--metrics", "motion", "--workers", "1")
    assert refused.returncode == 3
    assert "videos skipped, more than --max-skipped 5% allows" in refused.stderr
    done = run_cli(
        "measure",
        "set",
        "--out",
        "a.measured",
        "--metrics",
        "motion",
        "--workers",
        "1",
        "--max-skipped",
        "100%",
    )
    assert done.returncode == 0, done.stderr
    assert "1 clips" in done.stdout or "1 clip," in done.stdout
    assert "6 skipped" in done.stdout
    from synvid_eval.measurement import read_measured

    reasons = {s["id"]: s["reason"] for s in read_measured(tmp_path / "a.measured").facts.skipped}
    assert reasons["fifo.mp4"] == "not a regular file"
    assert reasons["folder.mp4"] == "a folder, not a video"
    assert "No such file" in reasons["link.mp4"]
    assert "Too many levels" in reasons["loop.mp4"]
    assert set(reasons) == {"fifo.mp4", "folder.mp4", "empty.mp4", "text.mp4", "link.mp4", "loop.mp4"}


@pytest.mark.slow
def test_a_video_that_kills_its_worker_costs_only_itself(
    tmp_path: Path, run_cli: Run, cli_env: dict[str, str]
) -> None:
    """A crash planted in the decoder of real worker processes, by a `sitecustomize` on their path."""
    folder = tmp_path / "set"
    folder.mkdir()
    for i in range(6):
        write_video(folder / f"{'crash' if i == 2 else 'good'}_{i}.avi", moving(20, seed=i))
    planted = tmp_path / "planted"
    planted.mkdir()
    (planted / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if 'synvid_eval.worker' in sys.orig_argv:\n"
        "    from synvid_eval.video import decode\n"
        "    real = decode._open\n"
        "    def _open(path):\n"
        "        if 'crash' in path: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "        return real(path)\n"
        "    decode._open = _open\n"
    )
    path = os.pathsep.join([str(planted), cli_env["PYTHONPATH"]])
    args = ["compare", "set", "preset:moving_circles?n=4&size=32&length=16", "--metrics", "motion"]
    args += ["--max-skipped", "1", "--json", "-", "--workers", "1"]
    done = run_cli(*args, env={"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    side = json.loads(done.stdout)["candidates"][0]
    assert side["clips"] == 5
    assert side["skipped"] == [{"id": "crash_2.avi", "reason": "crashed its worker process (SIGSEGV)"}]
    # the crash was the machine's, not the file's, so it was not kept: without it the clip is measured
    again = run_cli(*args)
    assert json.loads(again.stdout)["candidates"][0]["clips"] == 6
