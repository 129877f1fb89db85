"""Accuracies: statsmodels and scikit-learn as oracles, intervals that cover, documents that go round."""

from __future__ import annotations

import csv
import json
import multiprocessing
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, top_k_accuracy_score
from statsmodels.stats.proportion import proportion_confint

from synvid_eval import accuracies
from synvid_eval.errors import DataError
from synvid_eval.schemas import get
from synvid_eval.training.accuracy import (
    Prediction,
    Predictions,
    accuracy,
    add_row,
    difference,
    document,
    effective,
    merge,
    read,
    row,
    table,
    wilson,
    write,
)


def made(count: int = 60, classes: int = 8, groups: int = 20, seed: int = 0, fold: int = 0) -> Predictions:
    g = np.random.default_rng(seed)
    names = tuple(f"class {i}" for i in range(classes))
    scores = g.dirichlet(np.full(classes, 0.3), count)
    clips = tuple(
        Prediction(
            f"f{fold}/{i}.avi", names[int(g.integers(classes))], f"f{fold}g{i % groups}", fold, tuple(s)
        )
        for i, s in enumerate(scores.tolist())
    )
    return Predictions(names, "kfold:2", clips, {"seed": seed})


def test_top_1_and_top_5_are_scikit_learns() -> None:
    found = made(400)
    truth = [found.classes.index(c.label) for c in found.clips]
    scores = np.array([c.scores for c in found.clips])
    assert found.hits().mean() == accuracy_score(truth, scores.argmax(axis=1))
    assert found.hits(5).mean() == pytest.approx(top_k_accuracy_score(truth, scores, k=5))
    assert found.hits(8).all()


def test_equal_scores_are_taken_as_argmax_takes_them() -> None:
    names = ("a", "b", "c")
    clips = tuple(Prediction(label, label, label, 0, (0.4, 0.4, 0.2)) for label in names)
    found = Predictions(names, "", clips)
    assert found.hits().tolist() == [True, False, False]
    assert found.hits(2).tolist() == [True, True, False]


