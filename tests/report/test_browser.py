"""The page in a real browser under its own policy, with the network watched. Skipped without Chromium."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

import pytest

from synvid_eval.cli.common import score_csv
from synvid_eval.report.page import write_page
from synvid_eval.score import Comparison

from .example_media import everything
from .pages import accessible, menu, opened, saved, texts, until
from .test_page import CASES
from .timing import beyond_empty


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every case as a file, written once."""
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for name, comparison in CASES.items():
        found[name] = folder / f"{name.replace(' ', '-')}.html"
        write_page(comparison, found[name])
    return found


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", ["hostile with media", "networks", "media"])
def test_accessible_quiet_and_alone(browser: Any, pages: dict[str, Path], case: str, scheme: str) -> None:
    view, troubles = opened(browser, pages[case], scheme)
    view.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for cloud in view.locator("svg.cloud").all()[:4]:
        cloud.scroll_into_view_if_needed()  # then its points become buttons
    if case == "media":
        view.wait_for_selector(".point")
        view.locator(".point").nth(3).focus()
        assert view.locator(".card").is_visible()
    accessible(view)
    paper = view.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert paper == ("rgb(247, 246, 243)" if scheme == "light" else "rgb(21, 23, 26)")
    assert troubles == []
    view.context.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [380, 640])  # a phone; 1280 px at 200 %
@pytest.mark.parametrize("case", sorted(CASES))
def test_nothing_runs_off_a_phone(browser: Any, pages: dict[str, Path], case: str, width: int) -> None:
    view, troubles = opened(browser, pages[case], "light", width)
    view.evaluate("document.querySelectorAll('details:not(.menu)').forEach(d => d.open = true)")
    wide, room = view.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= room
    assert troubles == []
    view.context.close()


def test_regions_that_scroll_are_reached_by_keyboard(browser: Any, pages: dict[str, Path]) -> None:
    view, _ = opened(browser, pages["three"], "light", 380)
    view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(140):
        view.keyboard.press("Tab")
        reached.add(view.evaluate("document.activeElement.getAttribute('aria-label')"))
    wanted = view.evaluate("[...document.querySelectorAll('main section > .scroll')].map(e => e.ariaLabel)")
    assert len(wanted) > 5
    assert set(wanted) <= reached
    view.context.close()


def test_reads_without_script(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["media"], java_script_enabled=False)
    assert view.locator("h1").inner_text() == "Which set is nearest to ucf101, and in what?"
    assert view.locator("figure.plot svg.figure").count() > 15
    assert view.locator("summary").first.is_visible()
    # nothing that would do nothing
    assert view.locator("button, select, input, video, [onclick]").count() == 0
    assert view.locator(".gallery > .film img").count() == 12
    for image in view.locator(".gallery > .film img").all()[:4]:
        assert image.is_visible()
    caption = view.locator(".gallery > .film .caption").first
    caption.scroll_into_view_if_needed()
    assert caption.text_content() == "class_0/ucf101_0000.avi"
    assert view.locator("#command").is_visible()
    assert troubles == []
    view.context.close()


def test_print_opens_everything(browser: Any, pages: dict[str, Path], tmp_path: Path) -> None:
    view, troubles = opened(browser, pages["media"], "dark", 794)
    shown = "[...document.querySelectorAll('figure details table')].map(e => e.checkVisibility())"
    assert not any(view.evaluate(shown))
    view.evaluate("document.documentElement.dataset.theme = 'dark'")
    view.emulate_media(media="print", color_scheme="light")
    until(view, f"{shown}.length > 15")
    assert all(view.evaluate(shown))
    assert view.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    controls = "[...document.querySelectorAll('button:not(.sort), select, input, .bar')]"
    assert not any(view.evaluate(f"{controls}.filter(e => !e.closest('svg')).map(e => e.checkVisibility())"))
    view.emulate_media(media="screen")
    view.pdf(path=tmp_path / "a.pdf", format="A4")
    assert (tmp_path / "a.pdf").read_bytes().count(b"/Type /Page\n") > 5
    assert not any(view.evaluate(shown))  # as it was before
    assert troubles == []
    view.context.close()


