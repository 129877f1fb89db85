"""Figure 4 on our own sets: every published synthetic set measured against real video, and which measurement
goes with the published accuracies.

    python -m experiments.progression --reference DIR --images DIR [--out reports/progression] [--minutes 55]
                                      [--others DIR …] [--only NAME,…] [--without SET,…] [--clips N]
                                      [--workers 2]

DIR of the reference holds UCF101 clips (`v_CLASS_gGG_cCC.avi`, any layout); --images is any folder of
photographs and stands for ImageNet. Every part is one comparison, `OUT/NAME.json`, written anew
after each set, so a run that was stopped goes on; after `--minutes` it stops by itself and says what is left.
At the end of each run the correlations (`OUT/NAME-correlation.json`), `tables.md`, figures and page are made
from what is there; what they say is written by hand in `README.md`.

Sets that differ only in how many pictures there are to draw from (`same_as` in the presets) are measured
once, and count once, with the mean of their accuracies. Mixtures take real clips of source groups that the
reference does not hold: they are in the part `half` alone, whose reference is every second group.

With pretrained weights (`synvid-eval weights fetch`) the default metrics of `main` hold fid, fvd, kid, kvd
and diversity as well; nothing here changes.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import math
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synvid_eval import published
from synvid_eval.accuracies import BANDS, load
from synvid_eval.archive import write_bytes
from synvid_eval.comparison import compare
from synvid_eval.correlation import DIFFERENCE, bounds_text, correlate, p_text, short_number
from synvid_eval.errors import DataError, SynvidEvalError
from synvid_eval.features.network import Networks
from synvid_eval.generation import make, plan
from synvid_eval.generators import presets
from synvid_eval.measurement import Options
from synvid_eval.score import Comparison, Score, dump_json, read_comparison

OUT = Path(__file__).parents[1] / "reports" / "progression"
COMMAND = "python -m experiments.progression --reference DIR --images DIR --others DIR DIR"
_GROUP = re.compile(r"_(g\d+)_")


@dataclass(frozen=True)
class Part:
    """One comparison. about: what it varies. clips: of a set. seed: of the generators. query: more knobs of
    the presets. metrics, settings: as for compare. written: the codec its sets are written with first.
    reference: `all`, or `half` of the groups. real: whether real sets stand in it, too.
    """

    about: str
    clips: int = 200
    seed: int = 0
    query: str = ""
    metrics: tuple[str, ...] | None = None
    settings: tuple[str, ...] = ()
    written: str = ""
    reference: str = "all"
    networks: Networks | None = None


_SHORT = "&length=61:61"  # as long as 16 frames at stride 4 need
PARTS = {
    "main": Part("default metrics, seed 0"),
    "seed1": Part("default metrics, seed 1", seed=1),
    "half": Part(
        "every second source group as the reference; mixtures with real clips of the others", reference="half"
    ),
    "tubelet-drop16": Part(
        "tubelets of a standard deviation up to 16 dropped",
        metrics=("tubelet",),
        settings=("tubelet.deviation=16",),
    ),
    "tubelet-rgb": Part("tubelets in color", metrics=("tubelet",), settings=("tubelet.channels=rgb",)),
    "tubelet-size64": Part("tubelets of 64×64 frames", metrics=("tubelet",), settings=("tubelet.side=64",)),
    "raw": Part("100 clips of 61 frames, as they are drawn", clips=100, query=_SHORT),
    "h264": Part("the same clips through H.264", clips=100, query=_SHORT, written="mp4"),
    "random": Part(
        "random networks, 20 clips: the negative control",
        clips=20,
        metrics=("fid", "kid", "fvd", "kvd", "diversity"),
        networks=Networks(features="random"),
    ),
}
SLOW = ("acc_transforming_dynamic_stylegan", "sat_moving_dynamic_stylegan")
"""Sets in which the texture of every object is another in every frame: ten seconds a clip, so they come last,
in the parts `main` and `half` alone."""
FLOW = {"speed": "speed_median", "acceleration": "acceleration_median"}
"""What optical flow is called in the tables → its key in the detail of `motion`."""
ENOUGH = 20
"""Sets from which on a part stands beside the others."""


def measured_once() -> dict[str, list[str]]:
    """Preset → the published sets that it stands for; without the mixtures with real clips."""
    found: dict[str, list[str]] = {}
    for name in sorted(presets.names(), key=lambda n: n in SLOW):
        preset = presets.get(name)
        if published.of(name) is None or "videos" in preset.needs:
            continue
        found.setdefault(preset.same_as or name, []).append(name)
    return found


def mixtures() -> list[str]:
    """The published sets with a real part."""
    return [n for n in presets.names() if published.of(n) and "videos" in presets.get(n).needs]


def accuracies(path: Path) -> None:
    """Writes the published accuracies with those that are measured once as one row, their mean."""
    once = measured_once()
    table = {p.dataset: p for p in published.table() if (p.benchmark, p.protocol) == ("UCF101", "finetune")}
    several = {name: names for name, names in once.items() if len(names) > 1}
    gone = {n for names in several.values() for n in names}
    rows = []
    for name, row in table.items():
        if name in gone and name not in several:
            continue
        names = several.get(name, [name])
        mean = sum(table[n].accuracy for n in names) / len(names)
        source = row.source if len(names) == 1 else f"mean of {', '.join(names)}"
        rows.append([name, row.family, row.benchmark, row.protocol, row.model, f"{mean:.4g}", source])
    lines = [["dataset", "family", "benchmark", "protocol", "model", "accuracy", "source"], *rows]
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def groups(reference: Path) -> dict[str, list[Path]]:
    """Source group → its clips, sorted."""
    found: dict[str, list[Path]] = {}
    for path in sorted(p for p in reference.rglob("*") if p.suffix in (".avi", ".mp4", ".mkv")):
        match = _GROUP.search(path.name)
        found.setdefault(match[1] if match else path.name, []).append(path)
    return found


def halves(reference: Path, folder: Path) -> tuple[Path, Path]:
    """Two folders of links: the clips of every second source group, and of the others."""
    places = (folder / "half-a", folder / "half-b")
    for number, clips in enumerate(groups(reference).values()):
        for clip in clips:
            link = places[number % 2] / clip.relative_to(reference)
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(clip.absolute())
    return places


class Progression:
    """All parts over one reference."""

    def __init__(self, asked: argparse.Namespace, scratch: Path) -> None:
        self.reference, self.images, self.out = asked.reference, asked.images, asked.out
        self.others: Sequence[Path] = asked.others
        self.options = Options(workers=asked.workers)
        self.fewer, self.without = asked.clips, asked.without.split(",")
        self.until = time.monotonic() + 60 * asked.minutes
        self.half_a, self.half_b = halves(self.reference, scratch)
        self.scratch = scratch

    def sets(self, name: str, part: Part) -> Iterator[tuple[str, str, dict[str, str]]]:
        """(name, location, what opening it takes) of each set of a part."""
        count = min(part.clips, self.fewer)
        for preset in measured_once():
            query = f"?n={count}&seed={part.seed}{part.query}"
            if preset in SLOW and name not in ("main", "half"):
                continue
            needs = {"images": str(self.images)} if "images" in presets.get(preset).needs else {}
            yield preset, f"{preset}=preset:{preset}{query}", needs
        if part.reference == "half":
            for preset in mixtures():
                needs = {"videos": str(self.half_b)}
                if "images" in presets.get(preset).needs:
                    needs["images"] = str(self.images)
                # as many real clips as there are decide how large a mixture can be
                real = sum(len(c) for c in list(groups(self.reference).values())[1::2])
                share = {"shapes_mix_ucf25": 0.25, "shapes_mix_ucf75": 0.75, "images_mix_ucf50": 0.5}.get(
                    preset, 0.5
                )
                yield (
                    preset,
                    f"{preset}=preset:{preset}?n={min(count, int(real / share))}&seed={part.seed}",
                    needs,
                )
            yield "half-b", f"half-b={self.half_b}", {}
        if name in ("main", "half"):
            for other in self.others:
                yield other.name, f"{other.name}={other}", {}

    def place(self, preset: str, location: str, part: Part, needs: dict[str, str]) -> str:
        """Where a set is measured from: the preset itself, or files of it."""
        if not part.written or not location.partition("=")[2].startswith("preset:"):
            return location
        folder = self.scratch / part.written / preset
        query = dict(p.split("=") for p in location.partition("?")[2].split("&"))
        made = plan(
            preset,
            clips=int(query.pop("n")),
            seed=int(query.pop("seed")),
            overrides=query,
            kind=part.written,
            **needs,  # type: ignore[arg-type]
        )
        make(made, folder, self.options)
        return f"{preset}={folder / 'clips'}"

    def measured(self, known: Comparison, preset: str, location: str, part: Part) -> bool:
        """Whether a set stands in a comparison; DataError where it was measured otherwise than asked now."""
        there = next((c.location for c in known.candidates if c.name == preset), None)
        asked = public(location.partition("=")[2])
        if there is not None and not part.written and there != asked:
            raise DataError(
                f"{preset} was measured as {there}, asked is {asked}.",
                "Give another --out, or the options of the run that made it.",
            )
        return there is not None

    def run(self, name: str) -> bool:
        """One part; whether it is complete."""
        part = PARTS[name]
        reference = self.half_a if part.reference == "half" else self.reference
        for preset, location, needs in self.sets(name, part):
            # real sets lie apart: they have no accuracy, and short clips are measured at another stride
            real = not location.partition("=")[2].startswith("preset:")
            file = self.out / f"{name}{'-real' if real else ''}.json"
            known = read_comparison(file.read_text())[0] if file.is_file() else None
            if preset in self.without or (known and self.measured(known, preset, location, part)):
                continue
            if time.monotonic() > self.until:
                return False
            began = time.monotonic()
            one = compare(
                [self.place(preset, location, part, needs)],
                f"{'half-a' if part.reference == 'half' else 'ucf101'}={reference}",
                metrics=part.metrics,
                settings=part.settings,
                networks=part.networks,
                with_media=name == "main" and not needs and location.partition("=")[2].startswith("preset:"),
                no_previews=["ucf101"] if part.reference == "all" else [],
                options=self.options,
                **({} if part.written else needs),  # type: ignore[arg-type]  # files need no pictures
            )
            known = joined(known, one, preset)
            write_bytes(file, known.to_json().encode())
            print(f"{name}: {preset} {time.monotonic() - began:.0f} s", flush=True)
        return True


def joined(known: Comparison | None, one: Comparison, preset: str) -> Comparison:
    """A comparison with one set more: scores without what only a page of it would draw, one clip to show.

    DataError where they have different references or recipes.
    """
    scores = [slim(s) for s in one.scores]
    candidates = [dataclasses.replace(c, location=public(c.location)) for c in one.candidates]
    playing = [c for c in (one.media.get("clips") or {}).get(preset, []) if c.get("video")][:1]
    media = {"clips": {preset: playing}} if playing else {}
    run = {k: one.run[k] for k in ("signatures", "versions", "synvid_eval") if k in one.run}
    reference = dataclasses.replace(one.reference, location=one.reference.name)
    if known is None:
        return Comparison(reference, candidates, scores, run, media)
    if known.reference.fingerprint != reference.fingerprint:
        raise DataError(
            f"{reference.name} is not what the sets before were measured against.",
            "Give another --out, or the same --reference.",
        )
    signatures = {s.metric: s.signature for s in known.scores if s.value == s.value}
    short = [s for s in scores if s.value == s.value and signatures.get(s.metric, s.signature) != s.signature]
    if short and preset:
        raise DataError(
            f"{short[0].metric} of {preset} was measured as {short[0].signature}, before as "
            f"{signatures[short[0].metric]}.",
            "Give another --out.",
        )
    clips = {**(known.media.get("clips") or {}), **(media.get("clips") or {})}
    return Comparison(
        reference,
        [*known.candidates, *candidates],
        [*known.scores, *scores],
        run,
        {"clips": clips} if clips else {},
    )


def slim(score: Score) -> Score:
    """A score without lists, and without what the reference repeats for each set."""
    detail = {k: v for k, v in score.detail.items() if not isinstance(v, list) or len(v) <= 2}
    return dataclasses.replace(score, detail=detail)


def public(location: str) -> str:
    """A location without folders of this machine."""
    return location if location.startswith("preset:") else Path(location).name


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def measured_parts(out: Path) -> dict[str, Comparison]:
    """Part → its comparison, of those that hold something."""
    files = {name: out / f"{name}.json" for name in PARTS}
    return {name: read_comparison(f.read_text())[0] for name, f in files.items() if f.is_file()}


def correlated(name: str, comparison: Comparison, accuracy: Path) -> dict[str, Any]:
    """The correlation of a part with the accuracies."""
    known = load(str(accuracy))
    source = f"{accuracy.name} (published:yu2024, sets that are measured once counted once)"
    return correlate(
        [(f"{name}.json", comparison)],
        dataclasses.replace(known, source=source, band=BANDS["yu2024", "UCF101", "finetune"]),
        command=COMMAND,
    )


def shared(parts: dict[str, Comparison]) -> dict[str, Comparison]:
    """The parts with those sets alone that all of them hold, measured with as many clips wherever they are:
    what else differs between two of them is what the parts vary.
    """
    common = set.intersection(*({c.name for c in p.candidates} for p in parts.values()))
    return {
        name: dataclasses.replace(
            p,
            candidates=[c for c in p.candidates if c.name in common],
            scores=[s for s in p.scores if s.candidate in common],
        )
        for name, p in parts.items()
    }


def metrics_table(found: dict[str, Any]) -> str:
    """Every metric's coefficients, the strongest first."""
    rows = []
    ordered = sorted(found["metrics"], key=lambda m: (m["random"], -abs(m["spearman"]["value"] or 0)))
    for m in ordered:
        rho, r, inner = m["spearman"], m["pearson"], m["band"]
        cells = [f"`{m['metric']}`", str(m["n"])]
        for one in (rho, inner["spearman"], r):
            cells += [short_number(one["value"]), bounds_text(one["family_bootstrap"])]
        rows.append([*cells, p_text(rho["p"]), p_text(m["p_best"]), m["state"]])
    drawn = ["rho", "families", "rho in band", "families", "r", "families"]
    head = ["metric", "n", *drawn, "p", "best of all", ""]
    return table(head, rows)


