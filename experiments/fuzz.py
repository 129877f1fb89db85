"""What parses, under coverage-guided fuzzing: any bytes are read, or refused in one sentence.

    python -m experiments.fuzz [--seconds 60] [--only list,npy]

Each target takes bytes and hands them to a parser of the product: where a set is and which knobs it has,
preset files, split lists, `.npy` and `.npz` headers, statistics files, `.measured` files and other
safetensors, state dicts, comparison JSON, accuracy tables, manifests, members of tar files. A parser may
return or raise a `SynvidEvalError` of one line; anything else is a find, as are 10 s or 2 GiB that one takes.

Each runs for so long in a process of its own under atheris (libFuzzer), from a corpus of sound examples. What
came out of the last run stands in `OUT/fuzz.json`; an input that breaks something is kept beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from synvid_eval import accuracies, archive, generation, measurement, score, sets, statistics_files
from synvid_eval.archive import Damaged
from synvid_eval.errors import SynvidEvalError
from synvid_eval.generators import presets
from synvid_eval.networks import weights
from synvid_eval.video import arrays, lists, spans, tars
from synvid_eval.video.decode import ClipRef, Unreadable

OUT = Path(__file__).parents[1] / "reports" / "faults"
MEMORY_MIB = 2048
SLOW_SECONDS = 10

Target = Callable[[bytes, Path], object]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _grammar(data: bytes, folder: Path) -> None:
    text = _text(data)
    sets.split_name(text)
    sets.name_sets(text.split("\n")[:3])
    if text.startswith("preset:") and "/" not in text and "(" not in text:  # reads no file
        sets.check_usage(text)


def _preset(data: bytes, folder: Path) -> None:
    for one in presets.read(_text(data), "fuzz.toml", stem="fuzz").values():
        one.resolved()


def _list(name: str) -> Target:
    def read(data: bytes, folder: Path) -> None:
        path = folder / name
        path.write_bytes(data)
        lists.is_list(path)
        lists.options_of(path, "auto", None)
        lists.read_file(path, root=folder, split="test" if "kinetics" in name else None)

    return read


def _file(name: str, read: Callable[[Path], object]) -> Target:
    def target(data: bytes, folder: Path) -> None:
        path = folder / name
        path.write_bytes(data)
        read(path)

    return target


def _npz(path: Path) -> None:
    keys = arrays.npz_keys(path)
    if "mu" in keys:
        statistics_files.read_statistics(path, "fuzz")
    arrays.read_header(path)
    arrays.open_array(path)


def _measured(data: bytes, folder: Path) -> None:
    if data[:1] in b"{[":  # beyond the checksum, which bytes alone do not pass
        data = archive.signed({"a": np.zeros(3)}, data.decode("utf-8", "replace"))
    with contextlib.suppress(Damaged):
        archive.unpack(data)
    path = folder / "fuzz.measured"
    path.write_bytes(data)
    measurement.read_measured(path)


def _comparison(data: bytes, folder: Path) -> None:
    found, _ = score.read_comparison(_text(data))
    found.to_json()
    found.to_frame()


def _manifest(data: bytes, folder: Path) -> None:
    for line in data.splitlines():
        generation._parsed(line)


def _tar(data: bytes, folder: Path) -> None:
    path = folder / "fuzz.tar"
    path.write_bytes(data)
    generation._members.__wrapped__(os.fspath(path), len(data), 0)
    with path.open("rb") as file:
        found = tars._read(os.fspath(path), file, len(data))
    for name, offset, size in zip(found.ids, found.offsets.tolist(), found.sizes.tolist(), strict=True):
        with contextlib.suppress(Unreadable):
            spans.opened_clip(ClipRef(name, spans.KIND, os.fspath(path), offset, length=size)).read()


TARGETS: dict[str, Target] = {
    "grammar": _grammar,
    "preset": _preset,
    "list": _list("fuzz.txt"),
    "list-csv": _list("kinetics.csv"),
    "list-json": _list("fuzz.json"),
    "npy": _file("fuzz.npy", arrays.open_array),
    "npz": _file("fuzz.npz", _npz),
    "measured": _measured,
    "state-dict": lambda data, folder: weights.state_dict(data, "fuzz"),
    "comparison": _comparison,
    "accuracies": _file("fuzz.csv", lambda path: accuracies.load(os.fspath(path))),
    "accuracies-json": _file("fuzz.json", lambda path: accuracies.load(os.fspath(path))),
    "map": _file("map.csv", lambda path: accuracies.read_map(os.fspath(path))),
    "manifest": _manifest,
    "tar": _tar,
}


def _npy(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def _npz_of(compressed: bool, **named: np.ndarray) -> bytes:  # type: ignore[type-arg]
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **named)  # type: ignore[arg-type]
    return out.getvalue()


def seeds() -> Mapping[str, list[bytes]]:
    """Sound examples a target, from which the fuzzer starts."""
    clip = np.zeros((2, 3, 4, 4, 3), np.uint8)
    side = {"name": "a", "location": "a", "fingerprint": "f", "clips": 2, "frames": 32, "skipped": []}
    one = {
        "candidate": "b", "metric": "color", "value": 1.5, "corrected": None, "interval": None, "level": 0.95,
        "unit": "nats", "better": "lower", "n": {"candidate": 2, "reference": 2}, "reason": None,
        "interval_reason": "few", "signature": "color", "detail": {},
    }  # fmt: skip
    comparison = {
        "schema": score.SCHEMA, "reference": side, "candidates": [{**side, "name": "b"}], "scores": [one],
        "run": {},
    }  # fmt: skip
    table = "dataset,benchmark,protocol,model,accuracy,family,std\na,UCF101,finetune,vit,75.5,x,0.1\n"
    row = {"dataset": "a", "benchmark": "U", "protocol": "p", "model": "m", "accuracy": 75.5}
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as file:
        facts = tarfile.TarInfo("0.json")
        facts.size = 4
        file.addfile(facts, io.BytesIO(b"null"))
    videos = io.BytesIO()
    with tarfile.open(fileobj=videos, mode="w", format=tarfile.PAX_FORMAT) as file:
        for name, data in (("é.mp4", b"x"), ("run/é.json", b'{"label": 1}'), (f"{'a' * 120}.avi", b"y")):
            facts = tarfile.TarInfo(name)
            facts.size = len(data)
            file.addfile(facts, io.BytesIO(data))
    meta = {"schema": measurement.SCHEMA, "recipe": {"features": {"lab": {"revision": 1}}, "sampler": {}}}
    return {
        "grammar": [b"name=preset:moving_shapes?n=3&speed=2:6", b"a=./b/", b"s3://x/y\n[a]=c"],
        "preset": [
            b'[mine]\nextends = "moving_shapes"\n[mine.knobs]\nspeed = [2, 6]\n',
            b'generator = "shapes"\nlength = 20\n',
        ],
        "list": [
            b"ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi 1\n", b"a.mp4 3\nb.mp4\n", b"x/y 30 2\n",
            b"OP01-R01-PastaSalad-66680-68130-F001597-F001639 1 1 1\n", b"Beach_static_cam_1 static_train\n",
            b"29885.jpg r_spike 430 575 82 170 waiting\n",
        ],
        "list-csv": [b"label,youtube_id,time_start,time_end,split\nabseiling,-3B32lodo2M,59,69,test\n"],
        "list-json": [
            b'[{"id": "1", "label": "x", "template": "y"}]',
            b'[{"vid_name": "2x00lRzlTVQ_00000", "label": 0}]',
        ],
        "npy": [_npy(clip), _npy(clip[0])],
        "npz": [
            _npz_of(False, frames=clip), _npz_of(True, frames=clip[0]),
            _npz_of(False, mu=np.zeros(4), sigma=np.eye(4)),
        ],
        "measured": [archive.pack({"a": np.zeros(3)}, meta), json.dumps(meta).encode()],
        "state-dict": [archive.pack({"a": np.zeros(3)}, {})],
        "comparison": [json.dumps(comparison).encode()],
        "accuracies": [table.encode(), table.replace(",", ";").encode()],
        "accuracies-json": [json.dumps([row]).encode()],
        "map": [b"set,dataset\na,b\n"],
        "manifest": [b'{"index": 0, "file": "a.mkv", "sha256": "00"}'],
        "tar": [tar.getvalue(), videos.getvalue()],
    }  # fmt: skip


def try_one(name: str, data: bytes, folder: Path) -> bool:
    """Hands bytes to a target: True where they were read, False where they were refused as they should be.

    Whatever else is raised passes through; AssertionError where a refusal is not one line and a hint.
    """
    try:
        TARGETS[name](data, folder)
    except SynvidEvalError as error:
        text = f"{error.message} {error.hint}"
        assert error.message and len(text) < 5000 and not set(text) & set("\n\r\0"), repr(text)
        return False
    return True


INSTRUMENTED = """
import atheris
with atheris.instrument_imports(include=["synvid_eval"]):
    from experiments.fuzz import fuzz
