"""A store for the tests of this folder, and sets in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synvid_eval.video import remote
from tests.clips import CODECS, moving, write_video
from tests.stores import servers


@pytest.fixture(scope="module")
def _server() -> Iterator[tuple[servers.Proxy, Any]]:
    with servers.s3() as (proxy, client):
        client.create_bucket(Bucket="bucket")
        yield proxy, client


@pytest.fixture
def store(_server: tuple[servers.Proxy, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[servers.Proxy]:
    """The proxy in front of an S3 with a bucket `bucket`; the environment speaks to it."""
    proxy, _ = _server
    for name, value in servers.environment(proxy).items():
        monkeypatch.setenv(name, value)
    proxy.reset()
    remote._system.cache_clear()
    yield proxy
    proxy.reset()
    remote._system.cache_clear()


@pytest.fixture
def s3(_server: tuple[servers.Proxy, Any]) -> Any:
    """A boto3 client of the same S3, past the proxy."""
    return _server[1]


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sets, `a` and `b`: six videos of six codecs in two classes each."""
    root = tmp_path_factory.mktemp("pair")
    for number, side in enumerate("ab"):
        for index, kind in enumerate(("xvid", "h264", "ffv1", "vp9", "mpeg2", "gif")):
            path = root / side / f"class{index % 2}" / f"v{index}{CODECS[kind][0]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, moving(40, seed=100 * number + index), kind)
    return root


def upload(client: Any, folder: Path, prefix: str, bucket: str = "bucket") -> None:
    """Puts all files below a folder into a bucket."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        client.upload_file(os.fspath(path), bucket, f"{prefix}/{path.relative_to(folder).as_posix()}")
