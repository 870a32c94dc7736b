"""Draws the pictures with which lessons open: ``python -m dockyard.authoring.lesson_pictures``.

They are files in notebooks/pictures, so that a page shows them before anything has run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dockyard.core import paths
from dockyard.views.svg import Picture

FOLDER = paths.NOTEBOOKS / "pictures"


def first() -> Picture:
    """Lesson 00: from an image to a page in the browser."""
    picture = Picture(
        "Your first page",
        "docker run makes a container from the image nginx. A web server runs in it. Your browser "
        "reaches it through a published port, and shows a page of your own, which docker cp has "
        "put into the container.",
        760,
        150,
    )
    _box(picture, 14, 14, 130, "image", ["nginx,", "a web server"])
    picture.rect(290, 14, 180, 90, state="running")
    picture.text(302, 38, "▶ container", bold=True)
    picture.text(302, 60, "nginx at work", ink="soft", size=12)
    picture.text(302, 82, "index.html", size=12, mono=True)
    _box(picture, 616, 14, 130, "your browser", ["shows a page", "of your own"])
    _arrow(picture, (144, 59), (290, 59), "docker run")
    picture.path("M616 59 L 479 59")
    picture.head(470, 59, "left")
    picture.text(546, 51, "published port", ink="accent", size=12, anchor="middle")
    picture.path("M380 140 L 380 113")
    picture.head(380, 104, "up")
    picture.text(392, 134, "docker cp: a page of your own", ink="accent", size=12, mono=True)
    return picture


def ship() -> Picture:
    """Lesson 01: from source to three containers."""
    picture = Picture(
        "From source to running containers",
        "docker build makes an image from the source and a Dockerfile. docker run makes containers "
        "from the image, here three, and each answers browsers.",
        760,
        210,
    )
    _box(picture, 14, 60, 150, "your source", ["app.py, storage.py,", "tests", "Dockerfile"])
    _box(
        picture, 300, 60, 150, "image", ["your source, Python,", "libraries, tools", "guestbook:2"]
    )
    _arrow(picture, (164, 105), (300, 105), "docker build")
    for y, name in ((24, "replica-1"), (84, "replica-2"), (144, "replica-3")):
        picture.path(f"M450 105 L 570 {y + 24}")
        picture.head(578, y + 24, "right")
        picture.rect(580, y, 166, 48, state="running")
        picture.text(592, y + 20, "▶ container", bold=True)
        picture.text(592, y + 38, name, ink="soft", size=12, mono=True)
    picture.text(462, 52, "docker run", ink="accent", size=12, mono=True)
    return picture


def commands() -> Picture:
    """Lesson 02: which command leads from where to where."""
    picture = Picture(
        "The everyday commands",
        "docker pull fetches an image from a registry, docker rmi removes it. docker run makes a "
        "running container from an image. docker stop stops it, docker start and docker restart "
        "run it again, docker rm removes it. docker images lists images, docker ps running "
        "containers, docker ps --all the stopped ones, too. docker logs, inspect and port look at "
        "a container, docker exec runs a command in it.",
        780,
        270,
    )
    _box(picture, 14, 70, 110, "registry", ["such as", "Docker Hub"])
    _box(picture, 220, 70, 128, "image", ["a template", "on this computer"])
    _box(picture, 444, 70, 130, "▶ running", ["container"], state="running")
    _box(picture, 654, 70, 112, "■ stopped", ["container,", "files kept"], state="exited")
    _arrow(picture, (124, 115), (220, 115), "pull")
    _arrow(picture, (348, 115), (444, 115), "run")
    _arrow(picture, (574, 98), (654, 98), "stop")
    picture.path("M654 140 L 584 140")
    picture.head(574, 140, "left")
    picture.text(614, 132, "start", ink="accent", size=12, mono=True, anchor="middle")
    for x, word in ((284, "rmi"), (710, "rm")):
        picture.path(f"M{x} 160 L {x} 196", dashed=True)
        picture.head(x, 204, "down")
        picture.text(x + 8, 184, word, ink="accent", size=12, mono=True)
        picture.text(x, 222, "removed", ink="soft", size=12, anchor="middle")
    looks = (
        (284, 40, "docker images"),
        (509, 40, "docker ps"),
        (700, 40, "docker ps --all"),
        (509, 186, "docker logs · exec"),
        (509, 204, "inspect · port"),
    )
    for x, y, word in looks:
        picture.text(x, y, word, size=12, mono=True, anchor="middle")
    picture.text(
        14,
        256,
        "Blue: commands that change something. Black: commands that look.",
        ink="soft",
        size=12,
    )
    return picture


def ends() -> Picture:
    """Lesson 03: what the exit code says about the end of a container."""
    picture = Picture(
        "How a container ends",
        "A container runs as long as its program. When the program ends, the container has exited "
        "and keeps its exit code, its log and its files. Code 0: the program was done. Code 1: it "
        "gave up, and its log says why. Code 137: it was killed, by docker kill or for lack of "
        "memory. Any other code, such as 3, is the program's own.",
        760,
        232,
    )
    _box(picture, 14, 71, 150, "▶ running", ["as long as", "its program"], state="running")
    for y, code, why, look in (
        (14, "0", "it was done", "nothing to repair"),
        (68, "1", "the program gave up", "docker logs says why"),
        (122, "137", "it was killed", "docker kill, or no memory left"),
        (176, "3", "the program's own code", "its documentation says why"),
    ):
        picture.path(f"M164 116 C 230 116, 230 {y + 21}, 291 {y + 21}")
        picture.head(300, y + 21, "right")
        picture.rect(300, y, 446, 42, state="exited")
        picture.text(312, y + 26, "■ exited", bold=True)
        picture.text(382, y + 26, f"({code})", size=12, mono=True)
        picture.text(438, y + 26, why, size=13)
        picture.text(734, y + 26, look, ink="soft", size=12, anchor="end")
    return picture


def diet() -> Picture:
    """Lesson 04: what is wrong with the layers of an image, and the cure of each."""
    picture = Picture(
        "A first image, layer by layer",
        "The image guestbook:fat is a stack of layers. From below: Python on Debian; COPY of the "
        "whole folder, with a backup and a key, cured by .dockerignore; pip install, which each "
        "changed letter runs again, cured by another order; chown, which holds every file once "
        "more, cured by leaving it out. It runs as root, cured by USER.",
        760,
        262,
    )
    picture.text(14, 24, "guestbook:fat", mono=True, bold=True)
    picture.text(406, 24, "what cures it", ink="good", bold=True)
    for y, layer, fault, cure in (
        (36, "settings", "runs as root", "USER: a user without power"),
        (80, "RUN chown -R", "every file once more", "leave it out"),
        (124, "RUN pip install", "again after each changed letter", "packages first, source last"),
        (168, "COPY . .", "a backup and a key, too", ".dockerignore, build secrets"),
    ):
        picture.rect(14, y, 366, 38, line="bad")
        picture.text(26, y + 24, layer, size=12, mono=True)
        picture.text(370, y + 24, fault, ink="bad", size=12, anchor="end")
        picture.path(f"M380 {y + 19} L 397 {y + 19}")
        picture.head(406, y + 19, "right")
        picture.rect(406, y, 340, 38, line="good")
        picture.text(418, y + 24, cure, size=13)
    picture.rect(14, 212, 366, 38, line="line")
    picture.text(26, 236, "python:3.13-slim", size=12, mono=True)
    picture.text(370, 236, "Debian and Python, shared", ink="soft", size=12, anchor="end")
    return picture


def places() -> Picture:
    """Lesson 05: the four places where a container's files can be."""
    picture = Picture(
        "Where a container's files are",
        "A container writes into its own writable layer, which docker rm deletes. A volume, a "
        "folder of the host (bind mount) and memory (tmpfs) can be mounted into it. The volume and "
        "the folder stay when the container is removed; the memory does not even outlive a stop.",
        760,
        250,
    )
    picture.rect(14, 20, 320, 210, state="running")
    picture.text(28, 46, "▶ container", bold=True)
    picture.text(320, 46, "guestbook", ink="soft", size=12, mono=True, anchor="end")
    picture.rect(28, 62, 292, 66, line="bad")
    picture.text(40, 86, "writable layer", bold=True)
    picture.text(40, 106, "deleted with the container", ink="soft", size=12)
    picture.rect(28, 146, 292, 66, line="line")
    picture.text(40, 170, "image", bold=True)
    picture.text(40, 190, "read-only, shared by its containers", ink="soft", size=12)
    for y, title, word, where in (
        (20, "volume", "--volume guests:/app/data", "kept by the daemon"),
        (
            96,
            "your folder",
            '--volume "$PWD/static:/app/static"',
            "a bind mount: nothing is copied",
        ),
        (172, "memory", "--tmpfs /scratch", "gone when the container stops"),
    ):
        picture.path(f"M334 {y + 29} L 421 {y + 29}", dashed=title == "memory")
        picture.head(430, y + 29, "right")
        picture.rect(430, y, 316, 58, line="line" if title == "memory" else "good")
        picture.text(442, y + 23, title, bold=True)
        picture.text(734, y + 23, where, ink="soft", size=12, anchor="end")
        picture.text(442, y + 45, word, ink="accent", size=12, mono=True)
    return picture


