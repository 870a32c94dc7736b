"""The life cycle of real containers, and whether the daemon accepts exactly the shown commands."""

import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from dockyard import views
from dockyard.views.life_cycle import WAYS

pytestmark = pytest.mark.engine

COMMANDS = (
    ("start",), ("stop",), ("restart",), ("kill",), ("pause",), ("unpause",), ("rm",),
    ("rm", "--force"),
)  # fmt: skip
NO_NEWS = {
    ("exited", "stop"), ("running", "start"), ("created", "stop"), ("restarting", "start"),
    ("dead", "stop"),
}  # fmt: skip
"""Commands that the daemon accepts although they change nothing."""

ALSO = {
    ("created", "rm --force"), ("exited", "rm --force"), ("restarting", "restart"), ("dead", "rm"),
}  # fmt: skip
"""Commands that work, but are not shown because a simpler one does the same."""


def bring(scene, name, state):
    """Bring a container into a state, unless it is in it already."""
    if state != "restarting" and inspect(scene, name) == state:
        return
    scene.docker("rm", "--force", name, check=False)
    if state == "created":
        scene.docker("create", "--init", "--name", name, "busybox", "sleep", "1000")
    elif state == "dead":
        scene.docker("create", "--name", name, "busybox", "true")
        with irremovable(scene, name):
            scene.docker("rm", name, check=False)
    elif state == "restarting":
        scene.run(name, "--restart", "always", command=("false",))
        # Each pause is twice as long as the one before. The sixth takes 3.2 s, and is seen from
        # its beginning: time enough for a command, on a busy computer, too.
        look = "{{.RestartCount}} {{.State.Status}}"
        long = {f"{count} restarting" for count in range(6, 12)}
        scene.until("a long pause", lambda: inspect(scene, name, look) in long)
    else:
        scene.run(name)
        for command in {"paused": ["pause"], "exited": ["kill"]}.get(state, []):
            scene.docker(command, name)
    assert inspect(scene, name) == state


@contextmanager
def irremovable(scene, name):
    """Make one of the daemon's files for a container immutable, so that removing it fails."""
    root = Path(scene.docker("info", "--format", "{{.DockerRootDir}}"))
    file = root / "containers" / scene.docker("inspect", "--format", "{{.Id}}", name) / "held"
    try:
        file.touch()
        subprocess.run(["chattr", "+i", file], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        scene.docker("rm", "--force", name)
        pytest.skip("needs root beside the daemon, and a file system that knows chattr +i")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", file], check=True)


def inspect(scene, name, template="{{.State.Status}}"):
    return scene.docker("inspect", "--format", template, name, check=False) or "removed"


@pytest.mark.slow
@pytest.mark.parametrize("state", ["created", "running", "paused", "exited", "restarting", "dead"])
def test_the_daemon_accepts_exactly_the_commands_that_are_shown(scene, state):
    ways = {command.format(name="boat"): leads_to for command, leads_to in WAYS[state]}
    for words in COMMANDS:
        bring(scene, "boat", state)
        quick = ("--time", "0") if words[0] in ("stop", "restart") else ()
        scene.docker(*words, *quick, "boat", check=False)
        accepted, command = scene.code == 0, " ".join(words)
        shown = ways.get(f"docker {command} boat")
        if shown:
            assert accepted, f"{state}: {command} was refused"
            assert inspect(scene, "boat") == shown
        elif accepted:
            assert (state, command) in NO_NEWS | ALSO, f"{state}: {command} is not shown"
    scene.docker("rm", "--force", "boat", check=False)


def test_the_view_follows_a_container_through_its_whole_life(scene):
    view = views.life_cycle("web")
    try:
        view._repr_mimebundle_()
        assert view.state == "removed"
        assert "docker run --name web IMAGE → running" in view.words()
        scene.docker("create", "--init", "--name", "web", "busybox", "sleep", "1000")
        for command, state in (
            ("start", "running"), ("pause", "paused"), ("unpause", "running"), ("kill", "exited"),
            ("rm", "removed"),
        ):  # fmt: skip
            scene.docker(command, "web")
            here = f'data-key="state/{state}" class="dy-here"'
            scene.until(f"{state} after {command}", lambda wanted=here: wanted in view.picture)
            assert view.state == state
            assert view.picture.count('class="dy-here"') == 1
            commands = [each["command"] for each in view.commands]
            assert commands == [each.format(name="web") for each, _ in WAYS[state]]
        scene.until("the last word", lambda: "web: exited → removed." in view.announcements)
        assert "web: running → exited, exit code 137." in view.announcements
    finally:
        view.close()


def test_a_container_that_cannot_be_removed_is_dead_until_it_can(scene):
    scene.run("ghost")
    with irremovable(scene, "ghost"):
        scene.docker("rm", "--force", "ghost", check=False)
    # Opened afterwards: the daemon has no event for a removal that has failed.
    view = views.life_cycle("ghost")
    try:
        data, _ = view._repr_mimebundle_()
        assert view.state == "dead"
        assert "docker rm --force ghost → removed" in data["text/plain"]
        assert 'data-key="state/dead" class="dy-here"' in data["image/svg+xml"]
        scene.docker("rm", "--force", "ghost")
        scene.until("its end", lambda: view.state == "removed")
    finally:
        view.close()


def test_a_restart_policy_is_visible_at_work(scene):
    scene.run("phoenix", "--restart", "always", command=("false",))
    view = views.life_cycle("phoenix")
    try:
        view._repr_mimebundle_()
        scene.until("the pause before a restart", lambda: view.state == "restarting")
        assert view.exit_code == 1
        scene.docker("rm", "--force", "phoenix")
        scene.until("its end", lambda: view.state == "removed")
    finally:
        view.close()


def test_a_renamed_container_is_followed_and_others_are_not(scene):
    scene.run("web")
    view = views.life_cycle("web")
    try:
        view._repr_mimebundle_()
        scene.run("other")
        scene.docker("rename", "web", "site")
        scene.until("the new name", lambda: view.name == "site")
        scene.docker("kill", "other")
        scene.docker("pause", "site")
        scene.until("the pause", lambda: view.announcements)
        assert view.announcements == ["site: running → paused."]
        assert view.state == "paused"
    finally:
        view.close()
