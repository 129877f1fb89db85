"""`guide search` by command: what it finds, writes and refuses; killed, it goes on to the same end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import jsonschema
import pytest

from synvid_eval.cli import run
from synvid_eval.cli.guide_search import _bounds, _numbers
from synvid_eval.generators import presets
from synvid_eval.guidance import gain
from synvid_eval.schemas import get
from tests.conftest import Run

SMALL = "moving_circles?size=48&length=17"
COLORS = "lab(l=40,a=4,b=8,l_std=15,a_std=6,b_std=8,la=0,lb=0,ab=0)"
REFERENCE = f"preset:{SMALL}&palette={COLORS}&seed=5&n=80"


def asked(tmp_path: Path, *more: str, budget: int = 12) -> list[str]:
    words = ["guide", "search", SMALL, REFERENCE, "--minimize", "color", "--clips", "12"]
    words += ["--budget", str(budget), "--out", str(tmp_path / "best.toml"), "--workers", "1"]
    return [*words, "--cache", str(tmp_path / "cache"), *more]


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command in this process, which measures a gain with few clips: of it no number is looked at."""

    def here(*args: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["synvid-eval", *args])
        code = run(list(args))
        said = capsys.readouterr()
        return subprocess.CompletedProcess(args, code, said.out, said.err)

    monkeypatch.setattr(gain, "FEWEST", 16)
    return here


@pytest.mark.slow
def test_it_closes_a_gap_and_what_it_found_is_a_preset(tmp_path: Path, run_cli: Run) -> None:
    done = run_cli(
        *asked(tmp_path, "--json", str(tmp_path / "found.json"), "--html", str(tmp_path / "p.html"))
    )
    assert done.returncode == 0, done.stderr
    assert "12 trials; trial" in done.stdout and "did not see" in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    jsonschema.validate(found, get("search"))
    color = next(row for row in found["gain"]["metrics"] if row["metric"] == "color")
    assert color["ratio"]["value"] < 0.5 and color["ratio"]["interval"][1] < 1
    assert {d["group"] for d in found["space"]} == {"color", "background"}
    assert found["reference"]["seen"]["clips"] == found["reference"]["unseen"]["clips"] == 40
    best = presets.find(str(tmp_path / "best.toml"))
    assert best.extends == "moving_circles" and found["digest"] in best.note
    tables = tomllib.loads((tmp_path / "best.toml").read_text())
    assert set(tables["knobs"]) == {"size", "length", *found["found"]["changed"]}
    # used like any other
    compared = run_cli(
        "compare", f"preset:{tmp_path}/best.toml?n=12", REFERENCE, "--metrics", "color", "--cache", "none"
    )
    assert compared.returncode == 0, compared.stderr
    made = (tmp_path / "p.html").read_text()
    assert "What was found is nearer in color" in made and made.count("<video") == 8
    again = run_cli("report", str(tmp_path / "found.json"), "--html", str(tmp_path / "r.html"))
    assert again.returncode == 0 and (tmp_path / "r.html").read_text() == made
    # the same command again measures nothing new and ends in the same
    before = (tmp_path / "best.toml").read_bytes()
    again = run_cli(*asked(tmp_path, "--json", "-"))
    assert (tmp_path / "best.toml").read_bytes() == before
    told = json.loads(again.stdout)
    assert told["trials"] == found["trials"] and told["gain"] == found["gain"]
    # and with a larger budget it goes on
    more = run_cli(*asked(tmp_path, "--json", "-", budget=14))
    assert json.loads(more.stdout)["trials"][:12] == found["trials"]


@pytest.mark.slow
def test_a_killed_command_goes_on_to_the_same_end(tmp_path: Path, run_cli: Run) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = run_cli(*asked(tmp_path / "a", "--json", "-"))
    command = [sys.executable, "-m", "synvid_eval", *asked(tmp_path / "b", "-q")]
    for count in (3, 8):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        journal = tmp_path / "b" / "best.journal"
        until = time.monotonic() + 200
        while time.monotonic() < until and process.poll() is None:
            if journal.exists() and journal.read_bytes().count(b'"turn"') >= count:
                break
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    after = run_cli(*asked(tmp_path / "b", "--json", "-"))

    def numbers(text: str) -> list[object]:
        trials = json.loads(text)["trials"]
        return [[t["turn"], t["point"], t["state"], t["objectives"]] for t in trials]

    assert numbers(after.stdout) == numbers(whole.stdout)
    assert (tmp_path / "b" / "best.toml").read_bytes() == (tmp_path / "a" / "best.toml").read_bytes()