def side_by_side(found: dict[str, dict[str, Any]], names: Sequence[str], metrics: Sequence[str]) -> str:
    """rho (and in the band) of some metrics in several parts."""
    rows = []
    for name in names:
        if name not in found:
            continue
        by_name = {m["metric"]: m for m in found[name]["metrics"]}
        cells = [f"{name}: {PARTS[name].about}", str(len(found[name]["sets"]))]
        for metric in metrics:
            m = by_name.get(metric)
            cells.append(
                f"{short_number(m['spearman']['value'])} ({short_number(m['band']['spearman']['value'])})"
                if m
                else "–"
            )
        rows.append(cells)
    return table(["part", "sets", *(f"`{m}`" for m in metrics)], rows)


def flow(comparison: Comparison) -> Comparison:
    """The optical flow that `motion` describes, as metrics: the claim is that more of it is better."""
    scores = [
        dataclasses.replace(
            score,
            metric=name,
            value=float(score.detail[key]),
            unit="px/frame",
            better="higher",
            interval=None,
            detail={},
        )
        for score in comparison.scores
        for name, key in FLOW.items()
        if score.metric == "motion" and score.value == score.value and key in score.detail
    ]
    return dataclasses.replace(comparison, scores=scores)


def pairs_table(comparison: Comparison, accuracy: dict[str, float]) -> str:
    """Half the speed against the full speed: accuracy, motion, and what the metrics see."""
    rows = []
    metrics = ("motion", *FLOW, "tubelet", "color", "spectrum", "effective_rank")
    scores = [*comparison.scores, *flow(comparison).scores]
    values = {(s.candidate, s.metric): s.value for s in scores}
    for slow in sorted(n for n in accuracy if n.startswith("slow_")):
        fast = slow.removeprefix("slow_")
        if (slow, "motion") not in values or (fast, "motion") not in values:
            continue
        cells = [fast, f"{accuracy[slow] - accuracy[fast]:+.1f}"]
        cells += [f"{values[fast, m]:.3g} → {values[slow, m]:.3g}" for m in metrics]
        rows.append(cells)
    return table(["set → at half the speed", "accuracy", *metrics], rows)