def test_a_table_sorts_filters_and_hides_columns_and_the_link_keeps_it(
    browser: Any, pages: dict[str, Path]
) -> None:
    view, troubles = opened(browser, pages["media"])
    names = "#scores tbody tr:visible th"
    assert texts(view, names) == ["moving_shapes", "moving_circles", "perlin_textures"]
    color = view.locator("#scores th[data-metric=spectrum]")
    color.locator("button").click()
    assert color.get_attribute("aria-sort") == "ascending"
    assert texts(view, names) == ["perlin_textures", "moving_circles", "moving_shapes"]
    color.locator("button").click()
    assert color.get_attribute("aria-sort") == "descending"
    assert texts(view, names) == ["moving_shapes", "moving_circles", "perlin_textures"]
    # richness: the largest first; what was not measured stays last
    rank = view.locator("#scores th[data-metric=effective_rank]")
    rank.locator("button").click()
    assert rank.get_attribute("aria-sort") == "descending"
    assert color.get_attribute("aria-sort") is None
    rank.locator("button").click()
    assert texts(view, names) == ["moving_circles", "moving_shapes", "perlin_textures"]
    # by name, then as it was
    first = view.locator("#scores thead th").first.locator("button")
    first.click()
    assert texts(view, names) == ["moving_circles", "moving_shapes", "perlin_textures"]
    first.click()
    first.click()
    assert texts(view, names) == ["moving_shapes", "moving_circles", "perlin_textures"]
    rank.locator("button").click()
    view.fill("input[type=search]", "MOVING")
    assert texts(view, names) == ["moving_shapes", "moving_circles"]
    view.get_by_label("only separable").check()
    menu(view, "Columns")
    view.get_by_role("checkbox", name="kid").uncheck()
    view.get_by_role("checkbox", name="intervals").uncheck()
    view.keyboard.press("Escape")
    assert view.evaluate("document.activeElement.textContent") == "Columns"
    heads = "#scores thead th:visible"
    wanted = ["color", "spectrum", "effective_rank", "kvd"]
    assert [re.split(r"\W", t)[0] for t in texts(view, heads)[1:]] == wanted
    assert "[" not in "".join(texts(view, "#scores tbody td:visible"))
    assert "2 of 3 sets, 4 of 10 metrics" in texts(view, ".tools:has(input)")[0]
    menu(view, "Tools")
    view.get_by_label("Theme").select_option("dark")
    menu(view, "Sets")
    view.get_by_role("button", name="Highlight moving_circles").click()
    view.get_by_role("button", name="Highlight moving_shapes").click()
    view.get_by_role("button", name="Highlight moving_shapes").click()
    link = view.evaluate("location.hash")
    view.context.close()

    again, more = opened(browser, pages["media"], fragment=link)
    assert texts(again, names) == ["moving_shapes", "moving_circles"]
    assert again.locator("#scores th[data-metric=effective_rank]").get_attribute("aria-sort") == "descending"
    assert [re.split(r"\W", t)[0] for t in texts(again, heads)[1:]] == wanted
    assert again.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(21, 23, 26)"
    faint = "[...document.querySelectorAll('.figure .legend [data-set]')].slice(0, 4)"
    opacity = again.evaluate(f"{faint}.map(e => getComputedStyle(e).opacity)")
    assert opacity == ["1", "0.13", "1", "0.13"]  # the reference and the set stay
    # a link to a section keeps the view, too
    again.get_by_role("link", name="Recipe").click()
    until(again, "location.hash.includes('at=recipe')")
    assert "find=MOVING" in again.evaluate("location.hash")
    menu(again, "Tools")
    again.get_by_role("button", name="Reset").click()
    assert texts(again, names) == ["moving_shapes", "moving_circles", "perlin_textures"]
    assert again.evaluate("location.hash") == ""
    assert troubles + more == []
    again.context.close()