@pytest.mark.slow
def test_a_palette_of_a_set_takes_the_place_of_the_search_for_colors(tmp_path: Path, run_cli: Run) -> None:
    more = ("--palette", REFERENCE, "--over", "color,speed", "--json", "-")
    done = run_cli(*asked(tmp_path, *more, budget=3))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {d["knob"] for d in found["space"]} == {"speed"}
    assert found["found"]["before"]["palette"] == "uniform"
    tables = tomllib.loads((tmp_path / "best.toml").read_text())
    assert tables["knobs"]["palette"].startswith("colors(of=")
    color = next(row for row in found["gain"]["metrics"] if row["metric"] == "color")
    assert color["ratio"]["value"] < 0.2  # the start has the colors of the preset


def test_a_rehearsal_says_what_is_searched_and_writes_nothing(tmp_path: Path, run_cli: Run) -> None:
    done = run_cli(*asked(tmp_path, "--dry-run"))
    assert done.returncode == 0, done.stderr
    assert "palette.lab.l_std" in done.stdout and "speed" not in done.stdout
    assert "12 of 12 trials left, 12 clips each, and 1,100 clips to measure the best again" in done.stdout
    assert not (tmp_path / "best.toml").exists() and not (tmp_path / "best.journal").exists()


def steeper_textures(tmp_path: Path) -> list[str]:
    """The command of a search over textures, toward the same preset with steeper ones."""
    own = tmp_path / "own.toml"
    knobs = (
        'knobs.size = 48\nknobs.length = "17"\nknobs.objects = 20\nknobs.textures = "statistical(size=32)"\n'
    )
    own.write_text(f'extends = "acc_transforming_textures"\n{knobs}')
    steep = "textures=statistical(size=32,slope=3:3.5)"
    words = asked(tmp_path, "--over", "texture", "--minimize", "spectrum", budget=4)
    words[2:4] = [f"{own}?pool=5", f"preset:{own}?pool=5&seed=7&n=24&{steep}"]
    return words


def test_a_rehearsal_says_what_making_textures_takes(tmp_path: Path, run_cli: Run) -> None:
    words = steeper_textures(tmp_path)
    planned = run_cli(*words, "--dry-run", "--json", "-")
    assert planned.returncode == 0, planned.stderr
    cost = json.loads(planned.stdout)["textures"]
    assert cost["count"] == 5 and cost["bytes"] == 5 * 32 * 32 * 4 and cost["seconds"] >= 0


@pytest.mark.slow
def test_exponents_of_textures_are_searched(tmp_path: Path, run_cli: Run) -> None:
    words = steeper_textures(tmp_path)
    many = [word.replace("pool=5", "pool=30") for word in words]
    said = run_cli(*many, "--dry-run").stdout
    assert "each setting of textures makes its own, 30 at most" in said and "own.toml?pool=20" in said
    done = run_cli(*words, "--json", "-")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {d["name"].split(":")[0] for d in found["space"]} == {
        f"textures.statistical.{name}" for name in ("growth", "slope", "power")
    }
    # every setting draws other textures, and what they are shows
    assert len({t["values"]["spectrum"] for t in found["trials"]}) == 4


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        (["--minimize", "colour"], 2, "Did you mean 'color'"),
        (["--minimize", ","], 2, "Nothing is to be minimized"),
        (["--over", "sped"], 2, "has nothing called 'sped' that can be searched. Did you mean 'speed'"),
        (["--over", "size"], 2, "size is given and to be searched, too"),
        (["--keep", "color"], 2, "--keep color cannot be read"),
        (["--keep", "colour<=1"], 2, "Did you mean 'color'"),
        (["--budget", "0"], 2, "--budget 0 is out of range"),
        (["--clips", "1"], 2, "--clips 1 is too few"),
        (["--sampler", "bo"], 2, "No sampler is called 'bo'"),
        (["--out", "best.json"], 2, "best.json is no preset file"),
        (["--palette", "nowhere"], 3, "nowhere"),
        (["--keep", "color<=0", "--budget", "1"], 3, "None of 1 trials keeps --keep color<=0; the closest"),
        (["--minimize", "fid"], 4, "fid"),
        (["--set", "fid.dims=3"], 2, "fid is not among what is measured"),
        (["--palette", "nowhere", "--over", "color"], 2, "has nothing to search"),
    ],
)
def test_what_is_refused(changes: list[str], code: int, said: str, tmp_path: Path, run_cli: Run) -> None:
    done = run_cli(*asked(tmp_path, *changes))
    assert done.returncode == code and said in done.stderr, done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("Error")]) <= 1
    assert not (tmp_path / "best.toml").exists()


