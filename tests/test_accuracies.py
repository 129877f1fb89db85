"""Tables of accuracies: what is read, what is computed, and every way in which a table can be wrong."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

import pytest

from synvid_eval import accuracies, published
from synvid_eval.accuracies import load, read_map
from synvid_eval.errors import DataError, UsageError

HEAD = "dataset,benchmark,protocol,model,accuracy"


def table(folder: Path, *rows: str, head: str = HEAD, name: str = "t.csv", end: str = "\n") -> str:
    path = folder / name
    path.write_bytes((end.join([head, *rows]) + end).encode())
    return str(path)


def row(dataset: str, accuracy: object, *rest: object, benchmark: str = "UCF101", model: str = "vit") -> str:
    return ",".join(map(str, [dataset, benchmark, "finetune", model, accuracy, *rest]))


# The published table


@pytest.mark.parametrize(
    ("benchmark", "protocol", "dataset", "share"),
    [
        ("UCF101", "finetune", "acc_transforming_stylegan", 97.2),
        ("Kinetics-400", "finetune", "acc_transforming_images", 86.5),
        ("UCF101", "linear_probe", "acc_transforming_images", 40.6),
    ],
)
def test_the_shares_of_the_gap_are_the_text_s(
    benchmark: str, protocol: str, dataset: str, share: float
) -> None:
    """Within 0.1: the text cuts 97.24, 86.55 and 40.66 off."""
    found = load("published:yu2024", benchmark=benchmark, protocol=protocol).sets[dataset].gap_closed
    assert found is not None
    assert abs(found - share) < 0.1
    assert math.floor(10 * found) / 10 == share


def test_the_published_table_as_a_whole() -> None:
    found = load("published:yu2024", benchmark="UCF101", protocol="finetune")
    rows = [p for p in published.table() if (p.benchmark, p.protocol) == ("UCF101", "finetune")]
    assert [k.accuracy for k in found.sets.values()] == [p.accuracy for p in rows]
    assert [k.family for k in found.sets.values()] == [p.family for p in rows]
    assert found.families
    assert found.band == (84.0, 100.0)
    assert found.model == "VideoMAE ViT-B/16"
    assert {k.seeds for k in found.sets.values()} == {1}
    assert {k.std for k in found.sets.values()} == {None}
    assert found.sets["scratch"].gap_closed == 0
    assert found.sets["ucf101"].gap_closed == 100
    assert load("published:yu2024", benchmark="HMDB51").band is None


def test_what_is_not_published() -> None:
    with pytest.raises(UsageError, match=r"No published table is called 'yu2023'.*'yu2024'"):
        load("published:yu2023")
    with pytest.raises(
        UsageError, match=r"benchmark HMDB51, UCF101, Kinetics-400.*; protocol.*--benchmark, --p"
    ):
        load("published:yu2024")
    with pytest.raises(UsageError, match=r"protocol linear_probe, finetune\. Choose one: --protocol"):
        load("published:yu2024", benchmark="UCF101")
    with pytest.raises(UsageError, match=r"has no benchmark 'UCF10'\..*UCF101"):
        load("published:yu2024", benchmark="UCF10")
    with pytest.raises(UsageError, match=r"no protocol 'linear_probe' with benchmark HMDB51.*has: finetune"):
        load("published:yu2024", benchmark="HMDB51", protocol="linear_probe")
    with pytest.raises(UsageError, match="has no model 'ViT-S'"):
        load("published:yu2024", benchmark="HMDB51", model="ViT-S")


# What is read


def test_a_table_as_csv(tmp_path: Path) -> None:
    where = table(
        tmp_path,
        row("scratch", 50, "scratch", "", ""),
        row("a", " 70.5 ", "shapes", 0.25, "x"),
        row("b", "80%", "shapes", "", ""),
        row("real", 90, "real", "", ""),
        head=f"{HEAD},family,std,note",
    )
    found = load(where)
    assert (found.source, found.benchmark, found.protocol, found.model) == (
        where,
        "UCF101",
        "finetune",
        "vit",
    )
    assert found.families
    assert found.band is None
    assert list(found.sets) == ["scratch", "a", "b", "real"]
    assert accuracies.facts(found.sets["a"]) == {
        "family": "shapes",
        "accuracy": 70.5,
        "std": 0.25,
        "seeds": 1,
        "gap_closed": pytest.approx(51.25),
    }
    assert found.sets["b"].std is None
    assert found.sets["b"].gap_closed == pytest.approx(75)


@pytest.mark.parametrize("under", [True, False])
def test_a_table_as_json(tmp_path: Path, under: bool) -> None:
    entries: list[dict[str, Any]] = [
        {"dataset": "a", "benchmark": "B", "protocol": "p", "model": "m", "accuracy": 88, "family": None},
        {"dataset": "b", "benchmark": "B", "protocol": "p", "model": "m", "accuracy": "88.5", "std": 0.5},
    ]
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"accuracies": entries} if under else entries))
    found = load(str(path))
    assert [(k.name, k.family, k.accuracy, k.std) for k in found.sets.values()] == [
        ("a", "a", 88.0, None),
        ("b", "b", 88.5, 0.5),
    ]
    assert not found.families


def test_seeds_become_a_mean_and_a_spread(tmp_path: Path) -> None:
    rows = [row("a", v, s, 9) for s, v in enumerate((80, 82, 87))] + [row("b", 70, 0, 9)]
    found = load(table(tmp_path, *rows, head=f"{HEAD},seed,std")).sets
    assert found["a"].accuracy == pytest.approx(83)
    assert found["a"].std == pytest.approx(statistics.stdev((80, 82, 87)))
    assert found["a"].seeds == 3
    assert (found["b"].accuracy, found["b"].std, found["b"].seeds) == (70, 9, 1)


def test_one_benchmark_of_several(tmp_path: Path) -> None:
    where = table(
        tmp_path,
        row("a", 80, benchmark="X", model="s"),
        row("a", 70, benchmark="Y", model="s"),
        row("a", 60, benchmark="Y", model="b"),
    )
    assert load(where, benchmark="X").sets["a"].accuracy == 80
    assert load(where, benchmark="Y", model="b").sets["a"].accuracy == 60
    several = r"several: benchmark X, Y; model s, b\. Choose one of each: --benchmark, --model\."
    with pytest.raises(UsageError, match=several):
        load(where)
    with pytest.raises(UsageError, match=r"several: model s, b\. Choose one: --model"):
        load(where, benchmark="Y")
    with pytest.raises(UsageError, match=r"no benchmark 'Z'.*Known: X, Y"):
        load(where, benchmark="Z")


MANY = f"{HEAD},method,split,family"


def made_by(dataset: str, accuracy: float, method: str, split: str = "trainlist01") -> str:
    family = dataset if dataset in ("scratch", "real") else "shapes"
    return row(dataset, accuracy, method, split, family)


def test_methods_and_splits_of_one_network_do_not_mix(tmp_path: Path) -> None:
    where = table(
        tmp_path,
        made_by("a", 60, "moco"),
        made_by("a", 70, "byol"),
        made_by("a", 90, "byol", "trainlist02"),
        head=MANY,
    )
    several = r"several: split trainlist01, trainlist02; method moco, byol\. Choose one of each: --split, --m"
    with pytest.raises(UsageError, match=several):
        load(where)
    with pytest.raises(UsageError, match=r"no method 'moco' with split trainlist02\. There it has: byol\."):
        load(where, split="trainlist02", method="moco")
    with pytest.raises(UsageError, match=r"several: method moco, byol\. Choose one: --method\."):
        load(where, split="trainlist01")
    found = load(where, split="trainlist01", method="byol")
    assert (found.split, found.method, found.sets["a"].accuracy) == ("trainlist01", "byol", 70)
    assert (load(where, split="trainlist02").method, load(where, split="trainlist02").sets["a"].accuracy) == (
        "byol",
        90,
    )
    with pytest.raises(UsageError, match=r"has no method 'bjol'\. Did you mean 'byol'"):
        load(where, split="trainlist01", method="bjol")


def test_what_was_not_pretrained_goes_with_every_method(tmp_path: Path) -> None:
    rows = [made_by("scratch", 50, "scratch"), made_by("a", 60, "moco"), made_by("real", 90, "moco")]
    rows += [made_by("a", 70, "byol"), made_by("real", 100, "byol")]
    where = table(tmp_path, *rows, head=MANY)
    moco, byol = load(where, method="moco").sets, load(where, method="byol").sets
    assert list(moco) == ["scratch", "a", "real"] == list(byol)
    assert (moco["a"].gap_closed, byol["a"].gap_closed) == (25, 40)
    assert list(load(where, method="scratch").sets) == ["scratch"]
    alone = table(tmp_path, *rows[:1], head=MANY, name="alone.csv")
    assert load(alone).method == "scratch"
    assert load(table(tmp_path, *rows[:3], head=MANY, name="one.csv")).method == "moco"


def two_families(folder: Path) -> str:
    """Five sets, each with MoCo on one network and VideoMAE on another, and each network from scratch."""
    rows = []
    for model, method, base in (("TSM", "moco", 50), ("ViT", "videomae", 70)):
        rows.append(row("scratch", base, "scratch", "x", "scratch", model=model))
        rows += [
            row(name, base + 1 + i, method, "x", "shapes", model=model) for i, name in enumerate("abcde")
        ]
    return table(folder, *rows, head=MANY)


def test_networks_that_only_other_methods_trained_drop_out(tmp_path: Path) -> None:
    where = two_families(tmp_path)
    for method, model, base in (("moco", "TSM", 50), ("videomae", "ViT", 70)):
        by_method, by_model = load(where, method=method), load(where, model=model)
        assert (by_method.model, by_model.method) == (model, method)
        assert by_method == by_model
        assert by_method.sets["scratch"].accuracy == base and len(by_method.sets) == 6
    assert load(where, method="scratch", model="TSM").sets["scratch"].accuracy == 50
    with pytest.raises(UsageError, match=r"several: model TSM, ViT\. Choose one: --model"):
        load(where, method="scratch")


def test_unknown_names_are_told_before_what_is_left_open(tmp_path: Path) -> None:
    where = two_families(tmp_path)
    several = r"several: model TSM, ViT; method moco, videomae\. Choose one of each: --model, --method\."
    with pytest.raises(UsageError, match=several):
        load(where)
    with pytest.raises(UsageError, match=r"has no method 'mocco'\. Did you mean 'moco'"):
        load(where, method="mocco")
    with pytest.raises(
        UsageError, match=r"has no method 'moco' with model ViT\. There it has: scratch, videomae"
    ):
        load(where, model="ViT", method="moco")


def test_rows_that_name_no_method_or_split_are_a_kind_of_their_own(tmp_path: Path) -> None:
    where = table(tmp_path, row("a", 60, "", "", ""), made_by("a", 70, "moco"), head=MANY)
    both = r"several: split none, trainlist01; method none, moco\. .*\(--split '', --method '' take the rows"
    with pytest.raises(UsageError, match=both):
        load(where)
    alone = table(tmp_path, row("a", 60, "", "x", ""), made_by("a", 70, "moco", "x"), head=MANY, name="m.csv")
    with pytest.raises(UsageError, match=r"--method \(--method '' takes the rows without one\)\."):
        load(alone)
    assert load(where, split="").sets["a"].accuracy == 60
    old = table(tmp_path, row("a", 80), name="old.csv")
    assert (load(old).split, load(old).method) == ("", "")
    with pytest.raises(UsageError, match=r"has no method 'moco'\. Its rows name no method"):
        load(old, method="moco")


def test_many_benchmarks_are_not_all_listed(tmp_path: Path) -> None:
    where = table(tmp_path, *(row("a", 80, benchmark=f"{k:03}" + "x" * 500) for k in range(40)))
    with pytest.raises(UsageError) as caught:
        load(where)
    assert len(caught.value.message) < 800
    assert "…" in caught.value.message


def test_families_are_any_column_s(tmp_path: Path) -> None:
    rows = [row("a", 80, "f", "one"), row("b", 81, "g", "one"), row("c", 82, "g", "")]
    where = table(tmp_path, *rows, head=f"{HEAD},family,generator")
    assert [k.family for k in load(where).sets.values()] == ["f", "g", "g"]
    found = load(where, family="generator")
    assert [k.family for k in found.sets.values()] == ["one", "one", "c"]
    assert found.families
    with pytest.raises(UsageError, match=r"no column 'generaotr'\. Did you mean 'generator'"):
        load(where, family="generaotr")


def test_a_table_without_families(tmp_path: Path) -> None:
    found = load(table(tmp_path, row("a", 80), row("b", 90)))
    assert not found.families
    assert [k.family for k in found.sets.values()] == ["a", "b"]
    assert found.sets["a"].gap_closed is None


@pytest.mark.parametrize(
    "ends", [("scratch", 90, "real", 50), ("scratch", 50, "x", 90), ("scratch", 50, "scratch", 90)]
)
def test_without_both_ends_no_gap_is_closed(tmp_path: Path, ends: tuple[str, int, str, int]) -> None:
    rows = [row("s", ends[1], ends[0]), row("r", ends[3], ends[2]), row("a", 60, "f")]
    found = load(table(tmp_path, *rows, head=f"{HEAD},family"))
    assert {k.gap_closed for k in found.sets.values()} == {None}


def test_the_gap_does_not_hang_on_the_column_of_families() -> None:
    found = load("published:yu2024", benchmark="UCF101", protocol="finetune", family="source")
    assert found.sets["acc_transforming_stylegan"].gap_closed == pytest.approx(97.24, abs=0.01)


# Odd but right


def test_a_table_from_a_spreadsheet(tmp_path: Path) -> None:
    """Byte order mark, CRLF, quotes, blanks around names of columns, empty lines."""
    path = tmp_path / "t.csv"
    text = '"dataset", benchmark,protocol,model ,accuracy,note\r\n\r\n"a, b",B,p,"m ""x""",88.5,"1\r\n2"\r\n'
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = load(str(path))
    assert list(found.sets) == ["a, b"]
    assert found.model == 'm "x"'
    assert found.sets["a, b"].accuracy == 88.5