def reach() -> Picture:
    """Lesson 06: two networks, and the guestbook in both."""
    picture = Picture(
        "Who reaches whom",
        "A browser reaches the guestbook through a published port. The guestbook is in two "
        "networks: front, with a visitor, and backend, with the database db. The visitor reaches "
        "the guestbook, the guestbook reaches db, and the visitor does not reach db.",
        780,
        240,
    )
    picture.rect(170, 20, 350, 200, fill="paper", line="accent", radius=12)
    picture.text(186, 44, "network front", ink="accent", bold=True)
    picture.rect(400, 34, 366, 172, fill="paper", line="good", radius=12)
    picture.text(752, 58, "network backend", ink="good", bold=True, anchor="end")
    picture.path("M520 34 L 520 206", line="accent", dashed=True)
    _box(picture, 14, 81, 130, "browser", ["127.0.0.1:8090"])
    for x, name, about in (
        (190, "visitor", "a container"),
        (406, "guestbook", "port 8000"),
        (640, "db", "port 5432"),
    ):
        picture.rect(x, 96, 108, 60, state="running")
        picture.text(x + 12, 122, name, bold=True, mono=True)
        picture.text(x + 12, 142, about, ink="soft", size=12)
    picture.path("M298 126 L 397 126")
    picture.head(406, 126, "right")
    picture.path("M514 126 L 631 126")
    picture.head(640, 126, "right")
    picture.text(577, 116, "db:5432", ink="soft", size=12, mono=True, anchor="middle")
    picture.text(352, 116, "guestbook", ink="soft", size=12, mono=True, anchor="middle")
    picture.path("M79 171 L 79 196 L 460 196 L 460 165")
    picture.head(460, 156, "up")
    picture.text(
        288, 188, "--publish 127.0.0.1:8090:8000", ink="accent", size=12, mono=True, anchor="middle"
    )
    picture.path("M244 96 C 300 56, 590 56, 684 88", line="bad", dashed=True)
    picture.text(464, 74, "✖", ink="bad", bold=True, anchor="middle")
    return picture


