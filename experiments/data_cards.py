"""Data cards of the presets: `data_cards/NAME.md` for readers, `NAME.croissant.json` for machines.

    python -m experiments.data_cards

Writes both for every preset that ships, from the presets and the published accuracies; a test holds that the
files are those that this makes. The card has Hugging Face front matter. The other file is Croissant 1.0
(https://docs.mlcommons.org/croissant/docs/croissant-spec.html): what `synvid-eval generate NAME OUT` writes,
so its paths are relative to OUT, where it can be laid beside the manifest.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import synvid_eval
from synvid_eval import cards, published
from synvid_eval.generators import presets
from synvid_eval.generators.presets import Preset

OUT = Path(__file__).parents[1] / "data_cards"

PUBLISHED_CLIPS = 9_537
"""Clips of a published set: as many as the first training list of UCF101 has."""

DATE = "2026-11-21"
"""When these presets were first described, fixed: the same presets make the same cards."""

TERMS = "What is drawn is yours."
TERMS_OF_OTHERS = (
    "Photographs and real clips that it shows keep the terms of their owners: look at them before you pass a "
    "set on."
)

NEEDS = {
    "images": "pictures (`--images DIR`, any tree of JPEG, PNG or WebP, or `--images skimage`)",
    "videos": "real videos (`--videos SET`)",
}
GIVEN = {"images": "--images pictures/", "videos": "--videos ucf101/"}

PAPERS = {
    "2410.24213": "Xueyang Yu, Xinlei Chen, Yossi Gandelsman 2024, Learning Video Representations without "
    "Natural Videos, arXiv 2410.24213",
    "2106.05963": "Manel Baradad, Jonas Wulff, Tongzhou Wang, Phillip Isola, Antonio Torralba 2021, Learning "
    "to See by Looking at Noise, arXiv 2106.05963",
    "2411.17584": "Davyd Svyezhentsev, George Retsinas, Petros Maragos 2024, Pre-training for Action "
    "Recognition with Automatically Generated Fractal Datasets, arXiv 2411.17584",
}

FIELDS = {
    "index": ("sc:Integer", "Number of the clip in its set, from 0."),
    "id": ("sc:Text", "Name of the clip; real clips of a mixture have their own."),
    "file": ("sc:Text", "The clip's file, or the tar file that holds it; relative to the set's folder."),
    "member": ("sc:Text", "Name within the tar file; null for other formats."),
    "truth": ("sc:Text", "File of what is exactly known of the clip; null where it was not asked for."),
    "preset": ("sc:Text", "Name of the preset."),
    "seed": ("sc:Integer", "Seed of the set."),
    "source": ("sc:Text", "What a clip of pictures or real video was taken from; null for others."),
    "frames": ("sc:Integer", "Number of frames."),
    "height": ("sc:Integer", "Height of a frame [px]."),
    "width": ("sc:Integer", "Width of a frame [px]."),
    "fps": ("sc:Float", "Frames a second."),
    "sha256": ("sc:Text", "SHA-256 of the raw RGB frames (uint8, C order, T·H·W·3)."),
    "psnr": ("sc:Float", "PSNR of the file against the drawn frames [dB]; null where nothing was lost."),
    "bytes": ("sc:Integer", "Size of the clip's file; of all pictures together where it is a folder."),
    "truth_bytes": ("sc:Integer", "Size of the truth's file; null where it has none of its own."),
    "label": ("sc:Text", "Class of the clip; null where the preset has no classes."),
    "redrawn": ("sc:Integer", "How often the clip was drawn again, since it came out empty or still."),
}
"""Fields of a line of manifest.jsonl: type and meaning."""

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{
        name: f"cr:{name}"
        for name in (
            *("citeAs", "column", "extract", "field", "fileObject", "fileProperty", "fileSet", "format"),
            *("equivalentProperty", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField"),
            *(
                "path",
                "recordSet",
                "samplingRate",
                "references",
                "regex",
                "repeated",
                "replace",
                "separator",
                "source",
                "subField",
                "transform",
            ),
        )
    },
}
"""The context that Croissant 1.0 prescribes."""


def files() -> dict[str, str]:
    """File name → content, of all presets."""
    found = {}
    for preset in map(presets.get, presets.names()):
        found[f"{preset.name}.md"] = card(preset)
        text = json.dumps(croissant(preset), indent=1, ensure_ascii=False)
        found[f"{preset.name}.croissant.json"] = text + "\n"
    return found


def card(preset: Preset) -> str:
    """The data card of a preset: front matter, then what it is, for readers."""
    known, clips = _accuracies(preset), _clips(preset)
    front = cards.front_matter(f"{preset.name} (preset)", clips, _tags(preset))
    return "\n".join(
        [
            *(front, f"# {preset.name}", ""),
            *("## What it is", "", _filled(f"{preset.note} Family: {preset.family}. {_labels(preset)}"), ""),
            *([_filled(_parent(preset)), ""] if preset.extends else []),
            *_knobs(preset),
            "",
            *(["### Published accuracy", "", *_table(known), ""] if known else []),
            *("## Terms", "", _filled(_terms(preset)), ""),
            *("## Layout", "", f"`synvid-eval generate {preset.name} OUT` writes:", ""),
            *(f"    {line}" for line in (_LABELLED if _classes(preset) else _LAYOUT)),
            "",
            _filled(
                f"`{preset.name}.croissant.json` beside this card says the same for machines, with the "
                "fields of a line of the manifest. Other formats, exact truth and shards: the manual, "
                "`generate`."
            ),
            *("", "## How to point synvid-eval at it", "", "```"),
            *_commands(preset),
            *("```", "", _filled("No file is written by `compare`: it draws what it measures."), ""),
            *("## Pitfalls", "", *(_item(text) for text in _pitfalls(preset)), ""),
        ]
    )


_LAYOUT = (
    "OUT/clips/0000042.mp4   clip 42; above 10,000 clips in folders of 10,000",
    "OUT/manifest.jsonl      one JSON object a clip, sorted by index",
    "OUT/preset.toml         the preset with every knob, to draw the set again",
    "OUT/generation.json     what was asked for, and with which versions it was made",
    "OUT/README.md           a data card of that very set",
)


_LABELLED = (
    "OUT/clips/class_0007/0000042.mp4   clip 42, of class 7",
    "OUT/classes.json                   the parameters of each class",
    *(line.replace(" ", " " * 11, 1) for line in _LAYOUT[1:]),
)


def croissant(preset: Preset) -> dict[str, Any]:
    """What `generate` writes for a preset, as a Croissant 1.0 document (JSON-LD)."""
    paper = _paper(preset)
    about = {
        "manifest.jsonl": ("application/jsonlines", "One JSON object a clip, sorted by index."),
        "preset.toml": ("application/toml", "The preset with every knob, to draw the set again."),
        "generation.json": ("application/json", "What was asked for, and the versions it was made with."),
    }
    objects = [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "description": text,
            "contentUrl": name,
            "encodingFormat": kind,
        }
        for name, (kind, text) in about.items()
    ]
    clips = {
        "@type": "cr:FileSet",
        "@id": "clips",
        "name": "clips",
        "description": "One H.264 file a clip; with --format ffv1, npz, png or webdataset other files.",
        "encodingFormat": "video/mp4",
        "includes": "clips/**/*.mp4",
    }
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"manifest/{name}",
            "name": name,
            "description": text,
            "dataType": kind,
            "source": {"fileObject": {"@id": "manifest.jsonl"}, "extract": {"column": name}},
        }
        for name, (kind, text) in FIELDS.items()
    ]
    records = {
        "@type": "cr:RecordSet",
        "@id": "manifest",
        "name": "manifest",
        "description": "A clip each.",
        "key": {"@id": "manifest/index"},
        "field": fields,
    }
    change = f" It differs from {preset.extends}: {preset.difference}." if preset.extends else ""
    described = (
        f"{preset.note}{change} Paths are those that `synvid-eval generate {preset.name} OUT` writes, "
        f"relative to OUT; how many clips there are is what was asked for. {_labels(preset)}"
    )
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": preset.name,
        "description": described,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "version": synvid_eval.__version__,
        "datePublished": DATE,
        "license": _terms(preset),
        **({"url": f"https://arxiv.org/abs/{paper}", "citeAs": PAPERS[paper]} if paper else {}),
        "creator": {"@type": "sc:Organization", "name": "synvid_eval"},
        "keywords": _tags(preset),
        # nothing lies anywhere: a set is there once it is drawn, so no file has a checksum here
        "isLiveDataset": True,
        "distribution": [*objects, clips],
        "recordSet": [records],
    }


def _paper(preset: Preset) -> str:
    """The arXiv number of the paper that a preset is of; "" where it is of none."""
    of = {"Yu et al.": "2410.24213", "Baradad": "2106.05963", "Svyezhentsev": "2411.17584"}
    return next((paper for author, paper in of.items() if author in preset.note), "")


def _classes(preset: Preset) -> int:
    return int(getattr(preset.configured(), "classes", 0))


def _labels(preset: Preset) -> str:
    return f"Labels: {_classes(preset)} classes." if _classes(preset) else "No labels."


def _accuracies(preset: Preset) -> list[published.Published]:
    return [p for p in published.table() if p.dataset == preset.name]


def _clips(preset: Preset) -> int:
    """As many clips as the published set has, else the preset's own number."""
    return PUBLISHED_CLIPS if _accuracies(preset) else preset.clips


