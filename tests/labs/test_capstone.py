"""The instruments of lab 15: the visitors' record, and the scan."""

import http.server
import subprocess
import sys
import threading

import pytest

from dockyard.labs import lab_catalog
from dockyard.labs.checks import capstone
from dockyard.labs.verdict import NotYet

FILES = lab_catalog.FILES / "15-capstone"


@pytest.mark.parametrize(
    "log",
    [
        "1 failed\n20 version 1\n55 version 2\n",
        "1 version 1\n5 version 2\n6 version 1\n7 version 2\n9 failed\n",
        "1 version 1\n5 failed\n9 version 2\n20 version 1\n30 version 2\n",
    ],
)
def test_a_change_without_a_failed_visit_is_seen(log):
    capstone.must_have_seen(log, "1", "2")


@pytest.mark.parametrize(
    ("log", "says", "mistake"),
    [
        ("1 failed\n", "have not seen version 1 and after it version 2", None),
        ("1 version 2\n9 version 1\n", "have not seen version 1 and after it version 2", None),
        (
            "1 version 1\n5 failed\n17 version 2\n",
            "12 visits failed",
            "stopped-before-the-next-one-answers",
        ),
        ("1 version 1\n5 version 2 without the entry\n", "no longer saw your entry", None),
        (
            "1 version 1\n5 failed\n6 version 1 without the entry\n7 failed\n9 version 2\n",
            "3 visits failed",
            "stopped-before-the-next-one-answers",
        ),
    ],
)
def test_a_change_that_visitors_notice_is_told(log, says, mistake):
    with pytest.raises(NotYet, match=says) as caught:
        capstone.must_have_seen(log, "1", "2")
    assert caught.value.mistake == mistake


class Guestbook(http.server.BaseHTTPRequestHandler):
    """Answers as the guestbook does; the last answer is given for ever."""

    answers = ()

    def do_GET(self):
        status, text = self.answers[0]
        if len(self.answers) > 1:
            self.answers.pop(0)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words):
        pass


def test_the_visitors_say_what_changes_and_count():
    def page(version, *sentences):
        entries = ", ".join(f'{{"name": "Ada", "sentence": "{each}"}}' for each in sentences)
        return 200, f'{{"version": "{version}", "entries": [{entries}]}}'

    Guestbook.answers = [
        (503, "no database"),
        (200, "<html>"),
        page(1),
        page(1, "my word"),
        page(1, "word"),
        page(2, "word"),
    ]
    with http.server.HTTPServer(("127.0.0.1", 0), Guestbook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/entries"
        argv = [sys.executable, str(FILES / "visitors.py"), address, "word"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as visitors:
            seen = [visitors.stdout.readline().strip() for _ in range(4)]
            visitors.terminate()
        server.shutdown()
    assert seen == ["1 failed", "3 version 1 without the entry", "4 version 1", "6 version 2"]


def test_the_scan_finds_tools_and_old_versions(tmp_path):
    for file in ("scan.py", "advisories.txt"):
        (tmp_path / file).write_text((FILES / "scan" / file).read_text())
    packages = {"pytest": "9.2.0", "Werkzeug": "3.0.1", "waitress": "3.0.2"}
    for name, version in packages.items():
        about = tmp_path / f"{name}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
    # Without the packages of the Python that runs this test.
    argv = [sys.executable, "-I", "-S", "-c", "import runpy, sys; sys.path.insert(0, sys.argv[1]);"
            "runpy.run_path(sys.argv[1] + '/scan.py')", str(tmp_path)]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "CVE-2024-34069 (high): werkzeug 3.0.1, safe since 3.0.3: "
        "the debugger can be used from outside",
        "rule-2 (-): pytest 9.2.0, remove it: a server runs no tests",
        "3 packages, 6 advisories, 2 findings",
    ], done.stderr
    assert done.returncode == 1