def crew() -> Picture:
    """Lesson 07: one file, and what Compose makes of it."""
    picture = Picture(
        "One file describes the application",
        "compose.yaml names three services and a volume. docker compose up makes a network, the "
        "volume entries and the containers db, app and web, in this order: app waits until db is "
        "healthy, and web until app is. Visitors reach web only.",
        780,
        220,
    )
    picture.rect(14, 20, 150, 180, line="line")
    picture.text(26, 44, "compose.yaml", bold=True, mono=True, size=13)
    for number, line in enumerate(
        ("services:", "  db:", "  app:", "  web:", "volumes:", "  entries:")
    ):
        picture.text(26 + 12 * line.count("  "), 70 + 21 * number, line.strip(), size=12, mono=True)
    _arrow(picture, (164, 110), (290, 110), "compose up")
    picture.rect(290, 20, 476, 180, fill="paper", line="accent", radius=12)
    picture.text(306, 44, "network guestbook_default", ink="accent", bold=True)
    for x, name, about in (
        (306, "db", "PostgreSQL"),
        (464, "app", "the guestbook"),
        (622, "web", "nginx"),
    ):
        picture.rect(x, 60, 128, 62, state="running")
        picture.text(x + 12, 86, f"▶ {name}", bold=True)
        picture.text(x + 12, 106, about, ink="soft", size=12)
    for x in (434, 592):
        picture.path(f"M{x} 91 L {x + 21} 91", dashed=True)
        picture.head(x + 30, 91, "right")
    picture.text(528, 140, "each waits until the one before is healthy", ink="soft", size=12,
                 anchor="middle")  # fmt: skip
    picture.rect(306, 154, 128, 34, line="good")
    picture.text(318, 176, "volume entries", size=12)
    picture.path("M370 122 L 370 145")
    picture.head(370, 154, "down")
    picture.text(686, 176, "127.0.0.1:8087", ink="accent", size=12, mono=True, anchor="middle")
    picture.path("M686 160 L 686 131")
    picture.head(686, 122, "up")
    return picture


