"""The RayJob: its fields are KubeRay's, its pods Kubernetes', its entrypoint a shell reads as it is meant."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from synvid_eval.cluster import ray
from synvid_eval.cluster.kubernetes import Volume
from synvid_eval.errors import UsageError
from tests.cluster.test_job import NASTY, NOT_UTF8
from tests.cluster.test_kubernetes import PODS, valid
from tests.cluster.test_slurm import JOB

# What of RayJob is used here, by KubeRay's types (ray-operator/apis/ray/v1, RayJobSpec and RayClusterSpec).
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_WORKERS = _object(
    ["groupName", "rayStartParams", "template", "minReplicas", "maxReplicas"],
    groupName={"type": "string"},
    replicas={"type": "integer"},
    minReplicas={"type": "integer"},
    maxReplicas={"type": "integer"},
    rayStartParams=_TEXTS,
    template={"type": "object"},
)
_CLUSTER = _object(
    ["headGroupSpec"],
    headGroupSpec=_object(["rayStartParams", "template"], rayStartParams=_TEXTS, template={"type": "object"}),
    workerGroupSpecs={"type": "array", "items": _WORKERS},
)
RAYJOB = _object(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=_object(["name"], name={"type": "string"}, labels=_TEXTS),
    spec=_object(
        ["entrypoint", "rayClusterSpec"],
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
        entrypoint={"type": "string"},
        backoffLimit={"type": "integer"},
        shutdownAfterJobFinishes={"type": "boolean"},
        activeDeadlineSeconds={"type": "integer"},
        rayClusterSpec=_CLUSTER,
    ),
)


def manifest(**changes: Any) -> dict[str, Any]:
    made_of = changes.pop("pods", PODS)
    document = yaml.safe_load(ray.manifest(replace(JOB, **changes), made_of))
    jsonschema.validate(document, RAYJOB)
    cluster = document["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        template = group["template"]
        valid({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": template["spec"]})
        assert set(template) <= {"metadata", "spec"}
    return dict(document)


def pods_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = document["spec"]["rayClusterSpec"]
    return [g["template"]["spec"] for g in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


@pytest.mark.parametrize("changes", [{}, {"gpus": 2, "seconds": 3600, "parts": 40}])
def test_it_is_a_rayjob(changes: dict[str, Any]) -> None:
    document = manifest(**changes)
    (workers,) = document["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert {workers[k] for k in ("replicas", "minReplicas", "maxReplicas")} == {changes.get("parts", 3)}
    assert document["spec"].get("activeDeadlineSeconds") == changes.get("seconds")
    head, worker = (p["containers"][0]["resources"]["limits"] for p in pods_of(document))
    assert worker.get("nvidia.com/gpu") == ("2" if changes else None)
    assert head.get("nvidia.com/gpu") == ("1" if changes else None)
    assert document["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"] == {
        "num-cpus": "0",
        "num-gpus": "0",
    }


def test_all_pods_are_as_closed_as_those_of_a_job_and_say_nothing_to_ray() -> None:
    for pod in pods_of(manifest()):
        (one,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert one["securityContext"]["readOnlyRootFilesystem"] is True
        assert [m["name"] for m in one["volumeMounts"] if not m.get("readOnly")] == ["output", "tmp"]
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in one["env"]


def test_the_entrypoint_is_read_by_a_shell_as_it_is_meant(tmp_path: Path) -> None:
    """By any: Ray gives it to `sh -c`."""
    place = tmp_path / "a b$X"
    place.mkdir()
    program = tmp_path / "bin" / "synvid-eval"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\npwd > '{tmp_path}/where'\nprintf '%s\\0' \"$@\" > '{tmp_path}/words'\n")
    program.chmod(0o755)
    document = manifest(words=tuple(NASTY), pods=replace(PODS, output=Volume("results", str(place))))
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    entrypoint = document["spec"]["entrypoint"]
    subprocess.run(["sh", "-c", entrypoint], env=environment, check=True, cwd="/")
    assert (tmp_path / "where").read_text() == f"{place}\n"
    got = (tmp_path / "words").read_bytes().split(b"\0")[:-1]
    assert got == [os.fsencode(w) for w in ("generate", *ray.ENGINE, *NASTY)]


@pytest.mark.parametrize("join", ["shlex.join", "subprocess.list2cmdline"])
def test_a_script_submits_to_a_cluster_that_is_there(tmp_path: Path, join: str) -> None:
    """However Ray puts words together, the shell of the cluster's head reads those that were meant; the older
    way leaves $, ` and \\ to it.
    """
    for name, code in {
        "ray": f"import shlex, subprocess; sys.exit(subprocess.call(['sh', '-c', {join}(sys.argv[6:])]))",
        "synvid-eval": "open('words', 'wb').write(b''.join(os.fsencode(w) + b'\\0' for w in sys.argv[1:]))",
    }.items():
        first = "open('begin', 'w').write('|'.join([os.environ['RAY_USAGE_STATS_ENABLED'], *sys.argv[1:6]]))"
        (tmp_path / name).write_text(
            f"#!{sys.executable}\nimport os, sys\n{first if name == 'ray' else ''}\n{code}\n"
        )
        (tmp_path / name).chmod(0o755)
    words = (*NASTY, NOT_UTF8, "preset:moving_circles?n=24&size=16")
    if join != "shlex.join":
        words = tuple(w for w in words if not set(w) & set("$`\\"))
        assert len(words) > 5
    script = tmp_path / "submit.sh"
    script.write_text(ray.submission(replace(JOB, words=words), "http://head:8265"), "utf-8")
    subprocess.run(["bash", "-n", str(script)], check=True)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", str(script)], env=environment, check=True, cwd=tmp_path)
    assert (tmp_path / "begin").read_text() == "0|job|submit|--address|http://head:8265|--"
    got = (tmp_path / "words").read_bytes().split(b"\0")[:-1]
    assert got == [os.fsencode(w) for w in ("generate", *ray.ENGINE, *words)]


@pytest.mark.parametrize("address", ["head:8265", "ray://head:10001", "http://a b", "http://a\nb", ""])
def test_an_address_that_takes_no_jobs(address: str) -> None:
    with pytest.raises(UsageError, match="--submit"):
        ray.submission(JOB, address)
