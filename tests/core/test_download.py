"""Downloads: whole or not at all, resumed when a connection breaks."""

import hashlib
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dockyard.core import download, ports
from tests.support.restricted_host import needs_root

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT at /file, with faults to choose."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked = []
        self.ends_after = []  # bytes after which the next connections are closed
        self.resumes = True
        self.content = CONTENT
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/file"


class Answers(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        server.asked.append(wanted and int(wanted[1]))
        if self.path != "/file":
            self.send_error(404)
            return
        start = int(wanted[1]) if wanted and server.resumes else 0
        if start >= len(server.content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        end = server.ends_after.pop(0) if server.ends_after else len(server.content)
        self.wfile.write(server.content[start : start + end])


@pytest.fixture
def server():
    with Server() as made:
        yield made
        made.shutdown()


def fetch(url, folder, **changed):
    download.fetch(url, folder / "got", **{"sha256": DIGEST, "size": len(CONTENT)} | changed)
    return (folder / "got").read_bytes()


def test_a_file_is_downloaded(server, tmp_path):
    assert fetch(server.url, tmp_path) == CONTENT
    assert server.asked == [None]


@pytest.mark.parametrize("resumes", [True, False])
def test_a_broken_connection_is_resumed_where_it_ended(server, tmp_path, resumes):
    server.resumes = resumes
    server.ends_after = [300_000, 400_000, 0] if resumes else [300_000, 700_000]
    assert fetch(server.url, tmp_path) == CONTENT
    assert server.asked[:2] == [None, 300_000]
    assert server.asked[-1] == 700_000


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("file", CONTENT[:-1] + b"x", "has the SHA-256 digest"),
        ("file", CONTENT[:-1], f"after {len(CONTENT) - 1} of {len(CONTENT)} bytes"),
        ("file", b"", "HTTP 416"),
        ("other", CONTENT, "HTTP 404"),
    ],
    ids=["changed", "truncated", "empty", "absent"],
)
def test_a_wrong_file_is_refused_and_nothing_is_left(server, tmp_path, path, content, said):
    server.content = content
    with pytest.raises(download.DownloadFailed, match=said):
        fetch(server.url.replace("file", path), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_named(tmp_path):
    url = f"http://127.0.0.1:{ports.choose()}/file"
    with pytest.raises(download.DownloadFailed, match="refused") as caught:
        fetch(url, tmp_path)
    assert url in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@needs_root
def test_a_full_disk_leaves_nothing(server, tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", tmp_path], check=True)
    try:
        with pytest.raises(OSError, match="No space left"):
            fetch(server.url, tmp_path)
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)
