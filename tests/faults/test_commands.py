"""A quick part of the campaigns of kills and of refused changes; the long ones are `python -m
experiments.faults`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from experiments.faults import TRIED, Commands

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    yield Commands(tmp_path_factory.mktemp("faults") / "commands", workers=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "code, name, changes",
    [
        ("ENOSPC", "compare", 1),
        pytest.param("EIO", "compare", 3, marks=pytest.mark.slow),
        pytest.param("EMFILE", "generate", 2, marks=pytest.mark.slow),
        pytest.param("EROFS", "textures make", 2, marks=pytest.mark.slow),
    ],
)
def test_a_refused_change_is_told_and_costs_nothing(
    commands: Commands, code: str, name: str, changes: int
) -> None:
    found = commands.errors(name, code, random.Random(1), changes)
    assert found["changes"] > 50 and found["failed"] == changes
    assert not found["wrong"], found["wrong"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["measure", "generate"])
def test_a_killed_command_goes_on(commands: Commands, name: str) -> None:
    found = commands.kills(name, 2, random.Random(2))
    assert found["kills"] == 2 and name in TRIED
    assert not found["wrong"], found["wrong"]
