from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

import pytest

from synvid_eval import knobs
from synvid_eval.errors import UsageError


@dataclass(frozen=True)
class _Thing:
    name: ClassVar[str] = "thing"
    size: int = knobs.knob(8, "how big", low=1, high=64, unit="pixels")
    ratio: float = knobs.knob(0.5, "share", low=0.0)
    loud: bool = knobs.knob(False, "speaks")
    window: str = knobs.knob("hann", "taper", choices=("hann", "none"))
    stride: int | str = knobs.knob("auto", "distance", choices=("auto", 1, 2))

    def __post_init__(self):
        knobs.check(self)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("size", "12", 12),
        ("ratio", "1e-3", 0.001),
        ("ratio", "2", 2.0),
        ("loud", "yes", True),
        ("loud", "Off", False),
        ("window", " none ", "none"),
        ("stride", "2", 2),
        ("stride", "auto", "auto"),
    ],
)
def test_text_becomes_the_knobs_type(name, text, value):
    parsed = getattr(knobs.replace(_Thing(), {name: text}), name)
    assert parsed == value and type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("size", "0", "thing.size=0 is out of range. Allowed: 1 to 64."),
        ("size", "65", "thing.size=65 is out of range. Allowed: 1 to 64."),
        ("size", "1e3", "thing.size=1e3 cannot be read. It takes a whole number."),
        ("size", "1.5", "thing.size=1.5 cannot be read. It takes a whole number."),
        ("ratio", "-0.1", "thing.ratio=-0.1 is out of range. Allowed: 0 to ∞."),
        ("ratio", "nan", "thing.ratio=nan is not a finite number."),
        ("ratio", "inf", "thing.ratio=inf is not a finite number."),
        ("ratio", "much", "thing.ratio=much cannot be read. It takes a number."),
        ("loud", "maybe", "thing.loud=maybe cannot be read. It takes true or false."),
        ("window", "haan", "thing.window=haan is not possible. Did you mean 'hann'? One of: hann, none."),
        ("stride", "3", "thing.stride=3 is not possible. One of: auto, 1, 2."),
    ],
)
def test_what_is_wrong_is_said(name, text, message):
    with pytest.raises(UsageError) as caught:
        knobs.replace(_Thing(), {name: text})
    assert str(caught.value) == message and caught.value.code == 2


def test_a_misspelt_knob_names_the_nearest():
    with pytest.raises(UsageError) as caught:
        knobs.replace(_Thing(), {"windw": "none"})
    assert str(caught.value) == (
        "thing has no knob 'windw'. Did you mean 'window'? Known: loud, ratio, size, stride, window."
    )


def test_the_original_is_unchanged_and_values_are_listed():
    thing = _Thing()
    assert knobs.replace(thing, {"size": "9", "loud": "on"}) == _Thing(size=9, loud=True)
    assert thing == _Thing()
    assert knobs.values(thing) == {"size": 8, "ratio": 0.5, "loud": False, "window": "hann", "stride": "auto"}
    assert knobs.names(_Thing) == list(knobs.values(thing))


def test_constructors_are_checked_too():
    with pytest.raises(UsageError, match="finite"):
        _Thing(ratio=math.inf)


def test_a_knob_declares_scale_ends_and_source():
    @dataclasses.dataclass(frozen=True)
    class Kind:
        size: int = knobs.knob(4, "size", low=1, scale="log", source="paper")
        span: str = knobs.knob("1:2", "span", ends="whole")
        rate: str = knobs.knob("1:2", "rate", ends="real")
        way: str = knobs.knob("a", "way", choices=("a", "b"))
        text: str = knobs.knob("", "text")
        on: bool = knobs.knob(True, "on")

    fields = {f.name: f for f in dataclasses.fields(Kind)}
    assert (fields["size"].metadata["scale"], fields["text"].metadata["scale"]) == ("log", "linear")
    assert fields["size"].metadata["source"] == "paper"
    assert [knobs.type_of(f) for f in fields.values()] == [
        "whole number",
        "range of whole numbers",
        "range",
        "one of several",
        "text",
        "true or false",
    ]
    for wrong in ({"scale": "log"}, {"scale": "log", "low": 0}, {"scale": "cubic"}, {"ends": "odd"}):
        with pytest.raises(ValueError, match="no such knob"):
            knobs.knob(1, "x", **wrong)
