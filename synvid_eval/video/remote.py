"""Remote places: objects of a store (S3, Google Cloud Storage, web servers) read where they lie, and results
written there. All that reads or writes by URL asks here; fsspec does the talking.

What is relied on. A store tells of each object its size and a tag that changes with its content (S3's ETag,
GCS's MD5 or generation, a web server's strong ETag): the *stamp*. It is taken when a set is listed, is what a
clip is known by in the cache, and must still be the same when the clip is read; on S3 every read demands it
(If-Match), elsewhere it is asked for again behind the last read. So an object that is replaced is never read
half old, half new, and never kept under another's name.

What is repeated. A request that fails in a way that may pass (no answer, 5xx, 429, a body cut short) is made
again, with pauses that grow to `LONGEST_PAUSE`, until `PATIENCE` is over; all bytes asked for must come. What
is refused (403), missing (404) or replaced is final.

What is secret. Credentials come from where the libraries look for them (environment, configuration files,
the machine's role), never from a URL: `checked` refuses one that holds any and does not repeat it. Messages
are made here, without a URL's query, and say nothing that a store sent but its code.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import importlib
import io
import logging
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar
from urllib.parse import quote, unquote, urlsplit
from urllib.request import url2pathname

from synvid_eval import extras
from synvid_eval.errors import DataError, MissingPackageError, UsageError, one_line

T = TypeVar("T")

# Scheme → what fsspec calls the store, and the package that talks to it.
STORES = {
    "s3": ("s3", "s3fs"),
    "s3a": ("s3", "s3fs"),
    "gs": ("gs", "gcsfs"),
    "gcs": ("gs", "gcsfs"),
    "http": ("http", "aiohttp"),
    "https": ("http", "aiohttp"),
    "memory": ("memory", "fsspec"),
}

# Bytes of one request, and how many answers a file that is read keeps: what reading it takes in memory.
BLOCK = 8 * 2**20
KEPT = 4

# Bytes of one request where little of a file is wanted here and there: the headers of a tar file. Less would
# be more requests than their waiting is worth, more would fetch what is passed over.
HEADERS = 2**20

# Seconds for which a request is made again and again: while a set is read, and when a store is first spoken
# to (a name that is spelled wrong should not take a minute).
PATIENCE = 60.0
FIRST_PATIENCE = 10.0

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0

# Larger files are not read whole from a web server that cannot give a part of them.
MOST_WHOLE = 2**28

_CONNECT, _ANSWER = 5, 15  # seconds for a connection, and between two parts of an answer

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://")
_SECRET = re.compile(
    r"[?&](?:X-(?:Amz|Goog)-[\w-]+|AWSAccessKeyId|GoogleAccessId|Signature|sig|token|access_token|key|api_key"
    r"|password|secret)=",
    re.IGNORECASE,
)

# A user and a password that holds a slash, as keys of AWS do; a port and an ARN have no such thing.
_USER = re.compile(r"(?!arn:|\[)[^/@:]*:(?!\d*/)[^@]*@")


def is_remote(location: str) -> bool:
    """Whether a location is a URL of a store that is known here."""
    match = _SCHEME.match(location)
    return match is not None and match[1] in STORES


def is_url(location: str) -> bool:
    """Whether a location has the form of a URL (`scheme://…`), of a known store or not."""
    return _SCHEME.match(location) is not None


def plain(location: str) -> str:
    """A location with `file://` in front as the path it is; any other one as it stands."""
    if not location.startswith(("file://", "local://")):
        return location
    parts = urlsplit(location)
    return url2pathname(parts.path) if parts.netloc in ("", "localhost") else location


def checked(location: str) -> str:
    """The location, where nothing in it is secret and its store is known.

    Raises UsageError, which does not repeat what may be a password or a signature.
    """
    match = _SCHEME.match(location)
    if match is None:
        return location
    scheme = match[1]
    rest = location[match.end() :]
    host = rest.partition("/")[0]
    user = "@" in host or _USER.match(rest) is not None
    if user or _SECRET.search(location):
        what = "a user or password in front of '@'" if user else "a signature or key in its query"
        raise UsageError(
            f"A location with {scheme}:// has {what}.",
            "Secrets do not belong on a command line: give the plain URL, and credentials by the environment "
            "(such as AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS).",
        )
    if scheme not in STORES:
        known = ", ".join(f"{s}://" for s in ("s3", "gs", "http", "https", "file"))
        raise UsageError(f"No store is called {scheme}:// (in {location}).", f"Known: {known}.")
    if scheme in ("http", "https") and "?" in location:
        raise UsageError(
            f"{location.partition('?')[0]} is given with a query.", "Give a URL that needs none."
        )
    if not host or (STORES[scheme][0] == "http" and not urlsplit(location).hostname):
        raise UsageError(f"{location} names no {'bucket' if scheme in 's3gcs' else 'host'}.", "Add it.")
    return location


@dataclass(frozen=True, order=True)
class Url(os.PathLike[str]):
    """A remote place, as far as a `pathlib.Path` is asked: its parts, whether it is there, and its bytes.

    text: the URL without a slash at its end.
    """

    text: str

    def __str__(self) -> str:
        return self.text

    def __fspath__(self) -> str:
        return self.text

    def __truediv__(self, name: str) -> Url:
        return Url(f"{self.text}/{name}")

    @property
    def name(self) -> str:
        """The last component (of a bucket, its name)."""
        return self.text.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The last component's suffix, with its dot; "" where it has none."""
        return os.path.splitext(self.name)[1]

    @property
    def stem(self) -> str:
        """The last component without its suffix."""
        return os.path.splitext(self.name)[0]

    @property
    def parent(self) -> Url:
        """What it lies in; a bucket lies in itself."""
        before = self.text.rpartition("/")[0]
        return self if before.endswith("/") else Url(before)

    @property
    def parts(self) -> tuple[str, ...]:
        """`s3://`, the bucket, and the components of the key."""
        match = _SCHEME.match(self.text)
        head = match[0] if match else ""
        return (head, *self.text[len(head) :].split("/"))

    def is_file(self) -> bool:
        """Whether it is an object; see `kind_of` for the errors."""
        return kind_of(self.text) == "file"

    def is_dir(self) -> bool:
        """Whether objects lie below it; see `kind_of` for the errors."""
        return kind_of(self.text) == "folder"

    def read_bytes(self) -> bytes:
        """Its bytes; OSError where they cannot be had."""
        return read_bytes(self.text)

    def open(self, mode: str = "rb") -> File:
        """The object, opened for reading; OSError where it cannot be."""
        if mode != "rb":
            raise ValueError(f"mode {mode!r}: it is read as bytes")
        return File(self.text)


