"""What parses, on sound and on damaged examples; under a fuzzer: `python -m experiments.fuzz`."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.fuzz import TARGETS, seeds, try_one
from tests.conftest import REPOSITORY


def damaged(data: bytes, draw: random.Random) -> bytes:
    """One to four bytes changed, a piece cut out or put in twice."""
    out = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(out)) if out else 0
        kind = draw.randrange(4)
        if kind == 0 and out:
            out[at] = draw.randrange(256)
        elif kind == 1:
            del out[at : at + draw.randint(1, 8)]
        elif kind == 2:
            out[at:at] = out[at : at + draw.randint(1, 8)]
        else:
            out[at:at] = draw.choice([b"\0", b"\n", b"\xff", b"'", b"{", b"1e999", b"-1", "\u2028".encode()])
    return bytes(out)


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_read_or_refused_in_a_line(name: str, tmp_path: Path) -> None:
    draw = random.Random(name)
    for seed in seeds()[name]:
        try_one(name, seed, tmp_path)
    for _ in range(150):
        try_one(name, damaged(draw.choice(seeds()[name]), draw), tmp_path)


def test_what_escapes_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "map", lambda data, folder: {}[data])
    with pytest.raises(KeyError):
        try_one("map", b"", tmp_path)


@pytest.mark.slow
def test_under_a_fuzzer_for_a_second(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris has no wheel for this platform")
    command = [sys.executable, "-m", "experiments.fuzz", "--seconds", "1", "--only", "manifest"]
    done = subprocess.run(
        [*command, "--out", tmp_path], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "fuzz.json").read_text())["targets"]["manifest"]
    assert found["runs"] > 100 and found["branches"] > 0 and not found["found"]
