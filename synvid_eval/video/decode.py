"""Frames of one clip: sequential decoding by presentation order, converting only wanted frames to pixels.

Seeking gives wrong frames on some common files (XviD in AVI with B-frames, as in UCF101), so nothing here
seeks: packets are counted, then decoded from the first to the last.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import RawIOBase
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from synvid_eval.video import remote
from synvid_eval.video.remote import Place, Url

if TYPE_CHECKING:
    from fractions import Fraction

    import av
    from PIL import Image

    from synvid_eval.video.arrays import Frames

Frame: TypeAlias = NDArray[np.uint8]

# Packets of one clip are kept between counting and decoding up to this size; a larger file is read twice.
_KEEP_BYTES = 64 * 2**20

# Larger frames [pixels] are refused before they become arrays: what a small file unpacks to may fill memory.
MOST_PIXELS = 100_000_000

# FFmpeg's readers of one file that holds its own pictures. Others follow what a file names (playlists,
# scripts, descriptions of streams), whatever the file itself is called, and so read other files or the
# network.
_CONTAINERS = (
    "3dostr aac aiff apng asf asf_o av1 avi avs2 avs3 bink caf cavsvideo dirac dv evc flac flic flv gif "
    "gif_pipe gxf h261 h263 h264 hevc ivf live_flv m4v matroska mjpeg mjpeg_2000 mov mp3 mpeg mpegts "
    "mpegtsraw mpegvideo mpjpeg mxf nut obu ogg rm roq smjpeg smk swf vc1 vc1test vvc w64 wav webm wtv "
    "yuv4mpegpipe"
)
_PLAYLISTS = (b"ffconcat", b"#EXTM3U", b"<?xml", b"<MPD", b"v=0", b"[Playlist]", b"[playlist]")


# Raised whenever the same file gives other pixels (alpha, rotation, order): part of every cache key.
REVISION = 1


class Unreadable(Exception):
    """A clip cannot be read; the message is the reason that is listed beside its id.

    lasting: whether that is the content's doing; False for what may pass (no memory, an I/O error, gone
    files).
    """

    def __init__(self, reason: str, lasting: bool = True) -> None:
        super().__init__(reason)
        self.lasting = lasting

    @property
    def again(self) -> bool:
        """Whether reading it again may help while the set is what it was when it was listed: not where an
        object is another one since.
        """
        return not self.lasting and not str(self).endswith(remote.REPLACED)

    @classmethod
    def because(cls, error: BaseException, where: str = "") -> Unreadable:
        """What `error` says of the clip, with `where` in front."""
        text = (getattr(error, "strerror", None) or str(error)).rstrip(". ") or type(error).__name__
        passing = (
            isinstance(error, (OSError, MemoryError)) and type(error).__name__ != "UnidentifiedImageError"
        )
        # Pillow says "image file is truncated" and the like by a plain OSError without a number
        passing = passing and (isinstance(error, MemoryError) or getattr(error, "errno", None) is not None)
        return cls(f"{where}cannot be decoded: {text}", lasting=not passing)


class FewerFrames(Exception):
    """Fewer frames decoded than the container announced. `decoded` is how many there were."""

    def __init__(self, decoded: int) -> None:
        super().__init__(f"{decoded} frames decoded")
        self.decoded = decoded


class Reader(Protocol):
    """An opened clip: its number of frames, its rate, and wanted frames in ascending order."""

    total: int
    fps: float | None

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        """(index, RGB uint8 [H, W, 3]) of the wanted indices (ascending), the whole clip being decoded.

        Raises FewerFrames after the last frame where fewer than `total` decode, Unreadable where none can.
        """


@dataclass(frozen=True, slots=True)
class ClipRef:
    """Where one clip lies: enough for any process to open it.

    kind: "file" (one video), "frames" (a folder of pictures), "array" (element `index` of an array file; −1
    where the file is one clip), "tar" (a member of a tar file: `length` bytes from byte `index` on), "preset"
    (clip `index` of a generator), "memory", "adapted" (see `synvid_eval.adapted`; `path` is no path), "cut"
    (`length` frames from frame `index` on of a video). label: class name or None. within: the real folder
    that a file must lie in which is looked for only when it is opened (see `long_lists`); "" where that was
    done. stamp: of what is remote, by what its store told when the set was listed (see
    `synvid_eval.video.remote`).
    """

    id: str
    kind: str
    path: str
    index: int = 0
    label: str | None = None
    fps: float | None = None
    length: int = 0
    within: str = ""
    stamp: str = ""


def _silent() -> None:
    return None


class VideoFile:
    """A video file, decoded by PyAV with one thread.

    Read is the first video stream that is no cover art; of interlaced video the two fields as they are woven
    into a frame; frames by their number, not by their time; each at its own size. `notes` says which of these
    made a difference, and is complete once all of `frames` is taken.

    `beat` is called for every packet read and every frame decoded, wanted or not: a long clip is not a hung
    one.
    """

    def __init__(
        self,
        ref: ClipRef,
        beat: Callable[[], None] = _silent,
        source: Callable[[], RawIOBase] | None = None,
    ) -> None:
        """Opens a video.

        Args:
            source: opens it where it is no file of its own (part of another one), at its beginning.
        """
        import av

        self._beat = beat
        self._packets: list[Any] | None = []
        self.notes: list[str] = []
        times: list[int | None] = []
        try:
            self._source: Source = source_of(ref, beat) if source is None else source()
            self._container, self._stream = _open(self._source)
            self.notes += _stream_notes(self._container)
            self.total, size = 0, 0
            for packet in self._container.demux(self._stream):
                beat()
                if packet.size:
                    self.total += 1
                    size += packet.size
                    times.append(packet.pts)
                if self._packets is not None:
                    self._packets.append(packet)
                    if size > _KEEP_BYTES:
                        self._packets = None
            verify(self._source)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise Unreadable.because(error) from None
        if not self.total:
            raise Unreadable("no video packet in it")
        rate = self._stream.average_rate or self._stream.base_rate
        self.fps = float(rate) if rate else None
        self.notes += _rate_notes(times, self._stream.time_base)

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        """See `Reader.frames`. Damaged packets are passed over as players do; frames beyond `total` are
        ignored.
        """
        import av

        want = set(wanted)
        count = 0
        size, seen = (0, 0), False
        again = self._packets is None  # the file is read a second time: what fails meanwhile is no end of it
        for packet in self._replay():
            try:
                decoded = packet.decode()
            except av.error.EOFError:
                break
            except (av.FFmpegError, ValueError):
                continue
            for frame in decoded:
                self._beat()
                if again:
                    check(self._source)
                if not count:
                    size = frame.width, frame.height
                    self._note(_depth_note(frame))
                if (frame.width, frame.height) != size:
                    self._note(
                        f"size changes inside the file: {size[0]}×{size[1]}, "
                        f"from frame {count} on {frame.width}×{frame.height}; each frame is taken as it is"
                    )
                    size = frame.width, frame.height
                if frame.interlaced_frame:
                    self._note("interlaced: the two fields of a frame are taken as woven, not separated")
                if count in want:
                    try:
                        pixels = to_rgb(frame)
                        if not seen:  # a file has one matrix
                            self._note(_turn_note(frame))
                        seen = True
                    except (av.FFmpegError, ValueError, MemoryError) as error:
                        # which frame is wanted first is no matter of the file's
                        raise Unreadable.because(error, f"frame {count}: " if seen else "") from None
                    yield count, pixels
                count += 1
                if count >= self.total:
                    if again:
                        verify(self._source)
                    return
        if again:
            check(self._source)
        if count == 0:
            raise Unreadable("no frame decodes (damaged, encrypted or cut short?)")
        raise FewerFrames(count)

    def _note(self, text: str) -> None:
        """Notes it once; of changes of size, which may be many, the first."""
        if text and text.partition(":")[0] not in {n.partition(":")[0] for n in self.notes}:
            self.notes.append(text)

    def _replay(self) -> Iterator[Any]:
        packets, self._packets = self._packets, None
        if packets is None:
            self._container.close()
            if not isinstance(self._source, str):
                self._source.seek(0)
            self._container, self._stream = _open(self._source)
            yield from self._container.demux(self._stream)
        else:
            yield from packets


def _stream_notes(container: av.container.InputContainer) -> list[str]:
    """What is said of a file with more than one video stream; FFmpeg counts cover art among them."""
    pictures = _pictures()
    covers = sum(bool(s.disposition & pictures) for s in container.streams.video)
    videos = [s for s in container.streams.video if not s.disposition & pictures]
    notes = []
    if len(videos) > 1:
        first = f"{videos[0].codec_context.width}×{videos[0].codec_context.height}"
        notes.append(f"{len(videos)} video streams: the first ({first}) is read")
    if covers:
        notes.append("cover art: passed over")
    return notes


def _rate_notes(times: Sequence[int | None], base: Fraction | None) -> list[str]:
    """What is said of a file whose frames do not follow each other evenly (to half and two ticks)."""
    known = sorted(t for t in times if t is not None)
    steps = [b - a for a, b in pairwise(known)]
    if len(known) < len(times) or not steps or not base:
        return []
    least, most = min(steps), max(steps)
    if least < 1 or most <= max(1.5 * least, least + 2):
        return []
    return [
        f"variable frame rate: frames last {float(least * base):.3g} to {float(most * base):.3g} s and are "
        "taken by their number"
    ]


def _depth_note(frame: av.VideoFrame) -> str:
    bits = max((c.bits for c in frame.format.components), default=8)
    return f"{bits} bits a channel: read as 8" if bits > 8 else ""


def _turn_note(frame: av.VideoFrame) -> str:
    matrix = _display_matrix(frame)
    if matrix is None:
        return ""
    a, b, c, d = (int(matrix[k]) for k in (0, 1, 3, 4))
    upright_already = a > 0 and d > 0 and b == c == 0
    return "" if upright_already else "display matrix: turned or mirrored as it says"


def _pictures() -> Any:
    import av

    return av.stream.Disposition.attached_pic


Source: TypeAlias = str | RawIOBase
"""What FFmpeg reads a video from: its path, or an object of a store, or part of a file."""


def source_of(ref: ClipRef, beat: Callable[[], None] = _silent) -> Source:
    """What a clip's video is read from. Raises Unreadable where it is no regular file, OSError."""
    if remote.is_remote(ref.path):
        return remote.File(ref.path, ref.stamp, beat)
    if not stat.S_ISREG(Path(ref.path).stat().st_mode):
        raise Unreadable("not a regular file")
    return ref.path