Place: TypeAlias = Path | Url


def place(location: str | os.PathLike[str]) -> Place:
    """A location as a path, or as a Url where it is remote."""
    text = plain(os.fspath(location))
    return Url(text.rstrip("/")) if is_remote(text) else Path(text)


@dataclass(frozen=True)
class Object:
    """What a store says of an object: size [bytes] and stamp, "" where it has no tag to rely on."""

    size: int
    stamp: str


def stamp(url: str, facts: Mapping[str, Any]) -> str:
    """The stamp of an object by what fsspec tells of it; "" where its store tells nothing to rely on."""
    store = STORES[urlsplit(url).scheme][0]
    if store == "s3":
        tag = facts.get("ETag")
    elif store == "gs":
        tag = facts.get("md5Hash") or (facts.get("generation") and f"{url} {facts['generation']}")
    elif store == "http":
        tag = facts.get("ETag")
        # a weak one may stay the same over a small change; a strong one is of one URL
        tag = None if not tag or str(tag).startswith("W/") else f"{url} {tag}"
    else:
        tag = facts.get("created") and f"{url} {facts['created']}"
    return f"{facts.get('size')} {tag}" if tag else ""


def size_of(stamped: str) -> int | None:
    """The size [bytes] that an object's stamp tells; None where it has none."""
    size = stamped.partition(" ")[0]
    return int(size) if size.isdigit() else None


def joined_stamp(objects: Mapping[str, Object]) -> str:
    """One stamp for the objects of a folder (name → object); "" where one of them has none."""
    if not objects or not all(o.stamp for o in objects.values()):
        return ""
    text = "".join(f"{name}\0{objects[name].stamp}\0" for name in sorted(objects))
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def content(stamped: str) -> str:
    """What stands for the hash of an object's bytes, by its stamp; "" where it has none."""
    return hashlib.blake2b(f"remote {stamped}".encode(), digest_size=16).hexdigest() if stamped else ""


