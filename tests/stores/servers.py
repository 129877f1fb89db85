"""Stores on this machine: moto's S3 with a proxy in front of it that makes faults, a small Google Cloud
Storage, and a web server.

A fault is what a function of the request says: "500", "503", "403", "hang" (no answer), "drop" (the
connection ends), "cut" (half of the body under the length of all of it), "short" (half of the body under its
own length); None passes the request on. Every request is kept in `seen`.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote
from urllib.request import Request as Asked
from urllib.request import urlopen

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
        # all of moto's servers of a process have the same objects, also those of other tests
        urlopen(Asked(f"http://127.0.0.1:{port}/moto-api/reset", method="POST")).close()
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


@dataclass
class Files:
    """Objects in memory that the two servers below give: path → bytes. `parts`: whether ranges are given."""

    objects: dict[str, bytes] = field(default_factory=dict)
    parts: bool = True
    tags: bool = True
    reads: list[str] = field(default_factory=list)

    def tag(self, path: str) -> str:
        """A strong tag of an object, as web servers have it."""
        return f'"{hashlib.md5(self.objects[path]).hexdigest()}"'


class _Objects(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: Files

    def log_message(self, format: str, *args: Any) -> None:
        return None

    def give(self, status: int, data: bytes, kind: str, **headers: str) -> None:
        """Answers; of a HEAD the headers alone."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def give_object(self, path: str, **headers: str) -> None:
        """Answers with an object or the part of it that is asked for."""
        data = self.files.objects[path]
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if self.command == "GET":
            self.files.reads.append(path)
        if asked and self.files.parts:
            begin, _, end = asked.partition("-")
            last = min(int(end) if end else len(data) - 1, len(data) - 1)
            told = f"bytes {begin}-{last}/{len(data)}"
            part = data[int(begin) : last + 1]
            self.give(206, part, "application/octet-stream", Content_Range=told, **headers)
        else:
            self.give(200, data, "application/octet-stream", **headers)


@contextmanager
def web(files: Files) -> Iterator[str]:
    """A web server with an index page a folder; its URL."""

    class Handler(_Objects):
        def _serve(self) -> None:
            path = unquote(self.path).strip("/")
            below = f"{path}/" if path else ""
            if path in files.objects:
                told = {"ETag": files.tag(path)} if files.tags else {}
                told["Accept_Ranges"] = "bytes" if files.parts else "none"
                self.give_object(path, **told)
            elif names := {p[len(below) :].partition("/") for p in files.objects if p.startswith(below)}:
                links = "".join(f'<a href="{quote(n + s)}">{n}</a>\n' for n, s, _ in sorted(names))
                self.give(200, f'<a href="../">up</a>\n{links}'.encode(), "text/html")
            else:
                self.give(404, b"", "text/plain")

        do_GET = do_HEAD = _serve

    Handler.files = files
    with served(Handler) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def gcs(files: Files, page: int = 2) -> Iterator[str]:
    """As much of Google Cloud Storage's JSON API as reading, listing and writing take; its URL.

    `objects` are BUCKET/KEY; pages of listings have `page` objects.
    """

    class Handler(_Objects):
        def facts(self, path: str) -> dict[str, Any]:
            data = files.objects[path]
            bucket, _, name = path.partition("/")
            digest = base64.b64encode(hashlib.md5(data).digest()).decode()
            facts = {"kind": "storage#object", "bucket": bucket, "name": name, "size": str(len(data))}
            facts |= {"md5Hash": digest, "generation": "1", "contentType": "application/octet-stream"}
            return facts | {"updated": "2026-01-01T00:00:00Z", "timeCreated": "2026-01-01T00:00:00Z"}

        def told(self, facts: Any, status: int = 200) -> None:
            self.give(status, json.dumps(facts).encode(), "application/json")

        def do_GET(self) -> None:
            place, _, query = self.path.partition("?")
            asked = dict(parse_qsl(query))
            match = re.fullmatch(r"(?:/download)?/storage/v1/b/([^/]+)(?:/o(?:/(.+))?)?", place)
            bucket, key = (match[1], unquote(match[2] or "")) if match else ("", "")
            if not match or not any(p.startswith(f"{bucket}/") for p in files.objects):
                self.told({"error": {"code": 404, "message": "Not Found"}}, 404)
            elif not key:
                begin = int(asked.get("pageToken", 0))
                inner = sorted(
                    p for p in files.objects if p.startswith(f"{bucket}/{asked.get('prefix', '')}")
                )
                found = [
                    p for p in inner if not asked.get("delimiter") or "/" not in self.rest(p, bucket, asked)
                ]
                folders = sorted({self.top(p, bucket, asked) for p in inner if p not in found})
                facts = {"items": [self.facts(p) for p in found[begin : begin + page]], "prefixes": folders}
                more = {"nextPageToken": str(begin + page)} if begin + page < len(found) else {}
                self.told({"kind": "storage#objects", **facts, **more})
            elif f"{bucket}/{key}" not in files.objects:
                self.told({"error": {"code": 404, "message": "Not Found"}}, 404)
            elif asked.get("alt") == "media":
                self.give_object(f"{bucket}/{key}")
            else:
                self.told(self.facts(f"{bucket}/{key}"))

        def rest(self, path: str, bucket: str, asked: dict[str, str]) -> str:
            return path[len(bucket) + 1 + len(asked.get("prefix", "")) :]

        def top(self, path: str, bucket: str, asked: dict[str, str]) -> str:
            return asked.get("prefix", "") + self.rest(path, bucket, asked).partition("/")[0] + "/"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bucket = self.path.split("/b/")[1].partition("/")[0]
            edge = body.partition(b"\r\n")[0].partition(b"\n")[0]
            _, head, data = body.removesuffix(b"--").rstrip(b"-\r\n").split(edge, 3)[:3]
            name = json.loads(head.replace(b"\r\n", b"\n").partition(b"\n\n")[2])["name"]
            path = f"{bucket}/{name}"
            content = data.replace(b"\r\n\r\n", b"\n\n", 1).partition(b"\n\n")[2]
            files.objects[path] = content.removesuffix(b"\n").removesuffix(b"\r")
            self.told(self.facts(path))

    Handler.files = files
    with served(Handler) as port:
        yield f"http://127.0.0.1:{port}"
