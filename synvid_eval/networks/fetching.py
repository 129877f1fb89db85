"""Fetching known weights: several addresses, each tried again, and nothing kept that is not the file.

Bytes go to a hidden name beside the target and are renamed once their hash is right. A connection that is cut
or stalls is tried again from where it ended, at the same address and then at the next; an interrupted fetch
goes on the next time. What is not the file (a page that says "sign in", other bytes, another length) is
removed. Where nobody says how long the file is, an answer may end early and look whole: other bytes are then
asked for again, too. Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY`), http ones; what fails
behind one names it.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

import synvid_eval
from synvid_eval.errors import UsageError, WeightsError
from synvid_eval.networks.weights import Found, WeightsFile, hashes, verified

# The most that is read where the size is not known: none of these networks is larger.
_MOST = 1 << 30
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Patience:
    """How long an address is borne. tries: how often it is asked. pause: seconds before the second try,
    doubled before each further one. stall: seconds without a byte (or without an answer) that end a try.
    slowest: bytes a second below which a try ends, as a mean over `slow_after` seconds.
    """

    tries: int = 4
    pause: float = 1.0
    stall: float = 30.0
    slowest: float = 1024.0
    slow_after: float = 60.0


Progress = Callable[[int, int], None]
"""Told of bytes that are here and of bytes in all (0: unknown)."""


class _Final(Exception):
    """This address will not give the file: no sense in asking again."""


class _Passing(Exception):
    """This try failed; another may not. `wait`: seconds that the server asks for."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class Proxy(NamedTuple):
    """A proxy: HOST or HOST:PORT, without its user and password, and where it is said: "HTTPS_PROXY"."""

    host: str
    told: str


def proxy_of(address: str) -> Proxy | None:
    """The proxy that stands before an address; None where there is none.

    Raises UsageError for one that cannot be used: of another scheme than http (as which https counts: it is
    asked to connect in plain text, as everywhere), or without a host.
    """
    try:
        scheme, host = urlsplit(address)[:2]
    except ValueError:  # no address: it fails where it is asked
        return None
    said = urllib.request.getproxies().get(scheme)
    if not said or (host and urllib.request.proxy_bypass(host)):
        return None
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
    told = next((n for n in names if os.environ.get(n) == said), "the system's settings")
    try:
        parts = urlsplit(said if "://" in said else f"http://{said}")
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none
        good = False
    if not good:
        shown = re.sub(r"//[^/]*@", "//…@", said)
        raise UsageError(
            f"The proxy {shown!r} ({told}) cannot be used: it is no http://HOST:PORT.",
            f"Set {told}=http://HOST:PORT, or unset it." if told in names else "Mend it there.",
        )
    return Proxy(parts.netloc.rpartition("@")[2], told)


def fetch(
    one: WeightsFile,
    folder: Path,
    *,
    patience: Patience = Patience(),
    progress: Progress = lambda here, size: None,
    say: Callable[[str], None] = lambda text: None,
) -> Found:
    """A known file, fetched into `folder` (made if need be) and verified; nothing is fetched where it is
    there already. A file under its name that is another is replaced.

    progress: told as bytes come. say: told, a line each, of tries that failed.

    Raises:
        WeightsError: every address failed; says which one how, and what to do by hand.
        UsageError: a proxy of the environment cannot be used; said before anything is asked.
        OSError: the folder cannot be written, the disk is full.
    """
    target = folder / one.file
    folder.mkdir(parents=True, exist_ok=True)
    failures: list[str] = []
    behind: list[Proxy] = []
    with _part(folder / f".{one.file}.part") as part:
        if target.is_file():  # perhaps since another process fetched it meanwhile
            with contextlib.suppress(WeightsError):
                found = verified(one, target)
                _remove(part)
                return found
        try:
            if part.exists() and one.matches(hashes(part)):  # killed just before it was renamed
                _publish(part, target)
                return verified(one, target)
            proxies = [proxy_of(address) for address in one.addresses]
            for address, proxy in zip(one.addresses, proxies, strict=True):
                label = address
                if proxy is not None:
                    label = f"{address} through the proxy {proxy.host} ({proxy.told})"
                    behind.append(proxy)
                failure = _from(address, label, one, part, patience, progress, say)
                if not failure:
                    _publish(part, target)
                    return verified(one, target)
                failures.append(f"{label}: {failure}")
                if len(failures) < len(one.addresses):
                    say(f"{failures[-1]}; trying another address")
        except Exception:
            _remove(part)
            raise
        _remove(part)
    raise WeightsError(
        f"The weights {one.name} could not be fetched. {'; '.join(failures)}.",
        f"{_proxy_hint(behind)} Or get {one.file} ({one.size_text}, {one.hash_text}) by other means and put "
        f"it into {folder}.",
    )


def _proxy_hint(behind: list[Proxy]) -> str:
    if not behind:
        return "A proxy is taken from HTTPS_PROXY."
    return f"Is that proxy right ({' and '.join(dict.fromkeys(p.told for p in behind))})?"


@contextlib.contextmanager
def _part(path: Path) -> Iterator[Path]:
    """Holds the unfinished file for this process; another one that fetches the same waits."""
    try:
        import fcntl
    except ImportError:  # Windows: two fetches at once are not kept apart there
        yield path
        return
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:  # who waited may hold a file that was renamed or removed meanwhile
            same = os.stat(path).st_ino == os.fstat(handle).st_ino
        except FileNotFoundError:
            same = False
        if same:
            break
        os.close(handle)
    try:
        yield path
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _publish(part: Path, target: Path) -> None:
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, target)


