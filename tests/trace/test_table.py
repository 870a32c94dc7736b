"""The table that ``%%trace`` shows."""

from __future__ import annotations

from dockyard.trace.recorder import Exchange
from dockyard.trace.table import Table


def test_html_in_a_request_is_escaped():
    exchange = Exchange(1, "GET", "/<script>", "q=<b>", body={"a": "</pre><img>"}, status=404)
    html = Table([exchange]).html()
    assert "<script>" not in html
    assert "<img>" not in html
    assert "<b>" not in html


def test_an_open_exchange_goes_on():
    table = Table([Exchange(1, "GET", "/events", kind="stream", status=200)], times=True)
    assert repr(table) == "GET    /events  → 200 stream  goes on"


def test_a_request_without_sdk_code_says_so():
    table = Table([Exchange(1, "POST", "/swarm/init", status=200)], sdk=True)
    assert repr(table).splitlines()[1].strip() == "(no SDK code for this request)"
    assert "no SDK code for this request" in table.html()
