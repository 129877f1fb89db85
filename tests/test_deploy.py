"""deploy/: the RayJob is what the command prints, the container has no rights, its sources are there."""

from __future__ import annotations

import re
import shlex

import pytest

from synvid_eval.cli import run
from synvid_eval.cluster import kubernetes
from tests.conftest import REPOSITORY
from tests.test_docs import commands_of

DEPLOY = REPOSITORY / "deploy"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, (word, rest), continuation lines joined."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def stages() -> dict[str, list[tuple[str, str]]]:
    """Stage → its instructions, those of the stages that it is made from before its own."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for word, rest in instructions():
        if word == "FROM":
            base, _, name = rest.split()
            found[name] = list(found.get(base, []))
        elif name:
            found[name].append((word, rest))
    return found


def test_the_images_run_as_a_user_without_rights() -> None:
    assert list(stages()) == ["build", "cpu", "cuda"]
    for target in ("cpu", "cuda"):
        user = [rest for word, rest in stages()[target] if word == "USER"][-1]
        assert user == f"{kubernetes.USER}:{kubernetes.USER}"
        assert ("ENTRYPOINT", '["tini", "--", "synvid-eval"]') in stages()[target]
    words = {word for word, _ in instructions()}
    assert words <= {"ARG", "FROM", "ENV", "RUN", "COPY", "WORKDIR", "USER", "ENTRYPOINT", "CMD"}


def test_what_the_image_copies_is_there_and_sent_to_the_builder() -> None:
    sent = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().split() if line[0] == "!"}
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY"]
    sources = {s for one in copied for s in one if not one[0].startswith("--from")}
    assert sources == sent
    assert all((REPOSITORY / source).exists() for source in sources)
    project = (REPOSITORY / "pyproject.toml").read_text()
    for needed in re.findall(r'^(?:readme|license-files|path) = \[?"([^"]+)"', project, re.M):
        assert needed.split("/")[0] in sent  # the build reads it


@pytest.mark.parametrize("path", ["README.md", "docs/cluster.md"])
def test_what_documents_put_on_a_cluster_can_be(
    path: str, engines: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands that are wrapped, too, which are parsed where they are wrapped."""
    lines = [c for c in commands_of((REPOSITORY / path).read_text()) if c.startswith("synvid-eval cluster ")]
    assert lines
    for line in lines:
        words = shlex.split(line.partition(" > ")[0])[1:]
        if "--out" in words[: words.index("--")]:
            at = words.index("--out")
            words = [*words[:at], *words[at + 2 :]]
        assert run(words) == 0, line
        assert capsys.readouterr().out


def test_the_rayjob_is_what_the_command_of_the_manual_prints(
    engines: None, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = commands_of((REPOSITORY / "docs" / "cluster.md").read_text())
    (line,) = (x for x in lines if x.startswith("synvid-eval cluster ray --name"))
    words = shlex.split(line)[1:]
    at = words.index("--out")
    assert run([*words[:at], *words[at + 2 :]]) == 0
    assert capsys.readouterr().out == (DEPLOY / "rayjob.yaml").read_text()
