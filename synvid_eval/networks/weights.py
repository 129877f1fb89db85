"""Weights: which files there are, where they lie, whether they are what they should be, and how to get them.

A file counts by its hash, never by its name: a known file whose hash differs (cut short, an error page saved
under its name) is an error and is never used. Of files that are not known only state dicts are read
(`torch.load` with `weights_only`, safetensors); a TorchScript file is a program: only the known one is run.

Sizes and hashes: sha256 as pytorch-fid, torch-fidelity and many public users of the files state it; git blob
ids (sha1 of "blob SIZE\\0" and the bytes) as the trees of public repositories list them.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import io
import os
import pickletools
import re
import shlex
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from synvid_eval.errors import UsageError, WeightsError, nearest

if TYPE_CHECKING:
    from torch import Tensor

VARIABLE = "SYNVID_EVAL_WEIGHTS"

Kind = Literal["state dict", "torchscript"]


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights that is known.

    name: as `weights fetch NAME` takes it. network: whose weights. file: the name it is kept under. aliases:
    other names it is found under. size: bytes; 0 where only the hash is known. sha256, git_blob: hex, at
    least one of them. addresses: where it can be had, tried in this order. about: one line for readers.
    """

    name: str
    network: str
    file: str
    kind: Kind
    size: int
    sha256: str
    git_blob: str
    addresses: tuple[str, ...]
    about: str
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.sha256 or self.git_blob):
            raise ValueError(f"{self.name}: a file without a hash cannot be verified")

    @property
    def hash_text(self) -> str:
        """The hash it is verified by, for readers: "sha256 …" or "git blob …"."""
        return f"sha256 {self.sha256}" if self.sha256 else f"git blob {self.git_blob}"

    @property
    def size_text(self) -> str:
        """Its size for readers."""
        return f"{self.size:,} bytes" if self.size else "about 50 MB"

    def matches(self, digest: Digest) -> bool:
        """Whether a file with those hashes is this one: every hash that is known must agree."""
        known = ((self.sha256, digest.sha256), (self.git_blob, digest.git_blob))
        return (not self.size or self.size == digest.size) and all(a == b for a, b in known if a)


FILES: tuple[WeightsFile, ...] = (
    WeightsFile(
        name="inception",
        network="inception",
        file="pt_inception-2015-12-05-6726825d.pth",
        aliases=("weights-inception-2015-12-05-6726825d.pth",),
        kind="state dict",
        size=95_628_359,
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        git_blob="",
        addresses=(
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
            "pt_inception-2015-12-05-6726825d.pth",
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
            "weights-inception-2015-12-05-6726825d.pth",
        ),
        about="the network of FID, as pytorch-fid has it: fid, kid, diversity",
    ),
    WeightsFile(
        name="i3d",
        network="i3d",
        file="i3d_torchscript.pt",
        kind="torchscript",
        size=51_235_320,
        sha256="bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
        git_blob="93daef59c7ae0e9e8f76225521407e60cbafa6aa",
        addresses=(
            "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
            "https://huggingface.co/flateon/FVD-I3D-torchscript/resolve/"
            "1c2d61711c52571ad617a1063e6fa691b212e184/i3d_torchscript.pt",
        ),
        about="the network of FVD, as StyleGAN-V has it: fvd, kvd",
    ),
    WeightsFile(
        name="i3d-videogpt",
        network="i3d",
        file="i3d_pretrained_400.pt",
        kind="state dict",
        size=0,
        sha256="",
        git_blob="a867b87ac3a9097d200598b1d48a1b890d8ec744",
        addresses=(
            "https://github.com/songweige/TATS/raw/main/tats/fvd/i3d_pretrained_400.pt",
            "https://drive.google.com/uc?export=download&id=1mQK8KD8G6UWRa5t87SRMm5PVXtlpneJT",
        ),
        about="the network of FVD, as VideoGPT has it: fvd, kvd",
    ),
)
"""All known files; of one network the first that is there is taken."""


class MissingWeights(WeightsError):
    """They are not there (which is no fault of a file)."""


class Digest(NamedTuple):
    """A file's size in bytes and hashes, hex."""

    size: int
    sha256: str
    git_blob: str

    @property
    def identity(self) -> str:
        """What stands in signatures."""
        return f"sha256:{self.sha256}"


class Found(NamedTuple):
    """Weights that are there: the file, its identity "sha256:HEX", and its name where it is a known one."""

    file: Path
    identity: str
    name: str | None


