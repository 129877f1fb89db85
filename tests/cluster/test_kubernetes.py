"""The indexed Job: valid by Kubernetes' own schema, words as they are, nothing that can be written but one
volume.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest
import yaml

from synvid_eval.cluster import kubernetes
from synvid_eval.cluster.kubernetes import Pods, Volume, pods
from synvid_eval.errors import (
    DataError,
    MissingPackageError,
    SynvidEvalError,
    UsageError,
    WeightsError,
)
from tests.cluster.test_job import NASTY, NOT_UTF8
from tests.cluster.test_slurm import JOB

OLDEST = "1.33"  # the first with all that is used here switched on
PODS = Pods(
    "registry/synvid-eval:cpu", (Volume("videos", "/videos"),), Volume("results", "/results"), ("s3",)
)


def valid(document: dict[str, Any]) -> dict[str, Any]:
    """The document, which Kubernetes' schema takes, in the oldest version and the newest that is known."""
    for version in (OLDEST, kubernetes_validate.latest_version()):
        assert kubernetes_validate.validate(document, version, strict=True)
    return document


def manifest(**changes: Any) -> dict[str, Any]:
    at_once = changes.pop("at_once", None)
    made_of = changes.pop("pods", PODS)
    return valid(yaml.safe_load(kubernetes.manifest(replace(JOB, **changes), made_of, at_once)))


def container(document: dict[str, Any]) -> dict[str, Any]:
    (found,) = document["spec"]["template"]["spec"]["containers"]
    return dict(found)


def expanded(text: str, variables: dict[str, str]) -> str:
    """What Kubernetes makes of a text of `command`, by its reference: `$(NAME)` is a variable's value where
    there is one, `$$` is `$`, all else is as it is.
    """
    return re.sub(
        r"\$(?:(\$)|\(([^)]*)\))",
        lambda m: "$" if m[1] else variables.get(m[2], m[0]),
        text,
    )


def test_the_schema_refuses_what_is_wrong() -> None:
    document = manifest()
    document["spec"]["completionsMode"] = "Indexed"
    with pytest.raises(kubernetes_validate.ValidationError):
        valid(document)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"gpus": 2, "seconds": 3600, "parts": 100_000, "at_once": 50},
        {"pods": Pods("i", (), Volume("one", "/a b/'\"$(X)/é"))},
        {"pods": replace(PODS, inputs=tuple(Volume(f"c{i}", f"/in/{i}") for i in range(3)))},
        {"words": tuple(NASTY)},
    ],
)
def test_it_is_a_job_of_kubernetes(changes: dict[str, Any]) -> None:
    document = manifest(**changes)
    assert (document["apiVersion"], document["kind"]) == ("batch/v1", "Job")
    assert document["spec"]["completionMode"] == "Indexed"
    assert document["spec"]["completions"] == changes.get("parts", 3)
    assert document["spec"]["parallelism"] == changes.get("at_once", 3)
    assert document["spec"].get("activeDeadlineSeconds") == changes.get("seconds")


def test_each_index_is_one_part_with_the_words_as_they_are() -> None:
    document = manifest(words=tuple(NASTY), command=("textures", "make"))
    for index in ("0", "2"):
        words = [expanded(w, {"JOB_COMPLETION_INDEX": index}) for w in container(document)["command"]]
        assert words == ["synvid-eval", "textures", "make", "--shard", f"{index}/3", *NASTY]


def test_words_that_are_no_unicode_are_refused() -> None:
    with pytest.raises(UsageError, match="not UTF-8"):
        kubernetes.manifest(replace(JOB, words=(NOT_UTF8,)), PODS)


