"""How words are written for a shell and for YAML, and how amounts are read."""

from __future__ import annotations

import os
import subprocess

import pytest
import yaml as pyyaml
from hypothesis import given, settings
from hypothesis import strategies as st

from synvid_eval.cluster.job import parse_memory, parse_time, shell, yaml
from synvid_eval.errors import UsageError

NASTY = [
    "",
    "a b",
    "it's",
    'say "x"',
    "$HOME ${x} $(touch pwned) $$ $((1))",
    "`touch pwned`",
    "a\nb\tc\r\x01\x7f",
    "back\\slash \\n \\\\",
    "!history * ? [a] {b,c} ~ ~root # ; & | < > ( )",
    "-x",
    "--",
    "%s %%",
    "é 動画 \u202e\u2028\x85\ufeff\u200b 🎬",
    "a$(JOB_COMPLETION_INDEX)b $$(X) $",
    "'\"'\"'",
]
NOT_UTF8 = os.fsdecode(b"caf\xe9 \xff'")


def read_back(text: str) -> list[bytes]:
    """The words that bash makes of a text, from a file as a script is."""
    script = f"printf '%s\\0' {text}\n".encode("utf-8", "strict")
    done = subprocess.run(["bash", "-s"], input=script, capture_output=True, check=True, cwd="/")
    assert not done.stderr
    return done.stdout.split(b"\0")[:-1]


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_bash_reads_words_back(locale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    words = [*NASTY, NOT_UTF8]
    text = shell(words)
    assert "\n" not in text and text.isprintable()
    assert read_back(text) == [os.fsencode(word) for word in words]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1))
def test_bash_reads_any_words_back(words: list[str]) -> None:
    assert read_back(shell(words)) == [word.encode() for word in words]


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_yaml_reads_any_text_back(text: str) -> None:
    written = yaml(text)
    assert written.isprintable()
    assert pyyaml.safe_load(f"key: {written} # end") == {"key": text}


@pytest.mark.parametrize("text", NASTY)
def test_yaml_reads_nasty_texts_back(text: str) -> None:
    assert pyyaml.safe_load(f"- {yaml(text)}") == [text]


def test_a_manifest_holds_no_bytes() -> None:
    with pytest.raises(UsageError, match="not UTF-8"):
        yaml(NOT_UTF8)


@pytest.mark.parametrize(
    ("text", "mib"),
    [("256M", 256), ("8G", 8192), ("8g", 8192), ("8GiB", 8192), ("8GB", 8192), ("1T", 1024 * 1024)],
)
def test_memory(text: str, mib: int) -> None:
    assert parse_memory(text) == mib


@pytest.mark.parametrize("text", ["8", "G", "255M", "0G", "-1G", "1.5G", "8 G", "8K", "٣G", ""])
def test_memory_that_cannot_be_had(text: str) -> None:
    with pytest.raises(UsageError, match="--memory"):
        parse_memory(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60s", 60),
        ("90m", 5400),
        ("12h", 43200),
        ("2d", 172800),
        ("12:30:00", 45000),
        ("1-12:00:00", 129600),
        ("100:00:01", 360001),
    ],
)
def test_time(text: str, seconds: int) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["59s", "0d", "12", "12:30", "1:2:3", "1-12", "-1h", "1.5h", "1w", ""])
def test_time_that_cannot_be_had(text: str) -> None:
    with pytest.raises(UsageError, match="--time"):
        parse_time(text)
