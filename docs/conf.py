"""Sphinx settings, and two local steps that put the package's own texts into pages instead of copies of them.

`{explanation} KIND NAME` is what `synvid-eval explain NAME` prints, without the timing; `{command-help} NAME`
is a command's help. Nothing is fetched: no inventories, no fonts, no scripts from elsewhere.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import ClassVar

import click
from docutils import nodes
from docutils.parsers.rst import Directive

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import synvid_eval
from synvid_eval.explanation import Constant, explain

project = "synvid_eval"
author = "the synvid_eval authors"
release = version = synvid_eval.__version__
extensions = ["myst_nb"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"synvid_eval {release}"
html_copy_source = False
html_show_copyright = False
nb_execution_mode = "off"
myst_heading_anchors = 3
smartquotes = False  # options begin with two hyphens


def _inline(text: str) -> list[nodes.Node]:
    """Words with `code` as literals, *so* emphasized; a leading "Pitfalls." and the like in bold."""
    out: list[nodes.Node] = []
    lead = re.match(r"(?:[A-Z][a-z]+(?: [a-z]+){0,2}\.|Description only:)(?= )", text)
    if lead:
        out.append(nodes.strong(text=lead[0]))
        text = text[lead.end() :]
    # L*a*b* is no emphasis: that begins after a blank
    for part in re.split(r"(`[^`]+`|(?<!\S)\*\w+\*(?!\w))", text):
        if part.startswith("`") and len(part) > 1:
            out.append(nodes.literal(text=part[1:-1]))
        elif re.fullmatch(r"\*\w+\*", part):
            out.append(nodes.emphasis(text=part[1:-1]))
        else:
            out.append(nodes.Text(part))
    return out


def _paragraphs(text: str) -> list[nodes.Node]:
    """Paragraphs and lists; indented ones (formulas) keep their lines."""
    out: list[nodes.Node] = []
    for one in filter(None, text.split("\n\n")):
        if one.startswith(" "):
            out.append(nodes.literal_block(text=one, language="none"))
        elif one.startswith("- "):
            items = [" ".join(i.split()) for i in one.removeprefix("- ").split("\n- ")]
            paragraphs = [nodes.paragraph("", "", *_inline(i)) for i in items]
            out.append(nodes.bullet_list("", *(nodes.list_item("", p) for p in paragraphs)))
        else:
            out.append(nodes.paragraph("", "", *_inline(" ".join(one.split()))))
    return out


def _definition(term: str, meaning: list[nodes.Node]) -> nodes.Node:
    body = nodes.definition("", nodes.paragraph("", "", *meaning))
    return nodes.definition_list_item("", nodes.term("", "", nodes.literal(text=term)), body)


def _constants(found: list[Constant]) -> list[nodes.Node]:
    out: list[nodes.Node] = []
    for of in dict.fromkeys(c.of for c in found):
        out.append(nodes.paragraph("", "", nodes.strong(text=f"Constants of {of}")))
        items = [
            _definition(
                f"{c.name} = {c.default}{' ' + c.unit if c.unit else ''}",
                _inline(f"{c.meaning} [{c.allowed}]"),
            )
            for c in found
            if c.of == of
        ]
        out.append(nodes.definition_list("", *items))
    return out


class ExplanationStep(Directive):
    """`{explanation} KIND NAME`: facts, essay and constants as `synvid-eval explain` has them."""

    required_arguments: ClassVar[int] = 2

    def run(self) -> list[nodes.Node]:
        kind, name = self.arguments
        (one,) = [e for e in explain(name, timed=False) if e.kind == kind]
        about = one.about.partition(": ")[2] if one.about.lower().startswith(f"{name}:") else one.about
        if kind != "layout":
            about = about[:1].upper() + about[1:]
        facts = [
            nodes.list_item("", nodes.paragraph("", "", nodes.strong(text=f"{key}:"), *_inline(f" {value}")))
            for key, value in one.facts.items()
        ]
        constants = [c for c in one.constants if c.of != "sampler" or kind == "protocol"]
        return [
            nodes.paragraph("", "", *_inline(about.rstrip(".") + ".")),
            nodes.bullet_list("", *facts),
            *_paragraphs(one.essay),
            *_constants(constants),
        ]


class HelpStep(Directive):
    """`{command-help} NAME [SUBCOMMAND]`: a command's help text."""

    required_arguments: ClassVar[int] = 1
    optional_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        from synvid_eval.cli import group

        command: click.Command = group
        settings = {**group.context_settings, "terminal_width": 90}
        context = click.Context(group, info_name="synvid-eval", **settings)
        for name in self.arguments:
            assert isinstance(command, click.Group)
            found = command.get_command(context, name)
            assert found is not None, name
            command = found
            context = click.Context(command, parent=context, info_name=name, terminal_width=90)
        return [nodes.literal_block(text=command.get_help(context), language="none")]


def setup(app: object) -> None:
    """Registers the two steps."""
    app.add_directive("explanation", ExplanationStep)  # type: ignore[attr-defined]
    app.add_directive("command-help", HelpStep)  # type: ignore[attr-defined]
