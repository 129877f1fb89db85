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
from collections.abc import Sequence
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
    script: str | None = None,
    styles: Sequence[str] = ("style.css",),
    **context: Any,
) -> str:
    """The page as text: a pure function of its arguments and of this package's version.

    template: a file beside this one that extends `base.html.j2`; data: JSON-ready, embedded under the id
    `data_id`; script: the name of one script file beside this one, or None for a page without any; styles:
    style sheets beside this one, joined in this order.
    """
    style = "".join(map(_asset, styles))
    code = None if script is None else _asset(script)
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
            data=embedded_json(data),
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
