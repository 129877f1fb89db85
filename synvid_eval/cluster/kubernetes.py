"""An indexed Job of Kubernetes.

Each index is one part. What is read is mounted read-only, one claim can be written, and all else of the
container is read-only but for an empty /tmp. What no second try can mend ends an index, a disruption (a
drained node, a pre-empted pod) costs no try, all else is tried again, each index by itself.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from synvid_eval.cluster.job import ONE_THREAD, Job, rendered
from synvid_eval.errors import UsageError, one_line

NEVER_AGAIN = (2, 4, 5)
"""Exit codes (see `synvid_eval.errors`) that are the same at every try: the command is wrong, weights or a
package are missing.
"""

RETRIES = 3
"""How often an index is tried again."""

USER = 1000
"""The user and group of `deploy/Dockerfile`."""

_TAKEN = ("/tmp", "/dev/shm")


@dataclass(frozen=True)
class Volume:
    """A PersistentVolumeClaim and where it is mounted, an absolute path."""

    claim: str
    path: str


@dataclass(frozen=True)
class Pods:
    """What pods are made of. image: of a container. inputs: read-only. output: the one that can be written.
    secrets: names of Secrets whose keys become environment variables, such as credentials of object storage.
    """

    image: str
    inputs: tuple[Volume, ...]
    output: Volume
    secrets: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """Variables of every container: one thread a worker, what is kept on the output, the rest in /tmp."""
        found = dict.fromkeys(ONE_THREAD, "1")
        kept = posixpath.join(self.output.path, ".synvid-eval-cache")
        found |= {"HOME": "/tmp", "SYNVID_EVAL_CACHE": argument(kept)}
        return found

    def check(self, out: str) -> None:
        """UsageError where a command's output, in which relative paths begin at the mount, lies elsewhere."""
        root = self.output.path
        found = posixpath.normpath(posixpath.join(root, out))
        if posixpath.commonpath([root, found]) != root:
            raise UsageError(
                f"{one_line(out)} lies in no volume that can be written.",
                f"Only {root} does (--output); relative paths begin there.",
            )


def pods(image: str, inputs: Sequence[str], output: str, secrets: Sequence[str]) -> Pods:
    """Pods from options: inputs, output: `CLAIM:PATH`. UsageError for names that cannot be, and mounts of
    which one lies in another.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,500}", image, re.ASCII):
        raise UsageError(f"--image {image[:100]!r} is no image.", "Such as REGISTRY/synvid-eval:cpu.")
    for secret in secrets:
        _checked_name("--secret", secret)
    found = Pods(
        image, tuple(_volume("--input", i) for i in inputs), _volume("--output", output), tuple(secrets)
    )
    places = [found.output.path, *_TAKEN, *(volume.path for volume in found.inputs)]
    for index, place in enumerate(places):
        for other in places[:index]:
            if posixpath.commonpath([place, other]) in (place, other):
                raise UsageError(
                    f"{place} and {other} are mounted one in the other.", "Give each a place of its own."
                )
    return found


def check_name(option: str, name: str, most: int = 52) -> None:
    """UsageError for what is no DNS label of at most so many characters (pods add an index to a job's)."""
    if len(name) > most or not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name, re.ASCII):
        raise UsageError(
            f"{option} {name[:100]!r} is no name for a cluster.",
            f"Small letters, digits and hyphens between them, {most} at most.",
        )


def _checked_name(option: str, name: str) -> str:
    """A name of a claim or secret: labels with dots between them."""
    for label in name.split("."):
        check_name(option, label, 63)
    return name


def _volume(option: str, text: str) -> Volume:
    claim, _, path = text.partition(":")
    if not path.startswith("/") or path.startswith("//") or posixpath.normpath(path) != path or path == "/":
        raise UsageError(
            f"{option} {one_line(text[:200])} cannot be mounted.",
            "It is CLAIM:PATH with an absolute path: data:/data.",
        )
    if ":" in path:
        raise UsageError(
            f"{option} {one_line(text[:200])} cannot be mounted.", "A mount's path has no colon."
        )
    return Volume(_checked_name(option, claim), path)


def argument(text: str) -> str:
    """A text as Kubernetes reads it back from a command, in which `$(NAME)` is a variable and `$$` is `$`."""
    return text.replace("$", "$$")


def manifest(job: Job, made_of: Pods, at_once: int | None = None) -> str:
    """The manifest for `kubectl apply`. at_once: how many pods may run at a time; None for all."""
    program = [argument(word) for word in job.with_options()]
    end = 1 + len(job.command)
    return rendered(
        "kubernetes.yaml.j2",
        job=job,
        pods=made_of,
        at_once=at_once or job.parts,
        command=[*program[:end], "--shard", f"$(JOB_COMPLETION_INDEX)/{job.parts}", *program[end:]],
        never_again=NEVER_AGAIN,
        retries=RETRIES,
        user=USER,
    )