def _tags(preset: Preset) -> list[str]:
    return [*cards.TAGS, "preset", preset.family.replace("_", "-")]


def _parent(preset: Preset) -> str:
    text = f"It is `{preset.extends}` with this changed: {preset.difference}."
    if preset.same_as:
        text += f" It cannot be told from `{preset.same_as}` here: measure one, count one."
    return text


def _knobs(preset: Preset) -> list[str]:
    values = preset.resolved()
    own = [v for v in values if v.setter != "default" or v.knob in preset.sources or "." in v.knob]
    which = "Knobs that this preset or one before it sets, or says more of:" if own else "Its knobs:"
    lines = [f"Drawn by the generator `{preset.generator}`. {which}", ""]
    lines += ["| knob | value | set by | source |", "|---|---|---|---|"]
    lines += [_row(f"`{v.knob}`", v.shown, v.setter, v.source) for v in own or values]
    return [*lines, "", _filled(f"All knobs and what they mean: `synvid-eval show {preset.name} --json -`.")]


def _table(known: list[published.Published]) -> list[str]:
    lines = ["| benchmark | protocol | model | top-1 | where | note |", "|---|---|---|---|---|---|"]
    for p in known:
        accuracy = f"{p.accuracy:.1f} %"
        lines.append(_row(p.benchmark, p.protocol.replace("_", " "), p.model, accuracy, p.source, p.note))
    return lines


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _terms(preset: Preset) -> str:
    return f"{TERMS} {TERMS_OF_OTHERS}" if preset.needs or preset.family == "stand_in" else TERMS


