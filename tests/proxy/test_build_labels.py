"""The bytes of a build get labels, however they arrive; all others stay as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockyard.proxy import build_labels
from dockyard.proxy.build_labels import BuildLabels

ADDED = {"dockyard.course": "1"}


def field(number, content):
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def frame(payload, stream=1, kind=0, flags=0):
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
    return head + payload


def message(body, compressed=0):
    return bytes([compressed]) + len(body).to_bytes(4, "big") + body


GATEWAY = field(2, b"dockerfile.v0") + field(3, field(1, b"target") + field(2, b"x"))
CONTROL = field(1, b"ref") + field(5, b"session") + field(6, b"dockerfile.v0")
LABEL = field(1, b"label:dockyard.course") + field(2, b"1")
START = build_labels.PREFACE + frame(b"", stream=0, kind=4)


def fed(*pieces):
    labels = BuildLabels(ADDED)
    return b"".join(map(labels.feed, pieces)) + labels.end()


def in_pieces(data, *cuts):
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@pytest.mark.parametrize(("body", "number"), [(GATEWAY, 3), (CONTROL, 7)])
def test_a_build_gets_the_labels_as_options(body, number):
    assert fed(START + frame(message(body), flags=1)) == START + frame(
        message(body + field(number, LABEL)), flags=1
    )


def test_two_messages_in_one_frame_and_one_in_two_frames():
    whole = message(GATEWAY)
    other = message(field(1, b"something else"))
    labelled = message(GATEWAY + field(3, LABEL))
    assert fed(START + frame(other + whole)) == START + frame(other + labelled)
    split = frame(whole[:7]) + frame(b"", stream=3, kind=1) + frame(whole[7:], flags=1)
    assert fed(START + split) == START + frame(b"", stream=3, kind=1) + frame(labelled, flags=1)


UNTOUCHED = {
    "compressed": START + frame(message(GATEWAY, compressed=1)),
    "padded": START + frame(b"\x01" + message(GATEWAY) + b"\0", flags=8),
    "another frontend": START + frame(message(field(2, b"other.v0"))),
    "no message": START + frame(message(b"\xff" * 20), flags=1),
    "a message that never ends": START + frame(message(GATEWAY)[:9], flags=1),
    "another protocol": b"GET / HTTP/1.1\r\n\r\n" + frame(message(GATEWAY)),
    "half a preface": build_labels.PREFACE[:9],
    "half a frame": START + frame(message(GATEWAY))[:12],
}


@pytest.mark.parametrize("data", UNTOUCHED.values(), ids=UNTOUCHED)
def test_what_is_not_understood_is_passed_on_as_it_is(data):
    assert fed(data) == data


def test_a_long_message_is_passed_on_as_it_comes():
    long = message(field(2, b"dockerfile.v0") + field(9, b"x" * 100) * 1000)
    labels = BuildLabels(ADDED)
    first = START + frame(long[:16000])
    assert labels.feed(first) == first
    assert labels.feed(frame(long[16000:32000])) == frame(long[16000:32000])
    rest = frame(long[32000:] + message(GATEWAY))
    assert labels.feed(rest[:100]) == b""
    assert labels.feed(rest[100:]).endswith(field(3, LABEL))


@given(st.data())
def test_any_split_gives_the_same(data):
    sent = START + frame(message(GATEWAY)[:8]) + frame(message(GATEWAY)[8:]) + frame(b"x", kind=6)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    assert fed(*in_pieces(sent, *cuts)) == fed(sent)


@given(st.binary(max_size=300))
def test_nothing_breaks_it(data):
    """A frame that is not complete is all that it keeps."""
    labels = BuildLabels(ADDED)
    labels.feed(START)
    labels.feed(data)
    labels.end()