def harbour() -> Picture:
    """Lesson 08: an image on its way from one computer to others."""
    picture = Picture(
        "An image's way to other computers",
        "Your computer pushes the image guestbook:1 to a registry. The registry keeps layers, "
        "manifests and tags. A server and a colleague pull it by its tag or by its digest; the "
        "server does so through a mirror, which keeps what it has fetched.",
        780,
        210,
    )
    _box(picture, 14, 60, 140, "your computer", ["guestbook:1"])
    picture.rect(272, 30, 170, 150, line="accent")
    picture.text(284, 54, "registry", bold=True)
    for number, line in enumerate(
        ("tag 1", "index, manifests", "layers, each once", "by their sha256")
    ):
        picture.text(284, 80 + 22 * number, line, ink="soft", size=12)
    _arrow(picture, (154, 105), (272, 105), "docker push")
    _box(picture, 636, 10, 130, "a server", ["pulls by digest:", "exactly that one"])
    _box(picture, 636, 110, 130, "a colleague", ["pulls by tag:", "what it is now"])
    picture.rect(496, 33, 84, 44, line="good")
    picture.text(538, 60, "mirror", anchor="middle", size=13)
    picture.path("M442 55 L 487 55")
    picture.head(496, 55, "right")
    picture.path("M580 55 L 627 55")
    picture.head(636, 55, "right")
    _arrow(picture, (442, 155), (636, 155), "docker pull")
    return picture


def programs() -> Picture:
    """Lesson 09: the programs between a command and a container's process."""
    picture = Picture(
        "The programs behind one container",
        "The client docker sends HTTP requests through a socket to the daemon dockerd. dockerd "
        "tells containerd to run a container, containerd starts a shim, and the shim has runc "
        "start the guestbook. runc ends then; the shim stays. curl, the Python SDK and Compose "
        "are clients, too.",
        780,
        236,
    )
    _box(picture, 14, 30, 130, "client", ["docker", "(or curl, the SDK,", "Compose)"])
    for x, title, lines in (
        (270, "dockerd", ["the daemon:", "images, networks,", "volumes, builds"]),
        (460, "containerd", ["keeps the list of", "containers"]),
        (636, "shim", ["one for each", "container"]),
    ):
        _box(picture, x, 30, 130, title, lines)
    _arrow(picture, (144, 75), (270, 75), "HTTP")
    picture.text(204, 94, "docker.sock", ink="soft", size=12, mono=True, anchor="middle")
    for start, tip in ((400, 460), (590, 636)):
        picture.path(f"M{start} 75 L {tip - 9} 75")
        picture.head(tip, 75, "right")
    picture.path("M701 120 L 701 159")
    picture.head(701, 168, "down")
    picture.rect(576, 168, 190, 52, state="running")
    picture.text(588, 190, "▶ guestbook", bold=True)
    picture.text(588, 208, "python app.py", ink="soft", size=12, mono=True)
    picture.rect(460, 168, 90, 52, line="line")
    picture.text(472, 190, "runc", bold=True)
    picture.text(472, 208, "starts it", ink="soft", size=12)
    picture.path("M640 120 L 640 142 L 505 142 L 505 159", dashed=True)
    picture.head(505, 168, "down")
    picture.path("M550 194 L 567 194", dashed=True)
    picture.head(576, 194, "right")
    picture.text(
        448, 198, "runc ends as soon as the guestbook runs.", ink="soft", size=12, anchor="end"
    )
    return picture