def test_sets_are_filtered_hidden_and_highlighted_on_the_whole_page(
    browser: Any, pages: dict[str, Path]
) -> None:
    view, troubles = opened(browser, pages["media"])
    menu(view, "Sets")
    panel = view.locator(".menu[open] .panel")
    assert texts(view, ".menu[open] .row label") == ["moving_shapes", "moving_circles", "perlin_textures"]
    panel.get_by_label("moving_circles", exact=True).uncheck()
    for where in ("#scores", "#metric-1-scores", ".sets"):
        assert "moving_circles" not in texts(view, f"{where} tbody tr:visible th")
    drawn = '[...document.querySelectorAll(\'.figure g[data-set="1"],.gallery[data-set="1"]\')]'
    assert view.evaluate(f"{drawn}.length") > 15
    assert set(view.evaluate(f"{drawn}.map(e => getComputedStyle(e).display)")) == {"none"}
    panel.get_by_role("searchbox").fill("zzz")
    assert "No set is called “zzz”." in view.locator(".tools .unit").first.inner_text()
    assert not view.locator("#scores").is_visible()
    panel.get_by_role("button", name="Show all").click()
    assert len(texts(view, "#scores tbody tr:visible")) == 3
    for name in ("moving_shapes", "perlin_textures"):
        panel.get_by_role("button", name=f"Highlight {name}").click()
    assert view.evaluate("location.hash") == "#set=0&set=2"
    faint = "getComputedStyle(document.querySelector('.ranking [data-set=\"{}\"]')).opacity"
    assert [view.evaluate(faint.format(k)) for k in range(3)] == ["1", "0.13", "1"]
    assert troubles == []
    view.context.close()


def test_sorting_says_what_comes_first(browser: Any, pages: dict[str, Path]) -> None:
    view, _ = opened(browser, pages["media"])
    view.locator("#scores th[data-metric=spectrum] button").click()
    assert "Sorted by spectrum, nearest to ucf101 first." in texts(view, ".said")
    view.locator("#scores th[data-metric=color] button").click()
    assert "Sorted by color, smallest first." in texts(view, ".said")
    view.context.close()


@pytest.mark.parametrize("case", ["thirty-four", "media", "networks"])
def test_no_table_is_wider_than_the_sheet(browser: Any, pages: dict[str, Path], case: str) -> None:
    sheet = 688  # px: A4 without its margins
    view, _ = opened(browser, pages[case], width=sheet)
    view.emulate_media(media="print")
    view.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    wide = view.evaluate(
        "[...document.querySelectorAll('table')].map(t => [t.scrollWidth, t.id || t.innerText.slice(0, 60)])"
    )
    assert not [t for t in wide if t[0] > sheet]
    view.context.close()


def test_the_head_of_a_table_stays_in_view(browser: Any, pages: dict[str, Path]) -> None:
    view, _ = opened(browser, pages["thirty-four"], width=1440)
    for table in ("#scores", "#metric-0-scores"):
        view.locator(f"{table} tbody tr").nth(25).scroll_into_view_if_needed()
        view.wait_for_timeout(100)
        top = view.evaluate(f"document.querySelector('{table} thead th').getBoundingClientRect().top")
        bar = view.evaluate("document.querySelector('#bar').getBoundingClientRect().bottom")
        assert top == pytest.approx(bar, abs=4)
    view.context.close()


def test_a_table_without_columns_or_rows_says_why(browser: Any, pages: dict[str, Path]) -> None:
    view, _ = opened(browser, pages["thirty-four"], fragment="#scores.told=yes&find=zzz")
    assert "No set is called “zzz”." in view.locator(".tools .unit").first.inner_text()
    view.context.close()


@pytest.mark.parametrize(
    "fragment",
    ["#metric-2", "#nothing", "#a=b&scores.sort=x", "#scores.sort=:up&set=<b>&theme=x", "#%00=%ff"],
)
def test_odd_links_do_no_harm(browser: Any, pages: dict[str, Path], fragment: str) -> None:
    view, troubles = opened(browser, pages["media"], fragment=fragment)
    assert texts(view, "#scores tbody th") == ["moving_shapes", "moving_circles", "perlin_textures"]
    if fragment == "#metric-2":
        assert view.evaluate("scrollY") > 1000
    view.locator("#scores th button").first.click()
    assert troubles == []
    view.context.close()


