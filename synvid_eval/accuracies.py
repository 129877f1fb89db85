"""Tables of accuracies: what pre-training on each set was worth, from a published table or a file.

A file is CSV, or JSON (a list of objects, or one under `"accuracies"`), with
`dataset,benchmark,protocol,model,accuracy` and, where known, `method,split,family,std,seed,source,note` and
columns of one's own. Accuracies are percent. Rows that differ only in `seed` are one set, with a mean and a
spread; any other row that repeats a set is an error, as nobody can tell which of the two is meant.

`model` is the network, `method` how it was pre-trained, `split` how the benchmark was divided: accuracies of
one of each are looked at, never a mixture. What was not pre-trained (`SCRATCH`) goes with every method.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synvid_eval import published
from synvid_eval.errors import DataError, UsageError, nearest

COLUMNS = ("dataset", "benchmark", "protocol", "model", "accuracy")
OPTIONAL = ("method", "split", "family", "std", "seed", "source", "note")
SCRATCH = "scratch"
"""The method of networks with drawn weights, which nothing pre-trained."""
PREFIX = "published:"
PUBLISHED = ("yu2024",)
BANDS = {("yu2024", "UCF101", "finetune"): (84.0, 100.0)}
"""The band that a correlation is also looked at in: three sets of that table lie far below all others."""
MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Row:
    """One line of a table. where: file and line, for messages. method, split: "" where the table does not say
    them. values: all of its columns as text.
    """

    where: str
    dataset: str
    benchmark: str
    protocol: str
    model: str
    accuracy: float
    std: float | None
    seed: str
    values: Mapping[str, str]
    method: str = ""
    split: str = ""


@dataclass(frozen=True)
class Known:
    """What is known of one set. accuracy [%]: mean over `seeds` runs. std: its standard deviation over them,
    or as the table gives it. gap_closed: how much of the way from training from scratch to pre-training on
    real video it goes [%], where the table has both.
    """

    name: str
    family: str
    accuracy: float
    std: float | None
    seeds: int
    gap_closed: float | None = None


@dataclass(frozen=True)
class Accuracies:
    """The accuracies of one benchmark, split, protocol, model and method, by set. source: the table.
    families: whether it says which family sets belong to; else each is one of its own. alone: sets of which
    such a table does not say it. band: see `BANDS`. split, method: "" where the table does not say them.
    """

    source: str
    benchmark: str
    protocol: str
    model: str
    sets: Mapping[str, Known]
    families: bool
    alone: int
    band: tuple[float, float] | None
    split: str = ""
    method: str = ""


def load(
    where: str,
    *,
    benchmark: str | None = None,
    split: str | None = None,
    protocol: str | None = None,
    model: str | None = None,
    method: str | None = None,
    family: str = "family",
) -> Accuracies:
    """The accuracies that a location holds: `published:yu2024`, `FILE.csv` or `FILE.json`.

    Args:
        benchmark, split, protocol, model, method: which; may be left out where the table has but one. "":
            rows that say none. Rows of `SCRATCH` go with every method that has rows of their model; of other
            models they are left out.
        family: the column that says which sets are variants of one another.

    Raises:
        UsageError: unknown published table, benchmark, split, protocol, model, method or column (names what
        there is); several of some of these and none asked for (names all of them at once).
        DataError: a file that cannot be read, and with its line number: a column or value that is missing,
        fractions in place of percent, values out of range or not finite, rows that repeat a set.
    """
    if where.startswith(PREFIX):
        source = where.removeprefix(PREFIX)
        if source not in PUBLISHED:
            raise UsageError(f"No published table is called {source!r}.", nearest(source, PUBLISHED))
        rows = [_published(p) for p in published.table()]
    else:
        source, rows = where, _read(where)
    asked = {"benchmark": benchmark, "split": split, "protocol": protocol, "model": model, "method": method}
    chosen, picked = _chosen(where, asked, rows)
    if not any(family in r.values for r in rows) and family != "family":
        names = sorted({c for r in rows for c in r.values} - {"accuracy", "std"})
        raise UsageError(f"{where} has no column {family!r}.", nearest(family, names))
    sets = _sets(chosen, family)
    told = {r.dataset for r in chosen if r.values.get(family)}
    return Accuracies(
        where,
        picked["benchmark"],
        picked["protocol"],
        picked["model"],
        sets,
        bool(told),
        len(sets) - len(told) if told else 0,
        BANDS.get((source, picked["benchmark"], picked["protocol"])),
        picked["split"],
        picked["method"],
    )


def _chosen(
    where: str, asked: Mapping[str, str | None], rows: Sequence[Row]
) -> tuple[list[Row], dict[str, str]]:
    """(rows of one benchmark, split, protocol, model and method, of what was not pre-trained those that go
    with them; which these are). asked: key → value, None where it is not said; `method` comes last.

    UsageError: a value that no row has; values that no row has together; all keys of which several are left.
    """
    said = {key: value for key, value in asked.items() if value is not None}
    for key, value in said.items():
        _check_known(where, key, value, rows)
    chosen = list(rows)
    for number, (key, value) in enumerate(said.items()):
        left = [r for r in chosen if _is(r, key, value)]
        if not any(getattr(r, key) == value for r in left):
            before = " and ".join(f"{k} {v or 'none'}" for k, v in list(said.items())[:number])
            there = dict.fromkeys(getattr(r, key) or "none" for r in chosen)
            raise UsageError(
                f"{where} has no {key} {value!r} with {before}.", f"There it has: {_listed(list(there))}."
            )
        chosen = left
    trained = [r for r in chosen if r.method != SCRATCH]
    if not trained or said.get("method") == SCRATCH:
        trained = chosen
    networks = {r.model for r in trained}
    chosen = [r for r in chosen if r.model in networks and (r in trained or r.method == SCRATCH)]
    there_are = {
        key: list(dict.fromkeys(getattr(r, key) for r in (trained if key == "method" else chosen)))
        for key in asked
    }
    if several := {key: names for key, names in there_are.items() if key not in said and len(names) > 1}:
        bare = [f"--{key} ''" for key, names in several.items() if "" in names]
        takes = "takes" if len(bare) == 1 else "take"
        raise UsageError(
            f"{where} holds several: "
            + "; ".join(f"{key} {_listed([n or 'none' for n in names])}" for key, names in several.items())
            + ".",
            f"Choose one{' of each' if len(several) > 1 else ''}: "
            + ", ".join(f"--{key}" for key in several)
            + (f" ({', '.join(bare)} {takes} the rows without one)." if bare else "."),
        )
    return chosen, {key: said.get(key, names[0]) for key, names in there_are.items()}


def _is(row: Row, key: str, value: str) -> bool:
    """Whether a row has that value, or was not pre-trained, where the value is a method."""
    return getattr(row, key) == value or (key == "method" and row.method == SCRATCH)


def _check_known(where: str, key: str, value: str, rows: Sequence[Row]) -> None:
    """UsageError for a benchmark (split, …) that no row of a table has."""
    there = {getattr(r, key) for r in rows}
    if value not in there:
        named = [n for n in there if n]
        hint = nearest(value, named) if named else f"Its rows name no {key}: leave --{key} away."
        raise UsageError(f"{where} has no {key} {value!r}.", hint)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(n[:60] for n in names[:8]) + (", …" if len(names) > 8 else "")


def _published(one: published.Published) -> Row:
    values = {k: str(v) for k, v in vars(one).items()}
    return Row(
        f"{PREFIX}yu2024", one.dataset, one.benchmark, one.protocol, one.model, one.accuracy, None, "", values
    )


def _sets(rows: Sequence[Row], family: str) -> dict[str, Known]:
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        earlier = by_name.setdefault(row.dataset, [])
        for other in earlier:
            if not row.seed or not other.seed or row.seed == other.seed:
                same = row.seed and row.seed == other.seed
                what = f"both have seed {row.seed}" if same else "no seed tells them apart"
                raise DataError(
                    f"{row.where}: {row.dataset} is there a second time, first in "
                    f"{other.where.rpartition(':')[2].strip()} "
                    f"({what}).",
                    "Give one row a set, or each run its seed; what was trained otherwise wants another name "
                    "(--name of train finetune and probe).",
                )
        earlier.append(row)
    found = {}
    called = {r.values.get(family) for r in rows}
    for name, several in by_name.items():
        values = [r.accuracy for r in several]
        mean = math.fsum(values) / len(values)
        std = several[0].std
        if len(values) > 1:
            std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))
        kinds = {r.values.get(family) or "" for r in several}
        if len(kinds) > 1:
            raise DataError(
                f"{several[0].where}: {name} is said to be of several families: {_listed(sorted(kinds))}."
            )
        own = f"{name} (alone)" if name in called else name
        found[name] = Known(name, kinds.pop() or own, mean, std, len(values))
    ends = {}
    for end in ("scratch", "real"):
        alone = [found[n] for n, several in by_name.items() if several[0].values.get("family") == end]
        ends[end] = alone[0].accuracy if len(alone) == 1 else None
    low, high = ends["scratch"], ends["real"]
    if low is None or high is None or not high > low:
        return found
    return {
        name: Known(k.name, k.family, k.accuracy, k.std, k.seeds, 100 * (k.accuracy - low) / (high - low))
        for name, k in found.items()
    }


def _read(where: str) -> list[Row]:
    path = Path(where)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{where} has more than {MOST_BYTES >> 20} MiB.", "Is it a table of accuracies?")
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise DataError(f"{where} is no UTF-8 text.", "Save it as CSV in UTF-8.") from None
        why = error.strerror if isinstance(error, OSError) else "no path"
        raise DataError(
            f"{where} cannot be read: {why}.", f"Give {PREFIX}yu2024, or a CSV or JSON file."
        ) from None
    entries = _json(text, where) if text.lstrip()[:1] in ("[", "{") else _csv(text, where)
    rows = [_row(values, place) for place, values in entries]
    if not rows:
        raise DataError(f"{where} holds no accuracies.", f"Its columns: {','.join(COLUMNS)}.")
    return rows


def _csv(text: str, where: str) -> list[tuple[str, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    found = []
    try:
        if reader.fieldnames is None:
            return []
        reader.fieldnames = [name.strip() for name in reader.fieldnames]
        if missing := [c for c in COLUMNS if c not in reader.fieldnames]:
            mark = next((m for m in ";\t" if len(reader.fieldnames) == 1 and m in reader.fieldnames[0]), "")
            instead = {";": "semicolons", "\t": "tabs"}.get(mark, "")
            raise DataError(
                f"{where}:1: no column {', '.join(missing)}; there are {_listed(list(reader.fieldnames))}.",
                f"Values are separated by {instead}: save it with commas."
                if instead
                else f"The columns: {','.join(COLUMNS)}[,{','.join(OPTIONAL)}].",
            )
        names = [name for name in reader.fieldnames if name]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise DataError(f"{where}:1: the column {twice[0]} is there twice.", "Keep one of them.")
        for values in reader:
            place = f"{where}:{reader.line_num}"
            # spreadsheets may end each line with a comma: a column without a name, in which nothing stands
            if values.pop("", None) or any(values.pop(None, ())):
                raise DataError(f"{place}: more values than columns.", "Quote values that hold commas.")
            found.append((place, {k: (v or "").strip() for k, v in values.items()}))
    except csv.Error as error:
        line = reader.reader.line_num
        raise DataError(f"{where}:{line}: {error}.", "Save it as CSV again.") from None
    return found


def _json(text: str, where: str) -> list[tuple[str, dict[str, str]]]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is no JSON: {error}.") from None
    entries = data.get("accuracies") if isinstance(data, dict) else data
    if not isinstance(entries, list):
        raise DataError(
            f"{where} holds no list of accuracies.", "A list of objects, or one under 'accuracies'."
        )
    found = []
    lines = _lines(text, len(entries))
    for number, entry in enumerate(entries):
        place = f"{where}:{lines[number]} (entry {number + 1})"
        if not isinstance(entry, dict):
            raise DataError(f"{place} is no object.")
        found.append((place, {str(k): "" if v is None else str(v).strip() for k, v in entry.items()}))
    return found


def _lines(text: str, count: int) -> list[int]:
    """The line that each entry of the first list of a JSON text begins in."""
    decoder = json.JSONDecoder()
    found: list[int] = []
    at = text.find("[")
    for _ in range(count):
        at = next(i for i in range(at + 1, len(text)) if text[i] not in " \t\r\n,")
        found.append(text.count("\n", 0, at) + 1)
        at = decoder.raw_decode(text, at)[1] - 1
    return found


def _row(values: Mapping[str, str], place: str) -> Row:
    if missing := [c for c in COLUMNS if not values.get(c)]:
        raise DataError(f"{place}: no {', '.join(missing)}.", f"Each row needs {','.join(COLUMNS)}.")
    std = None
    if values.get("std"):
        std = _number(values["std"], "std", place)
        if std < 0:
            raise DataError(f"{place}: std {std:g} is below 0.")
    return Row(
        place,
        values["dataset"],
        values["benchmark"],
        values["protocol"],
        values["model"],
        _accuracy(values["accuracy"], place),
        std,
        values.get("seed") or "",
        values,
        values.get("method") or "",
        values.get("split") or "",
    )


def _number(text: str, what: str, place: str) -> float:
    try:
        value = float(text.removesuffix("%").replace("_", "no digit"))
    except ValueError:
        raise DataError(f"{place}: {what} {text[:40]!r} is no number.") from None
    if not math.isfinite(value):
        raise DataError(f"{place}: {what} {text[:40]!r} is not finite.", "Leave out sets that have none.")
    return value


def _accuracy(text: str, place: str) -> float:
    value = _number(text, "accuracy", place)
    if 0 < value <= 1 and not text.endswith("%"):
        raise DataError(
            f"{place}: accuracy {text[:40]} looks like a fraction.",
            f"Accuracies are percent: {100 * value:g}, or {text[:40]}% if it is that low.",
        )
    if not 0 <= value <= 100:
        raise DataError(f"{place}: accuracy {text[:40]} is out of range.", "Percent, from 0 to 100.")
    return value


def read_map(where: str) -> dict[str, str]:
    """A file that says which accuracy belongs to which measured set: CSV with the columns `set,dataset`.

    DataError with the line number for anything else.
    """
    path = Path(where)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{where} has more than {MOST_BYTES >> 20} MiB.", "Is it a map?")
        reader = csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), strict=True)
        reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
        found: dict[str, str] = {}
        if not {"set", "dataset"} <= set(reader.fieldnames or []):
            raise DataError(
                f"{where}:1: its columns are not set,dataset.", "Name of a set, name of its accuracy."
            )
        for values in reader:
            name, dataset = ((values[k] or "").strip() for k in ("set", "dataset"))
            if any(values.get(None) or ()):
                raise DataError(f"{where}:{reader.line_num}: more values than columns.", "Quote commas.")
            if not name or not dataset or name in found:
                what = "is there twice" if name in found else "lacks a value"
                raise DataError(f"{where}:{reader.line_num}: {name or 'a row'} {what}.")
            found[name] = dataset
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{where} is no CSV: {error}.", "Two columns: set,dataset.") from None
    return found


def facts(known: Known) -> dict[str, Any]:
    """Ready for JSON."""
    return {
        "family": known.family,
        "accuracy": known.accuracy,
        "std": known.std,
        "seeds": known.seeds,
        "gap_closed": known.gap_closed,
    }
