"""What a set that is made says of itself: preset.toml, which draws it again, and its data card; and the front
matter that cards of presets share with it.
"""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from synvid_eval import __version__, knobs
from synvid_eval.errors import one_line
from synvid_eval.generators.base import Generator
from synvid_eval.generators.presets import Preset
from synvid_eval.sets import REAL, UNREADABLE
from synvid_eval.video.encode import FORMATS
from synvid_eval.video.layouts import count_of

TAGS = ("video", "synthetic", "pre-training")

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (float("inf"), "1M<n<10M"),
)


def front_matter(title: str, clips: int, tags: Sequence[str]) -> str:
    """The front matter of a data card as Hugging Face reads it, with its fences."""
    size = next(name for limit, name in _SIZES if clips < limit)
    lines = ["license: other", f"pretty_name: {json.dumps(title, ensure_ascii=False)}"]
    lines += ["task_categories:", "  - video-classification", "size_categories:", f"  - {size}"]
    lines += ["tags:", *(f"  - {tag}" for tag in tags)]
    return "\n".join(["---", *lines, "---", ""])


def preset_text(
    told: Mapping[str, Any], preset: Preset, generator: Generator, overrides: Mapping[str, str]
) -> str:
    """preset.toml: the preset with every knob that decides pixels, each with its source.

    told: generation.json. generator: configured. overrides: the knobs that were given.
    """
    lines = [
        "# The preset of this set, with every knob. What draws the set again:",
        f"#     {_again(told)}",
        f"# Made with synvid-eval {__version__}.",
        *(f"# {line}" for line in _textures(told)),
        f"name = {_toml(preset.name)}",
        f"generator = {_toml(generator.name)}",
        f"note = {_toml(preset.note)}",
        f"clips = {told['clips']}",
        "",
        "[knobs]",
    ]
    wanted = {*knobs.recipe(generator), *({"bank"} & told["given"].keys())}
    values = [v for v in preset.resolved(overrides) if v.knob.partition(".")[0] in wanted]
    lines += [f"{v.knob} = {_toml(str(v.value))}" for v in values if "." not in v.knob]
    lines += ["", "[sources]", *(f"{_toml(v.knob)} = {_toml(v.source)}" for v in values)]
    return "\n".join(lines) + "\n"


def _again(told: Mapping[str, Any]) -> str:
    """The command that makes a set again: from the preset.toml in its folder, or from what is adapted or
    corrupted.
    """
    given = told["given"]
    words = ["synvid-eval", "generate", "preset.toml", "AGAIN", "--clips", str(told["clips"])]
    if "of" in given:
        words[1:3] = ["adapt" if "chain" in given else "corrupt", str(given["of"])]
        for option in ("chain", "corruption", "severity", "layout", "fps", "split", "root"):
            words += [f"--{option}", str(given[option])] if option in given else []
        words += ["--follow-outside"] if "follow_outside" in given else []
        for setting in str(given["set"]).split(",") if "set" in given else ():
            words += ["--set", setting]
    words += ["--seed", str(told["seed"]), "--format", told["format"]]
    words += ["--truth", ",".join(told["truth"])] if told["truth"] else []
    for option in ("images", "videos"):
        words += [f"--{option}", str(given[option])] if option in given else []
    return one_line(shlex.join(words))


def _textures(told: Mapping[str, Any]) -> list[str]:
    """What decides the textures that a set shows: a line for each kind, and one for the folder of banks."""
    lists = [value for value in told["identity"].values() if isinstance(value, list)]
    lines = []
    for kind in (one for several in lists for one in several if isinstance(one, dict)):
        facts = ", ".join(f"{k}={v}" for k, v in kind.items() if k != "texture")
        lines.append(one_line(f"Textures {kind.get('texture')}: {facts}"))
    if "bank" in told["given"]:
        lines.append(one_line(f"Those of them that {told['given']['bank']} holds are its banks."))
    return lines


