"""The page of a correlation in a real browser under its own policy, with the network watched."""

from __future__ import annotations

import copy
import csv
import io
import json
import math
import re
import xml.etree.ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from synvid_eval.correlation import to_csv
from synvid_eval.report.correlation import write_page

from .example_media import everything
from .pages import accessible, menu, opened, saved, texts, until
from .test_correlation import CASES, FULL
from .timing import beyond_empty

TAGS = {s["name"]: str(i) for i, s in enumerate(FULL["sets"])}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Every case as a file, written once."""
    folder = tmp_path_factory.mktemp("correlations")
    found = {}
    clips = [c for v in everything(2).media["clips"].values() for c in v if c.get("video")]
    data = {**CASES["media"], "media": {FULL["sets"][3]["name"]: {**clips[0], "id": "a clip"}}}
    for name, one in {**CASES, "media": data}.items():
        found[name] = folder / f"{name.replace(' ', '-')}.html"
        write_page(one, found[name])
    yield found


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", ["hostile", "media", "four"])
def test_accessible_quiet_and_alone(browser: Any, pages: dict[str, Path], case: str, scheme: str) -> None:
    view, troubles = opened(browser, pages[case], scheme)
    view.evaluate("document.querySelectorAll('main details:not(.menu)').forEach(d => d.open = true)")
    for plot in view.locator("svg.scatter").all()[:3]:
        plot.scroll_into_view_if_needed()
    view.wait_for_selector(".point[role=button]")
    view.locator(".point[role=button]").first.focus()
    assert view.locator(".card").is_visible()
    accessible(view)
    assert troubles == []
    view.context.close()


@pytest.mark.slow
@pytest.mark.parametrize("case", sorted(CASES))
def test_nothing_runs_off_a_phone(browser: Any, pages: dict[str, Path], case: str) -> None:
    view, troubles = opened(browser, pages[case], "light", 380)
    view.evaluate("document.querySelectorAll('main details:not(.menu)').forEach(d => d.open = true)")
    wide, room = view.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= room
    assert troubles == []
    view.context.close()


def test_reads_without_script(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["full"], java_script_enabled=False)
    assert view.locator(".lede").inner_text() == FULL["headline"]
    assert view.locator("svg.scatter").first.is_visible()
    assert view.locator(".small-scatter").count() == len(FULL["metrics"])
    assert view.locator("#matrix tbody tr").first.is_visible()
    assert view.locator("button, select, input, video, [onclick], [role=button]").count() == 0
    assert view.locator("#command").is_visible()
    assert troubles == []
    view.context.close()


LABELS = """() => [...document.querySelectorAll('.opens[open] .wide svg.scatter')].map(svg => {
  const {width, height} = svg.viewBox.baseVal;
  const boxes = [...svg.querySelectorAll('.marks text')].map(e => e.getBBox());
  const out = b => b.x < 0 || b.y < -1 || b.x + b.width > width || b.y + b.height > height;
  const cut = boxes.filter(out).length;
  let over = 0;
  boxes.forEach((a, i) => boxes.slice(0, i).forEach(b => {
    const w = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
    const h = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
    if (w > 3 && h > 4) over++;
  }));
  return [boxes.length, cut, over];
})"""


def test_every_label_is_whole_and_readable_on_both_axes(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["full"], width=1440)
    view.evaluate("document.querySelectorAll('details.opens').forEach(d => d.open = true)")
    plots = len(FULL["metrics"])
    assert view.evaluate(LABELS) == [[34, 0, 0]] * plots
    before = view.locator("svg.scatter .marks text").first.get_attribute("x")
    for act in view.get_by_role("button", name="Logarithmic axis of").all():
        act.click()
        assert act.get_attribute("aria-pressed") == "true"
    found = view.evaluate(LABELS)
    assert found == [[34, 0, 0]] * plots
    assert view.evaluate("location.hash").count("log=") == plots
    # marks stand where the logarithm is, and come back
    m = FULL["metrics"][0]
    centers = """name => [...document.querySelectorAll(`[data-metric="${name}"] .wide .point`)].map(p => {
      const b = p.querySelector('.mark').getBoundingClientRect();
      return [p.dataset.set, b.left + b.width / 2]; })"""
    places = {int(tag): x for tag, x in view.evaluate(centers, m["metric"])}
    values = {i: math.log(v) for i, v in enumerate(m["values"])}
    low, high = (f(values, key=lambda i: values[i]) for f in (min, max))
    for i, x in places.items():
        share = (values[i] - values[low]) / (values[high] - values[low])
        assert x == pytest.approx(places[low] + share * (places[high] - places[low]), abs=1.0)
    for act in view.get_by_role("button", name="Logarithmic axis of").all():
        act.click()
    assert view.evaluate("location.hash").count("log=") == 0
    assert before in view.evaluate(
        "[...document.querySelectorAll('svg.scatter .marks text')].slice(0, 34).map(t => t.getAttribute('x'))"
    )
    assert view.evaluate(LABELS) == [[34, 0, 0]] * plots
    assert troubles == []
    view.context.close()


def test_the_log_axis_keeps_every_mark_in_the_plot(browser: Any, tmp_path: Path) -> None:
    """Of a difference three sets come near 0, their bars far below it."""
    data = copy.deepcopy(FULL)
    metric = next(m for m in data["metrics"] if m["metric"] == "motion.difference")
    metric["values"] = [0.0018, 0.0036, 0.009, *(0.03 + 0.015 * i for i in range(31))]
    metric["spread"] = [0.013] * 34
    write_page(data, tmp_path / "a.html")
    view, troubles = opened(browser, tmp_path / "a.html", width=1440)
    view.locator("details[data-metric='motion.difference'] summary").first.click()
    view.get_by_role("button", name="Logarithmic axis of motion.difference").click()
    plot = "details[data-metric='motion.difference'] .wide svg"
    inside = """plot => [...document.querySelectorAll(`${plot} .point`)].map(p => {
      const box = e => e.getBoundingClientRect(), frame = box(document.querySelector(plot));
      const mark = box(p.querySelector('.mark')), text = box(p.querySelector('text'));
      const across = Math.max(text.left - mark.right, mark.left - text.right, 0);
      const down = Math.max(text.top - mark.bottom, mark.top - text.bottom, 0);
      const left = mark.left - frame.left - 50 * frame.width / 1040;
      return [left, frame.right - mark.right, Math.hypot(across, down)]; })"""
    found = view.evaluate(inside, plot)
    assert len(found) == 34
    assert all(left > 0 and right > 0 for left, right, _ in found)
    assert max(away for _, _, away in found) < 300
    bars = view.evaluate(
        "plot => [...document.querySelectorAll(`${plot} .spread`)].map(e => e.getAttribute('d'))", plot
    )
    assert min(float(re.match(r"M([\d.]+)", d)[1]) for d in bars) == 52  # type: ignore[index]
    ticks = [float(t.text_content()) for t in view.locator(f"{plot} .onlog text").all()]
    assert min(ticks) < 0.01 < max(ticks)
    assert troubles == []
    view.context.close()


def opacity(view: Any, tag: str, where: str = ".wide svg.scatter") -> str:
    found: str = view.evaluate(
        "([w, t]) => getComputedStyle(document.querySelector(`.opens[open] ${w} [data-set='${t}']`)).opacity",
        [where, tag],
    )
    return found


def ready(view: Any) -> None:
    view.locator(".opens[open] .wide svg.scatter").scroll_into_view_if_needed()
    view.wait_for_selector(".opens[open] .wide .point[role=button]")
    for plot in view.locator(".opens[open] .figures svg").all():
        plot.scroll_into_view_if_needed()
    until(view, "document.querySelectorAll('.opens[open] .figures .point[role=button]').length > 60")
    view.locator(".opens[open] .wide svg.scatter").scroll_into_view_if_needed()


def test_a_set_is_highlighted_everywhere(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["full"], width=1440)
    ready(view)
    view.locator("#values tbody tr").nth(5).hover()
    for where in (".wide svg.scatter", ".figures svg.scatter", ".figures svg.influence"):
        assert opacity(view, "5", where) == "1"
        assert opacity(view, "6", where) == "0.13"
    view.mouse.move(3, 300)
    assert opacity(view, "6") == "1"
    mark = view.locator(".opens[open] .wide .point[data-set='7']")
    mark.focus()
    assert opacity(view, "6") == "0.13"
    card = view.locator(".card")
    assert FULL["sets"][7]["name"] in card.inner_text()
    assert "tubelet" in card.inner_text()
    label = mark.get_attribute("aria-label")
    assert label
    assert FULL["sets"][7]["name"] in label
    view.keyboard.press("Enter")
    assert view.evaluate("location.hash") == "#set=7"
    assert mark.get_attribute("aria-pressed") == "true"
    marked = "getComputedStyle(document.querySelector('#values tr[data-set=\"7\"] td')).backgroundColor"
    plain = "getComputedStyle(document.querySelector('#values tr[data-set=\"8\"] td')).backgroundColor"
    assert view.evaluate(marked) != view.evaluate(plain)
    # arrows walk; there is one stop a picture
    view.keyboard.press("ArrowRight")
    assert view.evaluate("document.activeElement.dataset.set") != "7"
    assert view.locator(".opens[open] .wide .point[tabindex='0']").count() == 1
    view.keyboard.press("Escape")
    assert not card.is_visible()
    # a name in the table is a button, too
    name = view.locator("#values tbody tr[data-set='9'] .pick")
    name.focus()
    view.keyboard.press("Enter")
    assert view.evaluate("location.hash") == "#set=7&set=9"
    view.get_by_role("button", name="Clear selection").click()
    assert view.evaluate("location.hash") == ""
    assert troubles == []
    view.context.close()


def test_a_rectangle_selects_and_the_link_keeps_it(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["full"], width=1440)
    ready(view)
    plot = view.locator(".opens[open] .wide svg.scatter")
    box = plot.bounding_box()
    # the lower half of the plot: the one set far below
    view.mouse.move(box["x"] + 80, box["y"] + 0.45 * box["height"])
    view.mouse.down()
    view.mouse.move(box["x"] + 300, box["y"] + 0.6 * box["height"])
    assert view.locator(".brush").is_visible()
    view.mouse.move(box["x"] + box["width"] - 12, box["y"] + 0.8 * box["height"])
    view.mouse.up()
    assert not view.locator(".brush").is_visible()
    assert view.evaluate("location.hash") == "#set=0"
    assert "1 set selected." in texts(view, ".said")
    assert not view.locator(".card").is_visible()
    # one that is passed, or at which the rectangle ends, opens no card
    mark = view.locator(".opens[open] .wide .point[data-set='0'] .mark").bounding_box()
    view.mouse.move(mark["x"] - 60, mark["y"] - 40)
    view.mouse.down()
    view.mouse.move(mark["x"] + 3, mark["y"] + 3, steps=8)
    view.mouse.up()
    view.wait_for_timeout(300)
    assert not view.locator(".card").is_visible()
    # all of them
    view.mouse.move(box["x"] + 60, box["y"] + 4)
    view.mouse.down()
    view.mouse.move(box["x"] + box["width"] - 4, box["y"] + 0.85 * box["height"], steps=3)
    view.mouse.up()
    assert view.evaluate("location.hash").count("set=") == 34
    link = view.evaluate("location.hash")
    view.context.close()
    again, more = opened(
        browser, pages["full"], width=1440, fragment=link.replace("set=33&", "") + "&fold=color"
    )
    assert again.locator("#values .pick[aria-pressed=true]").count() in (33, 34)
    assert again.locator("details.opens[data-metric=color]").get_attribute("open") == ""
    assert troubles + more == []
    again.context.close()


def test_families_are_highlighted_hidden_and_renamed(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["full"], width=1440)
    ready(view)
    kinds = FULL["families"]
    own = [TAGS[s["name"]] for s in FULL["sets"] if s["family"] == kinds[1]]
    other = [TAGS[s["name"]] for s in FULL["sets"] if s["family"] == kinds[2]]
    view.locator(".names [data-kind='1']").click()
    view.mouse.move(3, 400)
    assert view.evaluate("location.hash") == "#family=1"
    assert {opacity(view, t) for t in own} == {"1"}
    assert {opacity(view, t) for t in other} == {"0.13"}
    menu(view, "Families")
    assert "Coefficients and lines stay those of all sets." in view.locator(".menu[open]").inner_text()
    view.get_by_role("checkbox", name=f"Show {kinds[2]}").uncheck()
    gone = f"getComputedStyle(document.querySelector('.opens[open] .wide [data-set=\"{other[0]}\"]')).display"
    assert view.evaluate(gone) == "none"
    assert not view.locator(f"#values tr[data-set='{other[0]}']").is_visible()
    view.get_by_label(f"Name of the family {kinds[1]}").fill("<b>mine</b>")
    assert "as.1=" in view.evaluate("location.hash")
    assert view.locator(f"#values tr[data-set='{own[0]}'] [data-family]").inner_text() == "<b>mine</b>"
    assert "<b>mine</b>" in view.locator(".opens[open] .legend").first.text_content()
    link = view.evaluate("location.hash")
    view.context.close()
    again, more = opened(browser, pages["full"], fragment=link)
    assert "<b>mine</b>" in again.locator(".names").first.inner_text()
    assert again.locator("b", has_text="mine").count() == 0
    menu(again, "Families")
    again.get_by_role("button", name="As it was").click()
    assert again.evaluate("location.hash") == ""
    assert kinds[1] in again.locator(".names").first.inner_text()
    assert troubles + more == []
    again.context.close()


def test_families_beyond_two_dozen_work_from_where_they_are_folded(browser: Any, tmp_path: Path) -> None:
    data = copy.deepcopy(FULL)
    data["families"] = [f"kind {i}" for i in range(30)]
    for i, one in enumerate(data["sets"]):
        one["family"] = f"kind {i % 30}"
    write_page(data, tmp_path / "a.html")
    view, troubles = opened(browser, tmp_path / "a.html", width=1440)
    view.locator("details.more summary").click()
    view.locator(".names [data-kind='29']").click()
    assert view.evaluate("location.hash") == "#family=29"
    menu(view, "Families")
    box = view.get_by_role("checkbox", name="Show kind 29")
    assert view.get_by_role("checkbox", name="Show kind 23").is_visible()
    assert not box.is_visible()
    view.locator(".panel summary", has_text="6 more families").click()
    box.uncheck()
    assert not view.locator("#values tr[data-set='29']").is_visible()
    assert troubles == []
    view.context.close()


def test_a_card_breaks_names_between_their_words(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["full"], width=1440)
    ready(view)
    view.locator(".opens[open] .wide .point[data-set='1']").focus()
    lines = """() => [...document.querySelectorAll('.card b, .card dt')].flatMap(e => {
      const words = [...e.childNodes].filter(n => n.nodeType === 3);
      const range = document.createRange();
      return words.map(n => { range.selectNodeContents(n); return range.getClientRects().length; });
    })"""
    found = view.evaluate(lines)
    assert len(found) > 10
    assert set(found) == {1}
    assert troubles == []
    view.context.close()


def test_what_a_table_hides_below_is_hinted_at_without_script(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["full"], width=1440, java_script_enabled=False)
    box = view.locator(".tall:has(#values)")
    box.scroll_into_view_if_needed()

    def edge() -> int:
        """How dark the lower edge is, in the gap between two columns."""
        image = Image.open(io.BytesIO(box.screenshot())).convert("L")
        return min(image.crop((300, image.height - 4, 700, image.height - 3)).tobytes())

    middle = edge()
    view.mouse.move(700, 500)
    view.mouse.wheel(0, 5000)
    view.wait_for_timeout(300)
    assert edge() > middle
    assert troubles == []
    view.context.close()


def test_columns_sorting_and_copies(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(
        browser, pages["full"], width=1440, permissions=["clipboard-read", "clipboard-write"]
    )
    heads = "#matrix thead th:visible"
    assert not [t for t in texts(view, heads) if t.startswith(("tau", "p_free"))]
    menu(view, "Columns")
    panel = view.locator(".menu[open] .panel")
    assert panel.get_by_label("rho", exact=True).count() == 0  # stays with r
    assert panel.get_by_label("rho in the band", exact=True).count() == 0
    panel.get_by_label("p_free", exact=True).check()
    panel.get_by_label("q", exact=True).uncheck()
    view.keyboard.press("Escape")
    assert [t for t in texts(view, heads) if t.startswith("p_free")]
    assert view.evaluate("location.hash") in (
        "#matrix.hide=q&matrix.hide=p_free",
        "#matrix.hide=p_free&matrix.hide=q",
    )
    r = view.locator("#matrix th[data-metric=r] button")
    r.click()
    values = {m["metric"]: m["pearson"]["value"] for m in FULL["metrics"] if not m["random"]}
    found = [t.split(" ")[0] for t in texts(view, "#matrix tbody th")]
    assert found == sorted(values, key=lambda n: values[n])
    state = view.locator("#matrix th[data-metric=State] button")
    state.click()
    assert "Sorted by State, A first." in texts(view, ".said")
    view.locator("summary", has_text="Copy").first.click()
    view.get_by_role("button", name="as CSV").locator("visible=true").click()
    rows = list(csv.DictReader(io.StringIO(view.evaluate("navigator.clipboard.readText()"))))
    assert len(rows) == 3 * len(FULL["metrics"])
    view.keyboard.press("Escape")
    view.locator("summary", has_text="Copy").first.click()
    view.get_by_role("button", name="as Markdown").locator("visible=true").click()
    markdown = view.evaluate("navigator.clipboard.readText()").splitlines()
    assert markdown[0].startswith("| Metric | State | rho Spearman |")
    assert len(markdown) == 2 + len(FULL["metrics"])
    assert "| goes |" in "\n".join(markdown) or "| chance |" in "\n".join(markdown)
    view.fill("input[type=search]", "set_07")
    assert len(texts(view, "#values tbody tr:visible")) == 1
    assert troubles == []
    view.context.close()


@pytest.mark.parametrize("case", ["full", "no numbers", "hostile", "nothing"])
def test_saved_data(browser: Any, pages: dict[str, Path], case: str) -> None:
    view, troubles = opened(browser, pages[case])
    name, content = saved(view, "Save JSON")
    assert name == "correlation.json"
    assert json.loads(content) == json.loads(json.dumps(CASES[case]))
    name, content = saved(view, "Save CSV of sets")
    assert name == "sets.csv"
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert len(rows) == len(CASES[case]["sets"])
    if case == "full":
        assert [float(r["accuracy"]) for r in rows] == [s["accuracy"] for s in FULL["sets"]]
        assert [float(r["tubelet"]) for r in rows] == next(
            m["values"] for m in FULL["metrics"] if m["metric"] == "tubelet"
        )
    with view.expect_download() as waiting:
        view.locator("#downloads").get_by_role("button", name="Save CSV", exact=True).click()
    assert waiting.value.suggested_filename == "correlation.csv"
    assert Path(waiting.value.path()).read_bytes() == to_csv(CASES[case]).encode()
    assert troubles == []
    view.context.close()


def test_plots_are_saved_so_that_they_stand_alone(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["full"], "dark", 1440)
    ready(view)
    plots = view.locator(".opens[open] figure.plot")
    assert plots.count() == 3
    for i in range(3):
        with view.expect_download() as waiting:
            plots.nth(i).get_by_role("button", name="SVG").click()
        text = Path(waiting.value.path()).read_text()
        root = xml.etree.ElementTree.fromstring(text)
        assert not re.search(r"class=|style=|var\(|data-|tabindex|oklch|light-dark|aria-pressed", text)
        titles = [e.text or "" for e in root if e.tag.endswith("}text")]
        assert "over families" in titles[1]
        with view.expect_download() as waiting:
            plots.nth(i).get_by_role("button", name="PNG").click()
        assert Path(waiting.value.path()).read_bytes().startswith(b"\x89PNG")
    assert troubles == []
    view.context.close()


def test_a_small_scatter_opens_its_metric(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["full"], width=1440)
    fold = view.locator("details.opens[data-metric=color]")
    assert fold.get_attribute("open") is None
    view.locator(".glance", has_text="color").click()
    assert fold.get_attribute("open") == ""
    until(view, "location.hash.includes('fold=color')")
    assert "at=metric-0" in view.evaluate("location.hash")
    view.context.close()
    again, more = opened(browser, pages["full"], width=1440, fragment="#metric-0")
    assert again.locator("details.opens[data-metric=color]").get_attribute("open") == ""
    assert troubles + more == []
    again.context.close()


def test_a_card_shows_and_plays_the_preview(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["media"], width=1440)
    view.locator(".opens[open] .wide svg.scatter").scroll_into_view_if_needed()
    view.wait_for_selector(".opens[open] .wide .point[role=button]")
    view.locator(".opens[open] .wide .point[data-set='3']").focus()
    until(view, "(document.querySelector('.card video') || {}).currentTime > 0")
    view.locator(".opens[open] .wide .point[data-set='4']").focus()
    assert view.locator(".card img").count() == 0
    assert troubles == []
    view.context.close()


def test_print_opens_everything_and_fits_the_sheet(
    browser: Any, pages: dict[str, Path], tmp_path: Path
) -> None:
    view, troubles = opened(browser, pages["full"], "dark", 688)
    view.emulate_media(media="print", color_scheme="light")
    until(view, "document.querySelectorAll('.opens table').length > 3")
    folds = "[...document.querySelectorAll('.opens .wide svg')].map(e => e.checkVisibility())"
    assert all(view.evaluate(folds))
    assert view.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    wide = view.evaluate(
        "[...document.querySelectorAll('table, svg.figure')]"
        ".map(t => [t.getBoundingClientRect().width, t.id])"
    )
    assert not [t for t in wide if t[0] > 689]
    view.emulate_media(media="screen")
    view.pdf(path=tmp_path / "a.pdf", format="A4")
    assert (tmp_path / "a.pdf").read_bytes().count(b"/Type /Page\n") > 4
    until(view, "document.querySelectorAll('.opens[open]').length === 1")  # as it was before
    assert troubles == []
    view.context.close()


@pytest.mark.parametrize(
    "fragment",
    ["#metric-2", "#nothing", "#log=zzz&set=999&family=77&as.1=%00&fold=x", "#set=<b>&nofamily=__proto__"],
)
def test_odd_links_do_no_harm(browser: Any, pages: dict[str, Path], fragment: str) -> None:
    view, troubles = opened(browser, pages["full"], fragment=fragment)
    assert len(texts(view, "#values tbody tr:visible")) == 34
    assert troubles == []
    view.context.close()


def test_loads_in_a_moment(browser: Any, pages: dict[str, Path], tmp_path: Path) -> None:
    assert beyond_empty(browser, pages["full"], tmp_path) < 0.3


def test_a_tap_opens_the_card_and_selects(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["full"], width=380, has_touch=True)
    view.locator(".opens[open] .wide svg.scatter").scroll_into_view_if_needed()
    view.wait_for_selector(".opens[open] .wide .point[role=button]")
    # the leftmost ones are in view before anybody scrolls the plot
    point = view.locator(".opens[open] .wide .point .mark").first
    point.scroll_into_view_if_needed()
    point.tap(force=True)
    assert view.locator(".card").is_visible()
    tag = re.fullmatch(r"#set=(\d+)", view.evaluate("location.hash"))
    assert tag
    assert FULL["sets"][int(tag[1])]["name"] in view.locator(".card").inner_text()
    box = view.locator(".card").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 380
    assert troubles == []
    view.context.close()


def test_keyboard_alone_reaches_plots_and_names(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["full"], width=1440)
    reached = []
    for _ in range(140):
        view.keyboard.press("Tab")
        reached.append(
            view.evaluate(
                "(e => e.matches('.point') ? 'point' : e.matches('.pick') ? 'name' : e.matches('.glance') ?"
                " 'glance' : (e.ariaLabel || e.textContent).trim())(document.activeElement)"
            )
        )
        if "name" in reached:
            break
    order = ["Skip to the content", "Families", "Tools", "Columns", "glance", "point", "name"]
    places = [reached.index(one) for one in order]
    assert places == sorted(places)
    assert reached.count("point") <= 3  # one stop a plot
    assert troubles == []
    view.context.close()
