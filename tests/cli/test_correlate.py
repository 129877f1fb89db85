"""`synvid-eval correlate`: the table, its files, its errors by line and kind."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import jsonschema
import pytest

from synvid_eval import published
from synvid_eval.cli import run as main
from synvid_eval.schemas import get
from synvid_eval.score import Comparison, Score, SetFacts

GIVEN = ("--accuracies", "published:yu2024", "--benchmark", "UCF101", "--protocol", "finetune")


def comparison(names: list[str] | None = None, **directions: str) -> Comparison:
    """Made-up scores of the published synthetic sets: `good` falls as accuracy rises, others are noise."""
    table = [p for p in published.table() if (p.benchmark, p.protocol) == ("UCF101", "finetune")]
    known = {p.dataset: p.accuracy for p in table if p.dataset not in ("scratch", "ucf101")}
    draws = random.Random(0)
    facts = [SetFacts(n, f"{n}/", n, 200, 3200) for n in names or known]
    scores = []
    for metric, better in {"good": "lower", **directions}.items():
        for one in facts:
            value = 100 - known.get(one.name, 85.0) + draws.gauss(0, 0.3)
            if metric != "good":
                value = draws.gauss(0, 1)
            n = {"candidate": 200, "reference": 120}
            scores.append(Score(one.name, metric, value, "", better, n, f"{metric}|1"))  # type: ignore[arg-type]
    return Comparison(SetFacts("ucf101", "ucf101/", "r", 120, 1920), facts, scores)


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """A comparison on disk."""
    file = tmp_path / "scores.json"
    extra = {"noise": "higher", "fid[random-inception]": "lower"}
    file.write_text(comparison(**extra).to_json())
    return file


def test_table_says_what_goes_with_accuracy_and_what_does_not(scores, capsys):
    assert main(["correlate", str(scores), *GIVEN]) == 0
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in reversed(out.splitlines()) if line.strip()}
    assert "goes with it" in lines["good"] and "chance" in lines["noise"]
    assert "control" in lines["fid[random-inception]"]
    assert out.rstrip().splitlines()[-1].startswith("good goes with UCF101 finetune accuracy beyond chance.")
    assert "Accuracies of no measured set: scratch, ucf101." in out
    assert "predicts" not in out


def test_json_follows_its_schema_and_is_the_same_twice(scores, tmp_path, capsys):
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file in files:
        assert main(["correlate", str(scores), *GIVEN, "--json", str(file), "-q"]) == 0
    documents = [json.loads(f.read_text()) for f in files]
    jsonschema.validate(documents[0], get("correlation"))
    for document in documents:
        document["run"].pop("command")
    assert documents[0] == documents[1]
    capsys.readouterr()
    assert main(["correlate", str(scores), *GIVEN, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["headline"] == documents[0]["headline"]


def test_csv_has_a_row_for_each_metric_and_coefficient(scores, capsys):
    assert main(["correlate", str(scores), *GIVEN, "--csv", "-", "-q"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(r["metric"], r["coefficient"]) for r in rows[:3]] == [
        ("good", "pearson"),
        ("good", "spearman"),
        ("good", "kendall"),
    ]
    assert float(rows[1]["value"]) < -0.9 and float(rows[1]["family_bootstrap_high"]) < 0
    assert {r["state"] for r in rows} == {"goes", "chance", "control"}


def test_report_makes_the_same_page_again(scores, tmp_path, capsys):
    pages = [tmp_path / "a.html", tmp_path / "b.html"]
    done = tmp_path / "correlation.json"
    args = ["correlate", str(scores), *GIVEN, "--json", str(done), "--html", str(pages[0]), "-q"]
    assert main(args) == 0
    assert main(["report", str(done), "--html", str(pages[1])]) == 0
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert main(["report", str(done), "--html", str(pages[1]), "--dry-run"]) == 0
    assert "a correlation of 3 metrics over 34 sets" in capsys.readouterr().out


def test_four_sets_are_never_enough(tmp_path, capsys):
    file = tmp_path / "few.json"
    names = ["static_circles", "moving_circles", "moving_shapes", "acc_transforming_images"]
    file.write_text(comparison(names).to_json())
    assert main(["correlate", str(file), *GIVEN]) == 0
    assert "4 sets are too few to say anything" in capsys.readouterr().out


def test_a_map_joins_other_names_and_the_rest_is_listed(tmp_path, capsys):
    file, mapping = tmp_path / "scores.json", tmp_path / "map.csv"
    names = ["mine", "other", *[f"x{i}" for i in range(2)]]
    file.write_text(comparison(names).to_json())
    mapping.write_text("set,dataset\nmine,moving_circles\nother,moving_shapes\n")
    assert (
        main(["correlate", str(file), *GIVEN, "--map", str(mapping), "--json", str(tmp_path / "d.json")]) == 0
    )
    document = json.loads((tmp_path / "d.json").read_text())
    assert [(s["name"], s["dataset"]) for s in document["sets"]] == [
        ("mine", "moving_circles"),
        ("other", "moving_shapes"),
    ]
    assert document["unmatched"]["measured"] == ["x0", "x1"]
    assert "static_circles" in document["unmatched"]["accuracies"]


def test_one_method_and_one_split_are_taken(scores, tmp_path, capsys):
    """Rows of two methods on one network, as train writes them into one table; scratch goes with both."""
    known = {
        p.dataset: p.accuracy
        for p in published.table()
        if (p.benchmark, p.protocol) == ("UCF101", "finetune") and p.dataset != "ucf101"
    }
    rows = ["dataset,benchmark,protocol,model,accuracy,method,split,family,seed"]
    for split, less in (("trainlist01", 0), ("trainlist02", 20)):
        for method, sign in (("moco", 1), ("byol", -1)):
            rows += [
                f"{name},ucf101,finetune,TSM,{50 + sign * (value - 90) / 2 - less},{method},{split},{name},0"
                for name, value in known.items()
                if name != "scratch"
            ]
        rows.append(f"scratch,ucf101,finetune,TSM,{11 + less},scratch,{split},scratch,0")
    table = tmp_path / "mine.csv"
    table.write_text("\n".join(rows) + "\n")
    args = ["correlate", str(scores), "--accuracies", str(table), "--draws", "100"]
    assert main([*args, "--method", "moco"]) == 2
    assert "several: split trainlist01, trainlist02. Choose one: --split." in capsys.readouterr().err
    assert main([*args, "--split", "trainlist01"]) == 2
    assert "several: method moco, byol. Choose one: --method." in capsys.readouterr().err
    found = {}
    for method in ("moco", "byol"):
        file, page = tmp_path / f"{method}.json", tmp_path / f"{method}.html"
        asked = ["--split", "trainlist02", "--method", method]
        assert main([*args, *asked, "--json", str(file), "--html", str(page)]) == 0
        assert f"(TSM, pre-trained by {method}, split trainlist02)" in capsys.readouterr().out
        found[method] = json.loads(file.read_text())
        jsonschema.validate(found[method], get("correlation"))
        assert (found[method]["method"], found[method]["split"]) == (method, "trainlist02")
        assert found[method]["unmatched"]["accuracies"] == ["scratch"]
        assert f"accuracies of TSM, pre-trained by {method}, split trainlist02" in page.read_text()
    of = {m: next(x for x in d["metrics"] if x["metric"] == "good") for m, d in found.items()}
    assert of["moco"]["spearman"]["value"] == -of["byol"]["spearman"]["value"] < -0.9


HEAD = "dataset,benchmark,protocol,model,accuracy,family,seed\n"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,U,f,m,91.3,x,\nb,U,f,m,0.913,x,\n", ":3: accuracy 0.913 looks like a fraction."),
        ("a,U,f,m,913,x,\n", ":2: accuracy 913 is out of range."),
        ("a,U,f,m,nan,x,\n", ":2: accuracy 'nan' is not finite."),
        ("a,U,f,m,9l,x,\n", ":2: accuracy '9l' is no number."),
        ("a,U,f,m,90,x,\na,U,f,m,91,x,\n", ":3: a is there a second time"),
        ("a,U,f,m,90,x,1\na,U,f,m,91,x,1\n", ":3: a is there a second time"),
        ("a,U,f,m,,x,\n", ":2: no accuracy."),
        ("", "holds no accuracies."),
    ],
)
def test_bad_accuracies_are_refused_with_their_line(scores, tmp_path, capsys, rows, said):
    table = tmp_path / "mine.csv"
    table.write_text(HEAD + rows)
    assert main(["correlate", str(scores), "--accuracies", str(table)]) == 3
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["--accuracies", "published:yu2042"], 2, "yu2024"),
        (["--accuracies", "published:yu2024"], 2, "--benchmark"),
        ([*GIVEN, "--band", "eighty"], 2, "--band eighty is no range"),
        ([*GIVEN, "--given", "tubelett"], 2, "No metric is called 'tubelett'"),
        ([*GIVEN, "--family", "familly"], 2, "has no column 'familly'"),
        ([*GIVEN, "--benchmark", "UCF11"], 2, "has no benchmark 'UCF11'"),
        (["--accuracies", "nowhere.csv"], 3, "nowhere.csv cannot be read"),
        ([*GIVEN, "--map", "nowhere.csv"], 3, "nowhere.csv cannot be read"),
        ([*GIVEN, "--json", "-", "--csv", "-"], 2, "both want stdout"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(scores, capsys, args, code, said):
    assert main(["correlate", str(scores), *args]) == code
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_names_without_an_accuracy_are_an_error_that_shows_both(tmp_path, capsys):
    file = tmp_path / "scores.json"
    file.write_text(comparison(["mine", "other"]).to_json())
    assert main(["correlate", str(file), *GIVEN]) == 3
    error = capsys.readouterr().err
    assert "mine, other" in error and "--map" in error