def test_tables_are_copied_as_markdown_latex_and_csv(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["media"], permissions=["clipboard-read", "clipboard-write"])

    def copied(kind: str, which: int = 0) -> str:
        view.locator("summary", has_text="Copy").nth(which).click()
        view.get_by_role("button", name=f"as {kind}").locator("visible=true").click()
        view.keyboard.press("Escape")
        found: str = view.evaluate("navigator.clipboard.readText()")
        return found

    view.locator("#scores th[data-metric=color] button").click()
    view.locator("#scores th[data-metric=color] button").click()
    view.fill("input[type=search]", "ing_")
    markdown = copied("Markdown").splitlines()
    assert markdown[0].startswith("| Set | color ↓ nats | spectrum ≈ |")
    assert markdown[1].startswith("|---|---:|---:|")
    assert markdown[2].startswith("| moving_circles | 4.2 [3.9, 4.5] |")
    assert markdown[4].startswith("| ucf101 | floor 0.0412 | 1.61 |")
    assert len(markdown) == 5
    latex = copied("LaTeX")
    assert latex.startswith("% needs \\usepackage{booktabs}\n\\begin{tabular}{lrrrrrrrrrr}\n\\toprule\n")
    assert "\nSet & color $\\downarrow$ nats & spectrum $\\approx$ &" in latex
    assert "\nmoving\\_shapes & \\textbf{3.1 [2.8, 3.4]} & 1.35 [1.32, 1.38] &" in latex
    assert "\\midrule\nucf101 & floor 0.0412 &" in latex
    assert latex.endswith("\\bottomrule\n\\end{tabular}\n")
    rows = list(csv.DictReader(io.StringIO(copied("CSV"))))
    assert [r["candidate"] for r in rows] == ["moving_circles"] * 10 + ["moving_shapes"] * 10
    assert rows[0]["corrected"] == repr(CASES["media"].score("moving_circles", "color").corrected)
    # a metric's own table: what it shows, without the picture
    own = copied("Markdown", 2).splitlines()
    assert own[0] == "| Set | Value | 95 % interval | Difference | Clips |"
    assert own[2] == "| moving_circles | 1.46 | [1.43, 1.49] | −0.15 [−0.20, −0.10] | 120 |"
    assert own[-1] == "| ucf101 | 1.61 |  |  | 120 |"
    view.evaluate("document.querySelector('th[data-metric=spectrum] .unit').textContent = '≈ α·s²'")
    assert "$\\approx$ $\\alpha$$\\cdot$s$^2$ &" in copied("LaTeX")
    view.get_by_role("button", name="Copy: Command").click()
    assert view.evaluate("navigator.clipboard.readText()") == CASES["media"].run["command"]
    assert "Copied the command." in texts(view, ".said")
    assert troubles == []
    view.context.close()


def odd_numbers() -> Comparison:
    """Numbers that Python and JavaScript write differently, and texts that CSV must quote."""
    base = CASES["media"]
    values = [1e-5, 1e22, 1.5e16, 123456789012345680.0, 0.1, 5.0, -0.0, 1e-7, 2.5e-300, 1e15, 1e16, 0.0001]
    scores = [
        dataclasses.replace(
            s, value=v, corrected=-v, interval=(v, v), unit='a "b", c', signature="x\ny", detail={"floor": v}
        )
        for s, v in zip(base.scores, values, strict=False)
    ]
    return dataclasses.replace(base, scores=scores)


@pytest.mark.parametrize("case", ["media", "nulls", "no scores", "hostile with media", "odd numbers"])
def test_saved_data_equal_those_of_the_command_line(browser: Any, tmp_path: Path, case: str) -> None:
    comparison = odd_numbers() if case == "odd numbers" else CASES[case]
    path = tmp_path / "page.html"
    write_page(comparison, path)
    view, troubles = opened(browser, path)
    name, content = saved(view, "Save JSON")
    assert name == "comparison.json"
    assert json.loads(content) == json.loads(comparison.to_json())
    name, content = saved(view, "Save CSV")
    assert name == "comparison.csv"
    wanted = score_csv(comparison).encode("utf-8", "replace")
    if case.startswith("hostile"):  # lone surrogates cannot be saved as UTF-8
        wanted, content = (re.sub(rb"\?|\xef\xbf\xbd", b"?", t) for t in (wanted, content))
    assert content == wanted
    assert troubles == []
    view.context.close()


