"""The lines of a result, gathered for whatever stdout is: a terminal of some width, a pipe, an encoding."""

from __future__ import annotations

import io
import shutil
import sys
import textwrap

import click

from synvid_eval.cli import sparklines
from synvid_eval.errors import one_line

_PIPED = 160
# A terminal that says it is narrower is not believed.
_LEAST = 24
# For an output that cannot show them: signs in words, replaced before the columns are measured, and what
# lines are drawn with, one for one.
_INSTEAD = {
    "↓": "v",
    "↑": "^",
    "≈": "=",
    "→": "->",
    "–": "-",
    "−": "-",
    "·": "|",
    "†": "+",
    "α": "alpha",
    "×": "x",
    "…": "~",
}
_DRAWN = {"─": "-", "…": "~"}


class Screen:
    """Where the lines go, gathered: in characters that the output can show, wrapped to a terminal's width or,
    piped, a line each.
    """

    def __init__(self) -> None:
        from rich.console import Console

        self.tty = sys.stdout.isatty()
        self.width = max(shutil.get_terminal_size().columns, _LEAST) if self.tty else _PIPED
        self._encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        self.plain = not self._has(sparklines.BLOCKS + sparklines.GAP)
        self._out = io.StringIO()
        # with a height too, or Rich takes 80 columns wherever TERM=dumb
        self.console = Console(
            file=self._out, width=self.width, height=100, force_terminal=self.tty, highlight=False
        )

    def _has(self, text: str) -> bool:
        try:
            text.encode(self._encoding)
        except (UnicodeError, LookupError):
            return False
        return True

    def spell(self, text: str) -> str:
        """`text` on one line, in characters that the output has."""
        text = one_line(text)
        if self._has(text):
            return text
        for sign, instead in _INSTEAD.items():
            if not self._has(sign):
                text = text.replace(sign, instead)
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def say(self, text: str = "", style: str = "") -> None:
        """A line, or as many as it takes on a terminal: what follows the first is set in."""
        from rich.text import Text

        text = self.spell(text)
        if self.tty and len(text) > self.width:
            follow = " " * (len(text) - len(text.lstrip(" ")) + 2)
            text = textwrap.fill(text, self.width, subsequent_indent=follow, break_on_hyphens=False)
        self.console.print(Text(text, style=style), soft_wrap=not self.tty)

    def draw(self, table: object) -> None:
        """A table, with lines that the output can show."""
        before = self._out.tell()
        self.console.print(table)
        drawn = self._out.getvalue()[before:]
        for sign, instead in _DRAWN.items():
            if not self._has(sign):
                drawn = drawn.replace(sign, instead)
        self._out.seek(before)
        self._out.truncate()
        self._out.write(drawn)

    def show(self) -> None:
        """Prints what was gathered, at once, so that a reader who leaves early is noticed here."""
        click.echo(self._out.getvalue(), nl=False)
