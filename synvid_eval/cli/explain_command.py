"""`synvid-eval explain NAME`: in full, what something is that `list` names."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import click

from synvid_eval.cli import common, names
from synvid_eval.cli.wrapping import filled

if TYPE_CHECKING:
    from synvid_eval.explanation.parts import Constant, Explanation


@click.command(name="explain")
@click.argument("name", metavar="NAME", shell_complete=names.completed(names.explained))
@click.option(
    "--features",
    metavar="random[:SEED]|run=RUN",
    shell_complete=names.networks,
    help="Of what runs a network: which one, as compare takes it, such as run=RUN for fd[run].",
)
@click.option("--no-cost", is_flag=True, help="Leave out what it costs (which is timed, a second or two).")
@common.outputs("json")
def command(name: str, features: str | None, no_cost: bool, json: str | None) -> None:
    """Explain a metric, feature, layout, protocol, preset, corruption, a method, recipe or backbone of train,
    or the sampler: what it is, its formula, every constant with its range, source, pitfalls, and what it
    costs here. NAME is one that list shows, or sampler.

    \b
    Examples:
      synvid-eval explain color
      synvid-eval explain paper
      synvid-eval explain moving_circles
      synvid-eval explain moco:paper-fractal
    """
    from synvid_eval.explanation import explain
    from synvid_eval.features.network import Networks
    from synvid_eval.score import dump_json

    common.check_outputs(json=json)
    networks = Networks(features=features) if features else None
    found = explain(name, timed=not no_cost, networks=networks)
    if json:
        common.write_text(dump_json({"name": name, "explanations": [e.to_dict() for e in found]}), json)
    if json != "-":
        width = max(60, min(100, shutil.get_terminal_size((100, 40)).columns))
        texts = [_text(e, width) for e in found]
        costs = dict.fromkeys(e.cost for e in found if e.cost)  # a metric's is its feature's: said once
        click.echo("\n\n\n".join([*texts[:-1], "\n\n".join([texts[-1], *(_cost(c, width) for c in costs)])]))


def _text(one: Explanation, width: int) -> str:
    heading = f"{one.name} ({one.kind})"
    parts = [f"{heading}\n{'=' * len(heading)}", _wrapped(one.about, width)]
    labels = max((len(k) for k in one.facts), default=0) + 2
    parts.append("\n".join(_fact(k, v, labels, width) for k, v in one.facts.items()))
    if one.essay:
        parts.append(_wrapped(one.essay, width))
    if one.constants:
        ways = {
            "preset": "preset:NAME?KNOB=VALUE",
            "corruption": "corrupt:NAME?KNOB=VALUE&of=SET",
            "method": "--set KNOB=VALUE of train pretrain",
            "recipe": "--set KNOB=VALUE of train",
            "backbone": "--set network.KNOB=VALUE of train",
        }
        changed = ways.get(one.kind, "--set NAME.KNOB=VALUE")
        how = "" if one.kind == "protocol" else f" ({changed} changes one)"
        parts.append(f"Constants{how}\n\n{_table(one.constants, width)}")
    return "\n\n".join(p for p in parts if p)


def _cost(text: str, width: int) -> str:
    return _wrapped(f"Cost. {text}.", width)


def _fact(key: str, value: str, labels: int, width: int) -> str:
    return filled(" ".join(value.split()), width, f"{key:<{labels}}", " " * labels)


def _wrapped(text: str, width: int) -> str:
    """Paragraphs filled to the width; indented ones (formulas) and lists keep their lines."""
    out = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.split("\n")
        if lines[0].startswith(" "):
            out.append(paragraph)
        elif lines[0].startswith("- "):
            items = "\n".join(lines).split("\n- ")
            out.append(
                "\n".join(filled(" ".join(i.removeprefix("- ").split()), width, "- ", "  ") for i in items)
            )
        else:
            out.append(filled(" ".join(lines), width))
    return "\n\n".join(out)


def _table(constants: list[Constant], width: int) -> str:
    """Two lines a constant: name, default with unit, what it may be; then its meaning."""
    lines, last = [], ""
    for one in constants:
        if one.of != last:
            last = one.of
            lines.append(f"  {one.of}")
        unit = f" {one.unit}" if one.unit else ""
        lines.append(f"    {one.name} = {one.default}{unit}   [{one.allowed}]")
        source = f" Source: {one.source}." if one.source else ""
        lines.append(filled(f"{one.meaning}{source}", width, " " * 8, " " * 8))
    return "\n".join(line for line in lines if line.strip())
