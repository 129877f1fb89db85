"""Figures for papers: what stands in them, that it can be read, and that they are the same again."""

from __future__ import annotations

import copy
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text

from synvid_eval import accuracies
from synvid_eval.accuracies import Accuracies, Known
from synvid_eval.correlation import correlate
from synvid_eval.report import panels as module
from synvid_eval.report.panels import coefficients, file_names, panels
from synvid_eval.score import Comparison, Score, SetFacts

REPOSITORY = Path(__file__).resolve().parents[2]
RANDOM = "fid[random-inception]"
Document = dict[str, Any]


def made(
    names: list[str], table: Accuracies, metrics: dict[str, str], draws: int = 100, seed: int = 0
) -> Document:
    """A correlation of made-up metrics (name → which way is better) with intervals."""
    rng, scores = np.random.default_rng(seed), []
    for metric, better in metrics.items():
        for name in names:
            value = float(rng.normal() - 0.1 * table.sets[name].accuracy)
            detail = {"reference": -8.0} if better == "match" else {}
            kind: Any = better
            n = {"candidate": 200, "reference": 120}
            scores.append(
                Score(
                    name,
                    metric,
                    value,
                    "nats",
                    kind,
                    n,
                    metric,
                    interval=(value - 1, value + 1),
                    detail=detail,
                )
            )
    sides = [SetFacts(name, name, name, 200, 3200) for name in names]
    return correlate([("c", Comparison(SetFacts("ref", "r", "r", 9, 9), sides, scores))], table, draws=draws)


@pytest.fixture(scope="module")
def document() -> Document:
    """34 published sets, a distance, a match metric, a control."""
    table = accuracies.load("published:yu2024", benchmark="UCF101", protocol="finetune")
    names = [n for n, k in table.sets.items() if k.family not in ("scratch", "real")]
    return made(names, table, {"color": "lower", "motion": "match", RANDOM: "lower"})


def small(n: int, names: list[str] | None = None, families: list[str] | None = None) -> Document:
    names = names or [f"s{i}" for i in range(n)]
    own = families or names
    sets = {k: Known(k, own[i], 80 + 7 * math.sin(i), None, 1) for i, k in enumerate(names)}
    return made(
        names, Accuracies("t.csv", "B", "p", "m", sets, families is not None, 0, None), {"m": "lower"}, 20
    )


def single(document: Document, metric: int = 0) -> tuple[Figure, Axes]:
    figure = module._single(document, document["metrics"][metric], {})
    figure.savefig(io.BytesIO(), format="png", dpi=figure.dpi)  # places are known once it is drawn
    return figure, figure.axes[0]


def words(figure: Figure) -> str:
    return "\n".join(t.get_text() for t in figure.findobj(Text))


def names_in(axes: Axes) -> list[Text]:
    """Names of sets: the texts that belong to the axes and are no ticks."""
    return list(axes.texts)


@pytest.mark.slow
def test_files_and_their_kinds(document: Document, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "figures"
    written = panels({**document, "metrics": document["metrics"][2:]}, str(folder))
    stems = ["motion.difference", "fid-random-inception", "all"]
    assert written == [folder / f"{s}.{k}" for s in stems for k in ("png", "pdf")]
    assert sorted(folder.iterdir()) == sorted(written)
    for path in written:
        data = path.read_bytes()
        if path.suffix == ".png":
            assert data.startswith(b"\x89PNG")
            assert b"pHYs" in data
            assert round(int.from_bytes(data[data.index(b"pHYs") + 4 :][:4], "big") * 0.0254) == 200
            assert b"tEXt" not in data
        else:
            assert data.startswith(b"%PDF")
            assert b"/FontFile2" in data
            assert b"/Type3" not in data
            assert b"Date" not in data
            assert b"tmp" not in data


@pytest.mark.slow
def test_the_same_document_gives_the_same_bytes(document: Document, tmp_path: Path) -> None:
    """In another process with another hash seed, time and a style of the user's own, from the JSON."""
    some = {**document, "metrics": document["metrics"][3:]}
    ours = {p.name: p.read_bytes() for p in panels(some, tmp_path / "a")}
    (tmp_path / "d.json").write_text(json.dumps(some))
    (tmp_path / "matplotlibrc").write_text("font.size: 30\naxes.facecolor: red\npdf.fonttype: 3\n")
    code = (
        "import json, matplotlib; from synvid_eval.report.panels import panels; "
        "assert matplotlib.rcParams['font.size'] == 30; "
        f"panels(json.load(open({str(tmp_path / 'd.json')!r})), {str(tmp_path / 'b')!r})"
    )
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env={**env, "SOURCE_DATE_EPOCH": "1"}, check=True)
    theirs = {p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()}
    assert ours == theirs