def daemon() -> Picture:
    """Lesson 10: a daemon, its settings, its log and its doors."""
    picture = Picture(
        "A daemon and its surroundings",
        "The computer boat: dockerd reads daemon.json and writes a log. Clients on the same "
        "computer come through the socket /var/run/docker.sock, clients elsewhere with a "
        "certificate through port 2376. The daemon runs the containers book and lamp.",
        780,
        236,
    )
    picture.rect(214, 14, 552, 208, fill="paper", line="accent", radius=12)
    picture.text(750, 38, "boat", ink="accent", bold=True, anchor="end")
    _box(picture, 390, 73, 136, "dockerd", ["the daemon, with", "containerd"])
    for y, title, about in ((26, "daemon.json", "settings"), (176, "dockerd.log", "what it did")):
        picture.rect(390, y, 136, 36, line="line")
        picture.text(402, y + 16, title, size=12, mono=True)
        picture.text(402, y + 30, about, ink="soft", size=11)
    picture.path("M458 62 L 458 64")
    picture.head(458, 73, "down")
    picture.path("M458 163 L 458 167")
    picture.head(458, 176, "down")
    _arrow(picture, (230, 88), (390, 88), "docker.sock")
    picture.path("M144 142 L 381 142")
    picture.head(390, 142, "right")
    picture.text(304, 134, "port 2376, TLS", ink="accent", size=12, mono=True, anchor="middle")
    picture.text(230, 108, "a client on boat", ink="soft", size=12)
    picture.rect(14, 116, 130, 52, line="line")
    picture.text(26, 138, "your client", bold=True)
    picture.text(26, 156, "with a certificate", ink="soft", size=12)
    for y, name in ((58, "book"), (126, "lamp")):
        picture.path(f"M526 118 L 611 {y + 26}")
        picture.head(620, y + 26, "right")
        picture.rect(620, y, 130, 52, state="running")
        picture.text(632, y + 22, "▶ container", bold=True)
        picture.text(632, y + 40, name, ink="soft", size=12, mono=True)
    return picture


def client() -> Picture:
    """Lesson 11: one client, and what decides which daemon it talks to."""
    picture = Picture(
        "One client, several daemons",
        "The client docker has a context for each daemon: dockyard leads over a socket to the "
        "course's daemon, boat over TLS to another computer. From the laptop another client "
        "reaches the same daemon over SSH.",
        780,
        226,
    )
    _box(picture, 14, 20, 150, "docker", ["your client", "config.json, contexts"])
    for x, y, title, lines in (
        (590, 14, "dockerd", ["the course's daemon"]),
        (590, 114, "dockerd", ["on boat"]),
    ):
        picture.rect(x, y, 176, 96, line="line")
        picture.text(x + 12, y + 24, title, bold=True)
        for line in lines:
            picture.text(x + 12, y + 44, line, ink="soft", size=12)
    for y, name in ((64, "book"), (164, "far")):
        picture.rect(602, y, 110, 34, state="running")
        picture.text(612, y + 22, f"▶ {name}", size=13)
    picture.path("M164 44 L 581 44")
    picture.head(590, 44, "right")
    picture.text(377, 36, "context dockyard: unix://…", ink="accent", size=12, anchor="middle")
    picture.path("M164 92 L 240 92 L 240 134 L 581 134")
    picture.head(590, 134, "right")
    picture.text(410, 126, "context boat: tcp://…, TLS", ink="accent", size=12, anchor="middle")
    picture.rect(14, 150, 150, 60, line="line")
    picture.text(26, 174, "docker", bold=True)
    picture.text(26, 194, "on a laptop", ink="soft", size=12)
    picture.path("M164 190 L 581 190")
    picture.head(590, 190, "right")
    picture.text(410, 182, "context boat: ssh://…", ink="accent", size=12, anchor="middle")
    return picture