def with_real(out: Path, name: str) -> Comparison:
    """A part, with the real sets behind its own."""
    comparison = read_comparison((out / f"{name}.json").read_text())[0]
    real = out / f"{name}-real.json"
    return joined(comparison, read_comparison(real.read_text())[0], "") if real.is_file() else comparison


def real_sets(out: Path) -> dict[str, dict[str, float]]:
    """Metric → real set → its value, for the figure; what was measured at another stride says so. The halves
    of the reference are against each other.
    """
    found: dict[str, dict[str, float]] = {}
    for part in ("main", "half"):
        file = out / f"{part}-real.json"
        scores = read_comparison(file.read_text())[0].scores if file.is_file() else []
        for score in scores:
            if score.value != score.value or (part == "half") != (score.candidate == "half-b"):
                continue
            name = "the other half" if part == "half" else score.candidate
            name += " (stride 2)" if "stride:2" in score.signature else ""
            found.setdefault(score.metric, {})[name] = score.value
            if score.better == "match":
                apart = abs(score.value - float(score.detail["reference"]))
                found.setdefault(score.metric + DIFFERENCE, {})[name] = apart
    return found


def values_table(comparison: Comparison, accuracy: dict[str, float]) -> str:
    """Every set's numbers, the best accuracy first, real sets last."""
    metrics = comparison.metrics()
    values = {(s.candidate, s.metric): s.value for s in comparison.scores}
    names = sorted((c.name for c in comparison.candidates), key=lambda n: -accuracy.get(n, -1))
    short = {s.candidate for s in comparison.scores if "stride:2" in s.signature}
    rows = [
        [
            f"{n} (motion, tubelet at stride 2)" if n in short else n,
            f"{accuracy[n]:.1f}" if n in accuracy else "–",
        ]
        + [
            f"{values[n, m]:.4g}" if values.get((n, m), math.nan) == values.get((n, m)) else "–"
            for m in metrics
        ]
        for n in names
    ]
    # the reference at the stride of the synthetic sets, which come first
    own: dict[str, Any] = {}
    floor: dict[str, Any] = {}
    for score in comparison.scores:
        own.setdefault(score.metric, score.detail.get("reference"))
        floor.setdefault(score.metric, score.detail.get("floor"))
    for label, found in (("the reference itself", own), ("floor: its two halves", floor)):
        rows.append(
            [label, "–", *(f"{v:.4g}" if isinstance(v := found.get(m), float) else "–" for m in metrics)]
        )
    return table(["set", "accuracy", *metrics], rows)


