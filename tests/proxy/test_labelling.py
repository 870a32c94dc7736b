"""What gets the course's labels, and how a request that cannot be labelled is refused."""

from __future__ import annotations

import json
from urllib.parse import unquote_plus

import pytest

from dockyard.proxy import labelling
from dockyard.proxy.http_message import Head
from dockyard.trace.recorder import Recorder
from tests.support.fake_daemon import OK, exchange, refused, request, respond_ok
from tests.support.front_door import unmarked, until_read

COURSE = {"dockyard.course": "1"}


def test_only_the_lesson_header_is_removed(start_door):
    daemon, door = start_door(respond_ok)
    exchange(door, request("GET", "/info", b"", "X-Dockyard-Lesson: 08-registries", "A: b"))
    assert bytes(daemon.got) == request("GET", "/info", b"", "A: b")


@pytest.mark.parametrize("target", ["/containers/create", "/v1.41/networks/create?x=1"])
def test_created_objects_get_the_labels(start_door, target):
    daemon, door = start_door(respond_ok)
    body = b'{"Image": "busybox", "Labels": {"mine": "1"}}'
    exchange(door, request("POST", target, body, "x-dockyard-lesson: 08-registries"))
    sent = daemon.got_json()
    added = {"dockyard.course": "1", "dockyard.lesson": "08-registries"}
    assert unmarked(sent.pop("Labels")) == {"mine": "1"} | added
    assert sent == {"Image": "busybox"}


def test_a_chunked_body_gets_the_labels(start_door):
    daemon, door = start_door(respond_ok)
    chunks = b'5\r\n{"Nam\r\n9;ext=1\r\ne": "net"\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n'
    raw = request("POST", "/networks/create", b"", "Transfer-Encoding: chunked") + chunks
    for cut in (len(raw) - 3, len(raw) - len(chunks) + 4, 30):
        daemon.got.clear()
        with door.connect() as connection:
            connection.sendall(raw[:cut])
            until_read(connection)
            connection.sendall(raw[cut:])
            assert connection.recv(1000) == OK
        sent = daemon.got_json()
        assert unmarked(sent.pop("Labels")) == {"dockyard.course": "1"}
        assert sent == {"Name": "net"}


def head(target):
    return Head(b"", (), b"POST", target.encode())


def labelled(endpoint, body, lesson=None):
    """The body with its labels, as a document."""
    return json.loads(labelling.label_body(head(endpoint), body, lesson)[0])


def test_a_container_that_removes_itself_is_marked_as_this_very_container():
    marks = labelled("/containers/create", b'{"HostConfig": {"autoremove": true}}')["Labels"]
    assert marks["dockyard.rm"] == marks["dockyard.home"]
    for body in (b"{}", b'{"HostConfig": {"AutoRemove": false}}', b'{"HostConfig": null}'):
        assert "dockyard.rm" not in labelled("/containers/create", body)["Labels"]


def test_labels_are_found_in_any_case():
    made = labelled("/volumes/create", b'{"name": "v", "labels": null}')
    assert unmarked(made.pop("labels")) == COURSE
    assert made == {"name": "v"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"Labels": {"a": "1"}, "Labels": {"b": "2"}}',
        b'{"Labels": {"a": "1"}, "labels": {"b": "2"}}',
        '{"Label\u017f": {"a": "1"}, "LABELS": {"b": "2"}}'.encode(),
        b'{"labels": {"c": "3"}, "Labels": null, "Labels": {"a": "1", "b": "2"}}',
    ],
)
def test_labels_given_twice_become_one_member(body):
    (member,) = labelled("/volumes/create", body).values()
    assert {"a": "1", "b": "2"}.items() <= unmarked(member).items()


def test_of_a_member_given_twice_the_last_counts():
    body = b'{"Image": "x", "Image": "y", "HostConfig": {"Binds": ["one:/1"], "Init": true},'
    body += b'"hostconfig": {"binds": ["two:/2"]}}'
    content, requests = labelling.label_body(head("/v1.41/containers/create"), body, None)
    made = json.loads(content)
    assert made["Image"] == "y"
    assert made["hostconfig"] == {"Init": True, "binds": ["two:/2"]}
    assert "HostConfig" not in made
    (made_first,) = requests
    assert made_first.startswith(b"POST /v1.41/volumes/create HTTP/1.1\r\n")
    assert b'"Name": "two"' in made_first


def test_invalid_utf_8_is_replaced_as_the_daemon_would():
    made = labelled("/volumes/create", b'{"Name": "v\xff"}')
    assert made["Name"] == "v\ufffd"
    assert unmarked(made["Labels"]) == COURSE


@pytest.mark.parametrize("body", [b"", b"null"])
def test_a_volume_without_a_description_gets_the_labels(start_door, body):
    daemon, door = start_door(respond_ok)
    assert exchange(door, request("POST", "/volumes/create", body)) == OK
    made = daemon.got_json()
    assert unmarked(made.pop("Labels")) == COURSE
    assert made == {}
    assert b"Content-Type: application/json\r\n" in daemon.got or body


