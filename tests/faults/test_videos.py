"""A quick part of the campaign of damaged videos; the long one is `python -m experiments.faults`."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.faults import Campaign
from synvid_eval.cache import Cache
from synvid_eval.measurement import Options, measure
from tests.faults import mutations

pytestmark = pytest.mark.timeout(240)


@pytest.mark.slow
def test_damaged_clips_cost_themselves_alone(tmp_path: Path) -> None:
    """Each is measured or listed with a reason; the sound ones measure as if they were alone."""
    found = Campaign(tmp_path, workers=2).batch(90, seed=20)
    assert found.measured + found.skipped == 90 and 5 < found.skipped < 90
    assert not found.wrong, found.wrong


@pytest.mark.parametrize("name", mutations.ODD)
def test_odd_clips_are_measured_or_say_why_not(name: str, tmp_path: Path) -> None:
    make, measurable = mutations.ODD[name]
    mutations.write_video(tmp_path / "sound.mkv", mutations.moving(20), "ffv1")
    make(tmp_path)
    found = measure(
        tmp_path,
        features=["motion", "lab"],
        layout="flat",
        options=Options(workers=1, max_skipped="100%", cache=Cache(None), decode_timeout=20),
    )
    assert found.facts.clips + len(found.facts.skipped) == 2
    assert "sound.mkv" in [c.id for c in found.clips]
    if measurable is not None:
        assert (found.facts.clips == 2) is measurable, found.facts.skipped
    assert all(s["reason"] for s in found.facts.skipped)
