"""Curves of trainings, ready for a page: what the logs of runs say, folds of one run together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synvid_eval import sets
from synvid_eval.errors import DataError, UsageError
from synvid_eval.networks import backbones
from synvid_eval.training import accuracy, finetune, methods, pretrain
from synvid_eval.training.labelled import PREDICTIONS, SCRATCH
from synvid_eval.training.run_folder import Config, RunFolder

SCHEMA = "synvid-eval/curves/1"
POINTS = 300
"""At most so many points of a log are kept, each the mean over as many steps as it stands for."""


def document(paths: Sequence[str | os.PathLike[str]]) -> dict[str, Any]:
    """Curves of runs, each a run's folder or one that holds its folds, finished or not.

    Raises DataError where a folder is neither.
    """
    named = sets.name_sets([os.fspath(path) for path in paths])
    return {"schema": SCHEMA, "runs": [_run(name, Path(place)) for name, place in named]}


def _run(name: str, path: Path) -> dict[str, Any]:
    folds = [path] if (path / "config.toml").exists() else sorted(path.glob("fold-*"), key=_number)
    configs = [RunFolder(fold).config() for fold in folds]
    known = [(fold, config) for fold, config in zip(folds, configs, strict=True) if config is not None]
    if not known:
        raise DataError(f"{path} holds no run.", "Give a folder that train pretrain, finetune or probe made.")
    config = known[0][1]
    done = path / PREDICTIONS
    return {
        "name": name,
        **_facts(config),
        "folds": [_fold(fold) for fold, _ in known],
        "accuracy": accuracy.summary(accuracy.read(done)) if done.exists() else None,
    }


def _number(fold: Path) -> tuple[int, str]:
    text = fold.name.removeprefix("fold-")
    return (int(text) if text.isdecimal() else 0), fold.name


def _facts(config: Config) -> dict[str, Any]:
    run = config.get("run", {})
    keep = ("kind", "source", "location", "split", "clips", "seed", "steps", "version")
    found: dict[str, Any] = {key: run.get(key) for key in keep}
    found |= {"method": _method(run), "model": _model(config.get("network", {}))}
    return found | {"network": config.get("network", {}), "recipe": config.get("recipe", {})}


def _method(run: Mapping[str, Any]) -> str | None:
    """By which method a run was pre-trained, for people; of others, what they began with. None: not known."""
    if run.get("kind") != pretrain.KIND:
        source = str(run.get("source"))
        if source == SCRATCH or not os.path.isdir(source):
            return None
        try:
            found = RunFolder(source).config()
        except DataError:
            return None
        run = (found or {}).get("run", {})
    if run.get("kind") != pretrain.KIND:
        return None
    name = run.get("method", methods.DEFAULT)
    return methods.named(name).title.partition(",")[0] if name in methods.METHODS else str(name)


def _model(table: Mapping[str, Any]) -> str | None:
    """What a network is called, for people; None where that is not known."""
    try:
        return backbones.of_table(table).model
    except (UsageError, TypeError, KeyError):
        return None


def _fold(path: Path) -> dict[str, Any]:
    rows = RunFolder(path).rows()
    size = max(1, -(-len(rows) // POINTS))
    parts = [rows[i : i + size] for i in range(0, len(rows), size)]
    points = {
        key: [_mean([row[key] for row in part]) for part in parts] for key in ("loss", "lr", "clips_per_s")
    }
    return {
        "name": path.name,
        "done": int(rows[-1]["step"]) if rows else 0,
        "step": [int(part[-1]["step"]) for part in parts],
        **points,
        "tests": finetune.tests(path),
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