class Source(NamedTuple):
    """What `--weights` says: files by network or known name, and a folder."""

    named: Mapping[str, Path]
    folder: Path | None


def default_folder() -> Path:
    """Where weights are kept if nothing else is said: the user's data folder of this platform."""
    import platformdirs

    return Path(platformdirs.user_data_dir("synvid-eval")) / "weights"


def _table(files: Sequence[WeightsFile] | None) -> Sequence[WeightsFile]:
    return FILES if files is None else files


def known(name: str, files: Sequence[WeightsFile] | None = None) -> WeightsFile:
    """The known file of that name; UsageError names the nearest. files: in place of `FILES`."""
    for one in _table(files):
        if one.name == name:
            return one
    raise UsageError(f"No weights are called {name!r}.", nearest(name, [f.name for f in _table(files)]))


def defaults(files: Sequence[WeightsFile] | None = None) -> list[WeightsFile]:
    """What metrics need as they are configured by default: the first known file of each network."""
    return [next(f for f in _table(files) if f.network == n) for n in networks(files)]


def networks(files: Sequence[WeightsFile] | None = None) -> list[str]:
    """The networks that weights are known for."""
    return list(dict.fromkeys(f.network for f in _table(files)))


def digest(path: Path) -> Digest:
    """A file's hashes, remembered in this process by (path, size, mtime, inode); WeightsError where it cannot
    be read.
    """
    try:
        facts = path.stat()
        return _digest(str(path), facts.st_size, facts.st_mtime_ns, facts.st_ino)
    except OSError as error:
        raise _unreadable(path, error) from None


@functools.lru_cache(maxsize=64)
def _digest(path: str, size: int, mtime_ns: int, inode: int) -> Digest:
    return hashes(Path(path))


def hashes(path: Path) -> Digest:
    """A file's size and hashes, read now; OSError where it cannot be read."""
    size = path.stat().st_size
    sha256, sha1 = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            sha256.update(block)
            sha1.update(block)
    return Digest(size, sha256.hexdigest(), sha1.hexdigest())


def _unreadable(path: Path, error: OSError) -> WeightsError:
    return WeightsError(f"The weights {path} cannot be read: {error.strerror or error}.")


def parse(given: str, files: Sequence[WeightsFile] | None = None) -> Source:
    """What `--weights` or SYNVID_EVAL_WEIGHTS says: `DIR`, `NETWORK=FILE[,…]`, `DIR,NETWORK=FILE[,…]`, or a
    known file by itself. In place of a network its known file's name may stand.

    UsageError for a name that is no network, an empty one, two folders or one name twice. Whether files and
    folders exist is seen when they are looked for.
    """
    keys = list(dict.fromkeys([*networks(files), *(f.name for f in _table(files))]))
    named: dict[str, Path] = {}
    folder: Path | None = None
    whole = Path(given).expanduser()
    for item in [given] if os.path.exists(whole) else re.split(r",(?=[A-Za-z0-9_.-]+=)", given):
        key, equals, rest = item.partition("=")
        path = Path(item).expanduser()
        if not item.strip() or (equals and not rest):
            raise UsageError(
                f"--weights {given!r} names nothing.", "A folder, or NETWORK=FILE: inception=FILE,i3d=FILE."
            )
        if equals and not os.path.exists(path) and re.fullmatch(r"[A-Za-z0-9_.-]+", key):
            if key not in keys:
                raise UsageError(f"--weights {item}: no network is called {key!r}.", nearest(key, keys))
            path = Path(rest).expanduser()
        elif os.path.isfile(path):
            one = recognized(path, files)
            if one is None:
                raise UsageError(
                    f"--weights {item} is a file of unknown hash: whose weights it holds must be said.",
                    f"Say it before the file: inception={item}.",
                )
            key = one.name
        else:
            if folder is not None:
                raise UsageError(f"--weights names two folders, {folder} and {path}.", "Give one of them.")
            folder = path
            continue
        if key in named:
            raise UsageError(f"--weights names {key} twice.", "Give each once.")
        named[key] = path
    return Source(named, folder)


def sources(given: str | None, files: Sequence[WeightsFile] | None = None) -> Iterator[Source]:
    """Where weights are looked for, first to last: what is given, SYNVID_EVAL_WEIGHTS, the default folder."""
    for text in (given, os.environ.get(VARIABLE)):
        if text:
            yield parse(text, files)
    yield Source({}, default_folder())


