"""Hints: which known name is the nearest."""

from __future__ import annotations

import pytest

from synvid_eval.errors import nearest


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("bacth", ["batch", "beta1"], "Did you mean 'batch'?"),
        ("mask", ["mask_ratio", "micro"], "Did you mean 'mask_ratio'?"),
        ("lr", ["last_lr", "first_lr"], "Known: first_lr, last_lr."),  # of two words none is nearer
        ("fd", ["fid", "fvd", "fd[run]"], "Did you mean 'fd[run]'?"),
        ("xyz", ["lr"], "Known: lr."),
    ],
)
def test_the_nearest_is_told_by_letters_then_by_a_word_of_its_own(
    name: str, known: list[str], said: str
) -> None:
    assert nearest(name, known).startswith(said)
    many = [*known, *(f"k{n:02}" for n in range(20))]
    assert nearest(name, many, "list").startswith(said if "mean" in said else "See: list.")
