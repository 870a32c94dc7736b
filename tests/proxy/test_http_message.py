"""The parts of a request's head."""

from __future__ import annotations

import pytest

from dockyard.proxy.http_message import Head


@pytest.mark.parametrize(
    ("target", "version", "path", "endpoint"),
    [
        ("/info", None, "/info", "/info"),
        ("/v1.41/info?x=/v1.2/y", "1.41", "/info", "/info"),
        ("/v1.41.0/info", "1.41.0", "/info", "/info"),
        ("/version", None, "/version", "/version"),
        ("/v1.41/in%66o", "1.41", "/in%66o", "/info"),
        ("/%761.41/info", None, "/%761.41/info", "/info"),
        ("/v1.41%2finfo", None, "/v1.41%2finfo", "/info"),
        ("/inf%zz", None, "/inf%zz", "/inf%zz"),
        ("http://docker/v1.41/info?x", "1.41", "/info", "/info"),
        ("http://docker?x", None, "", ""),
        ("//docker/info", None, "//docker/info", "//docker/info"),
        ("*", None, "*", "*"),
    ],
)
def test_the_target_is_split_as_the_daemon_splits_it(target, version, path, endpoint):
    head = Head(b"", (), b"GET", target.encode())
    assert (head.version, head.path, head.endpoint) == (version, path, endpoint)


def test_the_query_is_what_follows_the_first_question_mark():
    assert Head(b"", (), b"GET", b"/build?t=a?b&q=1").query == "t=a?b&q=1"
