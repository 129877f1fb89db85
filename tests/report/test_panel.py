"""The panel of a comparison's page that shows published accuracies beside a metric."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from synvid_eval import published
from synvid_eval.report.page import page, write_page
from synvid_eval.score import Comparison

from .example import example
from .test_browser import CHROMIUM, axe_api, browser, opened, texts
from .test_page import ATTRIBUTES, TAGS, Parsed

__all__ = ["browser"]
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
        assert {tag for tag, _ in parsed.tags} <= TAGS
        assert {key for _, attrs in parsed.tags for key in attrs} <= ATTRIBUTES | {"data-sets"}
        picture = re.findall(r'<svg role="group" id="known-scatter".*?</svg>', text, re.S)[0]
        assert re.search(r"UCF101 finetune accuracy against color", picture)
        assert len(re.findall(r'<g data-set="\d">', picture)) == known
        for name in KNOWN[:known]:
            assert name in picture
        table = re.search(
            r"<pre class=\"cells\"[^>]*>(Set\tcolor\tUCF101 finetune accuracy.*?)</pre>", text, re.S
        )
        assert table
        assert f"\t{published.of(KNOWN[0]).accuracy:g}\n" in table[1]  # type: ignore[union-attr]
        said = " ".join("".join(parsed.text).split())
        assert said.count("This is no correlation analysis") == 1
        for never in ("predict", " rho ", "significant"):
            assert never not in said


def test_numbers_of_random_networks_are_not_drawn_beside_accuracies() -> None:
    base = renamed(KNOWN)
    color = [s for s in base.scores if s.metric == "color"]
    only = [dataclasses.replace(s, metric="fid[random-inception]") for s in color]
    assert "known-scatter" not in page(Comparison(base.reference, base.candidates, only, base.run))
    both = Comparison(base.reference, base.candidates, [*only, *color], base.run)
    assert "UCF101 finetune accuracy against color" in page(both)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
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
    found = axe_api.Axe().run(view, context="section:has(#accuracies)")
    assert found.violations_count == 0, found.generate_report()
    assert troubles == []
    view.context.close()
