"""Optional packages: which extra of this distribution brings a package that could not be imported.

Read from the metadata of the installed distribution, so that no list here can fall behind `pyproject.toml`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import sys

from synvid_eval.errors import MissingPackageError

DISTRIBUTION = "synvid-eval"
OWN = "synvid_eval"

# Brings what pytest and CI need; no cure for a user.
UNOFFERED = frozenset(["test"])

# Import name → distribution, where they differ by more than case and hyphens.
_OTHER_NAMES = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_EXTRA = re.compile(r"""\bextra\s*==\s*["']([^"']+)["']""")
_MISSING = re.compile(r"^ModuleNotFoundError: No module named '([\w.]+)'", re.M)


def extras() -> dict[str, list[str]]:
    """Extra → the packages that it brings, in the order of the metadata, without those that are for tests.

    Empty where this package is no installed distribution (a checkout on the path).
    """
    try:
        wanted = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for requirement in wanted:
        text, _, marker = requirement.partition(";")
        name = _NAME.match(text)
        for extra in _EXTRA.findall(marker):
            if name and extra not in UNOFFERED and _plain(name[1]) != DISTRIBUTION:
                found.setdefault(extra, []).append(name[1])
    return found


def install_command(package: str) -> str:
    """The command that brings a package: by the first extra that has it, else the package itself."""
    for extra, brought in extras().items():
        if _plain(package) in map(_plain, brought):
            return f'pip install "{DISTRIBUTION}[{extra}]"'
    return f"pip install {package}"


def missing_package(error: BaseException) -> MissingPackageError | None:
    """What to tell of an error that comes from a package which is not installed; None for any other error.

    Looks through an ImportError's causes, through what an error was explicitly raised from, and through the
    traceback that a worker process sent. A module of this package, or of Python itself, is no package that
    could be installed.
    """
    module = _missing_module(error)
    top = (module or "").partition(".")[0]
    if module is None or top == OWN or top in sys.stdlib_module_names:
        return None
    package = _OTHER_NAMES.get(top, top.replace("_", "-"))
    if owners := importlib.metadata.packages_distributions().get(top):
        there = "incomplete" if _spec(top) is None else "of another version"
        return MissingPackageError(
            f"The package {owners[0]} is installed, but {there}: it has no module {module}.",
            f"pip install --upgrade --force-reinstall {owners[0]}",
        )
    if _spec(top) is not None:  # a folder or file on the path that is nobody's package
        return None
    extra = re.search(r"\[(.+)\]", command := install_command(package))
    where = f" (extra {extra[1]!r})" if extra else ""
    return MissingPackageError(f"The optional package {package}{where} is not installed.", f"Run: {command}")


def _missing_module(error: BaseException) -> str | None:
    """The dotted name of the module that was not found, whatever was made of that on the way."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        if isinstance(at, ModuleNotFoundError):
            return at.name
        if found := _MISSING.findall(str(getattr(at, "traceback", ""))):
            last = str(at).partition(":")[0]  # an error of another kind may only have met it on its way
            return str(found[0]) if last in ("ModuleNotFoundError", "ImportError") else None
        implied = at.__context__ if isinstance(at, ImportError) and not at.__suppress_context__ else None
        at = at.__cause__ or implied
    return None


def _spec(top: str) -> object | None:
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
