"""A lesson waits for what it needs, and says why when that does not come."""

import threading
import time

import pytest

from dockyard import course, preparation
from dockyard.core import setup_file, wait
from dockyard.exceptions import DockyardError, EngineNotRunning
from dockyard.lessons import lesson_catalog
from dockyard.registry.image_catalog import by_reference


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home without an engine."""
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("reference", "text", "named"),
    [
        ("busybox:latest", "!docker run --rm busybox true", True),
        ("busybox:latest", "FROM busybox:1", True),
        ("busybox:latest", "FROM busybox:9", False),
        ("busybox:latest", "localhost:5000/busybox", False),
        ("python:3.13-slim", "python is a language", False),
        ("python:3.13-slim", "FROM python:3.13-slim", True),
        ("docker:dind", "!docker run docker:dind", True),
        ("docker:dind", "!docker run docker:cli", False),
        ("registry:2", "a registry of your own", False),
    ],
)
def test_a_lesson_needs_the_images_that_it_names(reference, text, named):
    assert preparation._is_named(by_reference()[reference], text) == named


def begins_with(lesson):
    scene = lesson_catalog.load(lesson).scene
    return [
        image.reference for image in preparation._named_in(preparation._beginning(lesson, scene))
    ]


def test_a_lesson_begins_with_the_images_of_its_scene_and_commands_wait_for_theirs():
    assert begins_with("00-start-here") == []
    # docker run busybox and a Dockerfile with FROM debian:trixie-slim are in commands.
    assert begins_with("02-basic-commands") == ["python:3.13-slim"]
    # Python of a cell names what the scene does not.
    assert "redis:8" in begins_with("08-registries")
    named = {image.reference for image in preparation.named_by("02-basic-commands")}
    assert {"busybox:latest", "nginx:latest", "debian:trixie-slim"} <= named


def test_a_command_waits_for_the_images_that_it_names_while_a_set_up_runs(home):
    ended = []

    def cell(command):
        with pytest.raises(EngineNotRunning):
            preparation.wait_for_command(command)
        ended.append(command)

    with setup_file.recording(print):
        preparation.wait_for_command("docker ps")
        waiting = threading.Thread(target=cell, args=["docker run nginx"])
        waiting.start()
        waiting.join(1)
        assert not ended
    waiting.join(60)
    assert ended == ["docker run nginx"]
    preparation.wait_for_command("docker run nginx")


def test_without_an_engine_or_a_set_up_a_lesson_says_what_to_type(home):
    with pytest.raises(EngineNotRunning):
        preparation.wait_for_lesson("00-start-here")


def test_a_lesson_shows_the_error_of_the_set_up(home):
    with pytest.raises(DockyardError), setup_file.recording(print):
        raise DockyardError("No engine can run here.", "There is no disk.", "Type this.")
    with pytest.raises(DockyardError) as caught:
        preparation.wait_for_lesson("00-start-here")
    assert str(caught.value) == "No engine can run here.\nThere is no disk.\nType this."


def test_a_lesson_waits_as_long_as_a_set_up_runs_and_shows_what_it_does(home, capsys):
    ended = []

    def lesson():
        with pytest.raises(EngineNotRunning):
            preparation.wait_for_lesson("00-start-here")
        ended.append(time.monotonic())

    with setup_file.recording(print) as recorded:
        recorded("unpacking Docker")
        waiting = threading.Thread(target=lesson)
        waiting.start()
        shown = []
        wait.until(
            "the line", lambda: shown.append(capsys.readouterr().out) or "Getting ready: "
            "unpacking Docker" in "".join(shown), 60,
        )  # fmt: skip
        assert not ended
    waiting.join(60)
    assert ended


@pytest.mark.engine
def test_a_lesson_goes_on_once_its_own_images_are_there(capsys):
    """The set-up still runs, but the course's engine has what this lesson needs."""
    assert course.answers()
    with setup_file.recording(print):
        preparation.wait_for_lesson("00-start-here")
        report = preparation.report()
    assert report["running"]
    assert report["share"] == 1
    assert "Getting ready" not in capsys.readouterr().out