def _from(
    address: str,
    label: str,
    one: WeightsFile,
    part: Path,
    patience: Patience,
    progress: Progress,
    say: Callable[[str], None],
) -> str:
    """Fills `part` from one address, which messages call `label`; why it could not, or "" once `part` is the
    file.
    """
    reason, pause = "", patience.pause
    for attempt in range(patience.tries):
        began_at = part.stat().st_size if part.exists() else 0
        try:
            whole = _ask(address, one, part, began_at, patience, progress)
            seen = hashes(part)
            if one.matches(seen):
                return ""
            part.write_bytes(b"")
            reason = f"sent another file ({seen.size:,} bytes, {seen.identity})"
            if not whole:
                raise _Passing(f"{reason}, or was cut: it did not say how long the file is")
            if not began_at:
                return reason
            # what was here before may have been the wrong part: once more, from the start
        except _Final as error:
            return str(error)
        except _Passing as error:
            reason = str(error)
            if attempt + 1 < patience.tries:
                say(f"{label}: {reason}; trying again")
                time.sleep(min(max(pause, error.wait), 60.0))
                pause *= 2
    return f"{reason} (asked {patience.tries} times)"


def _opener() -> urllib.request.OpenerDirector:
    """http and https only, whatever a redirect says; proxies of the environment."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _ask(
    address: str, one: WeightsFile, part: Path, offset: int, patience: Patience, progress: Progress
) -> bool:
    """One request: appends to `part` what follows its `offset` bytes (or writes it anew, where the server
    sends all). Returns once the answer ended where it should: whether that is known.
    """
    if one.size and offset >= one.size:
        offset = 0
    headers = {"User-Agent": f"synvid-eval/{synvid_eval.__version__}", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    try:
        got = _opener().open(urllib.request.Request(address, headers=headers), timeout=patience.stall)
    except urllib.error.HTTPError as error:
        with error:
            _refused(error, part, offset)
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise _Final(f"its certificate is not trusted ({error.reason.verify_message})") from None
        if isinstance(error.reason, TimeoutError):
            raise _Passing(f"no answer for {patience.stall:g} s") from None
        raise _Passing(_reason(error.reason)) from None
    except TimeoutError:
        raise _Passing(f"no answer for {patience.stall:g} s") from None
    except (http.client.InvalidURL, ValueError) as error:
        raise _Final(_reason(error)) from None
    except (http.client.HTTPException, OSError) as error:
        raise _Passing(_reason(error)) from None
    else:
        with got:
            return _receive(got, one, part, offset, patience, progress)


def _reason(error: object) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).split("\n")[0] or type(error).__name__


def _refused(error: urllib.error.HTTPError, part: Path, offset: int) -> NoReturn:
    """What an HTTP status means: whether asking again makes sense."""
    if error.code == 416 and offset:
        part.write_bytes(b"")
        raise _Passing("it cannot go on from the middle")
    said = f"HTTP {error.code} {_reason(error.reason)}".strip()
    if error.code in (408, 425, 429) or error.code >= 500:
        wait = error.headers.get("Retry-After", "")
        raise _Passing(said, float(wait) if re.fullmatch(r"[0-9]{1,4}", wait) else 0.0)
    raise _Final(said)


def _receive(
    got: Any, one: WeightsFile, part: Path, offset: int, patience: Patience, progress: Progress
) -> bool:
    """Writes the body of an answer, once its headers say that it may be the file; whether its end is known to
    be the end of the file.
    """
    kind = (got.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml", "application/json", "text/xml", "application/xml"):
        raise _Final(f"sent a page ({kind}) in place of the file")
    length_text = got.headers.get("Content-Length") or ""
    length = int(length_text) if re.fullmatch(r"[0-9]{1,15}", length_text) else None
    if got.status == 206:
        span = re.fullmatch(r"bytes ([0-9]+)-[0-9]+/([0-9]+|\*)", got.headers.get("Content-Range") or "")
        if not offset or span is None or int(span[1]) != offset:
            part.write_bytes(b"")
            raise _Passing("sent another part than was asked for")
        if length is None and span[2] != "*":
            length = int(span[2]) - offset
    else:
        offset = 0
    size = one.size or (offset + length if length is not None else 0)
    if length is not None and one.size and offset + length != one.size:
        raise _Final(f"has another file: {offset + length:,} bytes in place of {one.size:,}")
    with open(part, "rb+" if part.exists() else "wb") as file:
        file.seek(offset)
        file.truncate()
        here = _copy(got, file, offset, size or _MOST, size, patience, progress)
    if size and here < size:
        raise _Passing(f"ended after {here:,} of {size:,} bytes")
    return bool(size or got.chunked)


def _copy(
    got: Any,
    file: IO[bytes],
    here: int,
    most: int,
    size: int,
    patience: Patience,
    progress: Progress,
) -> int:
    """Copies until the answer ends; the size of the file then. One byte more than `most` is another file."""
    since, before = time.monotonic(), here
    progress(here, size)
    while True:
        try:
            block = got.read1(_BLOCK)
        except TimeoutError:
            raise _Passing(f"nothing came for {patience.stall:g} s, after {here:,} bytes") from None
        except (http.client.HTTPException, OSError) as error:
            raise _Passing(f"{_reason(error)}, after {here:,} bytes") from None
        if not block:
            return here
        file.write(block)
        here += len(block)
        progress(here, size)
        if here > most:
            raise _Final(f"sends more than the {most:,} bytes of the file")
        if (spent := time.monotonic() - since) > patience.slow_after:
            if (here - before) / spent < patience.slowest:
                raise _Passing(f"only {(here - before) / spent:.0f} bytes a second, after {here:,} bytes")
            since, before = time.monotonic(), here