def swarm() -> Picture:
    """Lesson 12: three computers, one of which fails."""
    picture = Picture(
        "A service on three computers",
        "Visitors reach the front of any computer. A service declares six tasks. Two of them run "
        "on each of the computers north, east and south. When east fails, its two tasks are "
        "started again on north and on south.",
        780,
        250,
    )
    picture.text(14, 22, "service guestbook: six tasks", ink="accent", bold=True)
    for x, name, about in (
        (14, "north", "manager"),
        (274, "east", "worker"),
        (534, "south", "worker"),
    ):
        failed = name == "east"
        picture.rect(x, 36, 232, 200, line="bad" if failed else "line", radius=12)
        picture.text(x + 14, 62, name, bold=True, mono=True)
        picture.text(x + 218, 62, about, ink="soft", size=12, anchor="end")
        picture.rect(x + 14, 74, 204, 30, line="line")
        picture.text(x + 116, 94, "front", size=12, mono=True, anchor="middle")
        for number in range(2):
            left = x + 14 + 106 * number
            picture.rect(left, 120, 98, 44, state="exited" if failed else "running")
            picture.text(left + 10, 147, "■ task" if failed else "▶ task", size=12)
        if not failed:
            picture.rect(x + 14, 178, 204, 44, line="good")
            picture.text(x + 116, 205, "▶ one task more", size=12, anchor="middle")
    picture.text(390, 205, "✖ computer fails", ink="bad", bold=True, anchor="middle")
    picture.path("M292 168 C 280 190, 262 200, 242 200", dashed=True)
    picture.head(232, 200, "left")
    picture.path("M488 168 C 500 190, 518 200, 538 200", dashed=True)
    picture.head(548, 200, "right")
    return picture


def delivery() -> Picture:
    """Lesson 15: from the builder's computer to the café's."""
    picture = Picture(
        "The guestbook's way to the café",
        "On your computer, docker build makes an image and tests it. docker push brings it to a "
        "registry with TLS and a password. Through a context, docker compose tells the café's "
        "daemon what to run; it pulls the image and runs guestbook and db. Visitors reach "
        "guestbook only.",
        780,
        230,
    )
    _box(picture, 14, 20, 150, "your computer", ["source, tests", "guestbook:1", "backup.sql"])
    _box(picture, 310, 20, 150, "registry", ["TLS, password", "versions 1 and 2"])
    picture.rect(560, 20, 206, 196, line="accent", radius=12)
    picture.text(574, 44, "the café's computer", ink="accent", bold=True)
    picture.rect(574, 56, 178, 62, state="running")
    picture.text(586, 81, "▶ guestbook", bold=True)
    picture.text(586, 102, "read-only, no capabilities", ink="soft", size=12)
    picture.rect(574, 142, 178, 62, state="running")
    picture.text(586, 167, "▶ db", bold=True)
    picture.text(586, 188, "internal network, volume", ink="soft", size=12)
    picture.path("M663 118 L 663 133")
    picture.head(663, 142, "down")
    _arrow(picture, (164, 65), (310, 65), "docker push")
    _arrow(picture, (460, 65), (560, 65), "pull")
    _arrow(picture, (164, 190), (560, 190), "docker --context cafe compose up")
    picture.path("M89 110 L 89 190 L 164 190")
    return picture


