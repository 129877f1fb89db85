"""The page of a comparison: deterministic, self-contained, and deaf to hostile names."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from synvid_eval.errors import DataError
from synvid_eval.report import document
from synvid_eval.report.page import page, write_page
from synvid_eval.score import Comparison, Score, SetFacts, read_comparison

from .example import example, networks
from .example_media import everything, media

TAGS = {
    "a", "b", "bdi", "body", "caption", "circle", "code", "dd", "defs", "desc", "details", "div", "dl", "dt",
    "ellipse", "figcaption", "figure", "footer", "g", "h1", "h2", "h3", "head", "header", "html", "img", "li",
    "main", "mask", "meta", "nav", "p", "path", "pre", "script", "section", "span", "style", "summary", "svg",
    "table", "tbody", "td", "text", "tfoot", "th", "thead", "title", "tr", "ul", "use", "wbr"
}  # fmt: skip
ATTRIBUTES = {
    "alt", "aria-describedby", "aria-hidden", "aria-label", "aria-labelledby", "charset", "class", "colspan",
    "content", "cx", "cy", "d", "data-clips", "data-down", "data-film", "data-metric", "data-n", "data-near",
    "data-set", "data-show", "data-told", "decoding", "fill", "fill-opacity", "focusable", "height", "href",
    "http-equiv", "id", "lang", "mask", "maskunits", "name", "open", "r", "role", "rx", "ry", "scope",
    "shape-rendering", "src", "stroke", "stroke-dasharray", "stroke-opacity", "stroke-width", "tabindex",
    "text-anchor", "transform", "type", "viewbox", "width", "x", "y"
}  # fmt: skip
HOSTILE = [
    "<b>bold</b>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "</style><!--",
    "]]>&amp;&lt;",
    "{{ 7*7 }}{% raw %}",
    "line\nbreak\r\t\0",
    "../../etc/passwd",
    "' onmouseover='alert(1)",
    "\u202egnp.exe",
    "\ud800 lone",
    "x" * 2000,
    "javascript:alert(1)",
    "http://example.org/a.js",
]


class Parsed(HTMLParser):
    """Every start tag with its attributes, and the text of script and style elements."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, dict[str, str | None], str]] = []
        self.comments: list[str] = []
        self.text: list[str] = []
        self._open: tuple[str, dict[str, str | None]] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        self._open = (tag, dict(attrs)) if tag in ("script", "style") else None

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.raw.append((*self._open, data))
        else:
            self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._open = None

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def embedded(self) -> Any:
        """The data as the page saves them: each poster is put back from the image that shows it."""
        text = "".join(t for tag, attrs, t in self.raw if attrs.get("id") == "comparison")
        images = {
            attrs["id"]: (attrs["src"] or "").partition(",")[2] for tag, attrs in self.tags if tag == "img"
        }
        shared = "".join(t for tag, attrs, t in self.raw if attrs.get("id") == "shared").split("\n")
        text = re.sub(r'(?<!\\)"#(\d+)"', lambda m: shared[int(m[1])] if shared != [""] else m[0], text)
        return json.loads(re.sub(r'"poster":"#(clip-\w+-\d+)"', lambda m: f'"poster":"{images[m[1]]}"', text))


def nulls(comparison: Comparison) -> Comparison:
    scores = [
        dataclasses.replace(s, value=math.nan, corrected=None, interval=None, reason="no frames", detail={})
        for s in comparison.scores
    ]
    return dataclasses.replace(comparison, scores=scores, run={})


def with_media(comparison: Comparison, clips: int) -> Comparison:
    return dataclasses.replace(comparison, media=media(comparison, clips))


def bare(comparison: Comparison) -> Comparison:
    scores = [dataclasses.replace(s, detail={}, signature="") for s in comparison.scores]
    return dataclasses.replace(comparison, scores=scores, run={})


