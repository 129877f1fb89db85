"""Does a small encoder that this suite trains on drawn clips measure sets better than what needs no weights?

    python -m experiments.own_encoder --reference DIR --images DIR --encoders NAME=RUN …
                                      [--out reports/own_encoder] [--minutes 55] [--clips 100]
                                      [--only NAME,…] [--corruptions NAME,…] [--workers 1] [--cache DIR]

DIR of the reference holds UCF101 clips. A RUN is what `--features run=RUN` takes: folders of `train
pretrain`, or `random:0:tiny`. `weight-free`, the five metrics that need no weights, always stands beside.
Each encoder is asked three things, in this order:

- *rank*: the published sets, drawn again, measured against the reference by `fd[run]`, `kd[run]` and
  `diversity[run]`: do these go with the published accuracies (as `experiments.progression` tells it)?
- *floor*: how far the two halves of the reference lie from each other, in the median distance of the sets:
  what of a distance is chance.
- *damage*: the corruptions, done to one half of the reference (as `experiments.metric_behavior`): how many
  severities are noticed, and whether the shift grows with them.

Every set and corruption is kept as it is done (`OUT/NAME.json`, `OUT/damage.jsonl`), so a run that was
stopped goes on; after `--minutes` it stops by itself. `tables.md` is made of what is there; `README.md` is
written by hand.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments import metric_behavior as damage
from experiments import progression
from synvid_eval.archive import write_bytes
from synvid_eval.cache import Cache, default_root
from synvid_eval.comparison import DEFAULT_METRICS, RUN_METRICS, build_recipe, compare
from synvid_eval.correlation import bounds_text, p_text, short_number
from synvid_eval.corruptions import registry
from synvid_eval.features.network import Networks
from synvid_eval.generators import presets
from synvid_eval.measurement import Options
from synvid_eval.score import Comparison, read_comparison
from synvid_eval.sets import open_set

OUT = Path(__file__).parents[1] / "reports" / "own_encoder"
WEIGHT_FREE = "weight-free"


@dataclass(frozen=True)
class Encoder:
    """What is measured by. run: as for `--features run=RUN`; "" is WEIGHT_FREE."""

    name: str
    run: str = ""

    @property
    def metrics(self) -> list[str]:
        """Its metrics."""
        return list(RUN_METRICS if self.run else DEFAULT_METRICS)

    @property
    def networks(self) -> Networks | None:
        """What `compare` is given."""
        return Networks(features=f"run={self.run}") if self.run else None


def located(name: str, clips: int, images: Path) -> tuple[str, dict[str, str]]:
    """(location of a published set, what opening it takes)."""
    needs = {"images": str(images)} if "images" in presets.get(name).needs else {}
    return f"{name}=preset:{name}?n={clips}&seed=0", needs


def ranked(encoder: Encoder, given: argparse.Namespace, options: Options) -> bool:
    """Measures the published sets by an encoder, into `OUT/NAME.json`; whether all are there."""
    file = given.out / f"{encoder.name}.json"
    known = read_comparison(file.read_text())[0] if file.is_file() else None
    for name in progression.measured_once():
        if name in progression.SLOW or (known and any(c.name == name for c in known.candidates)):
            continue
        if time.monotonic() > given.until:
            return False
        location, needs = located(name, given.clips, given.images)
        one = compare(
            [location], f"ucf101={given.reference}", metrics=encoder.metrics, networks=encoder.networks,
            options=options, **needs,  # type: ignore[arg-type]
        )  # fmt: skip
        known = progression.joined(known, one, name)
        write_bytes(file, known.to_json().encode())
        print(f"{encoder.name}: {name}", flush=True)
    return True


def damaged(encoder: Encoder, given: argparse.Namespace, options: Options) -> bool:
    """Measures corrupted clips by an encoder, into `OUT/damage.jsonl`; whether all are there."""
    file = given.out / "damage.jsonl"
    kept = read_rows(file)
    done = {row["corruption"] for row in kept if row["encoder"] == encoder.name}
    made = build_recipe(encoder.metrics, networks=encoder.networks)
    videos = open_set(given.reference, clips=120, seed=0)
    for name in given.corruptions:
        if name in done:
            continue
        if time.monotonic() > given.until:
            return False
        for _, _, rows in damage.measured(videos, [name], made, options, 0):
            kept += [{"encoder": encoder.name, **asdict(row), "noticed": row.noticed} for row in rows]
        write_bytes(file, "".join(json.dumps(row) + "\n" for row in kept).encode())
        print(f"{encoder.name}: {name}", flush=True)
    return True


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Rows of a file of JSON lines; [] where there is none."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


# -- what came out ---------------------------------------------------------------------------------


def floor_share(comparison: Comparison, metric: str) -> float | None:
    """A distance's floor (between halves of the reference) in the median of its corrected values over the
    sets; None where it has none.
    """
    scores = [s for s in comparison.scores if s.metric == metric and s.detail.get("floor") is not None]
    values = [s.value if s.corrected is None else s.corrected for s in scores]
    if not values:
        return None
    return float(scores[0].detail["floor"]) / float(np.median(values))


def noticing(rows: Sequence[dict[str, Any]]) -> tuple[int, int, int, int]:
    """Of one metric of one encoder: (severities noticed, severities that it can be had at, corruptions over
    which the shift grows at each step, corruptions that get stronger upwards and have three severities).
    """
    whole = [damage.Row(**{k: v for k, v in row.items() if k not in ("encoder", "noticed")}) for row in rows]
    curves = list(damage.curves(whole).values())
    up = [c for c in curves if c.corruption not in damage.MILDER and c.scored > 2]
    rising = sum(c.rises == c.scored - 1 for c in up)
    return sum(c.noticed for c in curves), sum(c.scored for c in curves), rising, len(up)


def lines(given: argparse.Namespace, encoders: Sequence[Encoder]) -> Iterator[list[str]]:
    """A row an encoder and metric."""
    rows = read_rows(given.out / "damage.jsonl")
    accuracy = given.out / "accuracies.csv"
    for encoder in encoders:
        file = given.out / f"{encoder.name}.json"
        if not file.is_file():
            continue
        comparison = read_comparison(file.read_text())[0]
        found = {
            m["metric"]: m for m in progression.correlated(encoder.name, comparison, accuracy)["metrics"]
        }
        for metric in found:
            m = found[metric]
            own = [r for r in rows if (r["encoder"], r["metric"]) == (encoder.name, metric)]
            noticed, had, rising, up = noticing(own) if own else (0, 0, 0, 0)
            floor = floor_share(comparison, metric)
            yield [
                encoder.name,
                f"`{metric}`",
                str(m["n"]),
                f"{short_number(m['spearman']['value'])} {bounds_text(m['spearman']['family_bootstrap'])}",
                short_number(m["band"]["spearman"]["value"]),
                p_text(m["spearman"]["p"]),
                "" if floor is None else f"{floor:.2f}",
                f"{noticed}/{had}" if had else "",
                f"{rising}/{up}" if had else "",
            ]


HEAD = [
    "encoder", "metric", "sets", "rho [families]", "rho in band", "p", "floor / median", "noticed", "rising",
]  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the arguments, measures, writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--reference", type=Path, required=True, metavar="DIR")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--encoders", nargs="+", required=True, metavar="NAME=RUN")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--minutes", type=float, default=55.0)
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--only", type=lambda text: text.split(","))
    parser.add_argument("--corruptions", type=lambda text: text.split(","), default=registry.names())
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cache", type=Path, metavar="DIR")
    given = parser.parse_args(argv)
    given.until = time.monotonic() + 60 * given.minutes
    given.out.mkdir(parents=True, exist_ok=True)
    encoders = [Encoder(WEIGHT_FREE), *(Encoder(*text.partition("=")[::2]) for text in given.encoders)]
    progression.accuracies(given.out / "accuracies.csv")
    options = Options(workers=given.workers, cache=Cache(given.cache or default_root()))
    for step in (ranked, damaged):
        for encoder in encoders:
            if given.only and encoder.name not in given.only:
                continue
            if not step(encoder, given, options):
                print("the time is up: the same command goes on from here", flush=True)
    write_bytes(given.out / "tables.md", progression.table(HEAD, list(lines(given, encoders))).encode())


if __name__ == "__main__":
    main()