def machines() -> Picture:
    """Lesson 13: containers share a kernel, virtual machines do not."""
    picture = Picture(
        "Containers and virtual machines",
        "Three containers run on one kernel: each has its program and its libraries, and the "
        "daemon starts them. Two virtual machines run on another host: each has its program, its "
        "libraries, a kernel and devices of its own, and QEMU plays the computer for them.",
        760,
        262,
    )
    for x in (14, 134, 254):
        picture.rect(x, 20, 112, 90, state="running")
        picture.text(x + 10, 44, "▶ container", bold=True)
        picture.text(x + 10, 66, "program", ink="soft", size=12)
        picture.text(x + 10, 84, "libraries", ink="soft", size=12)
    for x in (424, 590):
        picture.rect(x, 20, 156, 150, line="accent")
        picture.text(x + 12, 44, "virtual machine", bold=True)
        for y, line in ((66, "program"), (84, "libraries")):
            picture.text(x + 12, y, line, ink="soft", size=12)
        picture.rect(x + 10, 98, 136, 62, line="bad")
        picture.text(x + 20, 120, "kernel of its own")
        picture.text(x + 20, 144, "devices of its own", ink="soft", size=12)
    for x, width in ((14, 352), (424, 322)):
        picture.rect(x, 184, width, 30, line="good")
        picture.text(x + 12, 204, "the host's kernel", bold=True)
        picture.rect(x, 222, width, 28, line="line")
        picture.text(x + 12, 241, "processor, memory, disk", ink="soft", size=12)
    for x in (70, 190, 310):
        picture.path(f"M{x} 110 L {x} 175")
        picture.head(x, 184, "down")
    return picture


def doors() -> Picture:
    """Lesson 14: the ways from a container to its host."""
    picture = Picture(
        "The doors of a container",
        "A container's program and the host share one kernel. Three doors lead from the container "
        "to the host's files when you open them: a mount of a host's folder, the daemon's socket, "
        "and --privileged. A fourth, the kernel itself, is always there.",
        760,
        240,
    )
    picture.rect(14, 20, 200, 200, state="running")
    picture.text(28, 46, "▶ container", bold=True)
    picture.text(28, 70, "a program that", ink="soft", size=12)
    picture.text(28, 88, "somebody broke into", ink="soft", size=12)
    picture.rect(546, 20, 200, 200, line="bad")
    picture.text(560, 46, "the host", bold=True)
    picture.text(560, 70, "its files, its other", ink="soft", size=12)
    picture.text(560, 88, "containers, its root", ink="soft", size=12)
    for y, word, about in (
        (54, "--volume /:/host", "a mount"),
        (98, "--volume …/docker.sock:…", "the daemon does it for you"),
        (142, "--privileged", "all capabilities, all devices"),
        (186, "system calls", "the kernel is always shared"),
    ):
        picture.path(f"M214 {y} L 537 {y}", dashed=word == "system calls")
        picture.head(546, y, "right")
        picture.text(376, y - 8, word, ink="accent", size=12, mono=True, anchor="middle")
        picture.text(376, y + 16, about, ink="soft", size=12, anchor="middle")
    return picture


PICTURES: dict[str, Callable[[], Picture]] = {
    "00-start-here.svg": first,
    "01-what-docker-is.svg": ship,
    "02-basic-commands.svg": commands,
    "03-containers.svg": ends,
    "04-images.svg": diet,
    "05-storage.svg": places,
    "06-networks-and-plugins.svg": reach,
    "07-compose.svg": crew,
    "08-registries.svg": harbour,
    "09-architecture.svg": programs,
    "10-daemon.svg": daemon,
    "11-client.svg": client,
    "12-services.svg": swarm,
    "13-advantages.svg": machines,
    "14-limitations.svg": doors,
    "15-capstone.svg": delivery,
}


def _box(
    picture: Picture,
    x: float,
    y: float,
    width: float,
    title: str,
    lines: Iterable[str],
    state: str = "",
) -> None:
    picture.rect(x, y, width, 90, line="" if state else "line", state=state)
    picture.text(x + 12, y + 24, title, bold=True)
    for number, line in enumerate(lines):
        picture.text(x + 12, y + 46 + 18 * number, line, ink="soft", size=12)


def _arrow(
    picture: Picture, start: tuple[float, float], end: tuple[float, float], word: str
) -> None:
    (x, y), (tip, _) = start, end
    picture.path(f"M{x} {y} L {tip - 9} {y}")
    picture.head(tip, y, "right")
    picture.text((x + tip) / 2 - 3, y - 8, word, ink="accent", size=12, mono=True, anchor="middle")


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(f"{draw()}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
