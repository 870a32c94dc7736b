"""What all views share: pictures, words, the scope and the event stream."""

import os
import threading
import time
from contextlib import closing
from xml.etree import ElementTree

import psutil
import pytest

from dockyard import course, views
from dockyard.core import paths
from dockyard.trace.recorder import Recorder
from dockyard.views import daemon_objects
from dockyard.views.events import STREAM, Event
from dockyard.views.scope import HELPER, Scope
from dockyard.views.svg import STATES, Picture, cut, width_of
from tests.support import canary
from tests.support.front_door import Door

SVG = "{http://www.w3.org/2000/svg}"
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def show(scene):
    """Displays a view as a notebook does; closes all of them afterwards."""
    shown = []

    def display(view):
        shown.append(view)
        return view._repr_mimebundle_()[0]

    yield display
    for view in shown:
        view.close()
    assert not STREAM.running


# Pictures


def test_a_picture_has_a_title_and_the_same_in_words():
    root = ElementTree.fromstring(str(Picture("Ships", "Two of them", 10, 10)))
    assert root.find(f"{SVG}title").text == "Ships"
    assert root.find(f"{SVG}desc").text == "Two of them"
    assert root.get("role") == "img"


def test_any_name_leaves_a_picture_readable():
    picture = Picture("<script>", "\x00\ud800 & \x1b[1m", 10, 10)
    picture.text(0, 0, "</svg><script>alert(1)</script>")
    root = ElementTree.fromstring(str(picture))
    assert root.find(f"{SVG}title").text == "<script>"
    assert [each.tag for each in root.iter() if "script" in each.tag] == []


@pytest.mark.parametrize("mono", [True, False])
@pytest.mark.parametrize("room", [30, 80, 200])
def test_a_name_that_is_too_long_is_cut_in_its_middle(room, mono):
    name = "a-very-long-name-of-a-container-1"
    shown = cut(name, room, mono=mono)
    assert width_of(shown, mono=mono) <= max(room, width_of("a-1…", mono=mono))
    front, back = shown.split("…")
    assert name.startswith(front) and name.endswith(back)
    assert cut("web", 200) == "web"


# Events and scope


def test_an_event_has_the_name_of_its_object():
    message = {
        "Type": "container",
        "Action": "health_status: healthy",
        "Actor": {"ID": "abc", "Attributes": {"name": "web", "image": "httpd"}},
    }
    event = Event.parse(message)
    assert (event.kind, event.action, event.name) == ("container", "health_status", "web")
    assert event.attributes["result"] == "healthy"


@pytest.mark.parametrize(
    ("scope", "labels", "shown"),
    [
        (Scope("07"), {"dockyard.course": "1", "dockyard.lesson": "07"}, True),
        (Scope("07"), {"dockyard.course": "1", "dockyard.lesson": "08"}, False),
        (Scope("07"), {}, False),
        (Scope(), {"dockyard.course": "1", "dockyard.lesson": "08"}, True),
        (Scope(), None, False),
        (Scope(everything=True), {}, True),
        (Scope(everything=True), {HELPER: "1"}, False),
    ],
)
def test_a_scope_holds_what_is_labelled_for_it(scope, labels, shown):
    assert scope.holds(labels) is shown


# The panel


@pytest.mark.parametrize("told", [*STATES, *daemon_objects.PODMANS_STATES])
def test_every_state_of_docker_and_podman_has_colours(told):
    assert daemon_objects.state(told) in STATES


@pytest.mark.engine
def test_the_panel_shows_objects_as_they_appear_change_and_disappear(scene, show):
    panel = views.panel()
    show(panel)
    assert panel.words().splitlines()[1:] == [
        "containers: none", "images: none", "networks: none", "volumes: none",
    ]  # fmt: skip

    def state(name):
        return {fact["name"]: fact["state"] for fact in panel.containers}.get(name)

    scene.docker("network", "create", "harbour")
    scene.until("the network", lambda: [each["name"] for each in panel.networks] == ["harbour"])
    scene.docker("volume", "create", "notes")
    scene.until("the volume", lambda: [each["name"] for each in panel.volumes] == ["notes"])
    scene.run("web")
    scene.until("web to run", lambda: state("web") == "running")
    scene.until("its image", lambda: [each["name"] for each in panel.images] == ["busybox:latest"])
    for command, expected in (
        ("pause", "paused"), ("unpause", "running"), ("kill", "exited"), ("rm", None),
    ):  # fmt: skip
        scene.docker(command, "web")
        scene.until(f"{command} to be seen", lambda wanted=expected: state("web") == wanted)
    scene.until("the end", lambda: "web was removed." in panel.announcements)
    assert "web has exited with code 137." in panel.announcements
    scene.docker("network", "rm", "harbour")
    scene.docker("volume", "rm", "notes")
    scene.until("the network to go", lambda: panel.networks == [])
    scene.until("the volume to go", lambda: panel.volumes == [])


@pytest.mark.engine
def test_a_short_lived_container_is_announced(scene, show):
    panel = views.panel()
    show(panel)
    scene.docker("run", "--rm", "--name", "short", "busybox", "true")
    scene.until("the announcements", lambda: panel.announced >= 4)
    assert panel.announcements == [
        "short was created.",
        "short is running.",
        "short has exited with code 0.",
        "short was removed.",
    ]


@pytest.mark.engine
def test_only_objects_of_the_lesson_are_shown_unless_everything_is_asked_for(scene, show):
    ours, all_there_is = views.panel(), views.panel(everything=True)
    show(ours)
    show(all_there_is)
    scene.run("web")
    for view in (ours, all_there_is):
        scene.until("web", lambda view=view: "web" in [each["name"] for each in view.containers])
    assert canary.NAME not in ours.words()
    for kind in ("containers", "networks", "volumes"):
        assert canary.NAME in [each["name"] for each in getattr(all_there_is, kind)]


