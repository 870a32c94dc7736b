"""Exchanges as text."""

from __future__ import annotations

import os

from dockyard.trace import exchange_text
from dockyard.trace.recorder import Exchange


def test_ids_times_and_defaults_are_left_out():
    exchange = Exchange(
        1,
        "POST",
        f"/containers/{'a1' * 32}/copy",
        f"session=s3krit&until=2026-11-24T10:00:00.123Z&at={os.getcwd()}/x",
        body={
            "Container": "b2" * 32,
            "Image": f"sha256:{'c3' * 32}",
            "Zero": 0,
            "ConsoleSize": [0, 0],
            "Entrypoint": [""],
            "StopTimeout": 0,
            "Volumes": {"/data": {}},
            "Nested": {"Empty": [], "Null": None},
            "Labels": {"com.docker.compose.config-hash": "d4" * 32, "mine": "0123456789ab"},
        },
    )
    assert exchange_text.path(exchange) == "/containers/{id}/copy"
    assert exchange_text.query(exchange) == [
        ("session", "{id}"),
        ("until", "{time}"),
        ("at", "./x"),
    ]
    assert exchange_text.body(exchange) == {
        "Container": "{id}",
        "Image": "{id}",
        "Entrypoint": [""],
        "StopTimeout": 0,
        "Labels": {"mine": "{id}"},
        "Volumes": {"/data": {}},
    }
    assert exchange_text.path(exchange, exact=True) == exchange.path


def test_grpc_has_no_curl_line():
    assert exchange_text.as_curl(Exchange(1, "POST", "/grpc", kind="upgrade", status=101)) == ""


def test_the_curl_line_of_a_build_sends_an_archive():
    build = Exchange(1, "POST", "/build", "t=a", sent=9)
    assert "--data-binary @archive.tar" in exchange_text.as_curl(build)
