"""Protocols: named answers to "how much of each set is looked at", so that two people compare the same thing.

A protocol is data: how many clips, and which knobs differ from their defaults. `default` is what every
command does without being asked. What a protocol fixes cannot be given otherwise beside it: that is a
contradiction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from synvid_eval.errors import UsageError, nearest


@dataclass(frozen=True)
class Protocol:
    """A protocol.

    clips: number of clips drawn a set by hash of their ids (None: all). frames: frames looked at a clip
    (None: the sampler's default). knobs: feature or metric → knob → value, where they differ from the
    defaults. about: one line. essay: everything a reader must know.
    """

    name: str
    about: str
    essay: str
    clips: int | None = None
    frames: int | None = None
    knobs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def count(self, clips: int | None) -> int | None:
        """The number of clips to draw, `clips` being what `--clips` says; UsageError for a contradiction."""
        if self.clips is None or clips is None or clips == self.clips:
            return self.clips if clips is None else clips
        raise UsageError(
            f"--clips {clips} contradicts --protocol {self.name}, which draws {self.clips:,}.",
            "Leave one of them away.",
        )

    def merged(self, target: str, given: Mapping[str, str]) -> dict[str, str]:
        """The knobs of a feature, metric or the sampler (`target`) with the protocol's; UsageError where
        `given` ones contradict them.
        """
        fixed = {k: str(v) for k, v in self.knobs.get(target, {}).items()}
        if target == "sampler" and self.frames is not None:
            fixed["frames"] = str(self.frames)
        for knob, value in given.items():
            if fixed.get(knob, value) != value:
                raise UsageError(
                    f"{target}.{knob}={value} contradicts --protocol {self.name}, where it is {fixed[knob]}.",
                    "Leave one of them away.",
                )
        return {**fixed, **given}


_DEFAULT = Protocol(
    "default",
    "all clips of a set, 16 frames of each, every metric by its default recipe",
    """All clips of a set are measured (or, with --clips N, the N whose names have the smallest hashes). Of
each clip 16 frames are looked at, the centers of 16 equal segments; metrics of motion take one run of
16 frames a stride. Every knob stands at its default; --set, --frames and --clips change what they name,
and the signature of each number says so.

Source. Ours: the recipes of the metrics (`explain color` and so on).

Pitfalls. Sets of different size are compared as they are: distances are biased upward by O(1/n) and richness
grows with n, so `corrected` is the number to compare, or the same --clips for all sets.""",
)

_PAPER = Protocol(
    "paper",
    "1,000 clips of each set by hash, frame metrics on all 16 frames of a clip",
    """How much of each set is looked at for numbers that are to be published, fixed so that two
laboratories get the same ones from the same files.

Clips. Of each set, 1,000 clips: those whose ids (path below the set's root) have the smallest 8-byte blake2b
hashes. No seed enters: the same files give the same clips anywhere, and a file that is added or removed
changes at most one of the others. A set of fewer than 1,000 clips gives all of them, none twice, and a note
says so.

Frames. 16 of each clip, the centers of 16 equal segments (frame ⌊(2i+1)·T/32⌋ of T); a shorter clip
gives each of its frames once. All metrics of frames (color, spectrum, effective_rank) look at all 16:
effective_rank, which by default takes 4 of them, does so too (hog.frames=16), and so do kid and diversity.
fid looks at 10 of the 16 (fid.frames=10), those with the smallest hashes of seed, clip id and frame index:
10,000 frames of 1,000 clips.

Runs. motion and tubelet as by default: one run of 16 frames a clip at the largest stride of 4, 2, 1 that at
least 95 % of every set's clips can give, its start by hash of (seed, clip id). fvd and kvd take one run of 16
consecutive frames a clip.

Everything else stands at its default. --clips, --frames or --set may not say otherwise (exit 2); what the
protocol leaves open, such as --seed or spectrum.window, may be given and enters the signature. The protocol's
name stands in `run.protocol` of the result. A .measured file takes part if it was measured with
--protocol paper.

Source. Ours. 1,000 clips and 16 frames are a convention that makes numbers comparable, not a finding.

Pitfalls. 1,000 clips are no guarantee: the intervals say what they bear. A set of a few source videos
cut into many clips has fewer independent draws than clips.""",
    clips=1000,
    frames=16,
    knobs={
        "hog": {"frames": "16"},
        "inception": {"subset": "10"},
        "fid": {"frames": "10"},
        "sampler": {"length": "16", "start": "hash"},
    },
)

PROTOCOLS: dict[str, Protocol] = {p.name: p for p in (_DEFAULT, _PAPER)}


def get(name: str) -> Protocol:
    """The protocol of that name; UsageError names the nearest."""
    if name not in PROTOCOLS:
        raise UsageError(f"No protocol is called {name!r}.", nearest(name, PROTOCOLS))
    return PROTOCOLS[name]