def folder_of(given: str | None = None, files: Sequence[WeightsFile] | None = None) -> Path:
    """The folder that weights are looked for in, and fetched to."""
    return next(s.folder for s in sources(given, files) if s.folder is not None)


def fetch_command(
    names: Sequence[str] = (), given: str | None = None, files: Sequence[WeightsFile] | None = None
) -> str:
    """The command that fetches known files to where they are looked for: into the folder that `given` names,
    as `--weights` says it, else where `fetch` puts them anyway. names: none for those of the defaults.
    """
    folder = parse(given, files).folder if given else None
    where = ["--weights", str(folder)] if folder is not None else []
    return shlex.join(["synvid-eval", "weights", "fetch", *names, *where])


def recognized(path: Path, files: Sequence[WeightsFile] | None = None) -> WeightsFile | None:
    """Which known file this is, by its hash; None where it is none."""
    seen = digest(path)
    return next((f for f in _table(files) if f.matches(seen)), None)


def in_folder(one: WeightsFile, folder: Path) -> Path | None:
    """Where a known file lies in that folder, by its names; not verified. WeightsError where the folder
    cannot be looked into.
    """
    try:
        return next((p for n in (one.file, *one.aliases) if (p := folder / n).is_file()), None)
    except OSError as error:
        raise _unreadable(folder, error) from None


def verified(one: WeightsFile, path: Path, cure: str = "") -> Found:
    """A known file at that place; WeightsError where it is another, cut short say. cure: what to do then, if
    not to remove the file and fetch it.
    """
    seen = digest(path)
    if one.matches(seen):
        return Found(path, seen.identity, one.name)
    if one.size and seen.size < one.size:
        what = f"cut short: {seen.size:,} of {one.size:,} bytes"
    elif one.size and seen.size > one.size:
        what = f"another file: {seen.size:,} bytes in place of {one.size:,}"
    else:
        what = f"another file: sha256 {seen.sha256}, git blob {seen.git_blob}, in place of {one.hash_text}"
    raise WeightsError(
        f"{path} is not the file of the weights {one.name}: it is {what}.",
        cure or f"Remove it, then run: {fetch_command([one.name])}",
    )


def locate(
    network: str, given: str | None = None, wanted: str = "", files: Sequence[WeightsFile] | None = None
) -> Found:
    """The weights of a network, verified.

    given: what `--weights` says (see `parse`), then SYNVID_EVAL_WEIGHTS, then the default folder: the first
    of them that names a file for this network, or a folder, decides. wanted: the known file that is taken
    from a folder; empty: the first one of the network that is there. A file that is named may have any hash
    (its identity then tells it apart), unless it is a program.

    Raises:
        WeightsError: missing, unreadable, cut short, another file, a program of unknown hash.
        UsageError: no such network or known file; `given` makes no sense.
    """
    fitting = [f for f in _table(files) if f.network == network and wanted in ("", f.name)]
    if not fitting:
        known(wanted or network, files)
        raise UsageError(f"{wanted} are no weights of {network}.", nearest(network, networks(files)))
    keys = dict.fromkeys([network, *(f.name for f in fitting)])
    for source in sources(given, files):
        for key in keys:
            if key in source.named:
                return _named(key, source.named[key], given, files)
        if source.folder is not None:
            for one in fitting:
                if path := in_folder(one, source.folder):
                    return verified(one, path, _remove(one, given, files))
            raise missing(fitting[0], source.folder, given, files)
    raise AssertionError("the default folder is always a source")


def _remove(one: WeightsFile, given: str | None, files: Sequence[WeightsFile] | None) -> str:
    """The cure of a wrong file in the folder of weights, which is nobody's own."""
    return f"Remove it, then run: {fetch_command([one.name], given, files)}"