def _silent() -> None:
    return None


@lru_cache(maxsize=16)
def _system(store: str, tries: int, process: int) -> Any:
    """The fsspec file system of a store, of this process; requests are tried that often within it."""
    import fsspec

    package = next(p for s, p in STORES.values() if s == store)
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise extras.missing_package(error) or error from None
    # what such a library logs goes to those who asked for logs, and else nowhere (not to stderr)
    for name in {package, "fsspec"}:
        if not logging.getLogger(name).handlers:
            logging.getLogger(name).addHandler(logging.NullHandler())
    asked: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if store == "s3":
        # the pauses are made here, where a waiting parent can be told that nothing hangs
        asked["config_kwargs"] = {
            "retries": {"max_attempts": 0},
            "connect_timeout": _CONNECT,
            "read_timeout": _ANSWER,
        }
    elif store == "http":
        import aiohttp

        asked["client_kwargs"] = {"timeout": aiohttp.ClientTimeout(sock_connect=_CONNECT, sock_read=_ANSWER)}
    elif store == "gs":
        return _google(tries)(requests_timeout=2 * _ANSWER, **asked)
    system = fsspec.filesystem(store, **asked)
    if store == "s3":
        system.retries = tries
    return system


def _google(tries: int) -> Any:
    """gcsfs's file system with as many tries of a request: its own six take half a minute, whatever the
    caller's patience, and the last one is logged with a traceback.
    """
    from gcsfs.core import GCSFileSystem  # what fsspec gives asks for the kind of bucket first, by gRPC

    once = GCSFileSystem._request.__wrapped__

    class Google(GCSFileSystem):  # type: ignore[misc,unused-ignore]
        async def _request(self, *args: Any, **kwargs: Any) -> Any:
            for attempt in range(tries - 1):
                try:
                    return await once(self, *args, **kwargs)
                except Exception as error:
                    # 401: Google's answer also where a good token is not known everywhere yet
                    if not (_judged(error)[2] or getattr(error, "code", 0) == 401):
                        raise
                await asyncio.sleep(min(LONGEST_PAUSE, FIRST_PAUSE / 2 * 1.7**attempt))
            return await once(self, *args, **kwargs)

    return Google


def _reach(url: str, tries: int = 1) -> tuple[Any, str]:
    """(file system, path within it) of a URL."""
    scheme, _, path = url.partition("://")
    store = STORES[scheme][0]
    if store == "http":
        url = f"{scheme}://{quote(path, safe='/:[]%')}"
    return _system(store, tries, os.getpid()), path if store in ("s3", "gs") else url


# What s3fs makes of 503 and 500.
_BUSY = {errno.EBUSY: "the store is busy", getattr(errno, "EREMOTEIO", errno.EIO): "the store failed"}

_FINAL = (errno.EINVAL, errno.ENOSYS, errno.EPERM, getattr(errno, "EREMCHG", errno.EINVAL))


def _no_bucket(error: BaseException) -> bool:
    return "specified bucket does not exist" in str(error)  # the words of S3 itself


def _judged(error: BaseException) -> tuple[int, str, bool]:
    """(errno, what happened, whether it may pass) of what a store's library raised."""
    kinds = {k.__name__ for k in type(error).__mro__}
    code = next((c for a in ("code", "status") if isinstance(c := getattr(error, a, None), int)), 0)
    if isinstance(error, _Gone):
        return error.errno or errno.ESTALE, str(error.strerror), False
    if isinstance(error, FileNotFoundError) or code == 404:
        return errno.ENOENT, "no such bucket" if _no_bucket(error) else "no such object", False
    if kinds & {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"} or (
        kinds & {"DefaultCredentialsError", "RefreshError", "TokenRetrievalError"}
    ):
        return errno.EACCES, "no credentials for it were found", False
    if isinstance(error, PermissionError) or code in (401, 403):
        return errno.EACCES, "access denied", False
    if "FileExpired" in kinds or code == 412:
        return errno.ESTALE, REPLACED, False
    if code and code < 500 and code not in (408, 429):
        return errno.EIO, f"the store answered {code}", False
    if isinstance(error, (IsADirectoryError, NotImplementedError, ValueError, TypeError, LookupError)):
        return errno.EINVAL, f"it cannot be read ({type(error).__name__})", False
    if isinstance(error, OSError) and error.errno in _FINAL:
        return error.errno or errno.EIO, f"the store refused ({errno.errorcode[error.errno or 0]})", False
    if code:
        return errno.EIO, f"the store answered {code}", True
    if isinstance(error, OSError) and error.errno in _BUSY:
        return errno.EIO, _BUSY[error.errno], True
    if isinstance(error, _Short):
        return errno.EIO, str(error), True
    return errno.EIO, f"no good answer ({type(error).__name__})", True


