"""The prober: what one clip is, by its headers, packet count and first frame, or its preview, or its
tubelets. Runs as a process of its own (`python -m synvid_eval.prober`), so that a file that hangs or crashes
a decoder harms nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from synvid_eval.derived import is_drawn
from synvid_eval.errors import SynvidEvalError
from synvid_eval.execute import Heart, Reply, Task, limit_memory, read_message, silent, write_message
from synvid_eval.pairs import pairs
from synvid_eval.preview import preview
from synvid_eval.sets import open_clip
from synvid_eval.video import spans
from synvid_eval.video.decode import ClipRef, FewerFrames, Unreadable, all_frames, open_container, source_of


def probe_task(ref: ClipRef) -> Task:
    """The task of looking at one clip."""
    return {"clip": asdict(ref)}


def preview_task(ref: ClipRef, moving: bool) -> Task:
    """The task of making one clip's preview (see `synvid_eval.preview`)."""
    return {"clip": asdict(ref), "moving": moving}


def pairs_task(ref: ClipRef, **asked: int) -> Task:
    """The task of reading one clip's tubelets (see `synvid_eval.pairs`)."""
    return {"clip": asdict(ref), "pairs": asked}


def probe(ref: ClipRef, beat: Callable[[], None]) -> dict[str, Any]:
    """What a clip is: `total` frames, `fps`, `size` [height, width] as seen (turned upright); for a file also
    `codec`, `container`, `pixel_format`; for an element of an array `content`, the hash of its pixels.

    `skipped` alone, the reason, where it cannot be read.
    """
    try:
        reader = open_clip(ref, None, beat)
        first = reader.frames([0])
        _, frame = next(iter(first))
        facts: dict[str, Any] = {"total": reader.total, "fps": reader.fps, "size": list(frame.shape[:2])}
        facts["notes"] = list(getattr(reader, "notes", []))
        if ref.kind == "array":
            facts["content"] = _content(ref, beat)
    except Unreadable as error:
        return {"skipped": str(error)}
    except (FewerFrames, StopIteration):
        return {"skipped": "no frame decodes"}
    except Exception as error:  # a damaged file makes libraries raise nearly anything
        return {"skipped": str(Unreadable.because(error))}
    return {**facts, **_headers(ref)} if ref.kind in ("file", spans.KIND) else facts


def _content(ref: ClipRef, beat: Callable[[], None]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for frame in all_frames(open_clip(ref)):
        digest.update(frame.data)
        beat()
    return digest.hexdigest()


def _headers(ref: ClipRef) -> dict[str, Any]:
    """Codec, container and pixel format of the stream that is decoded; nothing where they cannot be had."""
    import av

    try:
        source = spans.opened_clip(ref) if ref.kind == spans.KIND else source_of(ref)
        with open_container(source) as container:
            pictures = av.stream.Disposition.attached_pic
            stream = next(s for s in container.streams.video if not s.disposition & pictures)
            return {
                "codec": stream.codec_context.name,
                "container": container.format.name,
                "pixel_format": stream.codec_context.pix_fmt,
            }
    except (av.FFmpegError, OSError, ValueError, StopIteration, AttributeError, Unreadable):
        return {}


def _done(task: Task, ref: ClipRef, beat: Callable[[], None]) -> Reply:
    if "pairs" in task:
        try:
            return pairs(ref, **task["pairs"], beat=beat)
        except SynvidEvalError:
            raise
        except Exception as error:  # a damaged file makes libraries raise nearly anything
            return {}, {"skipped": str(Unreadable.because(error))}
    return preview(ref, task["moving"], beat) if "moving" in task else ({}, probe(ref, beat))


def main() -> None:
    """Reads tasks from standard input until it ends, answers on standard output."""
    import signal

    import av

    from synvid_eval import archive

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    limit_memory()
    pipe_out = os.fdopen(os.dup(1), "wb")  # whatever a library prints must not get between the messages
    os.dup2(2, 1)
    pipe_in = sys.stdin.buffer
    message = read_message(pipe_in)
    if message is None:
        return
    setup = json.loads(message[1])
    if not setup.get("loud"):
        av.logging.set_level(None)
    try:
        write_message(pipe_out, b"M")
        heart = Heart(pipe_out, float(setup.get("beat", 0.2)))
        while (message := read_message(pipe_in)) is not None:
            task = json.loads(message[1])
            ref = ClipRef(**task["clip"])
            drawn = is_drawn(ref)  # then it may take long, and is no file that hangs
            beat = silent if drawn else heart
            if not drawn:
                heart.begin()
            try:
                arrays, facts = _done(task, ref, beat)
            except Exception as error:
                bug: dict[str, Any] = {"message": f"{type(error).__name__}: {error} (clip {ref.id})"}
                bug["traceback"] = traceback.format_exc()
                if isinstance(error, SynvidEvalError):
                    bug |= {"code": error.code, "message": error.message, "hint": error.hint}
                write_message(pipe_out, b"E", json.dumps(bug).encode())
                return
            write_message(pipe_out, b"R", archive.pack(arrays, facts))
    except BrokenPipeError:
        return


if __name__ == "__main__":
    main()
