"""Stores on this machine: moto's S3, and a proxy in front of it that makes faults.

A fault is what a function of the request says: "500", "503", "403", "hang" (no answer), "drop" (the
connection ends), "cut" (half of the body under the length of all of it), "short" (half of the body under its
own length); None passes the request on. Every request is kept in `seen`.
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

Fault = Callable[["Request"], str | None]

PASSED_ON = ("content-length", "transfer-encoding", "connection", "server", "date")


@dataclass(frozen=True)
class Request:
    """What a client asked for; number: how many came before it."""

    method: str
    path: str
    headers: dict[str, str]
    number: int

    @property
    def reads(self) -> bool:
        """Whether it asks for bytes of an object (not for a listing, not for a HEAD)."""
        return self.method == "GET" and "list-type=2" not in self.path


@dataclass
class Proxy:
    """A proxy in front of a store, with faults; `page`: how many objects a page of a listing has."""

    port: int
    url: str = ""
    fault: Fault = lambda request: None
    seen: list[Request] = field(default_factory=list)
    patience: float = 30.0
    page: int = 1000
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reset(self, fault: Fault = lambda request: None) -> None:
        """Forgets what was seen; makes these faults from now on."""
        with self.lock:
            self.fault, self.seen = fault, []

    def note(self, method: str, path: str, headers: dict[str, str]) -> str | None:
        """Keeps a request; the fault that is made of it."""
        with self.lock:
            request = Request(method, path, headers, len(self.seen))
            self.seen.append(request)
            return self.fault(request)


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            return None

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.note(self.command, self.path, dict(self.headers))
            if fault == "hang":
                time.sleep(proxy.patience)
            if fault in ("hang", "drop"):
                self.close_connection = True
                return
            if fault in ("500", "503", "403"):
                text = f"<Error><Code>{_CODES[fault]}</Code><Message>no</Message></Error>".encode()
                text = b"" if self.command == "HEAD" else text
                self.send_response(int(fault))
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
                return
            upstream = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
            path = self.path
            if "list-type=2" in path and "max-keys" not in path:
                path += f"&max-keys={proxy.page}"
            upstream.request(self.command, path, body, dict(self.headers))
            answer = upstream.getresponse()
            data = answer.read()
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
            if fault == "short":
                data = data[: len(data) // 2]
                length = str(len(data))
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in PASSED_ON:
                    self.send_header(name, value)
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if fault == "cut" else data)
            if fault == "cut":
                self.wfile.flush()
                self.close_connection = True
            upstream.close()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve

    return Handler


_CODES = {"500": "InternalError", "503": "SlowDown", "403": "AccessDenied"}


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """A server of this process, on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def s3() -> Iterator[tuple[Proxy, Any]]:
    """moto's S3 behind a proxy, and a boto3 client that speaks to it without the proxy."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )
        proxy = Proxy(port)
        with served(_handler(proxy)) as own:
            proxy.url = f"http://127.0.0.1:{own}"
            yield proxy, client
    finally:
        server.stop()


def environment(proxy: Proxy) -> dict[str, str]:
    """What a process needs to speak to `s3`."""
    return {
        "AWS_ENDPOINT_URL": proxy.url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