@pytest.mark.slow
def test_figures_are_saved_so_that_they_stand_alone(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["media"], "dark")
    figures = view.locator("figure.plot")
    for i in range(0, figures.count(), 4):
        with view.expect_download() as waiting:
            figures.nth(i).get_by_role("button", name="SVG").click()
        text = Path(waiting.value.path()).read_text()
        root = xml.etree.ElementTree.fromstring(text)
        assert root.attrib["width"] == root.attrib["viewBox"].split()[2]
        title = [e.text or "" for e in root if e.tag.endswith("}text")]
        assert title[0]
        assert title[1].endswith(", beside ucf101")
        assert re.fullmatch(r"[a-z0-9-]+\.svg", waiting.value.suggested_filename)
        assert not re.search(r"class=|style=|var\(|data-|tabindex|oklch|light-dark", text)
        painted = {
            e.tag.rpartition("}")[2] for e in root.iter() if "fill" in e.attrib or "stroke" in e.attrib
        }
        assert {"text", "path"} <= painted
        # light colors, whatever the page wears
        assert 'fill="rgb(27, 29, 33)"' in text or 'stroke="rgb(27, 29, 33)"' in text
        with view.expect_download() as waiting:
            figures.nth(i).get_by_role("button", name="PNG").click()
        assert waiting.value.suggested_filename.endswith(".png")
        content = Path(waiting.value.path()).read_bytes()
        assert content.startswith(b"\x89PNG")
        from PIL import Image

        picture = Image.open(io.BytesIO(content)).convert("RGB")
        assert picture.width == 3 * float(root.attrib["width"])
        assert picture.getpixel((1, 1)) == (255, 255, 255)
        colors = picture.getcolors(1 << 24)
        assert colors is not None
        assert len(colors) > 50
    assert view.evaluate("document.documentElement.dataset.theme") is None
    assert troubles == []
    view.context.close()


VIDEOS = "[...document.querySelectorAll('video')].map(v => [v.paused, v.currentTime > 0, v.videoWidth])"


def test_clips_play_on_hover_focus_and_tap_and_stop(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["media"])
    assert view.locator("video").count() == 0  # no video is decoded before somebody wants it
    screens = view.locator(".gallery > .film .screen")
    pause = view.get_by_role("button", name="Pause all")
    assert not pause.is_visible()
    screens.nth(1).hover()
    until(view, "(document.querySelector('video') || {}).currentTime > 0")
    assert view.evaluate(VIDEOS) == [[False, True, 24]]
    video = view.locator("video").first
    for key in ("loop", "playsinline", "muted"):
        assert video.get_attribute(key) == ""
    assert video.get_attribute("preload") == "none"
    assert (video.get_attribute("poster") or "").startswith("data:image/webp;base64,")
    screens.nth(2).hover()
    until(view, "document.querySelectorAll('video').length === 2")
    assert [v[0] for v in view.evaluate(VIDEOS)] == [True, False]
    # a click stops what plays, and another one lets it play on after the pointer has left
    play = screens.nth(2).get_by_role("button")
    assert play.get_attribute("aria-pressed") == "true"
    play.click()
    assert play.get_attribute("aria-pressed") == "false"
    play.click()
    view.mouse.move(5, 5)
    assert play.get_attribute("aria-pressed") == "true"
    assert pause.is_visible()
    pause.click()
    assert all(v[0] for v in view.evaluate(VIDEOS))
    assert not pause.is_visible()
    # keyboard: focus plays, Enter stops, leaving stops
    screens.nth(3).get_by_role("button").focus()
    view.keyboard.press("Shift+Tab")
    view.keyboard.press("Tab")
    until(view, "document.querySelectorAll('video').length === 3")
    button = screens.nth(3).get_by_role("button")
    assert button.get_attribute("aria-pressed") == "true"
    view.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    view.keyboard.press(" ")
    assert button.get_attribute("aria-pressed") == "true"
    view.keyboard.press("Enter")
    # nearest and farthest clips of a metric show the same pictures in its section
    cell = view.locator(".ends td[data-show]").first
    cell.scroll_into_view_if_needed()
    view.wait_for_selector(".ends .screen img")
    assert cell.locator("img").get_attribute("src") == view.locator(
        f"#{cell.get_attribute('data-show')}"
    ).get_attribute("src")
    cell.locator(".screen").hover()
    until(view, "document.querySelector('.ends video')")
    assert troubles == []
    view.context.close()


def test_reduced_motion_plays_only_what_is_asked_for(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["media"], reduced_motion="reduce")
    screen = view.locator(".gallery > .film .screen").first
    screen.hover()
    view.wait_for_timeout(200)
    assert view.locator("video").count() == 0
    screen.get_by_role("button").click()
    until(view, "(document.querySelector('video') || {}).currentTime > 0")
    assert troubles == []
    view.context.close()


def test_tap_plays_and_tap_stops(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["media"], width=380, has_touch=True)
    button = view.locator(".gallery > .film .screen").first.get_by_role("button")
    button.tap()
    until(view, "(document.querySelector('video') || {}).currentTime > 0")
    assert button.get_attribute("aria-pressed") == "true"
    button.tap()
    assert button.get_attribute("aria-pressed") == "false"
    assert troubles == []
    view.context.close()