@pytest.mark.parametrize(("right", "count"), [(0, 7), (1, 7), (50, 120), (119, 120), (120, 120)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_by_clip_is_wilsons(right: int, count: int, level: float) -> None:
    hits = np.arange(count) < right
    low, high = proportion_confint(right, count, 1 - level, method="wilson")
    found = accuracy(hits, [str(i) for i in range(count)], level)
    assert found.value == pytest.approx(100 * right / count)
    assert found.by_clip == pytest.approx((100 * low, 100 * high), abs=1e-9)


def test_the_interval_by_group_by_hand() -> None:
    """Groups of equal size: the variance of their means, and Wilson's interval at that many clips."""
    g = np.random.default_rng(1)
    right = g.binomial(6, np.repeat([0.2, 0.9], 10))
    hits = np.concatenate([np.arange(6) < r for r in right])
    groups = np.repeat([f"g{i}" for i in range(20)], 6).tolist()
    share = hits.mean()
    variance = (right / 6).var(ddof=1) / 20
    assert effective(hits, groups) == pytest.approx(share * (1 - share) / variance)
    low, high = wilson(share, share * (1 - share) / variance, stats.t.ppf(0.975, 19))
    found = accuracy(hits, groups)
    assert found.by_group == pytest.approx((100 * low, 100 * high))
    assert found.groups == 20
    assert found.by_group[0] < found.by_clip[0] and found.by_group[1] > found.by_clip[1]


def test_groups_never_make_an_interval_narrower_than_independent_clips_do() -> None:
    hits = np.tile([True, False], 30)
    assert effective(hits, [f"g{i // 2}" for i in range(60)]) == 60  # each group exactly at the mean
    assert effective(np.ones(60, bool), [f"g{i // 6}" for i in range(60)]) == 10
    found = accuracy(np.ones(60, bool), [f"g{i // 6}" for i in range(60)])
    assert found.by_group[1] == 100 and found.by_group[0] < found.by_clip[0] < 100


def test_few_groups_have_no_interval_and_say_so() -> None:
    found = accuracy(np.arange(40) < 20, [f"g{i % 4}" for i in range(40)])
    assert found.by_group is None and found.reason == "4 source groups; an interval by group needs 5"


@pytest.mark.parametrize(("groups", "size", "spread"), [(6, 10, 0.3), (20, 6, 0.2), (77, 2, 0.3)])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_intervals_by_group_cover(groups: int, size: int, spread: float, share: float) -> None:
    """Clips of a source that are right together (beta-binomial): by group at least 93 %, by clip less."""
    g = np.random.default_rng(groups)
    alike = share * (1 / spread - 1), (1 - share) * (1 / spread - 1)
    names = np.repeat([str(i) for i in range(groups)], size).tolist()
    covered = np.zeros(2)
    for _ in range(600):
        right = g.binomial(size, g.beta(*alike, groups))
        found = accuracy(np.concatenate([np.arange(size) < r for r in right]), names)
        covered += [low <= 100 * share <= high for low, high in (found.by_group, found.by_clip)]
    by_group, by_clip = covered / 600
    assert by_group > 0.925
    if size > 2:
        assert by_clip < 0.92


def test_the_difference_is_paired() -> None:
    """The same clips: what both get right or wrong alike costs no width. Against Student's t."""
    g = np.random.default_rng(3)
    base = made(120, 4, 20, seed=3)

    def scored(hits) -> Predictions:
        wrong = {c: base.classes[(i + 1) % 4] for i, c in enumerate(base.classes)}
        clips = [
            Prediction(
                c.id,
                c.label,
                c.group,
                0,
                tuple(float(n == (c.label if h else wrong[c.label])) for n in base.classes),
            )
            for c, h in zip(base.clips, hits, strict=True)
        ]
        return Predictions(base.classes, base.split, tuple(clips))

    hits = g.random(120) < 0.5
    better = hits | (g.random(120) < 0.3)
    found = difference(scored(better), scored(hits))
    groups = np.array([c.group for c in base.clips])
    means = [(better & ~hits)[groups == name].mean() for name in dict.fromkeys(groups)]
    half = stats.t.ppf(0.975, 19) * np.std(means, ddof=1) / np.sqrt(20)
    assert found.value == pytest.approx(100 * (better.mean() - hits.mean()))
    assert found.interval == pytest.approx((found.value - 100 * half, found.value + 100 * half))
    assert difference(scored(hits), scored(hits)).interval == (0, 0)
    with pytest.raises(DataError, match="predictions of other clips"):
        difference(base, made(120, 4, 20, fold=1))


def test_folds_are_merged_and_never_twice() -> None:
    one, two = made(fold=0), made(fold=1)
    whole = merge([two, one])
    assert [c.id for c in whole.clips] == sorted(c.id for c in (*one.clips, *two.clips))
    assert whole.hits().sum() == one.hits().sum() + two.hits().sum()
    with pytest.raises(DataError, match="is tested in several folds"):
        merge([one, one])
    with pytest.raises(DataError, match="several splits"):
        merge([one, made(classes=9, fold=1)])


@pytest.mark.parametrize("classes", [3, 8])
def test_documents_go_round_and_fit_the_schema(tmp_path: Path, classes: int) -> None:
    found = made(classes=classes)
    write(found, tmp_path / "p.json")
    text = (tmp_path / "p.json").read_text()
    jsonschema.validate(json.loads(text), get("predictions"))
    assert read(tmp_path / "p.json") == found
    assert ("top5" in json.loads(text)["accuracy"]) == (classes == 8)
    assert document(found)["accuracy"]["top1"]["value"] == 100 * found.hits().mean()


@pytest.mark.parametrize(
    "change", [{"schema": "x/1"}, {"classes": ["a"]}, {"predictions": []}, {"predictions": 3}]
)
def test_damaged_documents_are_refused(tmp_path: Path, change) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({**document(made()), **change}, default=float))
    with pytest.raises(DataError, match=r"holds no predictions|is damaged"):
        read(path)
    path.write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        read(path)


def test_the_row_is_one_that_correlate_reads(tmp_path: Path) -> None:
    found = made()
    known = {"benchmark": "ucf101", "protocol": "finetune", "model": "tiny"}
    rows = [
        row(found, dataset="scratch", family="scratch", seed="0", **known),
        row(made(seed=1), dataset="a,b", seed="0", source="here", **known),
        row(made(seed=2), dataset="a,b", seed="1", **known),
    ]
    path = tmp_path / "a.csv"
    for one in rows:
        add_row(path, one)
    assert path.read_text() == table(rows)
    loaded = accuracies.load(str(path))
    assert loaded.sets["scratch"].accuracy == 100 * found.hits().mean()
    assert loaded.sets["a,b"].seeds == 2
    add_row(path, {**rows[1], "accuracy": "12.5"})
    assert {r["dataset"]: r["accuracy"] for r in [rows[0]]} and "12.5" in path.read_text()
    assert len(path.read_text().splitlines()) == 4


def test_runs_of_two_sources_have_a_row_each(tmp_path: Path) -> None:
    """Two networks that were pre-trained on one set, otherwise."""
    named = {"dataset": "d", "benchmark": "b", "protocol": "p", "model": "m", "seed": "0"}
    for source in ("short/", "long/", "short/"):
        assert add_row(tmp_path / "a.csv", row(made(), **named, source=source)) == []
    with (tmp_path / "a.csv").open() as file:
        assert [one["source"] for one in csv.DictReader(file)] == ["long/", "short/"]
    other = {**row(made(), **named, source="long/"), "accuracy": "7.5"}
    (gone,) = add_row(tmp_path / "a.csv", other)
    assert gone["source"] == "long/" and gone["accuracy"] != "7.5"


@pytest.mark.parametrize("key", ["method", "split"])
def test_runs_of_two_methods_or_splits_have_a_row_each(tmp_path: Path, key: str) -> None:
    named = {"dataset": "d", "benchmark": "b", "protocol": "p", "model": "m", "seed": "0", "source": "r/"}
    for value in ("one", "other", "one"):
        assert add_row(tmp_path / "a.csv", row(made(), **named, **{key: value})) == []
    with (tmp_path / "a.csv").open() as file:
        assert [one[key] for one in csv.DictReader(file)] == ["other", "one"]


def test_rows_of_a_table_without_method_and_split(tmp_path: Path) -> None:
    """The same run made again replaces its row; another accuracy is of another one."""
    path = tmp_path / "a.csv"
    named = {"dataset": "d", "benchmark": "b", "protocol": "p", "model": "m", "seed": "0", "source": "r/"}
    new = row(made(), **named, method="moco", split="kfold:5")
    path.write_text(f"{','.join(named)},accuracy\n{','.join(named.values())},{new['accuracy']}\n")
    assert add_row(path, new) == [] and path.read_text() == table([new])
    path.write_text(f"{','.join(named)},accuracy\n{','.join(named.values())},12.5\n")
    assert add_row(path, new) == []
    with path.open() as file:
        assert [one["accuracy"] for one in csv.DictReader(file)] == ["12.5", new["accuracy"]]


def test_one_source_group_is_one() -> None:
    hits, groups = np.array([True, False]), ["g", "g"]
    assert accuracy(hits, groups).reason == "1 source group; an interval by group needs 5"
    assert accuracy(hits, ["g", "h"]).reason == "2 source groups; an interval by group needs 5"
    clips = tuple(Prediction(f"{i}.mp4", "a", "g", 0, (float(i), 1.0 - i)) for i in range(2))
    one = Predictions(("a", "b"), "s", clips)
    assert difference(one, one).reason == "1 source group; an interval needs 5"
    note = row(one, dataset="d", benchmark="b", protocol="p", model="m")["note"]
    assert note.startswith("top 1 of 2 clips of 1 group; ")


def _adds(path: Path, seed: int) -> None:
    for number in range(20):
        text = f"{seed}.{number}"
        add_row(path, row(made(), dataset="d", benchmark="b", protocol="p", model="m", seed="0", source=text))


@pytest.mark.slow
def test_no_row_is_lost_where_several_processes_write(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_adds, args=(tmp_path / "a.csv", seed)) for seed in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 61
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_an_accuracy_below_1_percent_is_no_fraction(tmp_path: Path) -> None:
    base = made(400, 8)
    clips = tuple(
        Prediction(
            c.id,
            c.label,
            c.group,
            0,
            tuple(float(n == c.label) if i == 0 else float(n != c.label) / 7 for n in base.classes),
        )
        for i, c in enumerate(base.clips)
    )
    one = row(Predictions(base.classes, "", clips), dataset="d", benchmark="b", protocol="p", model="m")
    (tmp_path / "a.csv").write_text(table([one]))
    assert accuracies.load(str(tmp_path / "a.csv")).sets["d"].accuracy == 0.25


def test_a_file_that_is_no_table_of_ours_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("dataset,benchmark,protocol,model,accuracy,mine\na,b,c,d,50,x\n")
    with pytest.raises(DataError, match="has other columns"):
        add_row(path, row(made(), dataset="d", benchmark="b", protocol="p", model="m"))
    assert "mine" in path.read_text()
