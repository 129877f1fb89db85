"""What can go wrong, by kind: each kind has its exit code, each message says what, the value seen, and the
cure.

Codes: 1 unexpected (a bug), 2 usage, 3 data unusable or a write refused, 4 weights missing or wrong, 5
optional package missing.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable


class SynvidEvalError(Exception):
    """Base of all errors this package raises on purpose.

    Args:
        message: what was wrong and the value seen, one line.
        hint: the likely cause or the cure, one line; may be empty.
    """

    code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = one_line(message)
        self.hint = one_line(hint)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(SynvidEvalError):
    """Unknown command, option, metric, preset or knob; a value out of range; a contradiction."""

    code = 2


class DataError(SynvidEvalError):
    """Missing location, no video, too many skipped files, an unreadable table."""

    code = 3


class WeightsError(SynvidEvalError):
    """Network weights are missing, damaged or of another network."""

    code = 4


class MissingPackageError(SynvidEvalError):
    """An optional package is not installed; the message names the extra that brings it."""

    code = 5


def known_error(code: int, message: str, hint: str) -> SynvidEvalError:
    """The error of that exit code (what another process says of it)."""
    kinds = (UsageError, DataError, WeightsError, MissingPackageError)
    return next((k for k in kinds if k.code == code), SynvidEvalError)(message, hint)


GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENOTCONN, errno.ENODEV)


def unwritten(error: OSError) -> str:
    """The likely cause of a write that the system refused, as a question."""
    if error.errno in GONE:
        return "Was its folder removed, or is its storage gone?"
    return "Is the disk full, or the folder read-only?"


def one_line(text: object) -> str:
    """`text` without control characters or line breaks, so that a hostile name stays one line of text."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


MANY = 12
"""More names than these are not all told where a command lists them."""


def nearest(name: str, known: Iterable[str], listed: str = "") -> str:
    """A hint naming the known name closest to `name`, and all of them; where these are more than `MANY`, the
    closest, three at most, and `listed`, the command that lists all (if there is one). `fd` is close to
    `fd[run]` before all others.
    """
    names = sorted(known)
    if bracketed := [other for other in names if other.lower().startswith(f"{name.lower()}[")]:
        every = f"See: {listed}." if listed and len(names) > MANY else f"Known: {', '.join(names)}."
        return f"Did you mean {bracketed[0]!r}? {every}"
    spelled = {known.lower(): known for known in reversed(names)}
    if listed and len(names) > MANY:
        words = difflib.get_close_matches(name.lower(), spelled, n=3, cutoff=0.6)
        ratios = [difflib.SequenceMatcher(None, word, name.lower()).ratio() for word in words]
        close = [repr(spelled[w]) for w, ratio in zip(words, ratios, strict=True) if ratio > ratios[0] - 0.1]
        close = close or [repr(other) for other in _with_word(name, names)]
        either = " or ".join([", ".join(close[:-1]), close[-1]] if len(close) > 1 else close)
        return f"Did you mean {either}? See: {listed}." if close else f"See: {listed}."
    close = [spelled[word] for word in difflib.get_close_matches(name.lower(), spelled, n=1, cutoff=0.6)]
    if close := close or _with_word(name, names):
        return f"Did you mean {close[0]!r}? Known: {', '.join(names)}."
    return f"Known: {', '.join(names) or 'none'}."


def _with_word(name: str, names: list[str]) -> list[str]:
    """The name that has another as one of its words (`mask_ratio` of `mask`), where it is the only one."""
    found = [other for other in names if name.lower() in other.lower().split("_")]
    return found if len(found) == 1 else []