@pytest.mark.slow
def test_another_trial_can_be_kept(tmp_path: Path, run_here: Run) -> None:
    """From the same storage: nothing is tried again."""
    whole = [*asked(tmp_path, "--clips", "4", budget=4), "--minimize", "color,spectrum"]
    first = run_here(*whole, "--json", "-")
    assert first.returncode == 0, first.stderr
    before = json.loads(first.stdout)
    turn = next(t["turn"] for t in before["trials"][1:] if t["turn"] != before["kept"])
    more = ["--storage", str(tmp_path / "best.journal"), "--pick", str(turn)]
    words = [*whole, *more, "--out", str(tmp_path / "other.toml")]
    told = run_here(*words, "--json", str(tmp_path / "o.json"), "--html", str(tmp_path / "o.html"))
    assert told.returncode == 0, told.stderr
    assert "4 of 4 trials are there" in told.stderr
    assert f"trial {turn} is kept, as asked" in told.stdout
    other = json.loads((tmp_path / "o.json").read_text())
    jsonschema.validate(other, get("search"))
    assert other["trials"] == before["trials"] and other["confirmed"] == before["confirmed"]
    assert (other["kept"], other["found"]["picked"], before["found"]["picked"]) == (turn, True, False)
    changed = other["trials"][turn]["knobs"]
    tables = tomllib.loads((tmp_path / "other.toml").read_text())
    assert tables["knobs"] == changed and f"trial {turn} of 4" in tables["note"]
    # the command that tries it names the file where it lies
    assert f"preset:{tmp_path}/other.toml?n=100" in told.stdout
    made = (tmp_path / "o.html").read_text()
    assert f"preset:{tmp_path}/other.toml?n=100" in made and f"Trial {turn} is kept, as asked" in made
    done = run_here(*asked(tmp_path, "--clips", "4", "--pick", "4", budget=4))
    assert done.returncode == 2 and "--pick 4: there is no such trial. They are 0 to 3" in done.stderr


def test_a_file_that_no_search_wrote_is_not_replaced(tmp_path: Path, run_cli: Run) -> None:
    mine = 'extends = "moving_circles"\nknobs.speed = "5"\n'
    (tmp_path / "best.toml").write_text(mine)
    done = run_cli(*asked(tmp_path))
    assert done.returncode == 2 and "is there, and no search wrote it: it would be lost" in done.stderr
    assert (tmp_path / "best.toml").read_text() == mine


def test_settings_of_what_is_only_told_again(tmp_path: Path, run_here: Run) -> None:
    more = ("--clips", "4", "--set", "spectrum.window=none", "--json", "-")
    done = run_here(*asked(tmp_path, *more, budget=1))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    signatures = {s["metric"]: s["signature"] for s in found["comparison"]["scores"]}
    assert "none" in signatures["spectrum"]
    assert "spectrum" not in found["signature"]["recipe"]["metrics"]


@pytest.mark.parametrize(
    ("pair", "still", "sign", "said"),
    [
        ([0.8, 0.9996], 1.0, 1.0, "[0.8, 0.9996]"),
        ([0.8, 1.0004], 1.0, 1.0, "[0.8, 1.0004]"),
        ([0.8, 1.0], 1.0, 1.0, "[0.8, 1]"),
        ([0.0, 3.0], 0.0, -1.0, "[-3, 0]"),
        ([0.12345, 2.3456], 1.0, 1.0, "[0.123, 2.35]"),
    ],
)
def test_intervals_are_written_as_what_they_say(
    pair: list[float], still: float, sign: float, said: str
) -> None:
    """Neither -0, nor an end that looks as if it were no change."""
    assert _bounds(pair, still, sign) == said


def test_the_table_says_what_kind_of_change_it_tells() -> None:
    told = {"value": 0.5, "interval": [0.4, 0.6], "reason": None, "sure": True}
    lost = {"value": 0.0, "interval": [-1.0, 0.0], "reason": None, "sure": False}
    sides = {"start": {"value": 2.0, "objective": -2.0}, "found": {"value": 2.0, "objective": -2.0}}
    rich = {"metric": "d", "better": "higher", "ratio": None, "difference": lost, **sides}
    assert _numbers(rich) == ["2", "2", "difference", "+0", "[0, 1]"]
    plain = {"metric": "c", "better": "lower", "ratio": told, "difference": lost, **sides}
    assert _numbers(plain)[2:] == ["ratio", "0.5", "[0.4, 0.6]"]
    # of a start that is no gap nothing is a share
    assert _numbers({**plain, "ratio": None})[2:] == ["difference", "+0", "[-1, 0]"]


def test_a_trial_is_64_clips_unless_told_otherwise(tmp_path: Path, run_cli: Run) -> None:
    words = asked(tmp_path, "--dry-run", "--json", "-")
    at = words.index("--clips")
    planned = json.loads(run_cli(*words[:at], *words[at + 2 :]).stdout)
    assert planned["clips"] == 64 and planned["again"] == 11 * 4 * 64


def test_a_preset_that_is_none(tmp_path: Path, run_cli: Run) -> None:
    words = asked(tmp_path)
    for preset, code, said in (
        ("moving_circle", 2, "Did you mean 'moving_circles'"),
        ("moving_circles?n=5", 2, "n=5 in moving_circles?n=5 means nothing here. Give --clips"),
        ("gone.toml", 3, "gone.toml does not exist"),
    ):
        words[2] = preset
        done = run_cli(*words)
        assert done.returncode == code and said in done.stderr, done.stderr