def hostile() -> Comparison:
    base = example(1)
    sides = [
        SetFacts(n, n, n, 5, 80, [{"id": n, "reason": n}] * 60 if i == 0 else [])
        for i, n in enumerate(HOSTILE)
    ]
    scores = []
    for name in HOSTILE:
        for s in base.scores:
            detail = {**s.detail, "notes": [name], name: name, "other": [name, 1.0, None]}
            scores.append(dataclasses.replace(s, candidate=name, unit=name, signature=name, detail=detail))
        scores.append(
            Score(name, name, math.nan, name, "match", {"candidate": 1, "reference": 1}, name, reason=name)
        )
    run = {
        "command": HOSTILE[2],
        "signatures": {"color": HOSTILE[2], HOSTILE[0]: HOSTILE[1]},
        "warnings": list(HOSTILE),
        "notes": HOSTILE[0],
        **{n: {n: [n, {n: None, "deep": {"a": {"b": {"c": [n]}}}}]} for n in HOSTILE},
    }
    return Comparison(SetFacts(HOSTILE[2], HOSTILE[1], "", 0, 0), sides, scores, run)


CASES = {
    "three": example(3),
    "one": example(1),
    "thirty-four": example(34),
    "nulls": nulls(example(3)),
    "bare": bare(example(3)),
    "no scores": Comparison(example(2).reference, example(2).candidates, []),
    "nothing": Comparison(example(2).reference, [], []),
    "hostile": hostile(),
    "networks": networks(2),
    "media": everything(3),
    "media of one": everything(1),
    "one clip": with_media(everything(2), 1),
    "no clips": with_media(everything(2), 0),
    "media of nothing": dataclasses.replace(nulls(example(3)), media=everything(3).media),
    "random with media": with_media(networks(2), 12),
    "hostile with media": dataclasses.replace(hostile(), media=media(hostile(), 6)),
}


@pytest.mark.parametrize("case", CASES)
def test_same_bytes_whichever_way_the_comparison_comes(case: str) -> None:
    comparison = CASES[case]
    text = page(comparison)
    assert text == page(json.loads(comparison.to_json()))
    assert text == page(read_comparison(comparison.to_json())[0])
    text.encode("utf-8")  # lone surrogates of odd file names cannot be left over


@pytest.mark.parametrize("case", CASES)
def test_only_our_markup_and_equal_data_inside(case: str) -> None:
    comparison = CASES[case]
    parsed = Parsed(page(comparison))
    assert {tag for tag, _ in parsed.tags} <= TAGS
    assert {key for _, attrs in parsed.tags for key in attrs} <= ATTRIBUTES
    assert not parsed.comments
    assert parsed.embedded() == json.loads(comparison.to_json())
    identities = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    assert len(identities) == len(set(identities))
    assert not re.search(r"(?:href|src|content)=\"?(?:https?|javascript|file):", page(comparison))
    for _, attrs in parsed.tags:
        assert (attrs.get("href") or "#").startswith("#")
        assert (attrs.get("src") or "data:image/webp;base64,").startswith("data:image/webp;base64,")
        for key in ("aria-labelledby", "aria-describedby", "data-show"):
            assert set((attrs.get(key) or "").split()) <= set(identities)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text_and_stays_whole(name: str) -> None:
    facts = example(1)
    score = dataclasses.replace(facts.scores[0], candidate=name)
    text = page(Comparison(facts.reference, [dataclasses.replace(facts.candidates[0], name=name)], [score]))
    shown = "".join(Parsed(text).text)
    visible = "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)
    assert visible in shown
    if name != visible or "<" in name:
        assert name not in text


def test_no_byte_of_the_page_is_hostile() -> None:
    text = page(CASES["hostile"])
    assert text.count("<script>") == 1  # ours, whose hash is in the policy
    for sign in ("<b>bold", "<img", "\u202e", "\0", "alert(1)</script", "<!--"):
        assert sign not in text


