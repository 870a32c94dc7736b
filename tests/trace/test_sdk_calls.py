"""SDK calls for recorded requests."""

from __future__ import annotations

import pytest

from dockyard.trace.recorder import Exchange
from dockyard.trace.sdk_calls import as_sdk


def test_requests_that_the_sdk_cannot_send_have_no_code():
    buildkit = Exchange(1, "POST", "/build", "remote=client-session&version=2", sent=9)
    two_tags = Exchange(2, "POST", "/build", "t=a&t=b", sent=9)
    cut = Exchange(3, "POST", "/containers/create", body='{"Image": …')
    assert [as_sdk(each) for each in (buildkit, two_tags, cut)] == ["", "", ""]
    one_tag = Exchange(5, "POST", "/build", "t=a&dockerfile=Other", sent=9)
    assert as_sdk(one_tag) == 'client.images.build(path=".", tag="a", dockerfile="Other")'


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/events", ""),
        ("POST", "/containers/prune", ""),
        ("GET", "/containers/web/archive", "path=/etc"),
        ("POST", "/images/create", "fromSrc=-&repo=copy"),
        ("POST", "/images/web/push", ""),
        ("POST", "/services/create", ""),
        ("POST", "/auth", ""),
    ],
)
def test_requests_outside_the_lessons_have_no_code(method, path, query):
    assert as_sdk(Exchange(1, method, path, query)) == ""


def test_what_the_code_leaves_out_is_named():
    body = {"Image": "busybox", "HostConfig": {"Memory": 1024, "CapAdd": ["NET_ADMIN"]}}
    body |= {"Healthcheck": {"Test": ["NONE"]}}
    create = Exchange(1, "POST", "/containers/create", "name=web", body=body)
    assert as_sdk(create) == (
        'container = client.containers.create("busybox", name="web", mem_limit=1024)'
        "  # left out: Healthcheck, CapAdd"
    )
    logs = Exchange(2, "GET", "/containers/web/logs", "stdout=1&details=1&tail=all&follow=0")
    assert as_sdk(logs) == 'client.containers.get("web").logs()  # left out: details'