# What all views share


@pytest.mark.engine
def test_a_stored_output_has_a_picture_and_words_that_do_not_vary(scene, show):
    scene.run("web", "--publish", "127.0.0.1:18099:80")
    scene.docker("create", "--name", "later", "--volume", "/data", "busybox")

    def stored():
        made = [views.panel(), views.life_cycle("web"), views.network_map()]
        return [
            {mime: text for mime, text in show(view).items() if mime != WIDGET} for view in made
        ]

    first, second = stored(), stored()
    assert first == second
    identities = scene.docker("ps", "--all", "--quiet", "--no-trunc").split()
    for output in first:
        assert set(output) == {"text/plain", "image/svg+xml"}
        root = ElementTree.fromstring(output["image/svg+xml"])
        assert root.find(f"{SVG}desc").text == output["text/plain"]
        for text in output.values():
            assert "web" in text
            assert not any(identity[:12] in text for identity in identities)


@pytest.mark.engine
def test_all_views_share_one_thread_that_exits_with_the_last(scene, show):
    made = [views.panel(), views.life_cycle("web"), views.network_map()]
    for view in made:
        show(view)

    def threads():
        return [each for each in threading.enumerate() if each.name == "dockyard-events"]

    assert len(threads()) == 1
    for view in made:
        assert threads()
        view.close()
    scene.until("the thread to end", lambda: threads() == [])


@pytest.mark.engine
def test_a_view_stops_following_while_no_page_shows_it(scene, show):
    panel = views.panel()
    show(panel)
    panel._hear(panel, {"shown": "a"}, [])
    panel._hear(panel, {"shown": "b"}, [])
    panel._hear(panel, {"hidden": "a"}, [])
    assert STREAM.running
    panel._hear(panel, {"hidden": "b"}, [])
    assert not STREAM.running
    scene.run("web")
    assert panel.containers == []
    panel._hear(panel, {"shown": "c"}, [])
    assert [each["name"] for each in panel.containers] == ["web"]
    assert STREAM.running


@pytest.mark.engine
def test_idle_views_send_no_requests_and_cost_next_to_nothing(scene, show):
    """Less than 2 % of a core, while a health check causes events that views ignore."""
    scene.run("web", "--health-cmd", "true", "--health-interval", "200ms")
    # The event of the first result comes after the state that it tells of.
    recent = ("events", "--since", "10m", "--until", "0s", "--filter", "container=web")
    scene.until("health", lambda: "health_status: healthy" in scene.docker(*recent))
    panel = views.panel()
    for view in (panel, views.life_cycle("web"), views.network_map()):
        show(view)
    asked = []
    panel.daemon.api.hooks["response"].append(lambda answer, **_: asked.append(answer.url))
    process = psutil.Process()
    began, used = time.monotonic(), sum(process.cpu_times()[:2])
    threading.Event().wait(3)
    share = (sum(process.cpu_times()[:2]) - used) / (time.monotonic() - began)
    assert asked == []
    assert share < 0.02
    # The measure can tell: an event makes the views ask.
    scene.docker("kill", "web")
    scene.until("questions", lambda: asked)


@pytest.mark.engine
def test_a_trace_leaves_out_the_requests_of_views(scene, show):
    panel = views.panel()
    show(panel)
    with Recorder() as recorder:
        scene.docker("volume", "create", "notes")
        scene.until("the volume", lambda: panel.volumes)
    asked = [exchange.path for exchange in recorder.exchanges if exchange.lesson is None]
    assert asked == []
    assert "/volumes/create" in [exchange.path for exchange in recorder.exchanges]


@pytest.mark.engine
def test_a_view_reports_a_stopped_daemon_and_follows_again_when_it_is_back(
    scene, show, tmp_path, monkeypatch
):
    upstream = course.State.load().endpoint["address"]
    own_home = os.environ["DOCKYARD_HOME"]
    panel = views.panel()
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    door = Door(paths.run_dir(), upstream).start()
    try:
        show(panel)
        door.stop()
        gone = "The daemon does not answer any more."
        scene.until("the view to notice", lambda: gone in panel.announcements[-1:])
        assert not panel.connected
        door.start()
        scene.until("the view to notice", lambda: panel.connected)
        scene.docker("--host", f"unix://{door.socket}", "volume", "create", "notes")
        scene.until("the volume", lambda: [each["name"] for each in panel.volumes] == ["notes"])
        assert "The daemon answers again." in panel.announcements
        # It is of another home than the scene's, whose end leaves it.
        scene.docker("volume", "rm", "notes")
    finally:
        panel.close()
        door.stop()
        monkeypatch.setenv("DOCKYARD_HOME", own_home)


@pytest.mark.engine
def test_a_learners_container_may_be_named_anything_the_daemon_allows(scene, show):
    name = "a" + "_.-0" * 30
    scene.run(name)
    for view in (views.panel(), views.life_cycle(name), views.network_map()):
        assert ElementTree.fromstring(show(view)["image/svg+xml"]) is not None


@pytest.mark.engine
def test_images_that_are_pulled_while_the_panel_is_open_are_shown(scene, show):
    with closing(canary.daemon()) as daemon:
        daemon.images.get("busybox").tag("lesson-views", "1")
    panel = views.panel()
    show(panel)
    try:
        scene.docker("tag", "busybox", "lesson-views:2")
        scene.until("the image", lambda: "lesson-views:2" in panel.words())
    finally:
        scene.docker("rmi", "lesson-views:1", "lesson-views:2")
    scene.until("the names to go", lambda: "lesson-views" not in panel.words())
