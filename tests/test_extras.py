"""Extras: which one brings a package, and which errors are a missing package at all."""

from __future__ import annotations

import importlib.metadata

import pytest

from synvid_eval import extras
from synvid_eval.errors import MissingPackageError, UsageError
from synvid_eval.execute import WorkerBug

REQUIRES = [
    "numpy>=2.0",
    "pytest>=8.2; extra == 'test'",
    "scikit_learn>=1.5; extra == 'test'",
    'optuna>=4; extra == "guide"',
    "ray[default]>=2; (python_version < '3.14') and extra == 'ray'",
    "sphinx>=7.3; extra == 'test'",
    "sphinx>=7.3; extra == 'docs'",
    "synvid-eval[docs]; extra == 'all'",
    "colorama; sys_platform == 'win32'",
]


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: REQUIRES)


def caught(code: str) -> BaseException:
    try:
        exec(code, {"UsageError": UsageError})
    except BaseException as error:
        return error
    raise AssertionError(code)


def test_extras_are_read_from_the_metadata_without_that_for_tests() -> None:
    assert extras.extras() == {"guide": ["optuna"], "ray": ["ray"], "docs": ["sphinx"]}


def test_a_package_is_brought_by_its_extra_or_by_itself() -> None:
    assert extras.install_command("optuna") == 'pip install "synvid-eval[guide]"'
    assert extras.install_command("Sphinx") == 'pip install "synvid-eval[docs]"'
    assert extras.install_command("pytest") == "pip install pytest"
    assert extras.install_command("nothing") == "pip install nothing"


def test_a_checkout_that_is_not_installed_knows_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", absent)
    assert extras.extras() == {}
    assert extras.install_command("optuna") == "pip install optuna"


@pytest.mark.parametrize(
    "code",
    [
        "import zz_gone.deep",
        "try:\n import zz_gone\nexcept ImportError:\n raise ImportError('install it')",
        "try:\n import zz_gone\nexcept ImportError as e:\n raise UsageError('cannot be loaded') from e",
    ],
)
def test_a_missing_package_is_found_behind_the_error(code: str) -> None:
    found = extras.missing_package(caught(code))
    assert isinstance(found, MissingPackageError)
    assert "zz-gone" in found.message and found.hint == "Run: pip install zz-gone"


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ModuleNotFoundError("No module named 'optuna.samplers'", name="optuna.samplers")
    monkeypatch.setattr(extras, "_spec", lambda top: None)
    monkeypatch.setattr(importlib.metadata, "packages_distributions", dict)
    found = extras.missing_package(error)
    assert found is not None
    assert str(found) == (
        "The optional package optuna (extra 'guide') is not installed. "
        'Run: pip install "synvid-eval[guide]"'
    )


def test_a_module_that_an_installed_package_lacks_is_told_as_that() -> None:
    found = extras.missing_package(caught("import numpy.zz_no_such_part"))
    assert found is not None
    assert "numpy is installed" in found.message and "numpy.zz_no_such_part" in found.message


@pytest.mark.parametrize(
    "error",
    [
        caught("import synvid_eval.zz_gone"),
        caught("raise ValueError('x')"),
        caught("from json import zz_gone"),
        caught("try:\n import zz_gone\nexcept ImportError:\n raise ValueError('another fault')"),
        caught("try:\n import zz_gone\nexcept ImportError:\n raise UsageError('said well') from None"),
        ModuleNotFoundError("No module named '_lzma'", name="_lzma"),
        WorkerBug("KeyError: 3 (clip a)", "ModuleNotFoundError: No module named 'zz_gone'\nKeyError: 3"),
    ],
)
def test_other_errors_are_not(error: BaseException) -> None:
    assert extras.missing_package(error) is None


def test_what_a_worker_missed_is_read_from_its_traceback() -> None:
    last = "ModuleNotFoundError: No module named 'zz_gone'"
    found = extras.missing_package(WorkerBug(f"{last} (clip a[0], at x.py:1)", f"Traceback …\n{last}\n"))
    assert found is not None and "zz-gone" in found.message