REPLACED = "it was replaced since the set was listed"


class _Gone(OSError):
    """An object is another one than it was."""


class _Short(OSError):
    """Fewer bytes came than were asked for."""


# Stores that have answered this process.
_ANSWERED: set[str] = set()


def _persist(call: Callable[[], T], url: str, beat: Callable[[], None] | None = None) -> T:
    """The result of a request, made again while what fails may pass.

    Args:
        beat: called before each try, where an object is read whose store has told of it.

    Raises OSError with what happened, MissingPackageError.
    """
    begun, attempt = time.monotonic(), 0
    store = STORES[urlsplit(url).scheme][0]
    patience = FIRST_PATIENCE if beat is None and store not in _ANSWERED else PATIENCE
    while True:
        (beat or _silent)()
        try:
            result = call()
            _ANSWERED.add(store)
            return result
        except MissingPackageError:
            raise
        except Exception as error:
            number, text, may_pass = _judged(error)
        waited = time.monotonic() - begun
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)
        # many processes that met the same fault do not come back at the same moment
        from synvid_eval.randomness import address  # which loads numpy, and most commands need none

        pause *= 0.5 + 0.5 * (address("pause", f"{url} {os.getpid()} {attempt}") % 1024) / 1024
        if not may_pass or waited + pause > patience:
            tried = f", tried for {waited:.0f} s" if may_pass else ""
            raise OSError(number, f"{text}{tried}", one_line(url)) from None
        time.sleep(pause)
        attempt += 1


def kind_of(url: str) -> Literal["file", "folder", "nothing"]:
    """What a URL is. With a slash at its end it is a folder, whatever lies there, and nobody is asked.

    Raises OSError where the store cannot be asked, or refuses.
    """
    if url.endswith("/"):
        return "folder"

    def ask() -> Literal["file", "folder", "nothing"]:
        system, path = _reach(url.rstrip("/"))
        try:
            facts = system.info(path)
        except FileNotFoundError as error:
            if _no_bucket(error):
                raise
            return "nothing"
        if STORES[urlsplit(url).scheme][0] == "http" and _is_index(url, facts):
            return "folder"
        return "file" if facts["type"] == "file" else "folder"

    return _persist(ask, url)


def _is_index(url: str, facts: Mapping[str, Any]) -> bool:
    """Whether what a web server gives is a page of links, and so a folder."""
    kind = str(facts.get("mimetype") or "").partition(";")[0]
    return kind == "text/html" and not os.path.splitext(url)[1]


def listing(url: str, deep: bool = True) -> dict[str, Object]:
    """Everything below a URL (or directly in it), by its path relative to that, in sorted order.

    Raises OSError; a listing is whole or none.
    """
    root = url.rstrip("/")

    def ask() -> dict[str, Object]:
        system, path = _reach(root, tries=8)  # pages are repeated one by one: there may be very many
        if STORES[urlsplit(root).scheme][0] == "http":
            return _web_listing(system, path, deep)
        if deep:
            found = system.find(path, detail=True)
        else:
            found = {f["name"]: f for f in system.ls(path, detail=True)}
        below = path.removeprefix("memory:/").rstrip("/") + "/"
        out = {}
        for name, facts in found.items():
            if facts.get("type") != "file" or not name.startswith(below) or name.endswith("/"):
                continue
            inner = name[len(below) :]
            out[inner] = Object(int(facts["size"]), stamp(f"{root}/{inner}", facts))
        return dict(sorted(out.items()))

    return _persist(ask, root)