def test_a_column_without_a_name_is_no_error(tmp_path: Path) -> None:
    """Spreadsheets write a comma more on every line."""
    assert load(table(tmp_path, row("a", 80, ""), head=f"{HEAD},")).sets["a"].accuracy == 80


def test_a_column_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        load(table(tmp_path, row("a", 80, 20), head=f"{HEAD},accuracy"))


@pytest.mark.parametrize(
    "name",
    ["</script><img src=x>", "=cmd|' /C calc'!A0", "a\u202eb", "日本", "x" * 2000, "%s{0}", "__proto__"],
)
def test_hostile_names_are_names(tmp_path: Path, name: str) -> None:
    found = load(table(tmp_path, row(name, 80), row("b", 70)))
    assert found.sets[name].accuracy == 80
    with pytest.raises(DataError) as caught:
        load(table(tmp_path, row(name, 80), row(name, 70)))
    assert caught.value.message.isprintable()


# Wrong


@pytest.mark.parametrize(
    ("accuracy", "says"),
    [
        ("0.88", r"accuracy 0\.88 looks like a fraction\. Accuracies are percent: 88"),
        ("1", "looks like a fraction"),
        ("1e-3", "looks like a fraction"),
        ("100.1", r"accuracy 100\.1 is out of range"),
        ("-1", "accuracy -1 is out of range"),
        ("8800", "out of range"),
        ("nan", "is not finite"),
        ("inf", "is not finite"),
        ("-inf%", "is not finite"),
        ("1e999", "is not finite"),
        ("high", "accuracy 'high' is no number"),
        ('"88,5"', "accuracy '88,5' is no number"),
        ("", r"no accuracy\. Each row needs dataset"),
    ],
)
def test_an_accuracy_that_is_none(tmp_path: Path, accuracy: str, says: str) -> None:
    where = table(tmp_path, row("a", 80), row("b", 81), row("c", accuracy), row("d", 70))
    with pytest.raises(DataError, match=f"{where}:4: .*{says}") as caught:
        load(where)
    assert caught.value.code == 3


