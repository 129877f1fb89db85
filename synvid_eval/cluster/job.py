"""What a cluster is to run, and how its words are written so that a shell, YAML or Kubernetes reads them back
as they are.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from synvid_eval.errors import UsageError

PROGRAM = "synvid-eval"
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that keep numeric libraries to one thread: each worker has a processor."""

_MEMORY = {"M": 1, "G": 1024, "T": 1024**2}
_TIME = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Job:
    """A command in parts.

    Args:
        command: the words that name it: ("textures", "make"). words: those after it.
        then: the words of the command that joins the parts, ("merge", folder, …); empty where nothing is to
            be joined.
        name: of the job, a DNS label of at most 52 characters. parts: how many.
        cpus, gpus, memory: of each; memory in MiB. seconds: see the engines; None for no limit.
        grace: seconds between the signal and the end of a part that is stopped.
    """

    command: tuple[str, ...]
    words: tuple[str, ...]
    then: tuple[str, ...]
    name: str
    parts: int
    cpus: int
    gpus: int
    memory: int
    seconds: int | None
    grace: int

    @property
    def asked(self) -> str:
        """The command as a shell takes it, in one line."""
        return shell([PROGRAM, *self.command, *self.words])

    @property
    def told(self) -> str:
        """What says which parts are missing, as a shell takes it, in one line; "" for nothing."""
        return shell([PROGRAM, "status", *self.then[1:2]]) if self.then else ""

    @property
    def joined(self) -> str:
        """What joins the parts, as a shell takes it, in one line; "" for nothing."""
        return shell([PROGRAM, *self.then]) if self.then else ""

    def with_options(self, *options: str) -> tuple[str, ...]:
        """The program's words with options before the user's own, which may have a `--` among them."""
        return PROGRAM, *self.command, *options, *self.words


def shell(words: Sequence[str]) -> str:
    """Words as bash reads them back, byte by byte, in one line of printable text."""
    return " ".join(map(_shell_word, words))


def _shell_word(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    escapes = {"'": "\\'", "\\": "\\\\"}
    out = ""
    for character in word:
        if character.isprintable():
            out += escapes.get(character, character)
        else:
            out += "".join(f"\\{byte:03o}" for byte in os.fsencode(character))
    return f"$'{out}'"


def yaml(text: str) -> str:
    """A text as a double-quoted scalar of YAML 1.1 and 1.2, in one line of printable text.

    UsageError where it is not Unicode.
    """
    out = ""
    for character in text:
        code = ord(character)
        if 0xD800 <= code < 0xE000:
            raise UsageError(f"{text!r} is not UTF-8, and so in no manifest.", "Rename it.")
        if character in '"\\':
            out += f"\\{character}"
        else:
            out += character if character.isprintable() else f"\\U{code:08x}"
    return f'"{out}"'


def parse_memory(text: str) -> int:
    """`512M`, `8G`, `1T` → MiB. UsageError for anything else, and below 256M, where Python hardly starts."""
    match = re.fullmatch(r"(\d{1,6})([MGT])(i?B)?", text, re.ASCII | re.IGNORECASE)
    found = int(match[1]) * _MEMORY[match[2].upper()] if match else 0
    if found < 256:
        raise UsageError(f"--memory {text[:60]} cannot be had.", "Give 256M or more, such as 8G.")
    return found


def parse_time(text: str) -> int:
    """`90m`, `12h`, `2d`, `12:30:00`, `1-12:00:00` → seconds. UsageError for anything else, or below 60 s."""
    found = 0
    if match := re.fullmatch(r"(\d{1,7})([smhd])", text, re.ASCII | re.IGNORECASE):
        found = int(match[1]) * _TIME[match[2].lower()]
    elif match := re.fullmatch(r"(?:(\d{1,4})-)?(\d{1,4}):(\d\d):(\d\d)", text, re.ASCII):
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        found = days * 86400 + hours * 3600 + minutes * 60 + seconds
    if found < 60:
        raise UsageError(
            f"--time {text[:60]} cannot be had.", "Give a minute or more: 90m, 12h, 2d, 1-12:00:00."
        )
    return found


def rendered(template: str, **facts: Any) -> str:
    """A template of this folder, filled."""
    return _environment().get_template(template).render(**facts)


@functools.cache
def _environment() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # no markup: each hole says how it is quoted
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["yaml"] = yaml
    return found