def _plain(text: str) -> str:
    """A line of text that Markdown shows as it is: no markup, no HTML, no new block."""
    line = html.escape(one_line(text), quote=False)
    line = re.sub(r"[\\`*\[\]|~]|\b_\B|\B_\b", lambda found: "\\" + found[0], line)
    return re.sub(r"^(?=#|[-+=]+(\s|$))", r"\\", line)


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def card(told: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], kind: str, where: str) -> str:
    """The data card (README.md) of a set: Hugging Face front matter, then what it is, for readers.

    told: generation.json. rows: of the manifest. kind: of `encode.FORMATS`. where: in which files, in words.
    """
    count, frames = len(rows), sum(int(r["frames"]) for r in rows)
    lost = sorted(float(r["psnr"]) for r in rows if r["psnr"] is not None)
    wide = sorted({f"{r['width']}×{r['height']}" for r in rows})
    about = FORMATS[kind].about
    loss = (
        f"PSNR of the files against the frames that went in: median {lost[len(lost) // 2]:.1f} dB, least "
        f"{lost[0]:.1f} dB (`psnr` of each clip in the manifest)."
        if lost
        else "The files hold the frames exactly."
    )
    name, note = told["preset"], f"{_plain(told['note'])}\n\n" if told.get("note") else ""
    plain = {k: v for k, v in told["identity"].items() if not isinstance(v, (list, dict))}
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in plain.items()}
    shown = "".join(f"- {_plain(line)}\n" for line in _textures(told))
    knob_lines = "\n".join(f"| `{k}` | {_plain(v)} |" for k, v in texts.items())
    real = sum(str(row["id"]).startswith(f"{REAL}/") for row in rows)
    others = (
        f"{count_of(real, 'clip is a real one', 'clips are real ones')} (`{REAL}/…`), as given: of own size, "
        f"length and rate, whatever the knobs below say{', and without truth' if told['truth'] else ''}.\n\n"
        if real
        else ""
    )
    broken = [note.partition(UNREADABLE)[0] for note in told.get("notes", ()) if UNREADABLE in note]
    others += "".join(
        f"{_plain(note)} cannot be read and were left out: `notes` in generation.json names them.\n\n"
        for note in broken
    )
    truth = (
        f"Exactly known of each drawn clip, from the renderer: {', '.join(told['truth'])} "
        "(float32 px; see the manual, `generate`).\n\n"
        if told["truth"]
        else ""
    )
    made, again = "drawn", "`preset.toml` draws the set again:"
    terms = (
        "Drawn pictures are yours. Photographs and real clips that a preset shows keep the terms of their "
    )
    terms += "owners."
    if "of" in told["given"]:
        made, verb = ("adapted", "adapts") if "chain" in told["given"] else ("corrupted", "corrupts")
        again = f"What {verb} the set again:"
        terms = f"Clips keep the terms of their owners, {made} or not."
    many = f"{count_of(count, 'clip')}, {count_of(frames, 'frame')}"
    classes = len({row["label"] for row in rows} - {None})
    labels = (
        f"Labels: {count_of(classes, 'class', 'classes')} (`label` of each clip in the manifest"
        + ("; `classes.json` has their parameters)." if made == "drawn" else ").")
        if classes
        else "No labels."
    )
    title = name if made == "drawn" else f"{name}, {made}"
    front = front_matter(
        f"{title} ({count_of(count, 'clip')})", count, TAGS if made == "drawn" else (TAGS[0], made)
    )
    return f"""{front}
# {title}

{note}{many} of {", ".join(wide[:3])} px, {made} by synvid-eval {__version__}, seed
{told["seed"]}. {labels}

{others}## Files

{where}; {kind}: {about}.
{loss}

{truth}`manifest.jsonl` has one line a clip: index, file, frames, size and `sha256` of the raw RGB frames
(uint8, T·H·W·3), which is what identifies a clip, whatever the file. {again}

    {_again(told)}

## Knobs

| knob | value |
|---|---|
{knob_lines}

{shown}{shown and chr(10)}## Terms

{terms}
"""