def check(source: Source) -> None:
    """Raises Unreadable where reading an object failed, which FFmpeg may have taken for its end."""
    if isinstance(source, remote.File):
        try:
            source.check()
        except OSError as error:
            raise Unreadable.because(error) from None


def verify(source: Source) -> None:
    """As `check`, and where an object was replaced while it was read."""
    if isinstance(source, remote.File):
        try:
            source.verify()
        except OSError as error:
            raise Unreadable.because(error) from None


def open_container(source: Source) -> av.container.InputContainer:
    """A video as FFmpeg's container. Raises what PyAV and reading the source raise."""
    import av

    # "file:" keeps FFmpeg from reading a protocol or an image pattern out of an odd file name
    place: Any = "file:" + source if isinstance(source, str) else source
    allowed = {"format_whitelist": ",".join(_CONTAINERS.split()), "protocol_whitelist": "file"}
    container: av.container.InputContainer
    container = av.open(place, "r", metadata_errors="replace", container_options=allowed)
    return container


def _open(source: Source) -> tuple[av.container.InputContainer, av.VideoStream]:
    import av

    try:
        container = open_container(source)
    except (av.error.InvalidDataError, av.error.ArgumentError) as error:
        check(source)
        if _is_playlist(source):
            raise Unreadable("a playlist, not a video: what it names is not opened") from None
        if isinstance(error, av.error.ArgumentError):  # so it says that a format is not allowed
            raise Unreadable("cannot be decoded: no video container (a picture, a script?)") from None
        raise
    pictures = _pictures()
    streams = [s for s in container.streams.video if not s.disposition & pictures]
    if not streams:
        raise Unreadable("no video stream in it (only sound or cover art?)")
    stream = streams[0]
    if stream.codec_context is None:
        raise Unreadable("no decoder for its video stream")
    if stream.codec_context.name in ("vp8", "vp9") and stream.metadata.get("alpha_mode") == "1":
        raise Unreadable(f"its alpha channel cannot be decoded ({stream.codec_context.name} with alpha)")
    if reason := _too_large(stream.codec_context.width, stream.codec_context.height):
        raise Unreadable(reason)
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    return container, stream