@pytest.mark.parametrize(("accuracy", "value"), [("0", 0), ("0.5%", 0.5), ("1.01", 1.01), ("100", 100)])
def test_accuracies_at_the_ends(tmp_path: Path, accuracy: str, value: float) -> None:
    assert load(table(tmp_path, row("a", accuracy))).sets["a"].accuracy == value


@pytest.mark.parametrize(
    ("std", "says"),
    [("-0.1", r"std -0\.1 is below 0"), ("wide", "std 'wide' is no number"), ("nan", "std 'nan' is not fin")],
)
def test_a_spread_that_is_none(tmp_path: Path, std: str, says: str) -> None:
    where = table(tmp_path, row("a", 80, 0), row("b", 80, std), head=f"{HEAD},std")
    with pytest.raises(DataError, match=f":3: {says}"):
        load(where)


@pytest.mark.parametrize("column", HEAD.split(","))
def test_a_column_that_is_missing(tmp_path: Path, column: str) -> None:
    head = HEAD.replace(column, "other")
    with pytest.raises(DataError, match=rf"t\.csv:1: no column {column}; there are .*other"):
        load(table(tmp_path, row("a", 80), head=head))


@pytest.mark.parametrize("column", range(5))
def test_a_value_that_is_missing(tmp_path: Path, column: int) -> None:
    values = row("b", 80).split(",")
    values[column] = " "
    name = HEAD.split(",")[column]
    with pytest.raises(DataError, match=rf"t\.csv:3: no {name}\. Each row needs {HEAD}"):
        load(table(tmp_path, row("a", 80), ",".join(values)))