def test_nobody_s_settings_are_changed(document: Document, tmp_path: Path) -> None:
    with matplotlib.rc_context({"font.size": 31}):
        panels({**document, "metrics": document["metrics"][:1]}, tmp_path)
        assert matplotlib.rcParams["font.size"] == 31


def test_nothing_half_written(document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = {**document, "metrics": document["metrics"][:1]}
    before = {p: p.read_bytes() for p in panels(some, tmp_path)}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        panels({**some, "benchmark": "another"}, tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("metrics", "names"),
    [
        (["color", "fvd[i3d]", "a b/c:d"], ["color", "fvd-i3d", "a-b-c-d"]),
        (["a/b", "a:b", "A b"], ["a-b", "a-b-2", "A-b-3"]),
        (["all", "ALL"], ["all-2", "ALL-3"]),
        (["../../etc/passwd", "..", "", "日本"], ["etc-passwd", "metric", "metric-2", "metric-3"]),
        (["x" * 300, "x" * 301], ["x" * 80, "x" * 80 + "-2"]),
        ([".hidden", "-rf"], ["hidden", "rf"]),
    ],
)
def test_names_of_files(metrics: list[str], names: list[str]) -> None:
    assert file_names(metrics) == names


def test_the_title_has_what_no_r_may_go_without(document: Document) -> None:
    figure, _ = single(document)
    metric, text = document["metrics"][0], words(single(document)[0])
    line = coefficients(document, metric)
    assert line in text
    assert line.startswith("r −.")
    for kind in ("pearson", "spearman"):
        low, high = metric[kind]["family_bootstrap"]
        assert f"[{module.short_number(low)}, {module.short_number(high)}]" in line
    assert "over families; rho" in line
    assert f"among the {metric['band']['n']} sets of 84 to 100 %, n = 34" in line
    assert module.short_number(metric["band"]["spearman"]["value"]) in line
    assert metric["verdict"] in text
    assert "color ↓" in text
    assert "UCF101 finetune accuracy [%]" in text
    assert "color [nats]" in text
    assert "Accuracies: published:yu2024; measured against ref; shaded: 84 to 100 %; bars: one" in text
    assert "predict" not in text
    assert figure.get_size_inches()[0] == 7.2


def test_without_families_and_band_that_is_said() -> None:
    document = small(12)
    line = coefficients(document, document["metrics"][0])
    assert "over sets; n = 12" in line
    assert "among" not in line
    figure, axes = single(document)
    assert "shaded" not in words(figure)
    assert not bands(axes)
    few = small(3)
    assert coefficients(few, few["metrics"][0]).endswith("; n = 3")
    assert "over" not in coefficients(few, few["metrics"][0])


def bands(axes: Axes) -> list[Patch]:
    return [p for p in axes.patches if isinstance(p, Rectangle) and p.get_facecolor()[:3] != (1, 1, 1)]


def test_every_set_is_a_mark_where_it_belongs(document: Document) -> None:
    _, axes = single(document)
    marks = [tuple(map(float, c.get_offsets()[0])) for c in axes.collections if len(c.get_offsets())]
    metric = document["metrics"][0]
    expected = [(v, s["accuracy"]) for v, s in zip(metric["values"], document["sets"], strict=True)]
    for pair in expected:
        assert any(pair == pytest.approx(m) for m in marks)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    assert all(left < x < right and low < y < high for x, y in expected)


def test_families_are_told_by_color_and_shape(document: Document) -> None:
    figure, _ = single(document)
    text = words(figure)
    assert all(f in text for f in document["families"])
    looks = [module._look(k) for k in range(42)]
    assert len(set(looks)) == 42


@pytest.mark.parametrize("metric", range(4))
def test_every_name_can_be_read(document: Document, metric: int) -> None:
    """All 34 are there, within the axes; hardly any two overlap, and none by half."""
    figure, axes = single(document, metric)
    texts = names_in(axes)
    assert [t.get_text() for t in texts] == [s["name"] for s in document["sets"]]
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    boxes = [t.get_window_extent(canvas.get_renderer()) for t in texts]
    around = axes.get_window_extent()
    for box in boxes:
        assert around.x0 - 1 <= box.x0 < box.x1 <= around.x1 + 1
        assert around.y0 - 1 <= box.y0 < box.y1 <= around.y1 + 1
    shares = []
    for k, a in enumerate(boxes):
        for b in boxes[:k]:
            wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
            if wide > 0 and high > 0:
                shares.append(wide * high / min(a.width * a.height, b.width * b.height))
    assert sum(s > 0.1 for s in shares) <= 1
    assert max(shares, default=0) < 0.5


def test_titles_are_not_cut(document: Document) -> None:
    """Everything outside the axes lies within the sheet, whatever a verdict says."""
    long = copy.deepcopy(document)
    long["metrics"][0] |= {"verdict": "carried by " + "a_very_long_name " * 40, "metric": "m" * 300}
    for metric in range(4):
        figure, _ = single(long, metric)
        canvas = figure.canvas
        assert isinstance(canvas, FigureCanvasAgg)
        for text in figure.texts:
            box = text.get_window_extent(canvas.get_renderer())
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1
            assert box.y0 >= 0
            assert box.y1 <= figure.bbox.y1


def test_controls_are_hatched_and_called_so(document: Document) -> None:
    figure, axes = single(document, 3)
    assert "(random network: a control)" in words(figure)
    assert [p.get_hatch() for p in axes.patches if p.get_hatch()] == ["//"]
    figure, axes = single(document, 0)
    assert "control" not in words(figure)
    assert not any(p.get_hatch() for p in axes.patches)
    assert f"{RANDOM} ↓ (random network: a control)" in words(
        module._sheet(document, document["metrics"], {})
    )


def test_the_band_is_shaded(document: Document) -> None:
    _, axes = single(document)
    (band,) = bands(axes)
    box = band.get_extents().transformed(axes.transData.inverted())
    assert (round(box.y0, 6), round(box.y1, 6)) == (84, 100)


def test_the_sheet_numbers_its_sets_and_names_them_once(document: Document) -> None:
    figure = module._sheet(document, document["metrics"], {})
    assert len(figure.axes) == 4
    for axes in figure.axes:
        assert [t.get_text() for t in names_in(axes)] == [str(k) for k in range(1, 35)]
    text = words(figure)
    for number, one in enumerate(document["sets"], 1):
        assert text.count(f"{number}  {one['name']}\n") == 1
    for metric in document["metrics"]:
        assert all(part in text for part in coefficients(document, metric).split("; "))


HOSTILE = ["$\\frac{", "_nolegend_", "<script>", "a\nb\x00c", "\u202eevil", "日本", "x" * 2000, "%s {0} \\"]


@pytest.mark.filterwarnings("ignore:Glyph")
def test_hostile_names_are_text(tmp_path: Path) -> None:
    document = small(8, HOSTILE, [*HOSTILE[:7], HOSTILE[0]])
    document["metrics"][0] |= {"metric": "$\\bad{ <m>", "unit": "$^"}
    document |= {"benchmark": "$B_{", "accuracies": "$\\x", "reference": "$$\\y"}
    figure, axes = single(document)
    found = [t.get_text() for t in names_in(axes)]
    assert found[:3] == HOSTILE[:3]
    assert found[3] == "a\\nb\\x00c"
    assert found[4] == "\\u202eevil"
    assert "…" in found[6]
    assert len(found[6]) < 60
    assert not any(t.get_parse_math() for t in names_in(axes))
    assert "_nolegend_" in words(figure)
    assert len(panels(document, tmp_path)) == 4


@pytest.mark.parametrize("n", [1, 4, 61])
def test_any_number_of_sets(n: int, tmp_path: Path) -> None:
    document = small(n)
    figure, axes = single(document)
    assert len(names_in(axes)) == (n if n <= module.NAMED else module.FARTHEST)
    assert ("the 40 of 61 sets farthest off are named" in words(figure)) == (n == 61)
    assert len(panels(document, tmp_path)) == 4


def test_numbers_that_are_not_there(document: Document, tmp_path: Path) -> None:
    """Sets without a number, all without one, one number for all, numbers of any size."""
    for values in (
        [None, *range(33)],
        [None] * 34,
        [3.0] * 34,
        [1e300, *range(33)],
        [k * 1e-12 for k in range(34)],
        [k * 1e120 for k in range(34)],
    ):
        broken = copy.deepcopy(document)
        broken["metrics"] = broken["metrics"][:1]
        broken["metrics"][0] |= {"values": values, "spread": [0.0] * 34}
        figure, axes = single(broken)
        there = sum(v is not None and v < 1e200 for v in values)
        assert len(names_in(axes)) == (there or 1)
        assert ("no number of any set" in words(figure)) == (there == 0)
    assert panels({**document, "metrics": []}, tmp_path) == []


def test_many_families_do_not_fill_the_sheet() -> None:
    document = small(50, None, [f"family {k}" for k in range(50)])
    text = words(single(document)[0])
    assert "family 22" in text
    assert "family 23" not in text
    assert "and 27 families more" in text


@pytest.mark.slow
def test_what_has_no_accuracy_is_a_line_with_its_name(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on the axis, whatever the sets; of other metrics nothing is drawn."""
    drawn: list[float] = []
    real = Axes.axvline

    def axvline(self: Axes, x: float, **more: Any) -> Any:
        drawn.append(x)
        low, high = self.get_xlim()
        assert low <= x <= high
        return real(self, x, **more)

    monkeypatch.setattr(Axes, "axvline", axvline)
    few = {**document, "metrics": document["metrics"][:2]}
    panels(few, tmp_path, {"color": {"ucf $x$": -400.0}, "no such": {"a": 1.0}})
    assert drawn == [-400.0, -400.0]  # its own sheet and the one of all