def _named(key: str, path: Path, given: str | None, files: Sequence[WeightsFile] | None) -> Found:
    """A file that was named for a network or as a known file. One that is wrong is not said to be removed: it
    is the user's own, unless it lies in the folder of weights.
    """
    if not os.path.isfile(path):
        what = "is no file" if os.path.exists(path) else "does not exist"
        what = "is a folder" if os.path.isdir(path) else what
        raise WeightsError(f"The weights file {path} {what} (--weights {key}={path}).", "Give the file.")
    one = recognized(path, files)
    if one is None:
        # A known name's own file that is cut short is not "some other file": say so.
        for same in _table(files):
            if path.name in (same.file, *same.aliases) and key in (same.name, same.network):
                fetch = fetch_command([same.name], given, files)
                own = f"Leave {key}={path} away and run: {fetch}; or rename it, if the weights are your own."
                kept = os.path.realpath(path.parent) == os.path.realpath(folder_of(given, files))
                return verified(same, path, _remove(same, given, files) if kept else own)
        if key not in networks(files):
            same = known(key, files)
            own = shlex.quote(f"{same.network}={path}")
            return verified(same, path, f"Give it as --weights {own} to use weights of your own.")
        if is_program(path):
            raise WeightsError(
                f"{path} is a TorchScript program of unknown hash (sha256 {digest(path).sha256}): not run.",
                "Give a state dict, or the known file: synvid-eval weights list shows its hash.",
            )
        return Found(path, digest(path).identity, None)
    if key not in (one.name, one.network):
        raise WeightsError(
            f"--weights {key}={path}: these are the weights {one.name}, of another network.",
            f"Say {one.network}={path}.",
        )
    return Found(path, digest(path).identity, one.name)


def missing(
    one: WeightsFile, folder: Path, given: str | None = None, files: Sequence[WeightsFile] | None = None
) -> MissingWeights:
    """The error that says what is missing, where it can be had and where it goes. given: see `locate`."""
    return MissingWeights(
        f"The weights {one.name} are missing: {one.file} ({one.size_text}, {one.hash_text}) "
        f"is not in {folder}{'' if os.path.isdir(folder) else f', which {no_folder(folder)}'}.",
        f"Run: {fetch_command([one.name], given, files)} (or put it there yourself, from "
        f"{' or '.join(one.addresses)}; or say where it is: --weights {one.network}=FILE).",
    )


def no_folder(folder: Path) -> str:
    """What is wrong with what is no folder: "does not exist", "is no folder"."""
    return "is no folder" if os.path.exists(folder) else "does not exist"


def is_program(file: Path | io.BytesIO) -> bool:
    """Whether a file is a TorchScript archive (which holds code), by its table of contents."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any("/code/" in n or n.endswith("/constants.pkl") for n in archive.namelist())
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return False


def read(path: Path, identity: str) -> bytes:
    """The bytes of a file, which have that identity: what was verified is what is loaded.

    WeightsError where they have not (the file was exchanged meanwhile) or it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None
    seen = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if seen != identity:
        raise WeightsError(
            f"{path} is not what it was: {seen} in place of {identity}.", "Was it exchanged? Run again."
        )
    return data


def state_dict(data: bytes, label: str) -> dict[str, Tensor]:
    """The tensors of a state dict, by name: safetensors, or torch's own format without running any code.

    data: the file's bytes. label: its name, for messages. WeightsError where it is no such file, or holds
    anything but tensors.
    """
    import torch

    if is_program(io.BytesIO(data)):
        raise WeightsError(
            f"{label} is a TorchScript program, no state dict: it is not run.",
            "Give a state dict, or the known file: synvid-eval weights list shows its hash.",
        )
    try:
        if _is_safetensors(data):
            from safetensors.torch import load

            found: object = load(data)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch asks to report a pickle of another protocol to it
                found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling alien bytes raises whatever it meets
        raise _no_tensors(label, len(data), error, _is_plain_pickle(data)) from None
    if not isinstance(found, Mapping) or not all(
        isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in found.items()
    ):
        raise WeightsError(
            f"{label} is no state dict: it does not hold tensors by name.",
            "Save the network's own state_dict(), not a checkpoint around it.",
        )
    return dict(found)