def test_policy_holds_the_hashes_of_what_stands_inside() -> None:
    parsed = Parsed(page(CASES["three"]))
    policy = next(a["content"] for t, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    style = "".join(text for tag, _, text in parsed.raw if tag == "style")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    kinds = [a.get("type") for t, a in parsed.tags if t == "script"]
    assert kinds == ["application/json", "application/jsonl", None]
    code = "".join(text for tag, attrs, text in parsed.raw if tag == "script" and not attrs)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert policy.endswith(f"script-src 'sha256-{digest}'")
    assert not [a for _, a in parsed.tags if "style" in a or any(key.startswith("on") for key in a)]


def test_the_script_is_small_and_makes_no_markup_of_text() -> None:
    code = document._code(["shell.js", "comparison.js"])
    assert len(code.encode()) < 29_000
    for never in ("eval(", "Function(", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
                  "fetch(", "XMLHttpRequest", "import(", "http:", "localStorage"):  # fmt: skip
        assert never not in code.replace("http://www.w3.org/2000/svg", ""), never


def test_what_occurs_twice_stands_once_and_comes_back() -> None:
    edges = [k / 7 for k in range(20)]
    sentence = "ucf101 has clips from 8 sources and an interval needs at least 10."
    data: list[Any] = [
        {"edges": edges, "why": sentence},
        {"edges": edges, "why": sentence, "x": ['"#0"', "#"]},
    ]
    for value in (data, {"a": edges, "b": data}, [[edges], [edges], edges], [*data, "#0"]):
        text, lines = document.shared_json(value)
        whole = re.sub(r'(?<!\\)"#(\d+)"', lambda m, own=lines: own.split("\n")[int(m[1])], text)
        if '"#0"' in document.embedded_json(value):  # the data say so themselves: nothing is shared
            assert (text, lines) == (document.embedded_json(value), "")
        else:
            assert whole == document.embedded_json(value)
            assert len(text) + len(lines) < len(whole)


def test_a_script_gets_its_hash_too() -> None:
    text = document.render(
        "base.html.j2", data={}, data_id="d", script="style.css", title="t", description="d"
    )
    code = (Path(document.__file__).parent / "style.css").read_text()
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_size() -> None:
    assert len(page(CASES["three"]).encode()) < 160_000
    assert len(page(example(8)).encode()) < 220_000
    assert len(page(dataclasses.replace(everything(8), media={})).encode()) < 300_000
    # With pictures of 30 clips a set, which is what a picture of eight sets has room for.
    drawn = with_media(everything(8), 30)
    assert len(page(dataclasses.replace(drawn, media={**drawn.media, "clips": {}})).encode()) < 600_000


def test_what_a_reader_finds() -> None:
    text = " ".join(" ".join(Parsed(page(CASES["three"])).text).split())
    for words in (
        "Which set is nearest to ucf101, and in what?",
        "moving_shapes is nearest to ucf101 (3.1 nats [2.8, 3.4]; next moving_circles 4.2 [3.9, 4.5])",
        "No interval: below 256 rows a side and 100 clips",
        "needs weights: synvid-eval weights fetch i3d",
        "every frame is constant",
        "lower is nearer",
        "floor 0.0412",
        "3 skipped",
        "3 skipped files of",
        "no frame decodes: moov atom not found",
        "tubelet|stride:2|c0ffee11",
        "metric.ridge=0.01",
        "synvid-eval compare synth/",
        "scored at stride 2, the largest that every side has",
        "83.4",
    ):
        assert words in text or words in text.replace("_ ", "_"), words
    for never in ("predict", "best set", "more diverse", "less diverse", "significant"):
        assert never not in text


def shown(comparison: Comparison) -> str:
    return " ".join(" ".join(Parsed(page(comparison)).text).split())


def heads(text: str) -> list[list[str]]:
    """The metrics of each overview table."""
    tables = re.findall(r'<table class="overview.*?</table>', text, re.S)
    return [re.findall(r'<th scope="col" data-metric="(.*?)"', table)[1:] for table in tables]


def test_random_networks_stand_apart_and_are_explained_once() -> None:
    text = page(networks(2)).partition("<script")[0]
    assert shown(networks(2)).count("a dry run of the pipeline") == 1
    before, inside = text.split('<section class="random"')
    inside, after = inside.split('<section aria-labelledby="needs">')
    for name in ("fid", "kid", "diversity"):
        section = f'class="metric-section" aria-labelledby="metric-\\d+" data-metric="{name}'
        assert re.search(section + r"\[random-inception\]\"", inside)
        assert not re.search(section + r"\[random-inception\]\"", before + after)
        assert re.search(section + '"', before)
        assert not re.search(section + '"', inside)
    for head in heads(text):  # a table has numbers of random networks or others
        assert len({"[random" in name for name in head}) == 1
    # one line for all of them among the verdicts
    verdicts = re.findall(r"<li class=\"(\w+)\">", before)
    assert verdicts.count("dry") == 1
    assert verdicts.count("missing") == 1
    assert "[random" not in shown(Comparison(*_without_random(networks(2))))


def _without_random(comparison: Comparison) -> tuple[Any, ...]:
    scores = [s for s in comparison.scores if "[random" not in s.metric]
    return comparison.reference, comparison.candidates, scores, comparison.run


def test_missing_weights_are_one_entry_with_the_command_to_copy() -> None:
    text = page(networks(3))
    assert "fvd, kvd need weights: synvid-eval weights fetch i3d" in shown(networks(3))
    assert text.count('<code class="command">synvid-eval weights fetch i3d</code>') == 1
    assert text.count("<code>synvid-eval weights fetch i3d</code></pre>") == 1
    assert "What could not be measured" not in text
    assert "not measured" not in shown(networks(3))  # no columns without numbers
    lone = networks(1)
    lone = dataclasses.replace(lone, scores=[s for s in lone.scores if s.metric != "kvd"])
    assert "fvd needs weights:" in shown(lone)


def test_kernel_distances_lead_where_frechet_distances_have_no_interval() -> None:
    unsure, sure = shown(networks(2)), shown(networks(2, sure=True))
    why = "kid stands before fid: fid has no interval here, and a Fréchet distance is biased upward"
    assert why in unsure
    assert "stands before" not in sure

    plain = ["color", "spectrum", "fid", "kid", "diversity"]
    dry = ["fid[random-inception]", "kid[random-inception]", "diversity[random-inception]"]
    assert heads(page(networks(2, sure=True))) == [plain, dry]
    lead = ["color", "spectrum", "kid", "fid", "diversity"]
    assert heads(page(networks(2))) == [lead, [dry[1], dry[0], dry[2]]]
    # without a kernel distance that was measured there is nothing to lead with
    lacking = [
        dataclasses.replace(s, value=math.nan, interval=None, reason="no frames") if s.metric == "kid" else s
        for s in networks(2).scores
    ]
    assert "stands before" not in shown(dataclasses.replace(networks(2), scores=lacking))
    # the data keep the order asked
    assert [s["metric"] for s in Parsed(page(networks(1))).embedded()["scores"]][2:4] == ["fid", "kid"]


def test_digits_and_signs_of_network_scores() -> None:
    text = shown(networks(2))
    for words in ("−13333", "−13268", "floor −0.00120", "an unbiased floor may fall below 0"):
        assert words in text, words
    assert "−13300" not in text


def test_what_holds_for_many_sets_is_said_once() -> None:
    base = example(12)
    scores = []
    for k, s in enumerate(base.scores):
        reason = (
            f"{s.candidate} has {12 + k // 6 % 2} clips in 9 blocks and an interval needs at least 10 blocks."
        )
        notes = f"The sets have different numbers of clips. No difference_interval: {reason}"
        scores.append(
            dataclasses.replace(
                s,
                corrected=None,
                interval=None,
                interval_reason=reason,
                detail={**s.detail, "difference_interval": None, "notes": notes},
            )
        )
    text = shown(dataclasses.replace(base, scores=scores))
    why = "12 sets have 12–13 clips in 9 blocks and an interval needs at least 10 blocks"
    measured = len([m for m in base.metrics() if m not in ("fvd", "effective_rank")])
    # in the verdict and under the table; the sets' names are folded below
    assert text.count(why) == 2 * measured
    assert text.count("A block is one of the 20 parts") == 1
    assert "No difference_interval" not in text
    assert "moving_shapes has" not in text


def test_reasons_of_long_names_are_whole() -> None:
    base = example(2)
    name = "n" * 300
    sides = [dataclasses.replace(base.candidates[0], name=name), base.candidates[1]]
    reason = "has 4 clips in 4 blocks and an interval needs at least 10 blocks"
    scores = [
        dataclasses.replace(
            s,
            candidate=name if s.candidate == "moving_shapes" else s.candidate,
            corrected=None,
            interval=None,
            interval_reason=f"{name if s.candidate == 'moving_shapes' else s.candidate} {reason}.",
        )
        for s in base.scores
        if s.metric == "color"
    ]
    text = shown(Comparison(base.reference, sides, scores))
    assert f", moving_circles {reason.replace('has', 'have', 1)}." in text


def test_the_demo_says_why_a_difference_has_no_interval() -> None:
    base = example(2)
    why = "ucf101 has clips from 8 sources and an interval needs at least 10."
    scores = [
        dataclasses.replace(
            s, detail={**s.detail, "difference_interval": None, "notes": f"No difference_interval: {why}"}
        )
        for s in base.scores
        if s.metric == "motion"
    ]
    text = shown(dataclasses.replace(base, scores=scores))
    assert text.count(f"No interval of the difference: {why}") == 2


def test_the_order_by_value_stands_first() -> None:
    text = shown(CASES["thirty-four"])
    wanted = "moving_shapes 3.1 moving_circles 4.2 perlin_textures 5.3 31 more floor 0.0412"
    assert wanted in text.replace("_ ", "_")


def test_many_skipped_files_are_counted_and_cut() -> None:
    facts = example(1)
    skipped = [{"id": f"clip{i:03}.avi", "reason": "hung"} for i in range(120)]
    text = page(Comparison(facts.reference, [dataclasses.replace(facts.candidates[0], skipped=skipped)], []))
    assert "and 70 more, all in the JSON" in text
    visible = "".join(Parsed(text).text)
    assert "clip049.avi" in visible
    assert "clip050.avi" not in visible
    assert "clip119.avi" in text


@pytest.mark.parametrize(
    "detail",
    [
        {"mean": [1, 2], "covariance": [1.0] * 9, "log_spectrum": [1.0], "reference_log_spectrum": []},
        {"mean": [1, 2, None], "covariance": [None] * 9, "log_spectrum": [None] * 20},
        {"mean": [0, 0, 0], "covariance": [0.0] * 9, "log_spectrum": [1e300] * 20},
        {"mean": [1e9, -1e9, 0], "covariance": [-1.0] * 9, "log_spectrum": [0.0] * 20},
        {"log_spectrum": [1.0, 2.0, None], "log_frequency": [-3.9, -2.0, -1.4]},
        {"log_spectrum": [1.0, 2.0], "log_frequency": [0.02, 0.2], "reference_log_spectrum": [2.0, 1.0]},
        {
            "log_spectrum": "text",
            "mean": {},
            "floor": "x",
            "difference": [1],
            "notes": {"a": 1},
            "reference": True,
        },
        {"floor": 0.0, "reference": 1e-300, "difference": 0.0, "difference_interval": [2, 1], "big": 10**400},
    ],
)
@pytest.mark.parametrize("better", ["lower", "match", "higher"])
def test_odd_details_of_foreign_files(detail: dict[str, Any], better: Any) -> None:
    facts = example(2)
    scores = [
        dataclasses.replace(
            facts.scores[0], better=better, candidate=c.name, detail=detail, interval=(math.inf, math.nan)
        )
        for c in facts.candidates
    ]
    text = page(Comparison(facts.reference, facts.candidates, scores))
    assert {tag for tag, _ in Parsed(text).tags} <= TAGS
    assert "nan" not in re.sub(r"<script.*", "", text, flags=re.S).lower()


@pytest.mark.parametrize(
    ("value", "corrected", "interval"),
    [
        (0.0, 0.0, (0.0, 0.0)),
        (1e-12, None, None),
        (1e300, 1e300, (-1e300, 1e300)),
        (-5.0, -5.0, (-6.0, 1e-9)),
    ],
)
def test_odd_numbers(value: float, corrected: float | None, interval: tuple[float, float] | None) -> None:
    facts = example(2)
    scores = [
        dataclasses.replace(s, value=value, corrected=corrected, interval=interval) for s in facts.scores
    ]
    Parsed(page(dataclasses.replace(facts, scores=scores)))


def test_what_is_no_comparison_is_refused() -> None:
    with pytest.raises(DataError, match="schema"):
        page({"schema": "other"})


def test_a_failed_write_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("fdopen", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full)
            with pytest.raises(OSError, match="No space"):
                write_page(CASES["one"], target)
        assert target.read_text() == "old"
        assert os.listdir(tmp_path) == ["report.html"]
    write_page(CASES["one"], str(target))
    assert target.read_text(encoding="utf-8") == page(CASES["one"])
    assert os.listdir(tmp_path) == ["report.html"]
    with pytest.raises(OSError):
        write_page(CASES["one"], tmp_path / "report.html" / "inside.html")


def test_the_answer_stands_first_and_rows_are_ranked() -> None:
    text = page(CASES["three"])
    head = text.partition("<main")[0]
    assert "Nearest to ucf101" in re.sub(r"</?(?:bdi|wbr|b)>", "", head)
    # one picture of all sets a measured metric, each set's marks under its number
    for metric in ("color", "spectrum", "motion", "tubelet"):
        item = re.search(
            rf"<li class=\"\w+\"><span class=\"metric\"><a href=\"#metric-\d\">{metric}<.*?</li>", head, re.S
        )
        assert item is not None
        assert {"0", "1", "2"} == set(re.findall(r'<g data-set="(\d)">', item[0])), metric
    rows = {
        m: re.findall(r'<tr data-set="(\d)"', t)
        for m, t in re.findall(
            r'<table class="scores sortable(?: dense)?" id="(metric-\d)-scores">(.*?)</table>', text, re.S
        )
    }
    # nearest first: by distance, by the size of the difference; highest first; not measured last
    assert rows["metric-0"] == ["0", "1", "2"]
    assert rows["metric-1"] == ["2", "1", "0"]
    assert rows["metric-4"] == ["0", "1", "2"]
    # what the browser sorts by is what the verdict ranks by
    cells = re.findall(
        r'<tr data-set="(\d)"><th.*?</th>\s*(.*?)</tr>', text.partition('id="scores"')[2], re.S
    )
    spectrum = [float(re.findall(r'data-n="(.*?)"', row)[1]) for _, row in cells[:3]]
    assert spectrum == pytest.approx([1.6123 - 1.35, 1.6123 - 1.46, 1.6123 - 1.57])


def test_previews_stand_once_in_the_bytes_and_without_a_script() -> None:
    comparison = everything(3)
    text = page(comparison)
    parsed = Parsed(text)
    images = [a for t, a in parsed.tags if t == "img"]
    clips = comparison.media["clips"]
    # a poster is drawn for the clips shown and for the nearest and farthest; each has words beside it
    for name, entries in clips.items():
        for entry in entries:
            ends = {
                own.get(role)
                for metric in comparison.media["metrics"].values()
                for role in ("nearest", "farthest")
                if (own := metric["sets"].get(name))
            }
            if entry["shown"] or entry["id"] in ends:
                assert sum(a["alt"] == f"A frame of {entry['id']} of {name}" for a in images) == 1
    assert len({a["id"] for a in images}) == len(images)
    # every poster and every video is in the bytes as often as in the data
    entries = [entry for of_set in clips.values() for entry in of_set]
    for key in ("poster", "video"):
        data = [entry[key] for entry in entries if entry[key]]
        for one in set(data):
            assert text.count(one) == data.count(one)
    assert "<video" not in text
    assert "No previews: this set is a file of statistics and has no clips" in shown(comparison)
    assert "nearest in" in shown(comparison)


def test_a_set_without_previews_or_media_says_nothing_about_clips() -> None:
    for comparison in (example(2), with_media(example(2), 0)):
        bare_media = {"metrics": comparison.media.get("metrics", {})}
        text = page(dataclasses.replace(comparison, media=bare_media))
        assert 'id="clips"' not in text
        assert "<img" not in text


ODD: list[Any] = [
    None,
    True,
    -1,
    10**400,
    1e308,
    "",
    "text",
    HOSTILE[2],
    [],
    [None],
    [HOSTILE[1]],
    {},
    {"": {}},
]


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else []
    )
    return [at, *(p for k, v in inner for p in paths(v, (*at, k)))]


