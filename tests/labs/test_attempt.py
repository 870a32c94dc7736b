"""Attempts: what they draw, what they keep, and what the next one removes."""

import socket
import subprocess
import sys
from contextlib import closing

import pytest
from msgspec import structs

from dockyard.core import docker_client, progress_file
from dockyard.exceptions import SceneFailed
from dockyard.labs import attempt as attempts
from dockyard.labs import judge, lab_catalog
from tests.support.lab_attempts import LAB, start_web


def on_the_engine(test):
    """Mark a test that makes attempts of the learner's kind on the engine."""
    return pytest.mark.engine(pytest.mark.usefixtures("own_progress")(test))


@on_the_engine
def test_a_resumed_lab_keeps_its_values_and_objects():
    attempt = attempts.begin(LAB)
    start_web(attempt)
    again = attempts.resume(LAB)
    assert again == attempt
    (verdict,) = judge.judge(again, ["web"])
    assert verdict.done


TIDIED = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for line in ("%load_ext dockyard", "%lab 03-containers", "%tidy"):
    assert shell.run_cell(line).success
"""


@on_the_engine
def test_after_tidy_a_new_attempt_begins_and_done_tasks_stay_done():
    attempt = attempts.begin(LAB)
    start_web(attempt)
    judge.judge(attempt)
    done = subprocess.run(
        [sys.executable, "-c", TIDIED], capture_output=True, text=True, check=False, timeout=120
    )
    assert "Removed 1 container." in done.stdout, done.stdout + done.stderr
    assert attempts.current(LAB) is None
    assert attempts.resume(LAB).values != attempt.values
    assert "done" in progress_file.read()["labs"][LAB.name]["tasks"]["web"]


@on_the_engine
def test_finishing_an_earlier_attempt_keeps_the_present_one():
    earlier = attempts.begin(LAB)
    present = attempts.begin(LAB)
    attempts.finish(earlier)
    assert attempts.current(LAB) == present


def reset_without_an_engine():
    attempts.forget(LAB)


def draw_other_values():
    with progress_file.change() as data:
        data["labs"][LAB.name]["values"].pop("JOB")


@on_the_engine
@pytest.mark.parametrize("change", [reset_without_an_engine, draw_other_values])
def test_the_next_attempt_removes_the_objects_of_one_that_was_not_tidied(change):
    attempt = attempts.begin(LAB)
    start_web(attempt)
    change()
    assert attempts.resume(LAB).id != attempt.id
    with closing(docker_client.connect()) as daemon:
        assert not daemon.containers.list(all=True, filters={"name": attempt.values["WEB"]})


@on_the_engine
def test_the_next_attempt_removes_the_objects_of_a_scene_that_failed():
    scene = "docker create --name $BOX busybox\nfalse"
    with pytest.raises(SceneFailed):
        attempts.begin(structs.replace(LAB, scene=f"{LAB.scene}{scene}"))
    assert attempts.current(LAB) is None
    box = attempts.last(LAB).values["BOX"]
    with closing(docker_client.connect()) as daemon:
        assert daemon.containers.list(all=True, filters={"name": box})
        attempts.resume(LAB)
        assert not daemon.containers.list(all=True, filters={"name": box})


def test_a_port_in_use_changes_only_that_value_of_a_solution():
    clinic = lab_catalog.load("16-clinic")
    usual = attempts.draw(clinic, "solution")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(usual["SHOP_PORT"])))
        taken.listen()
        other = attempts.draw(clinic, "solution")
    assert {name for name in usual if usual[name] != other[name]} == {"SHOP_PORT"}


def test_values_of_other_labs_are_not_drawn_again():
    clinic = lab_catalog.load("16-clinic")
    names = [f"shop-{word}" for word in attempts.WORDS]
    assert clinic.values["SHOP"] == "name:shop"
    left = names.pop()
    assert attempts.draw(clinic, "lab", taken=names)["SHOP"] == left