def held(path: Path, passed_over: str = "\0") -> dict[str, object]:
    """What a file holds by name, on the CPU, mapped where the file can be: a safetensors file's tensors, or
    what torch.save wrote of a mapping, read without running any code. Beside tensors such a mapping may hold
    others, numbers, texts and options as argparse keeps them: a checkpoint around a state dict.

    passed_over: tensors whose names begin so stay unread (of safetensors). WeightsError where the file cannot
    be read or holds anything else.
    """
    import torch

    if is_program(path):
        raise WeightsError(f"{path} is a TorchScript program, no state dict: it is not run.", _HELD)
    try:
        with path.open("rb") as file:
            head, size = file.read(9), os.fstat(file.fileno()).st_size
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        found: object
        if head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= size - 8:
            from safetensors import safe_open

            with safe_open(path, "pt") as tensors:
                names = [name for name in tensors.keys() if not name.startswith(passed_over)]  # noqa: SIM118
                found = {name: tensors.get_tensor(name) for name in names}
        else:
            mapped = zipfile.is_zipfile(path)
            with warnings.catch_warnings(), _options_allowed():
                warnings.simplefilter("ignore")  # torch asks to report a pickle of another protocol to it
                found = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # unpickling alien bytes raises whatever it meets
        plain = size < _MOST_READ and _is_plain_pickle(path.read_bytes())
        raise _no_tensors(str(path), size, error, plain) from None
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise WeightsError(f"{path} is no state dict: it does not hold tensors by name.", _HELD)
    return dict(found)


_HELD = (
    "It must be safetensors, or what torch.save writes of a state dict, as it is or under model or module."
)
_MOST_READ = 1 << 28  # of a file that torch cannot read, to say why


def _options_allowed() -> contextlib.AbstractContextManager[object]:
    """argparse's own record of options, which runs nothing, may stand beside tensors (torch before 2.5 has no
    such permission and refuses it).
    """
    import torch

    allow = getattr(torch.serialization, "safe_globals", None)
    return contextlib.nullcontext() if allow is None else allow([argparse.Namespace])


def _no_tensors(label: str, size: int, error: Exception, plain: bool) -> WeightsError:
    """What to say of a file that cannot be read. plain: whether it is a pickle that torch did not write."""
    if re.search("unsupported (global|class)|unrecognized function", str(error), re.IGNORECASE):
        reason = "it holds more than tensors, and what would run code is not run"
    elif plain:
        reason = "it is a plain pickle, as pickle.dump writes it: that may run code, and is not run"
    else:
        reason = "its bytes are of no such file, or were cut short"
    return WeightsError(
        f"{label} ({size:,} bytes) cannot be read as a state dict: {reason}.",
        "It must be safetensors, or what torch.save writes of a state dict.",
    )


def _is_safetensors(data: bytes) -> bool:
    return data[8:9] == b"{" and 2 <= int.from_bytes(data[:8], "little") <= len(data) - 8


def _is_plain_pickle(data: bytes) -> bool:
    """Whether the bytes begin with a whole pickle that is not the first part of torch's own older format.
    Nothing of it is run.
    """
    import torch

    try:
        first = [argument for _, argument, _ in pickletools.genops(data)]
    except Exception:  # alien bytes raise whatever they meet
        return False
    return torch.serialization.MAGIC_NUMBER not in first


def matched(
    found: Mapping[str, Tensor], shapes: Mapping[str, Sequence[int]], label: str
) -> dict[str, Tensor]:
    """The tensors that a network wants, float32, in its order; the `num_batches_tracked` of its batch norms
    may be there or not.

    shapes: name → shape of the network's own state dict. WeightsError names what is missing, unknown,
    misshapen, not of floats, or not finite.
    """
    import torch

    wanted = {n: tuple(s) for n, s in shapes.items() if not n.endswith("num_batches_tracked")}
    counters = {f"{n.rpartition('.')[0]}.num_batches_tracked" for n in wanted}
    wrong = []
    if lacks := [n for n in wanted if n not in found]:
        wrong.append(f"lacks {_some(lacks)}")
    if alien := [n for n in found if n not in wanted and n not in counters]:
        wrong.append(f"holds the unknown {_some(alien)}")
    here = {n: found[n] for n in wanted if n in found}
    if other := [
        f"{n} {list(t.shape)} for {list(wanted[n])}" for n, t in here.items() if tuple(t.shape) != wanted[n]
    ]:
        wrong.append(f"has other shapes: {_some(other)}")
    if odd := [n for n, t in here.items() if not t.is_floating_point()]:
        wrong.append(f"holds no floats in {_some(odd)}")
    if broken := [n for n, t in here.items() if t.is_floating_point() and not bool(torch.isfinite(t).all())]:
        wrong.append(f"holds NaN or infinite values in {_some(broken)}")
    if wrong:
        raise WeightsError(
            f"{label} does not fit the network: it {'; '.join(wrong)}.",
            "Are these the weights of another one?",
        )
    return {n: t.float() for n, t in here.items()}


def _some(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