def summarise(out: Path) -> None:
    """Writes the correlations, `tables.md`, the page and the sheet of figures from what was measured."""
    from synvid_eval.report.correlation import page
    from synvid_eval.report.panels import panels

    accuracy = out / "accuracies.csv"
    measured = measured_parts(out)
    if not measured:
        return
    found = {name: correlated(name, one, accuracy) for name, one in measured.items()}
    for name, one in found.items():
        write_bytes(out / f"{name}-correlation.json", dump_json(one).encode())
    known = {name: k.accuracy for name, k in load(str(accuracy)).sets.items()}
    parts = [f"# Tables of the progression\n\nMade by `{COMMAND}`; what they say stands in README.md.\n"]
    first = next(iter(found))
    comparison = with_real(out, first)
    parts += [
        f"## {first}: {PARTS[first].about}\n",
        found[first]["headline"] + "\n",
        metrics_table(found[first]),
    ]
    for name in ("half", "random"):
        if name in found and name != first:
            parts += [f"## {name}: {PARTS[name].about}\n", metrics_table(found[name])]
    some = [
        "tubelet",
        "color",
        "spectrum",
        "spectrum.difference",
        "motion",
        "motion.difference",
        "effective_rank",
    ]
    ready = {n: p for n, p in measured.items() if n != "random" and len(p.candidates) >= ENOUGH}
    if ready:
        alike = {n: correlated(n, p, accuracy) for n, p in shared(ready).items()}
        heading = "## Parts side by side, over the sets that they share: rho (in the band)\n"
        parts += [heading, side_by_side(alike, list(PARTS), some)]
    flowing = flow(measured[first])
    if flowing.scores:
        heading = (
            "## Speed and acceleration, by optical flow (medians over pixels), among the metrics above\n"
        )
        whole = dataclasses.replace(flowing, scores=[*measured[first].scores, *flowing.scores])
        beside = correlated(f"{first}-flow", whole, accuracy)
        beside["metrics"] = [m for m in beside["metrics"] if m["metric"] in FLOW]
        parts += [heading, metrics_table(beside)]
    parts += ["## Half the speed\n", pairs_table(comparison, known)]
    parts += [f"## Values: {first}\n", values_table(comparison, known)]
    if "half" in found and first != "half":
        half = with_real(out, "half")
        parts += ["## Values: half\n", values_table(half, known)]
    prediction = found[first]["prediction"]
    if prediction:
        errors = ", ".join(f"{k} {v:.2f}" for k, v in prediction["rmse"].items())
        chosen = ", ".join(prediction["chosen"])
        said = f"Error on families left out, in points: {errors}. Chosen in each fold: {chosen}."
        parts += [f"## Prediction\n\n{said}\n"]
    write_bytes(out / "tables.md", "\n".join(parts).encode())
    write_bytes(out / "correlation.html", page(found[first]).encode())
    (out / "figures").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as drawn:
        for path in panels(found[first], Path(drawn), real_sets(out)):
            if path.stem == "all":
                write_bytes(out / "figures" / path.name, path.read_bytes())


