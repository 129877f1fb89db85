"""File locks: one process at a time, told in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from synvid_eval import locks
from synvid_eval.errors import UsageError


def test_a_second_holder_is_refused_and_the_file_goes(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with locks.held(lock) as locked:
        assert locked and lock.exists()
        with (
            pytest.raises(UsageError, match=r"writing set/\. Wait for it, or go\."),
            locks.held(lock, "set/", ", or go"),
        ):
            pass
    assert not lock.exists()
