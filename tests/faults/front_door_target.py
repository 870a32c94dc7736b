"""Lets atheris vary bytes so that more and more of the front door's parsers run.

    python -m tests.faults.front_door_target PART [-runs=N] [-dict=FILE] [FOLDER]

PART is requests or builds. Ends with an error at the first bytes for which a promise does not hold,
and prints them.
"""

import itertools
import json
import sys

import atheris

with atheris.instrument_imports(include=["dockyard.proxy", "h11"]):
    from dockyard.core import home_mark, labels
    from dockyard.proxy import labelling
    from dockyard.proxy.build_labels import DATA, FRAME_HEAD, PREFACE, BuildLabels
    from dockyard.proxy.http_message import Message, ProtocolError


def requests(data):
    """What creates something is marked, or is no object; one request is sent on as one request."""
    found = read(data)
    if not found or not labelling.wants_body(found.head):
        return
    before = bytes(found.body)
    try:
        after, first = labelling.label_body(found.head, before, None)
    except labelling.InvalidBody:
        return
    if after == before:
        assert not describes(before), "left without a mark"
        return
    document = json.loads(after)
    (given,) = [value for key, value in document.items() if folded(key) == "labels"]
    assert home_mark.is_ours(given[labels.HOME])
    own = labelling.rewrite_head(found.head.raw, length=len(after)) + after
    assert creates(own) == (found.head.endpoint, after)
    assert {creates(each)[0] for each in first} <= {"/volumes/create"}


def creates(sent):
    """The endpoint and the body of what is exactly one request."""
    again = Message.request()
    again.body_limit = len(sent)
    assert again.read(sent) == b""
    assert again.done
    return again.head.endpoint, bytes(again.body)


def read(data):
    """The request in data, which arrives in two parts; None for anything else."""
    message = Message.request()
    message.body_limit = labelling.MAX_BODY_SIZE
    cut, raw = data[:1], data[1:]
    at = cut[0] if cut else 0
    try:
        for part in (raw[:at], raw[at:]):
            if part and not message.done:
                message.read(part)
    except ProtocolError:
        return None
    return message if message.done else None


def describes(body):
    """Whether the daemon could make an object from a body: each member of Labels is an object."""
    pairs = json.loads(body.decode("utf-8", "replace") or "null", object_pairs_hook=Pairs)
    return isinstance(pairs, Pairs) and all(
        value is None or isinstance(value, Pairs) for key, value in pairs if folded(key) == "labels"
    )


class Pairs(list):
    """A JSON object as it was written."""


def folded(key):
    return key.lower().replace("ſ", "s")


def builds(data):
    """However the bytes arrive, the same goes on, and frames other than data do not change."""
    cuts, stream = sorted(data[:2]), PREFACE + data[2:]
    mark = {labels.HOME: "mark"}
    whole = BuildLabels(mark)
    together = whole.feed(stream) + whole.end()
    parts = BuildLabels(mark)
    bounds = [0, *cuts, len(stream)]
    pieces = [parts.feed(stream[a:b]) for a, b in itertools.pairwise(bounds)]
    assert b"".join(pieces) + parts.end() == together
    assert kept(stream) == kept(together)


def kept(stream):
    """The frames of a stream that are not data."""
    at, found = len(PREFACE), []
    while len(stream) >= at + FRAME_HEAD:
        end = at + FRAME_HEAD + int.from_bytes(stream[at : at + 3], "big")
        if stream[at + 3] != DATA and len(stream) >= end:
            found.append(stream[at:end])
        at = end
    return found


if __name__ == "__main__":
    part = sys.argv.pop(1)
    atheris.Setup(sys.argv, {"requests": requests, "builds": builds}[part])
    atheris.Fuzz()
