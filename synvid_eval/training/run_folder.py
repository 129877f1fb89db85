"""RUN/: the folder that a training leaves, and goes on from.

    config.toml                      what is trained, on what, by which recipe: all that decides the weights
    log.csv                          step, loss, lr, clips_per_s: a row a step
    checkpoints/step-00000500.safetensors
    card.md                          the same for people, with what came out

A checkpoint holds the network's weights and buffers (of VideoMAE under `transformers`' names; see
`training.methods` for others) and, as `optimizer/…`, what the optimizer remembers; its metadata say the step.
It is written aside, brought to the disk and renamed; so the newest one is whole whenever a run was killed,
and the log's rows behind it are cut off when the run goes on.
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from synvid_eval import locks
from synvid_eval.archive import as_others, write_bytes
from synvid_eval.errors import DataError, UsageError, WeightsError
from synvid_eval.video import remote

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, LOG, CARD, CHECKPOINTS = "config.toml", "log.csv", "card.md", "checkpoints"
COLUMNS = ("step", "loss", "lr", "clips_per_s")
OPTIMIZER = "optimizer/"
"""What the names of tensors begin with that are the optimizer's."""

_NAMED_BY = {
    "set": ("on", "location", "clips"),
    "labels": ("on", "location", "clips' classes"),
    "begin": ("from", "source", "weights"),
}
"""Key that is a hash → words in front of what it is of, the key that names that, and what is hashed."""
_PART = re.compile(r"\.[a-z0-9_]{8}\.part")  # of `archive.write_bytes`, and of checkpoints
_NAME = re.compile(r"step-(\d{8,})\.safetensors")

Config = dict[str, dict[str, Any]]
"""Table → key → text, number or truth."""


@dataclass(frozen=True)
class TrainingState:
    """The state of a training after a number of steps. metadata: what else the file says of itself."""

    step: int
    network: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    metadata: dict[str, str]