def test_short_and_long_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r":3: no model, accuracy\."):
        load(table(tmp_path, row("a", 80), "b,UCF101,finetune"))
    with pytest.raises(DataError, match=r":2: more values than columns\. Quote values that hold commas"):
        load(table(tmp_path, row("a", 80, 1)))


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [("", "", "no seed"), ("1", "", "no seed"), ("", "1", "no seed"), ("1", "1", "seed 1")],
)
def test_a_set_that_is_there_twice(tmp_path: Path, first: str, second: str, what: str) -> None:
    rows = [row("a", 80, first), row("b", 70, ""), row("a", 82, second)]
    with pytest.raises(
        DataError, match=rf"t\.csv:4: a is there a second time.* 2 .*{what}.*each run its seed.*\(--name "
    ):
        load(table(tmp_path, *rows, head=f"{HEAD},seed"))


def test_a_set_twice_in_another_benchmark_is_none_of_this(tmp_path: Path) -> None:
    where = table(tmp_path, row("a", 80, benchmark="X"), row("a", 70, benchmark="Y"))
    assert load(where, benchmark="Y").sets["a"].accuracy == 70


def test_a_set_of_two_families(tmp_path: Path) -> None:
    rows = [row("a", 80, 0, "f"), row("a", 81, 1, "g")]
    with pytest.raises(DataError, match=r":2: a is said to be of several families: f, g"):
        load(table(tmp_path, *rows, head=f"{HEAD},seed,family"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[{]", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("{}", "holds no list of accuracies"),
        ('{"accuracies": {}}', "holds no list of accuracies"),
        ("[]", "holds no accuracies"),
        ("[3]", r"t\.json:1 \(entry 1\) is no object"),
        ('[{"dataset": "a"}]', r"\(entry 1\): no benchmark, protocol, model, accuracy"),
    ],
)
def test_json_that_is_no_table(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(DataError, match=says):
        load(str(path))


@pytest.mark.parametrize("accuracy", ["0.5", "NaN", "1e999", "true", "[88]", "{}", "null", '"88;5"'])
def test_json_entries_are_numbered(tmp_path: Path, accuracy: str) -> None:
    good = '{"dataset": "a", "benchmark": "B", "protocol": "p", "model": "m", "accuracy": 88}'
    path = tmp_path / "t.json"
    path.write_text(f"[{good},\n {good.replace('88', accuracy)}]")
    with pytest.raises(DataError, match=r"t\.json:2 \(entry 2\): "):
        load(str(path))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "holds no accuracies"),
        (b"\n\n", "holds no accuracies|no column"),
        (HEAD.encode(), "holds no accuracies"),
        (HEAD.encode() + b"\n\xff\xfe,B,p,m,8\n", "is no UTF-8 text"),
        (HEAD.encode() + b'\na,B,p,m,88\n"b,B,p,m,88\n', "unexpected end of data"),
        (HEAD.encode() + b"\n" + b"x" * 200_000 + b",B,p,m,88\n", "field larger"),
        (HEAD.encode() + b'\na,B,p,"m"x,88\n', "expected after"),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(DataError, match=says):
        load(str(path))


@pytest.mark.parametrize("broken", ['b,B,p,"m"x,88', '"b,B,p,m,88', "x" * 200_000])
def test_a_line_that_is_no_csv_is_named(tmp_path: Path, broken: str) -> None:
    where = table(tmp_path, row("a", 80), broken)
    with pytest.raises(DataError, match=r"t\.csv:3: "):
        load(where)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"cannot be read: No such file.*published:yu2024"):
        load(str(tmp_path / "none.csv"))
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        load(str(tmp_path))
    monkeypatch.setattr(accuracies, "MOST_BYTES", 100)
    with pytest.raises(DataError, match="has more than"):
        load(table(tmp_path, *(row(f"s{k}", 80) for k in range(10))))