def _web_listing(system: Any, root: str, deep: bool) -> dict[str, Object]:
    """What the pages of links below a URL name, with what the server tells of each file."""
    below = root + "/"
    names = system.find(below) if deep else system.ls(below, detail=False)
    found = {}
    for name in sorted(n for n in names if n.startswith(below) and not n.endswith("/")):
        facts = system.info(name)
        inner = unquote(name[len(below) :])
        found[inner] = Object(int(facts.get("size") or 0), stamp(f"{unquote(below)}{inner}", facts))
    return found


def object_of(url: str) -> Object:
    """Size and stamp of one object; OSError where there is none."""

    def ask() -> Object:
        system, path = _reach(url)
        facts = system.info(path)
        if facts["type"] != "file":
            raise FileNotFoundError(url)
        return Object(int(facts.get("size") or 0), stamp(url, facts))

    return _persist(ask, url)


class File(io.RawIOBase):
    """An object or a part of one, opened for reading: seekable, read by blocks of which `KEPT` are kept.

    Blocks are counted from where the part begins and end with it: of the rest nothing is fetched. The first
    error stays: every read behind it raises the same, and `check` tells of it, for libraries that take an
    error for the end of a file.

    Args:
        stamped: the stamp that the object must have ("": any). beat: called before each request. part: offset
            and number of its bytes that are read like a file of their own (default: all). block: bytes of one
            request (default `BLOCK`). name: what the part is called; decoders look at its suffix.

    Attributes:
        size: bytes of the object or part. stamp: the object's. whole: bytes of the object. in_parts: False
            once its store has answered with all of it to who asked for less.

    Raises:
        OSError, from here and from every read: missing, refused, replaced, ends within the part, or no good
        answer for `PATIENCE`.
    """

    def __init__(
        self,
        url: str,
        stamped: str = "",
        beat: Callable[[], None] = _silent,
        *,
        part: tuple[int, int] | None = None,
        block: int | None = None,
        name: str = "",
    ) -> None:
        super().__init__()
        self.url, self.name, self.in_parts = url, name or url.rpartition("/")[2], True
        self._beat, self._at, self._length = beat, 0, block or BLOCK
        self._error: OSError | None = None
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._source = _persist(self._open, url, beat)
        if stamped and self.stamp != stamped:
            raise _Gone(errno.ESTALE, REPLACED, one_line(url))
        self._begin, self.size = part or (0, self.whole)
        if self._begin + self.size > self.whole:
            raise _Gone(errno.EIO, f"it ends within the part: {self.whole:,} bytes", one_line(url))

    def _open(self) -> Any:
        """What answers to reads on S3, which has each demand the same ETag; elsewhere None."""
        system, path = _reach(self.url)
        source = system.open(path, "rb", block_size=BLOCK, cache_type="none") if self._is_s3 else None
        facts = source.details if source is not None else system.info(path)
        if facts["type"] != "file" or facts.get("size") is None:
            raise FileNotFoundError(self.url)
        self.whole, self.stamp = int(facts["size"]), stamp(self.url, facts)
        return source

    @property
    def _is_s3(self) -> bool:
        return STORES[urlsplit(self.url).scheme][0] == "s3"

    def _part(self, begin: int, end: int) -> bytes:
        """Bytes of the object, all that are asked for."""
        data: bytes
        if self._source is not None:
            self._source.seek(begin)
            data = self._source.read(end - begin)
        else:
            system, path = _reach(self.url)
            data = system.cat_file(path, start=begin, end=end)
            if len(data) == self.whole > end - begin:  # a web server that gives no parts
                self.in_parts = False
                if self.whole > MOST_WHOLE:
                    raise ValueError("no parts")
                data = data[begin:end]
        if len(data) != end - begin:
            raise _Short(f"{len(data):,} of {end - begin:,} bytes came")
        return data

    def readable(self) -> bool:
        """See `io.IOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.IOBase`."""
        return True

    def tell(self) -> int:
        """See `io.IOBase`."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See `io.IOBase`."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """See `io.RawIOBase`; as many bytes as fit, fewer only at the end."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and self._at < self.size:
            number, within = divmod(self._at, self._length)
            part = self._block(number)[within : within + len(view) - done]
            view[done : done + len(part)] = part
            done += len(part)
            self._at += len(part)
        return done

    def _block(self, number: int) -> bytes:
        self.check()
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        begin, end = number * self._length, min((number + 1) * self._length, self.size)
        try:
            data = _persist(lambda: self._part(self._begin + begin, self._begin + end), self.url, self._beat)
        except OSError as error:
            self._error = error
            raise
        while len(self._blocks) >= KEPT:
            self._blocks.popitem(last=False)
        self._blocks[number] = data
        return data

    def check(self) -> None:
        """Raises the OSError that a read met, if one did."""
        if self._error is not None:
            raise self._error

    def verify(self) -> None:
        """As `check`, and raises OSError where what was read is not what lies there now, or may be mixed."""
        self.check()
        if self.stamp and not self._is_s3:
            try:
                if object_of(self.url).stamp != self.stamp:
                    raise _Gone(errno.ESTALE, REPLACED, one_line(self.url))
            except OSError as error:
                self._error = error
                raise