@pytest.mark.slow
@pytest.mark.parametrize("odd", range(len(ODD)))
def test_hostile_media_are_skipped(odd: int) -> None:
    base = example(1)
    whole = json.loads(json.dumps(media(base, 3)))
    for path in paths(whole)[1 + odd :: len(ODD)]:
        broken = json.loads(json.dumps(whole))
        inside = broken
        for key in path[:-1]:
            inside = inside[key]
        inside[path[-1]] = ODD[odd]
        comparison = dataclasses.replace(base, media=broken)
        text = page(comparison)
        parsed = Parsed(text)
        assert {tag for tag, _ in parsed.tags} <= TAGS, path
        assert parsed.embedded() == json.loads(comparison.to_json()), path
        assert text.count("<script>") == 1, path


def test_what_is_no_picture_is_no_image() -> None:
    base = everything(1)
    for poster in (
        "iVBORw0KGgo=",
        'UklGR" onerror="alert(1)',
        "UklGR\n",
        "#clip-0-1",
        "data:image/webp;base64,UklGRA==",
        7,
    ):
        clips = {"moving_shapes": [{"id": "a", "shown": True, "poster": poster, "video": "GkXfo"}]}
        comparison = dataclasses.replace(base, media={"clips": clips})
        parsed = Parsed(page(comparison))
        assert not [a for t, a in parsed.tags if t == "img"]
