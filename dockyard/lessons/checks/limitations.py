"""Lesson 14: limitations."""

from __future__ import annotations

import http.client
import re
import urllib.parse

from docker.models.containers import Container

from dockyard.core import wait
from dockyard.labs.probe import LONGEST_START, Probe
from dockyard.labs.verdict import Broken, NotYet, brief

PATIENCE = 15
"""Seconds for the guestbook to answer."""


def harden(probe: Probe) -> str:
    """Its doors are closed, as the kernel shows from inside, and it takes an entry."""
    safe = probe.running("safe")
    _, status = probe.execute(safe, "cat", "/proc/1/status")
    facts = dict(re.findall(r"^(\w+):\s+(\S+)", status, re.MULTILINE))
    if facts.get("Uid") == "0":
        raise NotYet("The program of safe runs as root.")
    if int(facts["CapBnd"], 16):
        raise NotYet("A program in safe can still get capabilities: the bounding set is not empty.")
    if facts["NoNewPrivs"] != "1":
        raise NotYet("A program with the setuid bit still gets root's rights in safe.")
    if not safe.attrs["HostConfig"]["ReadonlyRootfs"]:
        raise NotYet("The file system of safe is not read-only.")
    _take_an_entry(safe)
    return "safe runs with its doors closed, and takes entries."


def _take_an_entry(safe: Container) -> None:
    where = (safe.attrs["NetworkSettings"]["Ports"] or {}).get("8000/tcp") or []
    if ("127.0.0.1", "8081") not in [(each["HostIp"], each["HostPort"]) for each in where]:
        raise NotYet("Port 8000 of safe is not published at 127.0.0.1:8081.")
    word = urllib.parse.urlencode({"name": "check", "sentence": "can you write?"})
    said: list[str] = []

    def signed() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", 8081, timeout=5)
        try:
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", "/", word, kind)
            answer = connection.getresponse()
            said[:] = [f"{answer.status} {answer.read().decode(errors='replace')}"]
            return answer.status == 303
        except (OSError, http.client.HTTPException) as error:
            said[:] = [str(error)]
            return False
        finally:
            connection.close()

    if not wait.within(wait.patience_now(PATIENCE, LONGEST_START), signed, 0.5):
        raise Broken(f"The guestbook in safe takes no entries: {brief(said[0])!r}.")


def scan(probe: Probe) -> str:
    """It prints the same, and has no zlib with the fault, by the files themselves."""
    name = "report:2"
    code, said = probe.run(name)
    if code or said != probe.run("report:1")[1]:
        raise NotYet(f"A container of {name} prints {brief(said)!r}.")
    packages = probe.read_image(name, "/var/lib/dpkg/status") or ""
    if "Package: zlib1g\nStatus: install ok" in packages:
        version = re.search(r"^Package: zlib1g\n(?:.+\n)*?Version: (\S+)", packages, re.MULTILINE)
        if version and version[1].startswith("1:1.2."):
            raise NotYet(f"{name} has the package zlib1g {version[1]}.")
    old = probe.layers("report:1")
    if probe.layers(name)[: len(old)] == old:
        raise NotYet(f"{name} is built on report:1: the old library is in it, listed or not.")
    return f"{name} prints the same, without the old zlib."


def mend(probe: Probe) -> str:
    """It counts the entries of the database."""
    adrift = probe.running("adrift")
    if probe.variables(adrift).get("DATABASE_HOST") != "db":
        raise NotYet("adrift keeps its entries in a file: DATABASE_HOST is not db.")
    status, said = probe.get(8082, "/health", patience=10)
    if status != 200:
        raise NotYet(f"/health of adrift says {brief(said)!r}.")
    return f"adrift reaches the database: {said.strip()}."
