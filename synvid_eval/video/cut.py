"""One long video as a set: consecutive clips of some seconds, counted by frames in presentation order.

A clip's frames are those that decoding the whole video from its start gives at those positions. Where it is
safe a clip is decoded from the keyframe before it, else from the start of the video. Safe means all of: a
container that has a time for every picture (MP4, MOV, Matroska, WebM), all times different, and a keyframe
after which no older picture is referred to, seen in the bitstream (H.264 IDR, HEVC IDR, VP9 key frames). And
it is checked: each decoded picture must carry the very time that is due, else the clip is decoded from the
start after all, and skipped if a picture is missing then too.

Cost of a clip, beside one reading of all packets a process and video (nothing is decoded there): where
seeking is safe, decoding from the keyframe before the clip (x264: at most 250 frames before it) to the clip's
end; else from the start of the video to the clip's end, so that a video of N clips costs N/2 decodings of the
whole: the square of its length. That is so of AVI, MPEG, transport streams and GIF, whatever the codec, and a
note says so before it is begun. Clips are tasks of their own that any process may take, so none can go on
where another ended; the cure is to convert the video (H.264 in .mp4), or to cut it into files beforehand.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synvid_eval.errors import DataError
from synvid_eval.video import decode, remote
from synvid_eval.video.decode import ClipRef, FewerFrames, Frame, Unreadable
from synvid_eval.video.layouts import clip_id, count_of
from synvid_eval.video.remote import Place

if TYPE_CHECKING:
    import av

# More clips of one video are refused: a slip in `seconds` shall not fill memory with names.
MOST_CLIPS = 1_000_000

_TIMED = {"mov", "mp4", "matroska", "webm"}
_KEPT = 2


@dataclass(frozen=True)
class Index:
    """What a video's packets tell without decoding.

    total: packets. fps: mean rate [1/s] or None. times: int64 [total], the presentation times in order, in
    the stream's unit. starts: int64, the positions (in presentation order) of keyframes that decoding may
    start from; without any the times are not relied on. promised: whether container and codec let expect
    some.
    """

    total: int
    fps: float | None
    times: NDArray[np.int64]
    starts: NDArray[np.int64]
    promised: bool = False


class _Astray(Exception):
    """Pictures came with other times than were due."""


def _silent() -> None:
    return None


_known: dict[tuple[str | int, ...], Index] = {}


def index_of(path: str, beat: Callable[[], None] = _silent, stamp: str = "") -> Index:
    """The index of a video file; those asked for last are kept. stamp: of a remote one, which it must have.

    Raises Unreadable.
    """
    import av

    try:
        key: tuple[str | int, ...] = (path, stamp)
        if not remote.is_remote(path):
            facts = os.stat(path)
            key = (path, facts.st_size, facts.st_mtime_ns)
        if key not in _known:
            made = _read_index(decode.source_of(ClipRef("", "file", path, stamp=stamp), beat), beat)
            if not key[1]:  # nothing tells whether it is the same the next time
                return made
            while len(_known) >= _KEPT:
                _known.pop(next(iter(_known)))
            _known[key] = made
    except (av.FFmpegError, OSError, ValueError) as error:
        raise Unreadable.because(error) from None
    return _known[key]


def _read_index(source: decode.Source, beat: Callable[[], None]) -> Index:
    container, stream = decode._open(source)
    with container:
        promised = may_seek(container.format.name, stream.codec_context.name)
        is_start = _start_test(stream) if promised else None
        total, times, keys = 0, [], []
        for packet in container.demux(stream):
            beat()
            if not packet.size:
                continue
            total += 1
            if packet.pts is None or packet.is_discard or packet.is_corrupt:
                is_start = None
            if is_start is not None and packet.pts is not None:
                times.append(packet.pts)
                if packet.is_keyframe and is_start(bytes(packet)):
                    keys.append(packet.pts)
        decode.verify(source)
        rate = stream.average_rate or stream.base_rate
    if not total:
        raise Unreadable("no video packet in it")
    ordered = np.unique(np.array(times if is_start is not None else [], np.int64))
    starts = np.searchsorted(ordered, np.sort(np.array(keys, np.int64)))
    if len(ordered) != total:
        ordered, starts = ordered[:0], starts[:0]
    return Index(total, float(rate) if rate else None, ordered, starts.astype(np.int64), promised)


def may_seek(container: str, codec: str) -> bool:
    """Whether decoding may be begun within files of that container and codec (FFmpeg's names), if nothing in
    the file itself forbids it.
    """
    return bool(_TIMED & set(container.split(","))) and (codec in ("h264", "hevc") or "vp9" in codec)


def _start_test(stream: av.VideoStream) -> Callable[[bytes], bool] | None:
    """Whether a packet's bytes are a picture behind which nothing later looks; None if that is unknown."""
    name, extra = stream.codec_context.name, stream.codec_context.extradata or b""
    if name == "h264" and len(extra) > 4 and extra[0] == 1:
        return lambda data: _first_slice(data, (extra[4] & 3) + 1, 0, 0x1F, range(1, 6)) == 5
    if name == "hevc" and len(extra) > 21 and extra[0] == 1:
        return lambda data: _first_slice(data, (extra[21] & 3) + 1, 1, 0x3F, range(32)) in (19, 20)
    if "vp9" in name:
        # bits: marker 10, profile (2), show_existing_frame, frame_type (0 is key), …; profile 3 has one more
        return lambda data: data[0] >> 6 == 2 and data[0] >> 4 & 3 != 3 and data[0] & 0b1100 == 0
    return None


def _first_slice(data: bytes, width: int, shift: int, mask: int, slices: range) -> int:
    """The type of the first slice among NAL units that have their lengths (of `width` bytes) in front; -1."""
    at = 0
    while at + width < len(data):
        kind = data[at + width] >> shift & mask
        if kind in slices:
            return kind
        at += width + int.from_bytes(data[at : at + width], "big")
    return -1


def cut_movie(
    path: Place, seconds: float, total: int, fps: float | None, seeks: bool, stamp: str = ""
) -> tuple[tuple[ClipRef, ...], str, tuple[str, ...]]:
    """(clips, what was done as a sentence, notes): consecutive clips of `seconds` at the video's mean rate.

    total: frames of the video. fps: its mean rate [1/s]. seeks: see `may_seek`. stamp: of a remote one. What
    remains at the end and is shorter than a clip is left out. Raises DataError where a clip would be shorter
    than a frame or longer than the video, or there would be more than MOST_CLIPS.
    """
    if not fps:
        raise DataError(f"{path} has no frame rate, so seconds cannot be counted.", "Convert it first.")
    length = round(seconds * fps)
    if not length:
        raise DataError(
            f"seconds={seconds:g} is less than one frame of {path}, which lasts {1 / fps:.3g} s.",
            "Give more seconds, such as 4.",
        )
    count, left = divmod(total, length)
    if not count:
        raise DataError(
            f"{path} is {total / fps:.3g} s long, shorter than one clip of {seconds:g} s.",
            "Give fewer seconds.",
        )
    if count > MOST_CLIPS:
        raise DataError(
            f"seconds={seconds:g} cuts {path} into {count:,} clips, more than {MOST_CLIPS:,}.",
            "Give more seconds, such as 4.",
        )
    name = clip_id(path.name)
    clips = tuple(
        ClipRef(f"{name}[{k}]", "cut", os.fspath(path), k * length, fps=fps, length=length, stamp=stamp)
        for k in range(count)
    )
    each = f"{count_of(length, 'frame')} ({length / fps:.3g} s)"
    said = f"{count_of(count, 'clip')} of {each}, cut from {path}"
    notes = []
    if left:
        rest = f"{count_of(left, 'frame')} ({left / fps:.3g} s)"
        notes.append(f"{path}: no whole clip is left of the last {rest}: left out")
    if not seeks and count > 1:
        notes.append(
            f"{path}: no safe place to start decoding within it: each clip is decoded from the video's "
            f"start, together about {count_of(-(-count // 2), 'time')} the whole (as H.264 in .mp4 it would "
            "be read once)"
        )
    return clips, said, tuple(notes)


class CutClip:
    """The frames `ref.index` to `ref.index + ref.length` (exclusive) of a video; see the module's essay."""

    def __init__(self, ref: ClipRef, beat: Callable[[], None] = _silent) -> None:
        self._ref, self._beat = ref, beat
        self._index = index_of(ref.path, beat, ref.stamp)
        self.total, self.fps = ref.length, ref.fps
        self.notes: list[str] = []
        self._source: decode.Source = ""
        if self._index.promised and not len(self._index.starts) and ref.index:
            self.notes.append("its video has no safe place to start decoding within: decoded from its start")

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        """See `Reader.frames`: positions within the clip."""
        if not len(self._index.starts):
            yield from self._counted(wanted)
            decode.verify(self._source)
            return
        before = self._index.starts[self._index.starts <= self._ref.index]
        given = -1
        for start in dict.fromkeys([int(before[-1]) if len(before) else None, None]):
            try:
                for position, frame in self._timed(wanted, start):
                    if position > given:
                        yield position, frame
                        given = position
                decode.verify(self._source)
                return
            except _Astray as error:
                if start is None:
                    raise Unreadable(str(error)) from None

    def _timed(self, wanted: Sequence[int], start: int | None) -> Iterator[tuple[int, Frame]]:
        """Decoded from the keyframe at position `start`, or the video's start; every time must be as due.

        Raises _Astray.
        """
        times, first = self._index.times, self._ref.index
        due, want = first, set(wanted)
        for picture in self._pictures(start):
            if picture.pts is None or picture.pts > times[due]:
                raise _Astray(f"frame {due} of the video does not decode")
            if picture.pts < times[due]:
                if due > first:
                    raise _Astray(f"frame {due} of the video comes in another order")
                continue
            if due - first in want:
                yield due - first, _pixels(picture, due)
            due += 1
            if due - first >= self.total:
                return
        raise _Astray(f"frame {due} of the video does not decode")

    def _counted(self, wanted: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        first, want, count = self._ref.index, set(wanted), 0
        for picture in self._pictures(None):
            if count - first in want:
                yield count - first, _pixels(picture, count)
            count += 1
            if count - first >= self.total:
                return
        if count <= first:
            raise Unreadable(f"the video decodes {count} frames, this clip begins after them")
        raise FewerFrames(count - first)

    def _pictures(self, start: int | None) -> Iterator[av.VideoFrame]:
        """Decoded pictures in order; _Astray where seeking does not lead to the keyframe at `start`."""
        import av

        try:
            self._source = source = decode.source_of(self._ref, self._beat)
            container, stream = decode._open(source)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise Unreadable.because(error) from None
        with container:
            packets: Iterator[Any] = container.demux(stream)
            if start is not None:
                due = int(self._index.times[start])
                try:
                    container.seek(due, stream=stream)
                    packet = next((p for p in container.demux(stream) if p.size), None)
                except (av.FFmpegError, OSError, ValueError):
                    packet = None
                decode.check(source)
                if packet is None or packet.pts != due:
                    raise _Astray("seeking leads elsewhere")
                packets = _chain(packet, container.demux(stream))
            for packet in packets:
                self._beat()
                try:
                    decoded = packet.decode()
                except av.error.EOFError:
                    return
                except (av.FFmpegError, ValueError):
                    continue
                for picture in decoded:
                    self._beat()
                    decode.check(source)
                    yield picture


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _pixels(picture: av.VideoFrame, number: int) -> Frame:
    import av

    try:
        return decode.to_rgb(picture)
    except (av.FFmpegError, ValueError, MemoryError) as error:
        raise Unreadable.because(error, f"frame {number} of the video: ") from None
