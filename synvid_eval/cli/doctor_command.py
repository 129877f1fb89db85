"""`synvid-eval doctor`: what this installation has, and how to mend what it lacks."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from synvid_eval.cli import common

SCHEMA = "synvid-eval/doctor/1"

# name of the package → what is imported of it
NEEDED = {
    "numpy": "numpy",
    "scipy": "scipy",
    "av": "av",
    "numba": "numba",
    "opencv-python-headless": "cv2",
    "scikit-image": "skimage",
    "pillow": "PIL",
    "safetensors": "safetensors.numpy",
    "threadpoolctl": "threadpoolctl",
    "platformdirs": "platformdirs",
    "rich": "rich",
    "jinja2": "jinja2",
    "pandas": "pandas",
}
# known weights file → what runs on it
_METRICS = {
    "inception": ("fid", "kid", "diversity"),
    "i3d": ("fvd", "kvd"),
    "i3d-videogpt": ("i3d.protocol=videogpt or cdfvd",),
}
CODECS = ("h264", "hevc", "mpeg4", "vp9", "av1", "ffv1", "gif")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. state: "ok", "warning", "missing" (the main job needs it) or "wrong" (not
    what it should be: what needs it is an error).
    """

    name: str
    state: str
    found: str
    cure: str = ""


@click.command(name="doctor")
@click.option("--cache", "folder", type=common.PATH, metavar="DIR", help="Another cache folder.")
@common.outputs("json")
def command(folder: str | None, json: str | None) -> None:
    """Check this installation: versions, codecs, devices, threads, cache, weights; and say how to mend what
    is missing.

    Exit code 5 where the main job lacks a package, 4 where weights are not what they should be, else 0.

    \b
    Examples:
      synvid-eval doctor
      synvid-eval doctor --json -
    """
    from synvid_eval.errors import MissingPackageError, SynvidEvalError, WeightsError

    common.check_outputs(json=json)
    checks: list[Check] = []
    looks = (_python, _packages, _opencv, _extras, _codecs, _devices, lambda: _cache(folder), _weights)
    for look in looks:
        checks += look()
    missing = [c for c in checks if c.state == "missing"]
    wrong = [c for c in checks if c.state == "wrong"]
    warnings = sum(c.state == "warning" for c in checks)
    if json:
        import json as writer

        document = {"schema": SCHEMA, "ok": not (missing or wrong), "checks": [asdict(c) for c in checks]}
        common.write_text(writer.dumps(document, indent=1) + "\n", json)
    if json != "-":
        width = max(len(c.name) for c in checks)
        marks = {"ok": "ok", "warning": "warn", "missing": "MISSING", "wrong": "WRONG"}
        for check in checks:
            click.echo(f"{marks[check.state]:<8}{check.name:<{width}}  {check.found}")
            if check.cure:
                click.echo(f"{'':<8}{'':<{width}}  → {check.cure}")
        if not missing and not wrong:
            said = "Everything that the main job needs is here" if not warnings else "The main job can run"
            click.echo(f"\n{said}." + (f" {warnings} to look at." if warnings else ""))
    if missing or wrong:
        names = ", ".join(c.name for c in missing or wrong)
        cures = "; ".join(c.cure for c in missing or wrong)
        error: SynvidEvalError = MissingPackageError(f"The main job lacks {names}.", cures)
        if not missing:
            error = WeightsError(
                f"Not what they should be: {names}. Metrics that need them have no value; the others run.",
                cures,
            )
        if json == "-":  # stdout holds the one document already
            click.echo(f"synvid-eval: {error}", err=True)
            raise SystemExit(error.code)
        raise error