class RunFolder:
    """A run's folder; see the module's docstring."""

    config_file: ClassVar[str] = CONFIG

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = remote.local(path, "RUN")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other processes out; UsageError where one is at it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with locks.held(self.path / ".lock", os.fspath(self.path)):
            yield

    def config(self) -> Config | None:
        """What its config says; None where there is none. DataError: it cannot be read."""
        path = self.path / self.config_file
        try:
            found: Config = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {error}.", "Damaged? Give another folder.") from None
        return found

    def told(self) -> Config | None:
        """The same of a folder that a network is to be taken from. WeightsError: it cannot be read, or is no
        run's.
        """
        try:
            found = self.config()
        except DataError as error:
            raise WeightsError(error.message, "Is it a run's folder, and whole?") from None
        if found is not None and not all(isinstance(table, dict) for table in found.values()):
            raise WeightsError(f"{self.path / self.config_file} is of no run.", "Is it a run's folder?")
        return found

    def begin(
        self,
        config: Config,
        but: frozenset[str] = frozenset(),
        unsaid: Mapping[tuple[str, str], Any] | None = None,
    ) -> bool:
        """Writes the config of a run that begins; says whether it goes on with one. `but`: keys that may
        differ. `unsaid`: (table, key) → what is meant where a config does not say it. A run that has no step
        behind it begins anew. What a killed process left half written goes.

        Raises UsageError where the folder holds another run, or anything else.
        """
        there = self.config()
        if there is None:
            strangers = [p.name for p in self.path.iterdir() if not p.name.startswith(".")]
            if strangers:
                raise UsageError(
                    f"{self.path} holds {min(strangers)}, and no run to go on with.",
                    "Give a folder that is empty, or new.",
                )
        for folder in (self.path, self.path / CHECKPOINTS):
            for part in folder.glob(".*.part"):
                if _PART.fullmatch(part.name):
                    part.unlink(missing_ok=True)
        if there is None or not self.kept():
            write_bytes(self.path / self.config_file, toml(config).encode())
            return False
        meant = unsaid or {}
        other = [
            key
            for key in _keys(there, config)
            if _value(there, key, meant) != _value(config, key, meant) and key[1] not in but
        ]
        if other:  # a hash says less than what made it another one
            key = min(other, key=lambda one: one[1] in _NAMED_BY)
            raise UsageError(
                f"{self.path} holds a run {_differing(there, config, key, meant)}.",
                "Go on with the same command, or give another --out.",
            )
        return True

    def step(self) -> int:
        """How many steps the newest checkpoint has behind it, by its name; 0 where there is none."""
        files = self.checkpoints()
        return int(_NAME.fullmatch(files[-1].name)[1]) if files else 0  # type: ignore[index]

    def kept(self) -> bool:
        """Whether anything is there that the config decided."""
        return bool(self.checkpoints() or self.rows())

    def checkpoints(self) -> list[Path]:
        """The files, oldest first."""
        try:
            found = [p for p in (self.path / CHECKPOINTS).iterdir() if _NAME.fullmatch(p.name)]
        except FileNotFoundError:
            return []
        return sorted(found, key=lambda p: p.name.rjust(40))

    def newest(self) -> TrainingState | None:
        """The last checkpoint; None where there is none. DataError: it cannot be read."""
        files = self.checkpoints()
        return load(files[-1]) if files else None

    def save(self, checkpoint: TrainingState, keep: int) -> None:
        """Writes a checkpoint; all but the `keep` newest go."""
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        folder = self.path / CHECKPOINTS
        folder.mkdir(exist_ok=True)
        tensors = dict(checkpoint.network)
        tensors |= {OPTIMIZER + name: tensor for name, tensor in checkpoint.optimizer.items()}
        meta = {**checkpoint.metadata, "step": str(checkpoint.step)}
        handle, aside = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
        os.close(handle)
        try:
            try:
                save_file(
                    {n: t.detach().cpu().contiguous() for n, t in tensors.items()}, aside, metadata=meta
                )
            except SafetensorError as error:  # what the system said, in words
                raise DataError(
                    f"A checkpoint cannot be written to {folder}: {error}.", "Is the disk full?"
                ) from None
            as_others(aside)
            _flush(aside)
            os.replace(aside, folder / f"step-{checkpoint.step:08d}.safetensors")
            _flush(folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            raise
        for old in self.checkpoints()[:-keep]:
            old.unlink(missing_ok=True)

    def rows(self) -> list[dict[str, float]]:
        """The log: a dict a step. Rows that a killed process left half written end it."""
        try:
            text = (self.path / LOG).read_text("utf-8")
        except FileNotFoundError:
            return []
        whole = text[: text.rfind("\n") + 1]
        try:
            return [
                {key: float(value) for key, value in row.items()}
                for row in csv.DictReader(whole.splitlines())
            ]
        except (TypeError, ValueError) as error:
            raise DataError(f"{self.path / LOG} cannot be read: {error}.", "Was it edited?") from None

    @contextlib.contextmanager
    def log(self, until: int) -> Iterator[Log]:
        """The log, open for more rows; those of steps beyond `until` are cut off first."""
        kept = [row for row in self.rows() if row["step"] <= until]
        lines = [",".join(COLUMNS), *(_line(row) for row in kept)]
        write_bytes(self.path / LOG, "".join(f"{line}\n" for line in lines).encode())
        with open(self.path / LOG, "a", encoding="utf-8") as file:
            yield Log(file)


class Log:
    """An open `log.csv`."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def add(self, row: Mapping[str, float]) -> None:
        """A row, on its way to the disk at once."""
        self._file.write(_line(row) + "\n")
        self._file.flush()


def _flush(path: str | os.PathLike[str]) -> None:
    """Brings a file or folder to the disk, where the system can."""
    with contextlib.suppress(PermissionError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _line(row: Mapping[str, float]) -> str:
    return ",".join(str(int(row[c])) if c == "step" else repr(float(row[c])) for c in COLUMNS)


def load(path: Path) -> TrainingState:
    """A checkpoint from its file. DataError where it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            meta = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        step = int(meta.pop("step"))
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read: {error}.", "Remove it: the run goes on from the checkpoint before."
        ) from None
    optimizer = {n.removeprefix(OPTIMIZER): t for n, t in tensors.items() if n.startswith(OPTIMIZER)}
    network = {n: t for n, t in tensors.items() if not n.startswith(OPTIMIZER)}
    return TrainingState(step, network, optimizer, meta)


Key = tuple[str, str]
"""(table, key) of a config."""


def _value(config: Config, key: Key, unsaid: Mapping[Key, Any]) -> Any:
    return config.get(key[0], {}).get(key[1], unsaid.get(key))


def _differing(there: Config, config: Config, key: Key, unsaid: Mapping[Key, Any]) -> str:
    """How a run is another one, in words: `with run.seed=0, not 1`."""
    (table, name), (then, now) = key, (_value(of, key, unsaid) for of in (there, config))
    if name not in _NAMED_BY:
        if then is None:
            return f"without {table}.{name}, which is {now} here"
        return f"with {table}.{name}={then}, {'which this has not' if now is None else f'not {now}'}"
    of, by, what = _NAMED_BY[name]
    before, after = (one.get(table, {}).get(by) for one in (there, config))
    if before != after and isinstance(before, str) and isinstance(after, str):
        return f"{of} {before}, not {of} {after}"
    return f"{of} {after or before}, whose {what} are others now"


def _keys(*configs: Config) -> list[Key]:
    found = {(table, key): None for config in configs for table, keys in config.items() for key in keys}
    return list(found)


def toml(config: Config) -> str:
    """A config as TOML."""
    import json

    def value(of: Any) -> str:
        return repr(of) if isinstance(of, float) else json.dumps(of, ensure_ascii=False)

    tables = (
        "".join([f"[{table}]\n", *(f"{key} = {value(of)}\n" for key, of in keys.items())])
        for table, keys in config.items()
    )
    return "\n".join(tables)