def main() -> None:
    """Reads the command line."""
    about = "\n".join(f"  {name:15} {part.about}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\nParts:\n{about}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reference", type=Path, required=True, metavar="DIR", help="UCF101 clips")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="photographs")
    parser.add_argument(
        "--others", type=Path, nargs="*", default=[], metavar="DIR", help="real sets beside: the noise floor"
    )
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="default: reports/progression")
    parser.add_argument("--only", metavar="PARTS", help="comma-separated (default: all)")
    parser.add_argument("--without", default="", metavar="SETS", help="to leave for another run")
    parser.add_argument("--clips", type=int, default=10**6, metavar="N", help="at most so many clips a set")
    parser.add_argument("--minutes", type=float, default=55, metavar="M", help="to stop after (default: 55)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes (default: 2)")
    asked = parser.parse_args()
    chosen = asked.only.split(",") if asked.only else list(PARTS)
    if unknown := [name for name in chosen if name not in PARTS]:
        parser.error(f"no part is called {unknown[0]}: {', '.join(PARTS)}")
    for place in (asked.reference, asked.images, *asked.others):
        if not place.is_dir():
            parser.error(f"{place} is no folder")
    try:
        goes_on(asked, chosen)
    except SynvidEvalError as error:
        sys.exit(str(error))


def goes_on(asked: argparse.Namespace, chosen: Sequence[str]) -> None:
    """Runs the parts until the time is over, then writes what they say."""
    asked.out.mkdir(parents=True, exist_ok=True)
    accuracies(asked.out / "accuracies.csv")
    with tempfile.TemporaryDirectory() as scratch:
        progression = Progression(asked, Path(scratch))
        for name in chosen:
            if not progression.run(name):
                print(
                    f"stopped after {asked.minutes:g} minutes in {name}: run again to go on", file=sys.stderr
                )
                break
    summarise(asked.out)


if __name__ == "__main__":
    main()