@pytest.mark.parametrize(
    "target",
    [
        "/volumes/cr%65ate",
        "/v1.41%2Fvolumes/create",
        "/%76olumes/create?x=y",
        "/v1.41.0/volumes/create",
        "http://docker/volumes/create",
    ],
)
def test_the_endpoint_is_found_as_the_daemon_finds_it(start_door, target):
    daemon, door = start_door(respond_ok)
    assert exchange(door, request("POST", target, b"{}")) == OK
    assert daemon.got.startswith(f"POST {target} HTTP/1.1\r\n".encode())
    assert unmarked(daemon.got_json()["Labels"]) == COURSE


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"Labels": "text"}', b'{"HostConfig": 5}'])
def test_what_the_daemon_refuses_anyway_reaches_it(start_door, body):
    daemon, door = start_door(respond_ok)
    raw = request("POST", "/containers/create", body)
    assert exchange(door, raw) == OK
    assert daemon.got == raw or unmarked(daemon.got_json()["Labels"]) == COURSE


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b'{"a": NaN}',
        b"\xff\xfe",
        b"[" * 9999,
        b'{"Image": "busybox"} }',
        b'{"Image": "busybox"} {"Image": "busybox"}',
        b'{"Image": "busybox", }',
    ],
)
def test_what_is_not_json_is_refused(start_door, body):
    daemon, door = start_door(respond_ok)
    assert refused(door, request("POST", "/containers/create", body)).startswith("invalid JSON: ")
    assert daemon.got == b""


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Length: 99"], b"{}"),
        (["Transfer-Encoding: chunked"], b"2\r\n{}\r\n"),
        (["Transfer-Encoding: chunked"], b"2\r\n{}\r\nzz\r\n"),
    ],
    ids=["half a body", "no last chunk", "no chunk"],
)
def test_a_body_that_does_not_end_is_refused(start_door, headers, body):
    """Go's decoder would stop at the end of the JSON value and create something."""
    daemon, door = start_door(respond_ok)
    assert refused(door, request("POST", "/volumes/create", b"", *headers) + body)
    assert daemon.got == b""


def test_a_body_that_is_too_long_is_refused(start_door):
    daemon, door = start_door(respond_ok)
    body = b"{}" + b" " * labelling.MAX_BODY_SIZE
    assert "longer than" in refused(door, request("POST", "/volumes/create", body))
    assert daemon.got == b""


def test_a_refusal_is_recorded(start_door):
    _, door = start_door(respond_ok)
    with Recorder(socket_path=door.records) as seen:
        refused(door, request("POST", "/volumes/create", b"not json"))
    (only,) = seen.exchanges
    assert (only.path, only.status) == ("/volumes/create", 400)
    assert only.duration_ms is not None


def test_a_service_and_its_containers_get_the_labels():
    spec = {
        "Name": "web",
        "TaskTemplate": {
            "ContainerSpec": {"Image": "httpd", "Mounts": [{"Type": "volume", "Source": "v"}]}
        },
    }
    made = labelled("/v1.41/services/create", json.dumps(spec).encode(), "13-swarm")
    added = {"dockyard.course": "1", "dockyard.lesson": "13-swarm"}
    container = made["TaskTemplate"]["ContainerSpec"]
    for each in (made, container, container["Mounts"][0]["VolumeOptions"]):
        assert unmarked(each["Labels"]) == added


def test_a_build_gets_the_labels_in_its_query(start_door):
    daemon, door = start_door(respond_ok)
    target = "/v1.41/build?t=web&labels=%7B%22mine%22%3A%22ü%22%7D&q=1".replace("ü", "%C3%BC")
    exchange(door, request("POST", target, b"tar", "X-Dockyard-Lesson: 06"))
    first = bytes(daemon.got).split(b"\r\n")[0]
    path, _, query = first.split()[1].partition(b"?")
    assert path == b"/v1.41/build"
    assert query.startswith(b"t=web&q=1&forcerm=1&labels=")
    assert json.loads(unquote_plus(query.rpartition(b"=")[2].decode())) == {
        "mine": "ü",
        "dockyard.course": "1",
        "dockyard.lesson": "06",
    }


def test_a_client_that_expects_100_continue_gets_it_before_its_body_is_labelled(start_door):
    daemon, door = start_door(respond_ok)
    body = b'{"Name": "v"}'
    raw = request("POST", "/volumes/create", body, "Expect: 100-continue")
    with door.connect() as connection:
        connection.sendall(raw.removesuffix(body))
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(1000) == OK
    assert b"Expect" not in daemon.got
    assert unmarked(daemon.got_json()["Labels"]) == {"dockyard.course": "1"}


@pytest.mark.parametrize(
    "first", ["%7B%22mine%22%3A%221%22%7D", "%7B%22mine%22%3A%221%22%7D&labels=x"]
)
def test_of_labels_given_twice_for_a_build_the_first_count(first):
    target = labelling.label_target(head(f"/build?labels={first}"), None).decode()
    found = json.loads(unquote_plus(target.rpartition("labels=")[2]))
    assert found == {"mine": "1"} | COURSE
    assert target.count("labels=") == 1
