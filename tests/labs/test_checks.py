"""Checks of single labs in situations that the lab's own wrong ways do not bring about."""

from contextlib import closing

import pytest

from dockyard.core import docker_client
from dockyard.labs import judge
from dockyard.labs.checks import registries
from dockyard.labs.probe import Probe
from tests.support.lab_attempts import proof

pytestmark = pytest.mark.engine

ODD = {
    "08-registries/listed": """
docker rm --force $SHELF
docker run --name $SHELF --detach --publish 127.0.0.1:$SHELFPORT:5000 busybox sleep 1000
touch repositories.txt
""",
    "02-basic-commands/last-line": """
docker rm $TALKER
docker run --name $TALKER busybox true
touch last.txt
""",
}
LOST = {
    "02-basic-commands/grow": "docker rm --force $SMALL",
    "08-registries/listed": "docker kill $SHELF",
}

DOCKER_29 = """\
failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct \
and if the daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory
"""


def test_the_message_of_docker_29_is_right_too():
    with proof("10-daemon") as attempt:
        (attempt.work / "error.txt").write_text(DOCKER_29)
        (verdict,) = judge.judge(attempt, ["nobody-home"])
    assert verdict.done, verdict.saw


@pytest.mark.parametrize("task", ODD)
def test_an_unexpected_state_has_a_verdict_of_its_own(task):
    lab, _, name = task.partition("/")
    with proof(lab) as attempt:
        assert attempt.run(ODD[task]).returncode == 0
        (verdict,) = judge.judge(attempt, [name])
    assert not verdict.done
    assert not verdict.check_failed, verdict.saw


@pytest.mark.parametrize("task", LOST)
def test_a_scene_that_was_lost_is_seen_and_offered_anew(task):
    lab, _, name = task.partition("/")
    with proof(lab) as attempt:
        assert attempt.run(LOST[task]).returncode == 0
        (verdict,) = judge.judge(attempt, [name])
    assert f"For another attempt:  %lab {lab} --new" in verdict.saw
    assert f"python3 -m dockyard check {lab} --new" in verdict.saw


def test_the_scene_of_a_single_task_is_named():
    with proof("02-basic-commands") as attempt:
        (verdict,) = judge.judge(attempt, ["typo"])
    where = "the cell above the answer to typo in labs/02-basic-commands.ipynb"
    assert verdict.saw.endswith(f"It is made by {where}.")


def test_a_registry_on_this_computer_is_asked_without_a_proxy(monkeypatch):
    with proof("08-registries") as attempt, closing(docker_client.connect()) as daemon:
        (attempt.work / "repositories.txt").write_text(attempt.values["NEWS"])
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        said = registries.listed(Probe(daemon, attempt))
    assert said.endswith(f"{attempt.values['NEWS']}.")