def test_points_are_one_stop_with_arrows_and_open_their_clip(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["media"])
    cloud = view.locator("svg.cloud").first
    cloud.scroll_into_view_if_needed()
    view.wait_for_selector("svg.cloud .point")
    inside = cloud.locator(".point")
    assert cloud.locator(".point[tabindex='0']").count() == 1
    media = CASES["media"].media["metrics"]["color"]["sets"]
    inside.first.focus()
    card = view.locator(".card")
    assert card.is_visible()
    seen = set()
    for key, set_name in (
        ("ArrowRight", "ucf101"),
        ("ArrowDown", "moving_shapes"),
        ("End", "perlin_textures"),
    ):
        view.keyboard.press(key)
        label = view.evaluate("document.activeElement.ariaLabel")
        clip, name, distance = label.split(", ")
        own = media[name]["clips"]
        assert name == set_name
        assert float(distance.split()[1]) == pytest.approx(own["distance"][own["ids"].index(clip)], rel=5e-3)
        assert clip in card.inner_text()
        assert name in card.inner_text()
        seen.add(label)
    assert len(seen) == 3
    assert cloud.locator(".point[tabindex='0']").count() == 1
    view.keyboard.press("Escape")
    assert not card.is_visible()
    assert view.evaluate("document.activeElement.ariaLabel") in seen
    # the nearest clip of a set has a preview, which plays; Enter stops it
    own = media["moving_shapes"]
    place = own["clips"]["ids"].index(own["nearest"])
    near = cloud.locator(f'.points[data-set="0"] .point[data-clip="{place}"]')
    near.focus()
    until(view, "(document.querySelector('.card video') || {}).currentTime > 0")
    view.keyboard.press("Enter")
    assert view.evaluate("document.querySelector('.card video').paused")
    view.keyboard.press("Escape")
    near.evaluate("e => e.blur()")
    near.hover(force=True)  # another mark may lie over it
    assert card.is_visible()
    view.mouse.move(2, 300)
    card.wait_for(state="hidden")
    assert troubles == []
    view.context.close()


def test_keyboard_alone_reaches_and_uses_the_controls(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["media"])
    order: list[str] = []
    for _ in range(200):
        view.keyboard.press("Tab")
        order.append(
            view.evaluate("(e => (e.id || e.ariaLabel || e.textContent).trim())(document.activeElement)")
        )
        if order[-1].startswith("spectrum") and "Tools" in order and "Copy" in order:
            break
    assert order[0] == "Skip to the content"
    for first, then in (
        ("All scores", "Tools"),
        ("Tools", "Filter sets by name"),
        ("Filter sets by name", "Columns"),
    ):
        assert order.index(first) < order.index(then)
    assert view.evaluate("document.activeElement.className") == "sort"
    view.keyboard.press("Enter")
    head = view.locator("#scores th[data-metric=spectrum]")
    assert head.get_attribute("aria-sort") == "ascending"
    view.keyboard.press(" ")
    assert head.get_attribute("aria-sort") == "descending"
    assert view.evaluate("document.activeElement.className") == "sort"  # focus stays where it was
    assert troubles == []
    view.context.close()


def test_a_set_is_highlighted_by_hover_and_by_click(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["media"])
    faint = "getComputedStyle(document.querySelector('.ranking [data-set=\"1\"]')).opacity"
    assert view.evaluate(faint) == "1"
    view.locator(".names [data-set='0']").hover()
    assert view.evaluate(faint) == "0.13"
    view.mouse.move(2, 300)
    assert view.evaluate(faint) == "1"
    view.locator(".names [data-set='0']").click()
    view.mouse.move(2, 300)
    assert view.evaluate(faint) == "0.13"
    assert view.evaluate("location.hash") == "#set=0"
    view.locator(".names [data-set='0']").click()
    view.mouse.move(2, 300)
    assert view.evaluate(faint) == "1"
    assert troubles == []
    view.context.close()


@pytest.mark.slow
@pytest.mark.parametrize(("sets", "allowed"), [(8, 0.3), (34, 0.8)])
def test_loads_in_a_moment(browser: Any, tmp_path: Path, sets: int, allowed: float) -> None:
    write_page(everything(sets), tmp_path / "full.html")
    assert beyond_empty(browser, tmp_path / "full.html", tmp_path) < allowed
