"""The shell every page shares: one HTML file that asks nobody for anything, with its data inside.

A page is a template that extends `base.html.j2`, a style sheet and JSON-ready data. All text that reaches the
template is put on one line (control, bidirectional and surrogate characters become visible escapes) and then
escaped, so that a hostile name stays text; the data stand in a JSON block with `<`, `>` and `&` as escapes.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from synvid_eval import __version__
from synvid_eval.errors import one_line
from synvid_eval.score import plain

_HERE = Path(__file__).parent


def render(
    template: str,
    *,
    data: Any,
    data_id: str,
    share: bool = False,
    script: str | Sequence[str] | None = None,
    styles: Sequence[str] = ("style.css",),
    **context: Any,
) -> str:
    """The page as text: a pure function of its arguments and of this package's version.

    template: a file beside this one that extends `base.html.j2`; data: JSON-ready, embedded under the id
    `data_id`; share: whether what occurs in them more than once stands once (see `shared_json`); script: the
    name of one script file beside this one, or None for a page without any; of several, which share one
    scope: their names in order; styles: style sheets beside this one, joined in this order.
    """
    style = "".join(map(_asset, styles))
    code = None if script is None else _code(script)
    embedded, shared = shared_json(data) if share else (embedded_json(data), Markup(""))
    policy = f"default-src 'none'; style-src '{_digest(style)}'; img-src data:; media-src data:"
    policy += "; base-uri 'none'; form-action 'none'"
    if code is not None:
        policy += f"; script-src '{_digest(code)}'"
    text = (
        _environment()
        .get_template(template)
        .render(
            policy=Markup(policy),
            style=Markup(style),
            script=None if code is None else Markup(code),
            data=embedded,
            shared=shared,
            data_id=data_id,
            version=__version__,
            **context,
        )
    )
    return text if text.endswith("\n") else text + "\n"


def embedded_json(data: Any) -> Markup:
    """`data` as JSON that may stand inside a `<script>` element: ASCII, with `<`, `>` and `&` escaped."""
    text = json.dumps(plain(data), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


_REFERENCE = re.compile(r'(?<!\\)"#\d+"')
_WORTH = 40  # bytes from which on a list or an object is worth standing once
_TEXT = range(16, 120)  # and a text, or a longer one with blanks: the base64 of a video stays where it is


def shared_json(data: Any) -> tuple[Markup, Markup]:
    """`embedded_json(data)` with `"#N"` in place of each list, object or text that occurs more than
    once, and those values, one a line, line N (from 0) for `"#N"`. Putting them back makes the same text.

    Sets have much in common (what was measured of the reference, the edges of histograms, ids of clips).
    """
    root = _written(plain(data))
    if _REFERENCE.search(root.text):
        return Markup(root.text), Markup("")
    seen: Counter[str] = Counter()

    def count(one: _Written) -> None:
        if one.worth:
            seen[one.text] += 1
            # What stands in a value that is shared needs no sharing of its own.
            if seen[one.text] == 1:
                for _, each in one.inner or []:
                    count(each)

    def write(one: _Written) -> str:
        if not one.worth:
            return one.text
        if seen[one.text] > 1:
            return f'"#{numbers.setdefault(one.text, len(numbers))}"'
        if not one.inner:
            return one.text
        inside = ",".join(key + write(each) for key, each in one.inner)
        return f"{one.text[0]}{inside}{one.text[-1]}"

    numbers: dict[str, int] = {}
    count(root)
    text = write(root)
    return Markup(text), Markup("\n".join(numbers))


@dataclass(frozen=True)
class _Written:
    """A value as JSON and, of a list or an object, what it holds: (`"key":` or nothing, value)."""

    text: str
    inner: list[tuple[str, _Written]] | None = None

    @property
    def worth(self) -> bool:
        """Whether it may stand once for all places."""
        if self.inner is not None:
            return len(self.text) >= _WORTH
        prose = len(self.text) in _TEXT or " " in self.text
        return self.text.startswith('"') and len(self.text) >= _TEXT.start and prose


def _written(value: Any) -> _Written:
    if isinstance(value, dict):
        inner = [(f"{embedded_json(k)}:", _written(v)) for k, v in value.items()]
        return _Written("{" + ",".join(key + one.text for key, one in inner) + "}", inner)
    if isinstance(value, list):
        if not any(isinstance(v, (list, dict, str)) for v in value):
            return _Written(str(embedded_json(value)), [])
        inner = [("", _written(v)) for v in value]
        return _Written("[" + ",".join(one.text for _, one in inner) + "]", inner)
    return _Written(str(embedded_json(value)))


def _code(script: str | Sequence[str]) -> str:
    """One script as it is, several as one block, in which each sees what stands before it."""
    if isinstance(script, str):
        return _compact(_asset(script))
    return f'"use strict";\n{{\n{"".join(_compact(_asset(name)) for name in script)}}}\n'


def _compact(script: str) -> str:
    """A script without what only its readers need: indentation, lines of comment."""
    lines = (line.strip() for line in script.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("// ")) + "\n"


def _asset(name: str) -> str:
    # The HTML parser turns CR LF into LF before hashing, so a checkout with other line ends must not change
    # the hash.
    return (_HERE / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _finalize(value: Any) -> Any:
    """What every expression of a template goes through: markup as it is, all other text on one line."""
    return value if isinstance(value, Markup) else one_line(value)


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
