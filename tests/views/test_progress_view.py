"""The progress of pulls and builds, while a real daemon does them."""

import io
import os
import subprocess
import tarfile

import pytest

from dockyard import views
from dockyard.views import progress_view
from dockyard.views.pull_view import Pull
from tests.support.registry_process import RegistryProcess
from tests.support.scene import LESSON

pytestmark = pytest.mark.engine

SIZE = 24_000_000
"""The size of a layer in bytes: enough for several progress messages."""


@pytest.fixture
def folder(scene, tmp_path):
    (tmp_path / "Dockerfile").write_text(
        f"FROM busybox\nLABEL dockyard.lesson={LESSON}\nRUN echo one\nRUN echo $RANDOM\n"
    )
    return tmp_path


@pytest.fixture
def far(scene, tmp_path):
    """An image of two layers in the test's own registry, which the daemon does not have."""
    storage = tmp_path / "far"
    storage.mkdir()
    registry = RegistryProcess(storage)
    name = f"{registry.address}/far"
    noise = tmp_path / "noise"
    noise.write_bytes(os.urandom(SIZE))
    import_image(noise, f"{name}:1")
    scene.docker("create", "--name", "carrier", f"{name}:1", "none")
    scene.docker("cp", str(noise), "carrier:/second")
    scene.docker("commit", "carrier", f"{name}:2")
    scene.docker("rm", "carrier")
    for tag in ("1", "2"):
        scene.docker("push", "--quiet", f"{name}:{tag}")
    scene.docker("rmi", f"{name}:1", f"{name}:2")
    yield name
    scene.docker("rmi", f"{name}:1", f"{name}:2", check=False)
    registry.stop()


def import_image(file, name):
    """Import an image of one file; a build would keep its layer in a cache."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(file, "first")
    words = ["docker", "import", "--change", f"LABEL dockyard.lesson={LESSON}", "-", name]
    subprocess.run(words, input=packed.getvalue(), check=True, capture_output=True)


def watched(pull):
    """Pull, and return every update of the steps that was sent to the page."""
    seen = []
    pull.observe(lambda change: seen.append(change["new"]), "steps")
    pull.run()
    return seen


def test_each_layer_is_followed_while_it_is_pulled(far, monkeypatch):
    # Each message counts: a fast disk may be done before a second picture is due.
    monkeypatch.setattr(progress_view, "INTERVAL", 0)
    pull = Pull(f"{far}:1")
    seen = watched(pull)
    notes = [step["note"] for moment in seen for step in moment]
    parts = [step["part"] for moment in seen for step in moment if step["state"] == "works"]
    # A layer may be unpacked before the daemon has said that it began.
    assert "downloading" in notes
    assert any(part and 0 < part < 1 for part in parts)
    known = [part for part in parts if part is not None]
    assert known == sorted(known)
    assert pull.result == "pulled: 1 of 1 layer new"
    assert pull.announcements == ["Layer 1: pulled.", "pulled: 1 of 1 layer new."]

    # A layer that is here already is said to be kept, and only the other one comes: also with
    # containerd's image store, which reports nothing of the former.
    pull = Pull(f"{far}:2")
    watched(pull)
    assert [(step["name"], step["note"]) for step in pull.steps] == [
        ("layer 1", "already here"),
        ("layer 2", "pulled"),
    ]
    assert pull.result == "pulled: 1 of 2 layers new"
    pull = Pull(f"{far}:2")
    watched(pull)
    assert pull.result == "nothing to do: this image is here already"


def test_a_finished_pull_has_a_picture_and_words(scene):
    data, _ = views.pull("hello-world")._repr_mimebundle_()
    assert "hello-world" in data["text/plain"]
    assert "<title>" in data["image/svg+xml"]


def test_a_failed_pull_says_why(scene):
    pull = views.pull("127.0.0.1:9/nothing:1")
    assert pull.failed
    assert pull.result.startswith("failed: ")
    assert "127.0.0.1:9" in pull.result


def test_a_second_build_says_which_steps_are_cached(scene, folder):
    first = views.build(str(folder), "build-test:2")
    assert [step["note"] for step in first.steps][:1] == ["base"]
    assert first.result.startswith("built build-test:2: ")
    second = views.build(str(folder), "build-test:2")
    notes = {step["name"]: (step["state"], step["note"]) for step in second.steps}
    assert notes["FROM busybox"] == ("done", "base")
    assert notes["RUN echo one"] == ("kept", "cached")
    assert "0 ran" in second.result
    assert "RUN echo one: cached" in second.words()
    data, _ = second._repr_mimebundle_()
    assert "cached" in data["image/svg+xml"]


def test_a_changed_step_runs_and_those_before_it_are_cached(scene, folder):
    views.build(str(folder), "build-test:3")
    file = folder / "Dockerfile"
    file.write_text(file.read_text() + f"RUN echo {os.urandom(8).hex()}\n")
    built = views.build(str(folder), "build-test:3")
    notes = [step["note"] for step in built.steps]
    assert notes[0] == "base"
    assert set(notes[1:4]) == {"cached"}
    assert notes[4] == "ran"


def test_a_build_names_its_steps_and_its_failure(scene, tmp_path):
    (tmp_path / "Dockerfile").write_text(
        f"FROM busybox\nLABEL dockyard.lesson={LESSON}\nRUN echo one\nRUN false\n"
    )
    built = views.build(str(tmp_path), "build-test:1")
    assert built.failed
    states = {step["name"]: step["state"] for step in built.steps}
    assert states["RUN echo one"] in ("done", "kept")
    assert states["RUN false"] == "failed"
    assert "RUN false" in built.words()
    assert "returned a non-zero code: 1" in built.result