def read_bytes(url: str, stamped: str = "", beat: Callable[[], None] = _silent) -> bytes:
    """The bytes of an object; OSError as for `File`."""
    with File(url, stamped, beat) as file:
        data = file.read()
        file.verify()
    return data


def write_bytes(url: str, data: bytes) -> None:
    """Writes an object: it is there whole or not at all, as stores promise. OSError names it."""

    def ask() -> None:
        system, path = _reach(url, tries=3)
        system.pipe_file(path, data)

    if url.startswith(("http:", "https:")):
        raise OSError(errno.EROFS, "web servers are read only", url)
    _persist(ask, url)


def local(location: str | os.PathLike[str], what: str) -> Path:
    """A place that has to be on this machine (or mounted there), as a path; `what` it is for.

    Raises UsageError for a URL.
    """
    text = plain(os.fspath(location))
    if is_url(text) and not os.path.lexists(text):
        checked(text)
        raise UsageError(
            f"{what} wants a place on this machine, and {text} is remote.",
            "Write to a disk and copy what is done (such as: aws s3 sync), or copy to a disk what is read.",
        )
    return Path(text)


@contextlib.contextmanager
def telling(location: Place | str) -> Iterator[None]:
    """What goes wrong with a remote place within, as a DataError. Does nothing where the place is a path."""
    try:
        yield
    except OSError as error:
        if not is_remote(os.fspath(location)):
            raise
        raise failed(os.fspath(location), error) from None


def check_target(location: str) -> None:
    """Finds out whether an object could be written, as far as can be known before it is.

    Raises UsageError for a folder or a web server, DataError where there is no such bucket, no credentials or
    no answer.
    """
    checked(location)
    if STORES[urlsplit(location).scheme][0] == "http":
        raise UsageError(f"{location} cannot be written: web servers are read only.", "Give s3:// or gs://.")
    if location.endswith("/"):
        raise UsageError(f"{location} is a folder.", "Give a file in it.")
    try:
        kind_of(location)
    except OSError as error:
        # who may write need not be one who may look
        if error.errno != errno.EACCES or "credentials" in str(error.strerror):
            raise failed(location, error) from None


def failed(url: str | Url, error: OSError) -> DataError:
    """What to tell of a remote place that cannot be read or written."""
    cures = {
        errno.ENOENT: "Check the URL.",
        errno.EACCES: "Check the credentials in the environment, and what they may read.",
        errno.ESTALE: "Run the command again when nobody writes there.",
    }
    if "credentials" in str(error.strerror):
        scheme = urlsplit(str(url)).scheme
        cures[errno.EACCES] = (
            "Set GOOGLE_APPLICATION_CREDENTIALS, or FSSPEC_GS_TOKEN=anon for a public bucket."
            if STORES[scheme][0] == "gs"
            else "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; FSSPEC_S3_ANON=true for a public bucket."
        )
    hint = cures.get(error.errno or 0, "Check the network and the store, then run the command again.")
    return DataError(f"{url} cannot be opened: {error.strerror}.", hint)
