"""A real server on loopback that cuts, stalls, redirects and lies, and table entries for its file."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np

from synvid_eval.networks.weights import WeightsFile

CONTENT = np.random.default_rng(0).bytes(300_001)
WRONG = bytes(300_001)
PAGE = b"<!doctype html><html><body>Please sign in</body></html>"


def entry(*addresses: str, content: bytes = CONTENT, name: str = "inception") -> WeightsFile:
    """A known file with those bytes that is to be had at those addresses."""
    return WeightsFile(
        name=name,
        network=name,
        file=f"{name}.pth",
        kind="state dict",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        git_blob="",
        addresses=addresses,
        about="for tests",
    )


def blob_entry(*addresses: str) -> WeightsFile:
    """The same, known by its git blob id only, not its size."""
    blob = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
    return replace(entry(*addresses), size=0, sha256="", git_blob=blob)


class Server(http.server.ThreadingHTTPServer):
    """`asked`: path and Range of every request, in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.over = threading.Event()

    def at(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def times(self, path: str) -> int:
        return sum(p == path for p, _ in self.asked)

    def handle_error(self, *_: object) -> None:  # clients that hang up are what is tested
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        return None

    def _send(self, body: bytes, claimed: int | None = None, code: int = 200, **headers: str) -> None:
        self.close_connection = True
        self.send_response(code)
        headers.setdefault("content_type", "application/octet-stream")
        if claimed != -1:
            headers["content_length"] = str(len(body) if claimed is None else claimed)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-").title(), value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def _start(self) -> int:
        match = re.fullmatch(r"bytes=([0-9]+)-", self.headers.get("Range") or "")
        return int(match[1]) if match else 0

    def _part(self, start: int, most: int, body: bytes = CONTENT) -> None:
        """From `start`, at most that many bytes, while all are promised."""
        rest = body[start:]
        if start:
            span = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self._send(rest[:most], len(rest), 206, content_range=span)
        else:
            self._send(rest[:most], len(rest))

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append((self.path, self.headers.get("Range")))
        seen = self.server.times(self.path)
        match path:
            case "/good":
                self._part(self._start(), len(CONTENT))
            case "/cut":  # a third at a time
                self._part(self._start(), 100_001)
            case "/cut-always":  # never goes on from the middle
                self._part(0, 100_001)
            case "/cut-at-once":
                self._part(0, 0)
            case "/stall":
                self._part(0, 50_000)
                self.server.over.wait(20)
            case "/stall-once":
                self._part(self._start(), 50_000 if seen == 1 else len(CONTENT))
                if seen == 1:
                    self.server.over.wait(20)
            case "/drip":
                self._send(b"", len(CONTENT))
                with contextlib.suppress(OSError):
                    while not self.server.over.wait(0.02):
                        self.wfile.write(b"x")
            case "/silent":
                self.server.over.wait(20)
            case "/redirect":
                self._send(b"", code=302, location="/good")
            case "/loop":
                self._send(b"", code=302, location="/loop")
            case "/to-file":
                self._send(b"", code=302, location="file:///etc/hostname")
            case "/wrong":
                self._part(self._start(), len(WRONG), WRONG)
            case "/wrong-cut":
                self._part(0, 100_001, WRONG)
            case "/short":
                self._send(CONTENT[:1000])
            case "/short-silent":  # no length is said
                self._send(CONTENT[:1000], -1)
            case "/cut-silent":  # the same, a third
                self._send(CONTENT[:100_001], -1)
            case "/cut-silent-once":
                self._send(CONTENT[: 100_001 if seen == 1 else None], -1)
            case "/chunked":  # no length, but its end is said
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"3\r\nabc\r\n0\r\n\r\n")
            case "/endless":
                self._send(b"", -1)
                with contextlib.suppress(OSError):
                    while True:
                        self.wfile.write(bytes(1 << 16))
            case "/page":
                self._send(PAGE, content_type="text/html; charset=utf-8")
            case "/page-as-file":
                self._send(PAGE, -1)
            case "/busy-once":
                if seen == 1:
                    self._send(b"", code=503, retry_after="0")
                else:
                    self._part(0, len(CONTENT))
            case "/busy":
                self._send(b"", code=503)
            case "/other-part":
                if self._start():
                    self._send(CONTENT[7:], code=206, content_range=f"bytes 7-300000/{len(CONTENT)}")
                else:
                    self._part(0, 100_001)
            case "/no-middle":
                if self._start():
                    self._send(b"", code=416)
                elif seen < 3:
                    self._part(0, 100_001)
                else:
                    self._part(0, len(CONTENT))
            case "/slow":
                self._send(CONTENT[:100_000], len(CONTENT))
                with contextlib.suppress(OSError):
                    for start in range(100_000, len(CONTENT), 20_000):
                        time.sleep(0.2)
                        self.wfile.write(CONTENT[start : start + 20_000])
            case _:
                self._send(b"", code=404)


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server that runs inside."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
