"""The front door's parsers under bytes that atheris varies by the code that they reach."""

import importlib.util
import os
import subprocess
import sys

import pytest

from dockyard.core import paths
from tests.proxy.test_build_labels import CONTROL, GATEWAY, frame, message

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("atheris"), reason="atheris has no package for this Python"
)


def request(target, body, *headers):
    lines = [f"POST {target} HTTP/1.1", "Host: docker", *headers, "", ""]
    return b"\xff" + "\r\n".join(lines).encode() + body


def sized(target, body, *headers):
    return request(target, body, f"Content-Length: {len(body)}", *headers)


PARTS = {
    "requests": (
        [
            sized("/v1.41/containers/create?name=a", b'{"HostConfig": {"Binds": []}}'),
            sized("/containers/create", b'{"HostConfig": {"AutoRemove": true, "Binds": ["v:/v"]}}'),
            sized("/volumes/create", b'{"Labels": {"a": "1"}, "labels": null}', "Expect: x"),
            sized("/services/create", b'{"TaskTemplate": {"ContainerSpec": {"Mounts": []}}}'),
            request("/networks/create", b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
        ],
        ["POST ", "/volumes/create", "/v1.41/", "%65", "HTTP/1.1\\x0d\\x0a", "\\x0d\\x0a ",
         "Content-Length: 2", "Transfer-Encoding: chunked", "\\x22Labels\\x22: {}", "\\xc5\\xbf",
         "\\x22HostConfig\\x22: {", "\\x22Mounts\\x22: [{\\x22Type\\x22: \\x22volume\\x22}]"],
    ),
    "builds": (
        [
            b"\x10\x30" + frame(message(GATEWAY), flags=1),
            b"\x05\x90" + frame(message(CONTROL)[:9]) + frame(b"x", kind=1) + frame(b"", flags=1),
            b"\x05\x90" + frame(message(GATEWAY)[:9]) + frame(message(GATEWAY)[9:], flags=1),
        ],
        ["dockerfile.v0", "gateway.v0"],
    ),
}  # fmt: skip
RUNS = [("20000", ()), ("500000", (pytest.mark.faults,))]


@pytest.mark.parametrize("runs", [pytest.param(each, marks=marks) for each, marks in RUNS])
@pytest.mark.parametrize("part", PARTS)
def test_what_is_promised_holds_for_all_bytes(part, runs, tmp_path):
    seeds, words = PARTS[part]
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)
    known = tmp_path / "words"
    known.write_text("".join(f'"{word}"\n' for word in words))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.faults.front_door_target", part),
            *(f"-runs={runs}", f"-dict={known}", f"-artifact_prefix={tmp_path}/", corpus),
        ],
        env=os.environ | {"DOCKYARD_HOME": str(tmp_path)},
        cwd=paths.CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert f"Done {runs} runs" in done.stderr
