"""The panel of a comparison's page that shows published accuracies beside a metric."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from synvid_eval import published
from synvid_eval.report import svg
from synvid_eval.report.page import page, write_page
from synvid_eval.rounding import finite
from synvid_eval.score import Comparison

from .example import example
from .pages import accessible, opened, texts
from .test_correlation import named
from .test_page import ATTRIBUTES, TAGS, Parsed

KNOWN = list(dict.fromkeys(p.dataset for p in published.table() if published.of(p.dataset)))[:7]
COMMAND = (
    "synvid-eval correlate FILE.json --accuracies published:yu2024 --benchmark UCF101 --protocol finetune"
)


def renamed(names: list[str]) -> Comparison:
    """The example with these names for its first sets."""
    base = example(9)
    new = dict(zip([c.name for c in base.candidates], names, strict=False))
    candidates = [dataclasses.replace(c, name=new.get(c.name, c.name)) for c in base.candidates]
    scores = [dataclasses.replace(s, candidate=new.get(s.candidate, s.candidate)) for s in base.scores]
    return Comparison(base.reference, candidates, scores, base.run)


@pytest.mark.parametrize(("known", "there"), [(7, True), (5, True), (4, False), (0, False)])
def test_from_five_known_sets_on(known: int, there: bool) -> None:
    names = [*KNOWN[:known], *(f"mine_{k}" for k in range(9 - known))]
    text = page(renamed(names))
    assert (f"Accuracies are known for {known} of these sets" in text) is there
    assert (COMMAND in text) is there
    assert (".inband" in text) is there  # its styles come with it
    if there:
        parsed = Parsed(text)
        assert {tag for tag, _ in parsed.tags} <= TAGS | {"tspan"}
        assert {key for _, attrs in parsed.tags for key in attrs} <= ATTRIBUTES | {
            "data-family", "data-sets", "dy"
        }  # fmt: skip
        picture = re.findall(r'<svg role="group" id="known-scatter".*?</svg>', text, re.S)[0]
        assert re.search(r"UCF101 finetune accuracy against color", picture)
        assert len(re.findall(r'<g data-set="\d">', picture)) == known
        assert sorted(named(picture)) == sorted(KNOWN[:known])
        table = re.search(
            r"<pre class=\"cells\"[^>]*>(Set\tFamily\tcolor\t.*?UCF101 finetune accuracy.*?)</pre>",
            text,
            re.S,
        )
        assert table
        assert f"\t{published.of(KNOWN[0]).accuracy:g}\n" in table[1]  # type: ignore[union-attr]
        said = " ".join("".join(parsed.text).split())
        assert said.count("This is no correlation analysis") == 1
        for never in ("predict", " rho ", "significant"):
            assert never not in said


def test_every_metric_is_drawn_with_the_families_marks() -> None:
    base = renamed(KNOWN)
    text = page(base)
    panel = re.findall(r'<section aria-labelledby="accuracies".*?</section>', text, re.S)[0]
    numbers = Counter(s.metric for s in base.scores if s.candidate in KNOWN and finite(s.value) is not None)
    measured = [m for m in base.metrics() if "random" not in m and numbers[m] >= 5]
    pictures = re.findall(r"<title>UCF101 finetune accuracy against ([^<]*)</title>", panel)
    assert len(measured) > 1
    assert ["color", *pictures] == measured
    identities = re.findall(r' id="([^"]*)"', text)
    for target in re.findall(r'<a href="#([^"]*)" class="glance">', panel):
        assert target in identities
    families = list(dict.fromkeys(published.of(n).family for n in KNOWN))  # type: ignore[union-attr]
    legend = re.findall(r'<g data-family="(\d+)">.*?<text[^>]*>([^<]*)</text>', panel)
    assert legend == [(str(i), f) for i, f in enumerate(families)]
    marks = dict(re.findall(r'<g data-set="(\d)"><g class="marks">.*?<g class="(points [^"]*)"', panel))
    for i, one in enumerate(KNOWN):
        own = families.index(published.of(one).family)  # type: ignore[union-attr]
        assert marks[str(i)] == svg.points_class(own)


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("synvid-eval compare A B --json my.json", "my.json"),
        ("synvid-eval compare A B '--json=with space.json' --html x.html", "'with space.json'"),
        (["synvid-eval", "compare", "--json", "list.json"], "list.json"),
        ("synvid-eval compare A B --json -", "FILE.json"),
        ("synvid-eval compare A B", "FILE.json"),
        ("synvid-eval compare A --json", "FILE.json"),
        ("an 'open quote --json a.json", "FILE.json"),
        (None, "FILE.json"),
        (3, "FILE.json"),
    ],
)
def test_the_command_names_the_comparison_s_own_file(command: Any, file: str) -> None:
    base = renamed(KNOWN)
    text = page(Comparison(base.reference, base.candidates, base.scores, {**base.run, "command": command}))
    wanted = f"<code>{escape(COMMAND.replace('FILE.json', file))}</code>"
    assert wanted in text


def test_numbers_of_random_networks_are_not_drawn_beside_accuracies() -> None:
    base = renamed(KNOWN)
    color = [s for s in base.scores if s.metric == "color"]
    only = [dataclasses.replace(s, metric="fid[random-inception]") for s in color]
    assert "known-scatter" not in page(Comparison(base.reference, base.candidates, only, base.run))
    both = Comparison(base.reference, base.candidates, [*only, *color], base.run)
    assert "UCF101 finetune accuracy against color" in page(both)


def test_it_is_part_of_the_page(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_page(renamed(KNOWN), path)
    view, troubles = opened(browser, path)
    section = view.locator("section:has(#accuracies)")
    section.scroll_into_view_if_needed()
    view.locator("#scores tbody tr").nth(2).hover()
    faint = "k => getComputedStyle(document.querySelector(`#known-scatter [data-set='${k}']`)).opacity"
    assert [view.evaluate(faint, str(k)) for k in (2, 3)] == ["1", "0.13"]
    view.get_by_role("button", name="Copy: Command that correlates").click()
    assert "Copied the command." in texts(view, ".said")
    with view.expect_download() as waiting:
        section.get_by_role("button", name="SVG").click()
    assert "class=" not in Path(waiting.value.path()).read_text()
    accessible(view, context="section:has(#accuracies)")
    assert troubles == []
    view.context.close()
