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

TAGS = {
    "a", "b", "bdi", "body", "caption", "circle", "code", "dd", "desc", "details", "div", "dl", "dt",
    "ellipse", "figcaption", "figure", "footer", "g", "h1", "h2", "h3", "head", "header", "html", "li",
    "main", "meta", "p", "path", "pre", "script", "section", "span", "style", "summary", "svg", "table",
    "tbody", "td", "text", "tfoot", "th", "thead", "title", "tr", "ul", "wbr"
}  # fmt: skip
ATTRIBUTES = {
    "aria-hidden", "aria-label", "aria-labelledby", "charset", "class", "colspan", "content", "cx", "cy",
    "d", "focusable", "height", "href", "http-equiv", "id", "lang", "name", "r", "role", "rx", "ry",
    "scope", "stroke-dasharray", "tabindex", "text-anchor", "transform", "type", "viewbox", "width", "x",
    "y"
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
        return json.loads("".join(t for tag, attrs, t in self.raw if attrs.get("id") == "comparison"))


def nulls(comparison: Comparison) -> Comparison:
    scores = [
        dataclasses.replace(s, value=math.nan, corrected=None, interval=None, reason="no frames", detail={})
        for s in comparison.scores
    ]
    return dataclasses.replace(comparison, scores=scores, run={})


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
        for key in ("aria-labelledby",):
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
    for sign in ("<b>bold", "<img", "<script>", "\u202e", "\0", "alert(1)</script", "<!--"):
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
    # The page needs no script: only the data block stands in one.
    assert [a.get("type") for t, a in parsed.tags if t == "script"] == ["application/json"]
    assert not [a for _, a in parsed.tags if "style" in a or "src" in a]


def test_a_script_gets_its_hash_too() -> None:
    text = document.render(
        "base.html.j2", data={}, data_id="d", script="style.css", title="t", description="d"
    )
    code = (Path(document.__file__).parent / "style.css").read_text()
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_size() -> None:
    assert len(page(CASES["three"]).encode()) < 120_000
    assert len(page(example(8)).encode()) < 300_000


def test_what_a_reader_finds() -> None:
    text = " ".join(" ".join(Parsed(page(CASES["three"])).text).split())
    for words in (
        "Which set is nearest to ucf101, and in what?",
        "moving_shapes is nearest to ucf101 (3.1 nats [2.8, 3.4]; next moving_circles 4.2 [3.9, 4.5])",
        "no interval below 256 rows a side and 100 clips",
        "needs weights: synvid-eval weights fetch i3d",
        "every frame is constant",
        "lower is nearer",
        "0.0412",
        "120 / 120",
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


def test_random_networks_stand_apart_and_are_explained_once() -> None:
    text = page(networks(2)).partition("<script")[0]
    assert shown(networks(2)).count("a dry run of the pipeline") == 1
    before, inside = text.split('<section class="random"')
    inside, after = inside.split('<section aria-labelledby="needs">')
    tables = re.findall(r"<table.*?</table>", text, re.S)
    for name in ("fid", "kid", "diversity"):
        assert f">{name}[random-inception]</a>" in inside
        assert f">{name}[random-inception]</a>" not in before + after
        assert f">{name}</a>" in before
        assert f">{name}</a>" not in inside
    for table in tables:  # a table has numbers of random networks or others
        heads = re.findall(r'<a href="#metric-\d+">(.*?)</a>', table)
        assert len({"[random" in head for head in heads}) < 2
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

    def order(comparison: Comparison) -> list[str]:
        return re.findall(r'<a href="#metric-\d+">(.*?)</a>', page(comparison))

    plain = ["color", "spectrum", "fid", "kid", "diversity"]
    dry = ["fid[random-inception]", "kid[random-inception]", "diversity[random-inception]"]
    assert order(networks(2, sure=True)) == plain + dry
    lead = ["color", "spectrum", "kid", "fid", "diversity"]
    assert order(networks(2)) == [*lead, dry[1], dry[0], dry[2]]
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
    for words in ("−13333", "−13268 itself", "floor −0.00120", "an unbiased floor may fall below 0"):
        assert words in text, words
    assert "−13300" not in text


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