def _is_playlist(source: Source) -> bool:
    if isinstance(source, str):
        with open(source, "rb") as file:
            head = file.read(64)
    else:
        source.seek(0)
        head = source.read(64) or b""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_PLAYLISTS)


def _too_large(width: int, height: int) -> str:
    """Why a frame of that size is refused, or ""."""
    if width * height <= MOST_PIXELS:
        return ""
    return f"a frame of {width}×{height} pixels: more than {MOST_PIXELS / 1e6:g} megapixels are not read"


def to_rgb(frame: av.VideoFrame) -> Frame:
    """A decoded frame as RGB uint8 [H, W, 3], turned and mirrored as its display matrix says, alpha over
    black.
    """
    if reason := _too_large(frame.width, frame.height):
        raise ValueError(reason)
    # threads=1: PyAV would convert with as many threads as there are processors in every worker
    # a palette may have transparent colors, though FFmpeg gives it no alpha component
    if frame.format.has_palette or any(c.is_alpha for c in frame.format.components):
        pixels = over_black(cast(Frame, frame.to_ndarray(format="rgba", threads=1)))
    else:
        pixels = cast(Frame, frame.to_ndarray(format="rgb24", threads=1))
    matrix = _display_matrix(frame)
    return pixels if matrix is None else upright(pixels, matrix)