def _commands(preset: Preset) -> list[str]:
    given = "".join(f" {GIVEN[need]}" for need in preset.needs)
    count = f" --clips {_clips(preset)}" if _accuracies(preset) else ""
    return [
        f"synvid-eval show {preset.name} --png sheet.png{given}",
        f'synvid-eval compare "preset:{preset.name}?n=200" ucf101/{given}',
        f"synvid-eval generate {preset.name} OUT{count}{given}",
    ]


def _pitfalls(preset: Preset) -> list[str]:
    found = []
    if _accuracies(preset):
        found.append(
            "The published accuracy is of the authors' set. This one follows their paper and released code; "
            "where these are silent or differ, a source above says what was chosen."
        )
    if preset.needs:
        missing = " and ".join(NEEDS[need] for need in preset.needs)
        found.append(
            f"It needs {missing}. What you give decides the numbers: they are not the published set's."
        )
    if preset.same_as:
        found.append(f"Beside `{preset.same_as}` it is no further evidence.")
    if _textured(preset) and any(v.knob == "pool" for v in preset.resolved()):
        found.append(
            "Textures come from a pool of 1,000, made on the way, so clips share them and are somewhat more "
            "alike than of the published number; for that, make a bank first (the manual, `generate`)."
        )
    if preset.family == "stand_in":
        found.append(
            "It holds no real video: good enough to see the tool work, not to choose a generator by."
        )
    if "stills" in preset.knobs:
        found.append("Few clips stand still: among the clips of a small set there may be none.")
    plain = preset.generator in ("shapes", "mixture") and not _textured(preset)
    found.append(
        "As mp4, plain shapes lose much (4:2:0 halves the resolution of color): take `--format ffv1` where "
        "that matters."
        if plain
        else "As mp4, something is lost; the manifest tells how much (`psnr`). `--format ffv1` loses nothing."
    )
    return found


def _textured(preset: Preset) -> bool:
    return bool(preset.knobs.get("textures"))


def _filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 110, break_long_words=False, break_on_hyphens=False)


def _item(text: str) -> str:
    return textwrap.fill(
        text, 110, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def main() -> None:
    """Writes all cards, and removes those of presets that are gone."""
    found = files()
    for path in OUT.glob("*.croissant.json"):  # cards of real sets have none
        if path.name not in found:
            path.unlink()
            path.with_name(re.sub(r"\.croissant\.json$", ".md", path.name)).unlink(missing_ok=True)
    for name, text in found.items():
        (OUT / name).write_text(text, "utf-8")
    print(f"{OUT.name}: {len(found)} files")


if __name__ == "__main__":
    sys.exit(main())