def _version(package: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _python() -> list[Check]:
    import platform

    import synvid_eval

    where = f"Python {platform.python_version()} on {platform.platform()}"
    return [Check("synvid-eval", "ok", f"{synvid_eval.__version__}, {where}")]


def _tried(module: str) -> str:
    """Why a module cannot be imported; "" where it can."""
    import importlib

    try:
        importlib.import_module(module)
    except Exception as error:  # a broken library may raise anything
        return f"{type(error).__name__}: {error}"
    return ""


def _packages() -> list[Check]:
    out, good = [], []
    for package, module in NEEDED.items():
        version = _version(package)
        if reason := _tried(module):
            cure = f"{Path(sys.executable).name} -m pip install --upgrade {package}"
            what = "is not installed" if version is None else f"{version} is installed and cannot be imported"
            out.append(Check(package, "missing", f"{what} ({reason})", cure))
        else:
            good.append(f"{package} {version or 'from elsewhere'}")
    return [Check("packages", "ok", ", ".join(good)), *out]


def _opencv() -> list[Check]:
    """Two OpenCV packages write into one folder: the later one wins, file by file."""
    names = ("opencv-python-headless", "opencv-python", "opencv-contrib-python")
    both = [n for n in names if _version(n) is not None]
    if len(both) < 2:
        return []
    cure = f"pip uninstall -y {' '.join(both)}, then pip install opencv-python-headless"
    return [Check("opencv", "warning", f"{' and '.join(both)} overwrite each other's files", cure)]


def _extras() -> list[Check]:
    """Each extra: what it brings, or the command that brings it. None of them is needed by the main job."""
    from synvid_eval.extras import DISTRIBUTION, extras

    out = []
    for extra, packages in extras().items():
        lacking = [p for p in packages if _version(p) is None]
        if lacking:
            cure = f'if you want it: pip install "{DISTRIBUTION}[{extra}]"'
            out.append(Check(f"extra {extra}", "ok", f"not installed: {', '.join(lacking)}", cure))
        else:
            found = ", ".join(f"{p} {_version(p)}" for p in packages)
            out.append(Check(f"extra {extra}", "ok", found))
    if not out and _version(DISTRIBUTION) is None:
        said = "unknown: synvid-eval runs from a folder and is not installed"
        return [Check("extras", "ok", said)]
    return out


def _codecs() -> list[Check]:
    if _tried("av"):
        return []  # said among the packages
    import av

    missing = []
    for name in CODECS:
        try:
            av.Codec(name, "r")
        except Exception:  # PyAV's own error types differ between versions
            missing.append(name)
    there = ", ".join(c for c in CODECS if c not in missing)
    from av import library_versions

    ffmpeg = ".".join(map(str, library_versions.get("libavcodec", ())))
    if missing:
        cure = (
            "videos of these codecs are skipped; PyAV's own wheel has them: pip install --force-reinstall av"
        )
        return [Check("codecs", "warning", f"no decoder for {', '.join(missing)}; there are {there}", cure)]
    return [Check("codecs", "ok", f"{there} (libavcodec {ffmpeg})")]


def _devices() -> list[Check]:
    cores = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    workers = f"{usable} of {cores} cores may be used: --workers auto starts {usable}, each with one thread"
    out = [Check("cores", "ok", workers)]
    limits = {k: v for k in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS") if (v := os.environ.get(k))}
    if limits:
        out.append(Check("threads", "ok", ", ".join(f"{k}={v}" for k, v in limits.items())))
    return [*out, _accelerator()]


def _accelerator() -> Check:
    """What torch finds: where `--device auto` runs networks."""
    if reason := _tried("torch"):
        cure = f"{Path(sys.executable).name} -m pip install --upgrade torch"
        found = f"none for networks: torch cannot be imported: {reason}; the weight-free metrics run"
        return Check("device", "warning", found, cure)
    try:
        import torch

        version = f"torch {torch.__version__}"
        if torch.cuda.is_available():
            names = ", ".join(
                f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())
            )
            return Check("device", "ok", f"networks run on {names} ({version}, CUDA {torch.version.cuda})")
        if torch.backends.mps.is_available():
            return Check("device", "ok", f"networks run on mps ({version})")
        lacks = "finds no CUDA device" if torch.version.cuda else "is built without CUDA"
        return Check("device", "ok", f"networks run on the cpu ({version} {lacks}, and there is no MPS)")
    except Exception as error:  # a driver may fail in any way
        found = f"torch cannot tell: {type(error).__name__}: {error}"
        return Check("device", "warning", found, "give --device cpu")


def _cache(folder: str | None) -> list[Check]:
    import shutil
    import tempfile

    if reason := _tried("synvid_eval.cache"):
        return [Check("cache", "missing", reason, "mend the packages above")]
    from synvid_eval.cache import Cache, default_root
    from synvid_eval.errors import SynvidEvalError

    root = Path(folder) if folder else default_root()
    there = root
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
        facts = Cache(root).info()
        free = common.size_text(shutil.disk_usage(there).free)
    except (OSError, SynvidEvalError) as error:
        cure = "give another folder: --cache DIR, or SYNVID_EVAL_CACHE; --cache none measures without"
        return [Check("cache", "warning", f"{root} cannot be written ({error})", cure)]
    held = f"{facts['entries']:,} shards, {common.size_text(facts['bytes'])}"
    return [Check("cache", "ok", f"{root}: {held}; {free} free")]


def _weights() -> list[Check]:
    """Which known files are there and what their hash says, which are missing, which are wrong."""
    from synvid_eval.errors import SynvidEvalError, WeightsError
    from synvid_eval.networks.weights import FILES, MissingWeights, fetch_command, folder_of, locate

    there, missing, wrong = [], [], []
    try:
        folder = folder_of()
        for one in FILES:
            try:
                found = locate(one.network, None, one.name)
            except MissingWeights:
                missing.append(one.name)
            except WeightsError as error:
                wrong.append(Check(f"weights {one.name}", "wrong", error.message, error.hint))
            else:
                if found.name == one.name:
                    there.append(f"{one.name} ({found.file})")
                else:
                    text = f"{one.name}: in its place {found.file}"
                    there.append(text if found.name else f"{text}, of unknown hash")
    except SynvidEvalError as error:  # $SYNVID_EVAL_WEIGHTS cannot be read
        return [Check("weights", "wrong", error.message, error.hint)]
    parts = [f"verified: {', '.join(there)}"] if there else []
    if missing:
        parts.append(f"not in {folder}: {', '.join(missing)}")
    cure = ""
    if missing:
        whose = {n for one in FILES if one.name in missing for n in _METRICS[one.name]}
        names = [n for n in dict.fromkeys(m for ms in _METRICS.values() for m in ms) if n in whose]
        cure = f"if you want {', '.join(names)}: {fetch_command(missing)}"
    first = [Check("weights", "ok", "; ".join(parts), cure)] if parts else []
    return [*first, *wrong]