def _display_matrix(frame: av.VideoFrame) -> NDArray[np.int32] | None:
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # beside it lies something that this PyAV has no name for
        if frame.rotation:
            raise
        return None
    return None if matrix is None else np.frombuffer(cast(Any, matrix), "=i4")


def upright(pixels: Frame, matrix: NDArray[np.int32]) -> Frame:
    """uint8 [H, W, 3] moved by a display matrix, int32 [9]: the point (x, y) goes to (a·x + c·y, b·x + d·y).

    a, b, c, d are elements 0, 1, 3, 4 (ISO 14496-12). ValueError unless it turns by a multiple of 90 degrees,
    mirrored or not.
    """
    a, b, c, d = (int(matrix[k]) for k in (0, 1, 3, 4))
    tiny = max(map(abs, (a, b, c, d))) / 1000
    if abs(b) <= tiny and abs(c) <= tiny and a and d:
        across, down = a, d
    elif abs(a) <= tiny and abs(d) <= tiny and b and c:
        pixels, across, down = pixels.swapaxes(0, 1), c, b
    else:
        raise ValueError("its display matrix turns it by no multiple of 90 degrees")
    return np.ascontiguousarray(pixels[:: 1 if down > 0 else -1, :: 1 if across > 0 else -1])


def over_black(rgba: NDArray[np.uint8]) -> Frame:
    """RGBA uint8 [H, W, 4] over black, rounded: uint8 [H, W, 3]."""
    product = rgba[..., :3].astype(np.uint16) * rgba[..., 3:]
    out: Frame = ((product + 127) // 255).astype(np.uint8)
    return out


class FrameFolder:
    """A folder of pictures in natural order (img_2 before img_10), each one frame."""

    def __init__(self, ref: ClipRef, beat: Callable[[], None] = _silent) -> None:
        from synvid_eval.video.layouts import frame_files, frame_objects

        self._beat = beat

        self._files: list[Place]
        self._stamps: dict[str, str] = {}
        try:
            folder = remote.place(ref.path)
            if isinstance(folder, Url):
                objects = frame_objects(folder)
                if ref.stamp not in ("", remote.joined_stamp(objects)):
                    raise Unreadable(remote.REPLACED, lasting=False)
                self._files = [folder / name for name in objects]
                self._stamps = {name: told.stamp for name, told in objects.items()}
            else:
                self._files = [*frame_files(folder)]
        except OSError as error:
            raise Unreadable.because(error) from None
        self.total, self.fps = len(self._files), ref.fps
        if not self._files:
            raise Unreadable("no picture in it")

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        """See `Reader.frames`; every wanted picture must be readable."""
        for index in wanted:
            file = self._files[index]
            yield index, read_picture(file, self._stamps.get(file.name, ""), self._beat)


def read_picture(path: Place, stamp: str = "", beat: Callable[[], None] = _silent) -> Frame:
    """A picture file as RGB uint8 [H, W, 3], turned as its EXIF says, alpha over black, 16 bits cut to the
    upper 8. stamp: what a remote one must have. beat: called while it is read.

    Raises Unreadable with the reason.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        source: Path | io.BytesIO
        if isinstance(path, Url):
            source = io.BytesIO(remote.read_bytes(path.text, stamp, beat))
        elif not stat.S_ISREG(path.stat().st_mode):  # a FIFO would be waited for
            raise Unreadable(f"{path.name}: not a regular file")
        else:
            source = path
        with Image.open(source) as picture:
            if reason := _too_large(*picture.size):
                raise Unreadable(f"{path.name}: {reason}")
            return _pixels(ImageOps.exif_transpose(picture))
    except Unreadable:
        raise
    except Exception as error:  # damaged pictures make Pillow raise errors of nearly any type
        if isinstance(error, UnidentifiedImageError):
            raise Unreadable(f"{path.name}: no picture") from None
        raise Unreadable.because(error, f"{path.name}: ") from None


def _pixels(picture: Image.Image) -> Frame:
    if picture.mode.startswith("I"):
        gray = (np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        return over_black(np.asarray(picture.convert("RGBA")))
    return np.asarray(picture.convert("RGB"))


class ArrayClip:
    """One element of an array of clips [N, T, H, W, 3], or an array [T, H, W, 3] that is one clip."""

    def __init__(
        self,
        ref: ClipRef,
        beat: Callable[[], None] = _silent,
        array: Frames | NDArray[Any] | None = None,
    ) -> None:
        from synvid_eval.video.arrays import open_array

        whole = array
        if whole is None:
            whole = open_array(remote.place(ref.path), ref.stamp, beat).frames
        self._clip = whole if ref.index < 0 or whole.ndim == 4 else whole[ref.index]
        self.total, self.fps = len(self._clip), ref.fps
        if not self.total:
            raise Unreadable("no frame in it")

    def frames(self, wanted: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        """See `Reader.frames`."""
        for index in wanted:
            yield index, np.ascontiguousarray(self._clip[index])


def all_frames(reader: Reader) -> Iterator[Frame]:
    """Every frame of an opened clip in order, RGB uint8 [H, W, 3]; a clip that ends early just ends."""
    stream = reader.frames(range(reader.total))
    try:
        for _, frame in stream:
            yield frame
    except FewerFrames:
        return