def test_a_location_that_can_be_no_path() -> None:
    with pytest.raises(DataError):
        load("a\0b.csv")


# Which accuracy is whose


def write(folder: Path, text: str | bytes) -> str:
    path = folder / "map.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_a_map_is_read(tmp_path: Path) -> None:
    text = b'\xef\xbb\xbfset,dataset,why\r\nmine,"a, b",x\r\n other , c ,\r\n'
    assert read_map(write(tmp_path, text)) == {"mine": "a, b", "other": "c"}
    assert read_map(write(tmp_path, "dataset,set\nx,y\n")) == {"y": "x"}
    assert read_map(write(tmp_path, "set,dataset\n")) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ":1: its columns are not set,dataset"),
        ("name,dataset\na,b\n", ":1: its columns are not set,dataset"),
        ("set,dataset\na,b\nb,\n", ":3: b lacks a value"),
        ("set,dataset\n,b\n", ":2: a row lacks a value"),
        ("set,dataset\na\n", ":2: a lacks a value"),
        ("set,dataset\na,b\nc,d\na,e\n", ":4: a is there twice"),
        (b"set,dataset\n\xff,b\n", "is no CSV"),
        ('set,dataset\n"a,b\n', "is no CSV"),
    ],
)
def test_maps_that_are_none(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(DataError, match=f"map.csv ?{says}") as caught:
        read_map(write(tmp_path, text))
    assert caught.value.message.isprintable()


def test_a_map_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_map(str(tmp_path / "none.csv"))


def test_semicolons_are_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("dataset;benchmark;protocol;model;accuracy\na;B;p;m;88\n")
    with pytest.raises(DataError, match="separated by semicolons") as found:
        load(str(path))
    assert found.value.code == 3


def test_rows_without_a_family_are_counted(tmp_path: Path) -> None:
    """Each is a family of its own, even where its name is that of another's family."""
    path = tmp_path / "t.csv"
    head = "dataset,benchmark,protocol,model,accuracy,family"
    path.write_text(f"{head}\nA,B,p,m,80,\nb,B,p,m,81,A\nc,B,p,m,82,A\nd,B,p,m,83,\n")
    found = load(str(path))
    assert found.families and found.alone == 2
    assert [k.family for k in found.sets.values()] == ["A (alone)", "A", "A", "d"]