def test_nothing_is_root_and_one_volume_can_be_written() -> None:
    spec = manifest()["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["automountServiceAccountToken"] is False
    assert spec["shareProcessNamespace"] is True  # a program without a handler for TERM ends by it
    (one,) = spec["containers"]
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = {m["name"]: (m["mountPath"], m.get("readOnly", False)) for m in one["volumeMounts"]}
    assert mounts == {"output": ("/results", False), "input-0": ("/videos", True), "tmp": ("/tmp", False)}
    volumes = {v["name"]: v for v in spec["volumes"]}
    assert volumes["output"]["persistentVolumeClaim"] == {"claimName": "results"}
    assert volumes["input-0"]["persistentVolumeClaim"] == {"claimName": "videos", "readOnly": True}
    assert volumes["tmp"]["emptyDir"] == {}
    assert one["workingDir"] == "/results"
    environment = {e["name"]: e["value"] for e in one["env"]}
    assert environment["SYNVID_EVAL_CACHE"] == "/results/.synvid-eval-cache"
    assert environment["HOME"] == "/tmp"  # what Numba and Matplotlib keep
    assert environment["OMP_NUM_THREADS"] == "1"
    assert one["envFrom"] == [{"secretRef": {"name": "s3"}}]


@pytest.mark.parametrize("gpus", [0, 3])
def test_a_part_has_what_was_asked(gpus: int) -> None:
    found = container(manifest(gpus=gpus))["resources"]
    wanted = {"cpu": "2", "memory": "4096Mi", **({"nvidia.com/gpu": "3"} if gpus else {})}
    assert found == {"requests": wanted, "limits": wanted}


def test_what_is_tried_again() -> None:
    spec = manifest(grace=77)["spec"]
    disruption, never = spec["podFailurePolicy"]["rules"]  # the first that fits counts
    assert disruption["action"] == "Ignore"
    assert disruption["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert never["action"] == "FailIndex"
    assert never["onExitCodes"]["containerName"] == container({"spec": spec})["name"]
    hopeless = {kind.code for kind in (UsageError, WeightsError, MissingPackageError)}
    assert set(never["onExitCodes"]["values"]) == hopeless
    assert not {SynvidEvalError.code, DataError.code, 130, 137, 143} & hopeless
    assert spec["backoffLimitPerIndex"] == 3
    assert spec["podReplacementPolicy"] == "Failed"
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # backoffLimitPerIndex wants that
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 77


@pytest.mark.parametrize(
    ("option", "changes"),
    [
        ("--image", {"image": "a b"}),
        ("--image", {"image": ""}),
        ("--image", {"image": "x\n  privileged: true"}),
        ("--input", {"inputs": ["videos"]}),
        ("--input", {"inputs": ["videos:relative"]}),
        ("--input", {"inputs": ["videos:/a/../b"]}),
        ("--input", {"inputs": ["videos:/a/"]}),
        ("--input", {"inputs": ["Videos:/a"]}),
        ("--output", {"output": "results:/"}),
        ("--output", {"output": "results:/a:ro"}),
        ("--output", {"output": ":/a"}),
        ("--secret", {"secrets": ["S3"]}),
        ("mounted one in the other", {"inputs": ["videos:/results"]}),
        ("mounted one in the other", {"inputs": ["videos:/results/in"]}),
        ("mounted one in the other", {"inputs": ["a:/in", "b:/in"]}),
        ("mounted one in the other", {"output": "results:/tmp/out"}),
    ],
)
def test_pods_that_cannot_be(option: str, changes: dict[str, Any]) -> None:
    given = {"image": "i:1", "inputs": [], "output": "results:/results", "secrets": [], **changes}
    with pytest.raises(UsageError, match=option):
        pods(**given)


def test_mounts_side_by_side_can_be() -> None:
    found = pods("i@sha256:00", ["my.claim:/results2"], "results:/results", ["a.b"])
    assert found == Pods(
        "i@sha256:00", (Volume("my.claim", "/results2"),), Volume("results", "/results"), ("a.b",)
    )


@pytest.mark.parametrize("out", ["parts/", "/results/a", "."])
def test_where_a_command_may_write(out: str) -> None:
    PODS.check(out)


@pytest.mark.parametrize("out", ["/videos/parts", "../x", "/results2/x", "/", "a/../../x"])
def test_where_a_command_may_not_write(out: str) -> None:
    with pytest.raises(UsageError, match="no volume that can be written"):
        PODS.check(out)
