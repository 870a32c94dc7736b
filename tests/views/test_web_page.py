"""The frame with the page of a container's web server."""

import http.server
import threading

import pytest

from dockyard import views
from dockyard.core import ports
from dockyard.views import web_page


@pytest.fixture
def server():
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_a_page_is_framed_below_the_address_of_the_jupyter_server(server, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    page = views.page(server, "/entries")
    assert repr(page) == f"The page at http://127.0.0.1:{server}/entries"
    assert f'<iframe src="/user/ada/proxy/{server}/entries"' in page._repr_html_()


def test_a_server_that_does_not_start_is_named_with_the_reason(monkeypatch):
    monkeypatch.setattr(web_page, "PATIENCE", 0)
    port = ports.choose()
    page = views.page(port)
    assert repr(page) == f"http://127.0.0.1:{port}/ does not answer: Connection refused."
    assert "iframe" not in page._repr_html_()
