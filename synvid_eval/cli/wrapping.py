"""Filling text to a width without breaking what is to be copied: a command stays one piece on one line."""

from __future__ import annotations

import re
import textwrap

# From "synvid-eval" to where the sentence goes on: words that are quoted or do not end in punctuation.
_COMMAND = re.compile(r"synvid-eval(?: (?:'[^']*'|[^\s'.,;:()]|[.,:](?=[^\s']))+)+")
_GLUE = "\0"


def filled(text: str, width: int, first: str = "", rest: str = "") -> str:
    """`text` in lines of at most `width` characters, `first` before the first and `rest` before the others.
    Commands of this package and words with hyphens are not broken; one that is wider than a line sticks out.
    """
    whole = _COMMAND.sub(lambda command: command[0].replace(" ", _GLUE), text)
    lines = textwrap.fill(
        whole,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return lines.replace(_GLUE, " ")