"""


def fuzz(name: str, seconds: int, corpus: str, crashes: str) -> None:
    """Fuzzes one target in this process, which atheris ends."""
    import atheris

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)

        def one(data: bytes) -> None:
            try_one(name, data, folder)

        options = [f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY_MIB}", f"-timeout={SLOW_SECONDS}"]
        options += ["-print_final_stats=1", "-verbosity=1", f"-artifact_prefix={crashes}/{name}-", "-seed=1"]
        atheris.Setup([sys.argv[0], *options, corpus], one)
        atheris.Fuzz()


def main() -> None:
    """Runs the targets one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="a target")
    parser.add_argument("--only", default=",".join(TARGETS), help="targets, comma-separated")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    if unknown := set(given.only.split(",")) - TARGETS.keys():
        parser.error(
            f"--only: no target is called {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}"
        )
    if importlib.util.find_spec("atheris") is None:
        sys.exit(
            'fuzz: atheris is not installed. Run: pip install ".[test]" (there are wheels for Linux alone).'
        )
    given.out.mkdir(parents=True, exist_ok=True)
    found, wrong = {}, []
    for name in given.only.split(","):
        with tempfile.TemporaryDirectory() as corpus:
            for number, seed in enumerate(seeds()[name]):
                (Path(corpus) / str(number)).write_bytes(seed)
            code = INSTRUMENTED + f"fuzz({name!r}, {given.seconds}, {corpus!r}, {str(given.out)!r})"
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
        reached = re.findall(r"cov: (\d+)", done.stderr)
        found[name] = {
            "runs": int(runs[1]) if runs else 0,
            "branches": int(reached[-1]) if reached else 0,
            "found": [] if done.returncode == 0 else done.stderr[-2000:].splitlines()[-25:],
        }
        wrong += [name] if done.returncode else []
        print(f"{name}: {found[name]['runs']:,} runs, {'broken' if done.returncode else 'sound'}", flush=True)
    whole = {"command": f"python -m experiments.fuzz --seconds {given.seconds}", "targets": found}
    whole["versions"] = versions_here()
    archive.write_bytes(given.out / "fuzz.json", (json.dumps(whole, indent=1) + "\n").encode())
    if wrong:
        sys.exit(f"broken: {', '.join(wrong)}")


def versions_here() -> dict[str, str]:
    """Versions of what ran."""
    from importlib.metadata import version

    from synvid_eval.comparison import versions

    return {**versions(), "atheris": version("atheris")}


if __name__ == "__main__":
    main()
