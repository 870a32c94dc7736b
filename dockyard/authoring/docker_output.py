"""Reduces what docker commands print to what must be equal on every run and engine.

Lessons show plain output: tables, progress of builds and pulls, JSON. Ids, times, sizes, column
widths and the order of parallel steps differ each time, so a comparison line by line would fail.
normalise() rewrites such blocks, and only these, into lines that hold what a reader looks at:
names, images, ports, states, results of steps, the number of rows.

Formats: docker 20.10 to 29, buildx ``--progress=plain``, Compose 2 ``--progress=plain``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

Block = Iterator[str]

SHORT_ID = re.compile(r"[0-9a-f]{12}")
ANY_ID = re.compile(r"[0-9a-z]{25}|[0-9a-z]{12}")
"""An id of an object of a swarm, or a short one."""

RANDOM_NAME = re.compile(r"[a-z]+_[a-z]+\d?")
"""A container's name that the daemon drew; names in lessons have no underscore."""

TASK = re.compile(r"(\w+\.)(?:\d+|[0-9a-z]{25})(?:\.[0-9a-z]{25})?$")
"""The end of the name of a task of a swarm's service."""

AGE = re.compile(
    r"(?:[Aa]bout an?|[Ll]ess than an?|\d+) (?:second|minute|hour|day|week|month|year)s?(?: ago)?"
)
EPHEMERAL_PORT = re.compile(r"\b(?:3276[89]|327[7-9]\d|32[89]\d\d|3[3-9]\d{3}|[4-6]\d{4})->")
IPV6_PORT = re.compile(r"(?:, )?(?:\[::\]|::):\d+(?:-\d+)?->\d+(?:-\d+)?/\w+")


def normalise(text: str) -> str:
    """Return text with its tables, progress and JSON reduced; the rest is unchanged."""
    lines = text.split("\n")
    found: list[str] = []
    position = 0
    while position < len(lines):
        for read in (
            _table, _build, _failed_step, _transfer, _removal, _changes, _compose, _compose_logs,
            _stack, _inspected,
        ):  # fmt: skip
            length, block = read(lines, position)
            if length:
                found += block
                position += length
                break
        else:
            found.append(lines[position])
            position += 1
    return "\n".join(found)


# Tables


def _same(cell: str) -> str:
    return cell


def _id(cell: str) -> str:
    first, _, rest = cell.partition(" ")  # docker node ls marks this node with a star
    return f"<id> {rest}".strip() if ANY_ID.fullmatch(first) else cell


def _short_id(cell: str) -> str:
    return "<id>" if SHORT_ID.fullmatch(cell) else cell


def _varies(_cell: str) -> str:
    return "<…>"


def _state(cell: str) -> str:
    return AGE.sub("<time>", cell)


def _ports(cell: str) -> str:
    return EPHEMERAL_PORT.sub("<port>->", IPV6_PORT.sub("", cell))


def _names(cell: str) -> str:
    return "<random name>" if RANDOM_NAME.fullmatch(cell) else TASK.sub(r"\1<task>", cell)


def _size(cell: str) -> str:
    return cell if cell in ("", "0B") else "<size>"


COLUMNS: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(["CONTAINER ID", "IMAGE ID", "NETWORK ID", "ID", "CONFIG ID"], _id),
    **dict.fromkeys(["CREATED", "UPDATED", "STIME", "TIME", "PID", "PPID", "C"], _varies),
    **dict.fromkeys(["CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O"], _varies),
    **dict.fromkeys(["PIDS", "RECLAIMABLE", "TOTAL", "ENGINE VERSION"], _varies),
    **dict.fromkeys(["STATUS", "CURRENT STATE"], _state),
    **dict.fromkeys(["SIZE", "DISK USAGE", "CONTENT SIZE"], _size),
    **dict.fromkeys(["NAMES", "NAME"], _names),
    **dict.fromkeys(["REPOSITORY", "TAG", "COMMAND", "CREATED BY", "COMMENT", "EXTRA"], _same),
    **dict.fromkeys(["DRIVER", "SCOPE", "VOLUME NAME", "SERVICE", "TYPE", "ACTIVE"], _same),
    **dict.fromkeys(["MODE", "REPLICAS", "NODE", "DESIRED STATE", "ERROR", "HOSTNAME"], _same),
    **dict.fromkeys(["AVAILABILITY", "MANAGER STATUS", "SERVICES", "DESCRIPTION"], _same),
    **dict.fromkeys(["DOCKER ENDPOINT", "CONFIG FILES", "UID", "TTY", "CMD", "USER"], _same),
    **dict.fromkeys(["DIGEST", "LABELS", "ENABLED", "MOUNTS", "LOCAL VOLUMES"], _same),
    **dict.fromkeys(["BUNDLE", "OWNER"], _same),
    "IMAGE": _short_id,  # docker history has ids in it
    "PORTS": _ports,
}
"""The titles of columns of docker's tables, with what makes their cells comparable."""


HISTORY: dict[str, Callable[[str], str]] = {
    # A step has an id where an image that ends with it is there, and that may be any other image.
    "IMAGE": lambda cell: "<id>" if cell == "<missing>" else _short_id(cell),
    # The image stores count an empty layer in different ways.
    "SIZE": _varies,
}
"""What is different in the table of ``docker history``."""


def _table(lines: list[str], start: int) -> tuple[int, Block]:
    titles = re.split(r" {2,}", lines[start].strip())
    if len(titles) < 2 or any(title not in COLUMNS for title in titles):
        return 0, iter(())
    starts = _positions(lines[start], titles)
    rows = []
    for line in lines[start + 1 :]:
        cells = _cells(line, starts)
        # A second table may follow at once; its titles fit into the columns of the first.
        if cells is None or re.split(r" {2,}", line.strip()) == titles:
            break
        rows.append(cells)
    return 1 + len(rows), _table_lines(titles, rows)


def _positions(header: str, titles: list[str]) -> list[int]:
    found, after = [], 0
    for title in titles:
        # A title must not be found in an earlier, longer one: ID is a part of IMAGE ID.
        match = re.compile(rf"(?:^|(?<=  )|(?<=^ )){re.escape(title)}(?=  |\s*$)").search(
            header, after
        )
        assert match, "the titles come from this line"
        found.append(match.start())
        after = match.end()
    return found


def _cells(line: str, starts: list[int]) -> list[str] | None:
    """The cells of a row, or None if the line is not a row of the table."""
    if any(start <= len(line) and line[start - 1] != " " for start in starts[1:]):
        return None
    ends = [*starts[1:], None]
    cells = [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    return cells if sum(map(bool, cells)) > 1 else None


IMAGES = ["REPOSITORY", "TAG", "IMAGE ID"]
IMAGES_OF_29 = ["IMAGE", "ID", "DISK USAGE"]
"""The first columns of ``docker images``: Docker 29 writes name and tag into one."""

SYSTEM_DF = ["TYPE", "TOTAL", "ACTIVE"]
"""The first columns of ``docker system df``. BuildKit lets go of a build's cache after its end."""


def _table_lines(titles: list[str], rows: list[list[str]]) -> Block:
    yield _row(["IMAGE", "ID"] if titles[:3] in (IMAGES, IMAGES_OF_29) else titles)
    columns = COLUMNS | (HISTORY if "CREATED BY" in titles else {})
    compared = [
        [columns[title](cell) for title, cell in zip(titles, row, strict=True)] for row in rows
    ]
    if titles[:3] == SYSTEM_DF:
        compared = [
            [*row[:2], _varies(row[2]), *row[3:]] if row[0] == "Build Cache" else row
            for row in compared
        ]
    # Which task of a service is on which node of a swarm depends on chance.
    for cells in sorted(compared) if "NODE" in titles else compared:
        yield _row(_image_first(titles, cells))


def _image_first(titles: list[str], cells: list[str]) -> list[str]:
    """The cells of a row; of ``docker images`` only name and id, in the form of Docker 29."""
    if titles[:3] == IMAGES:
        return [f"{cells[0]}:{cells[1]}", cells[2]]
    return cells[:2] if titles[:3] == IMAGES_OF_29 else cells


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


# Builds

STEP = re.compile(r"#(\d+) (.*)")
BUILD_NOISE = re.compile(
    r"\.\.\.|(?:sha256:|extracting |resolve |transferring |exporting |unpacking |writing image|"
    r"sending |loading |importing |copying |reading |preparing |pushing |attestation).*"
)
TIMED = re.compile(r"\d+\.\d+ (.*)")
LASTED = re.compile(r"(?: \d+\.\d+s)?(?: done)?$")
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}")
REF = re.compile(r"ref [0-9a-z]{25}::[0-9a-z]{25}")


def _build(lines: list[str], start: int) -> tuple[int, Block]:
    """The steps of a BuildKit build, sorted, since some run side by side."""
    end = start
    while end < len(lines) and (STEP.match(lines[end]) or (end > start and not lines[end])):
        end += 1
    while end > start and not lines[end - 1]:
        end -= 1  # the empty line after the last step belongs to what follows
    names: dict[str, str] = {}
    results: dict[str, list[str]] = {}
    for line in lines[start:end]:
        if step := STEP.match(line):
            number, said = step.groups()
            name = names.setdefault(number, DIGEST.sub("", said))
            result = results.setdefault(number, [])
            if DIGEST.sub("", said) != name:
                # What takes long is printed when it begins and again when it is done.
                result += (each for each in _step_result(said) if each not in result[-1:])
    return end - start, _build_lines(names, results)


def _step_result(said: str) -> Iterator[str]:
    if timed := TIMED.fullmatch(said):
        yield timed[1]
    elif said.startswith("DONE "):
        yield "DONE"
    elif said.startswith("ERROR: failed to calculate checksum"):
        # Reported at the step only if that is faster than the end of the build, which names it too.
        yield "CANCELED"
    elif not BUILD_NOISE.fullmatch(said):
        yield REF.sub("ref <ref>", LASTED.sub("", said))


def _build_lines(names: dict[str, str], results: dict[str, list[str]]) -> Block:
    steps = []
    for number, name in names.items():
        said = results[number]
        if "internal]" in name or "] FROM " in name:
            # What is fetched or transferred depends on earlier builds and on the image store.
            # Warnings are listed again at the end; here they only appear if they come in time.
            said = [line for line in said if not re.match("DONE|CACHED|CANCELED|WARN: ", line)]
            if "internal]" in name and not said:
                continue
        if number != "0":  # the name of the builder
            steps.append([f"step {name}", *(f"    {line}" for line in said)])
    for step in sorted(steps):
        yield from step


def _failed_step(lines: list[str], start: int) -> tuple[int, Block]:
    """The end of what a failed step has printed, which BuildKit repeats below its progress."""
    head, *rest = lines[start : start + 2]
    if head != "------" or not rest or not rest[0].startswith(" > "):
        return 0, iter(())
    if "------" not in lines[start + 1 :]:
        return 0, iter(())
    length = lines.index("------", start + 1) + 1 - start
    # A step that printed nothing is not always repeated.
    return length, iter(rest if length > 3 else ())


# Pulls and pushes

LAYER = re.compile(
    r" ?[0-9a-f]{12}:? (?:Pulling fs layer|Waiting|Downloading|Verifying Checksum|Extracting|"
    r"Download complete|Pull complete|Already exists|Preparing|Pushing|Pushed|Mounted from|"
    r"Layer already exists)\b.*"
)


def _transfer(lines: list[str], start: int) -> tuple[int, Block]:
    """The layers of a pull or push: their number and order depend on store and source."""
    end = start
    while end < len(lines) and LAYER.fullmatch(lines[end]):
        end += 1
    return end - start, iter(())


# Removals of images

REMOVED = re.compile(r"(Untagged|Deleted): (\S+)")


def _removal(lines: list[str], start: int) -> tuple[int, Block]:
    """The names that an image loses, and whether it goes: the stores differ in what they list."""
    end = start
    names: list[str] = []
    deleted = False
    while end < len(lines) and (found := REMOVED.fullmatch(lines[end])):
        if found[1] == "Deleted":
            deleted = True
        elif "@sha256:" not in found[2]:
            names.append(f"Untagged: {found[2]}")
        end += 1
    return end - start, iter(names + ["Deleted"] * deleted)


CHANGE = re.compile(r"[ACD] /.*")


def _changes(lines: list[str], start: int) -> tuple[int, Block]:
    """The rows of ``docker diff``, sorted: files of one folder come as the disk lists them."""
    end = start
    while end < len(lines) and CHANGE.fullmatch(lines[end]):
        end += 1
    return end - start, iter(sorted(lines[start:end], key=lambda row: row[2:].split("/")))


# Compose

OBJECT = re.compile(
    r" (?:(Network|Volume|Container|Image|Service|Config|Secret) )?(\S+)  ?"
    r"(Creating|Created|Starting|Started|Running|Waiting|Healthy|Stopping|Stopped|Removing|Removed|"
    r"Recreate|Recreated|Restarting|Pulling|Pulled|Building|Built|Exited|Error|Skipped|"
    r"Warning|Killing|Killed)\b(.*)"
)


def _compose(lines: list[str], start: int) -> tuple[int, Block]:
    """The last state of each object of Compose, sorted, since it works on several at once."""
    last: dict[str, str] = {}
    end = start
    while end < len(lines):
        if not LAYER.fullmatch(lines[end]):
            found = OBJECT.fullmatch(lines[end])
            if not found:
                break
            kind, name, state, more = found.groups()
            last[f"{kind or 'Service'} {name}"] = f"{state}{more.rstrip()}"
        end += 1
    if not last:
        return 0, iter(())
    return end - start, (f"{name}: {last[name]}" for name in sorted(last))


LOG_LINE = re.compile(r"([\w.-]+-\d+) +\| ?(.*)")


def _compose_logs(lines: list[str], start: int) -> tuple[int, Block]:
    """The lines of several containers, one container after the other."""
    logs: dict[str, list[str]] = {}
    end = start
    while end < len(lines) and (found := LOG_LINE.fullmatch(lines[end])):
        logs.setdefault(found[1], []).append(found[2].rstrip())
        end += 1
    return end - start, (f"{name} | {line}" for name in sorted(logs) for line in logs[name])


# Stacks

STACK_OBJECT = re.compile(
    r"((?:Creating|Updating|Removing) (?:network|config|secret|service) \S+)(?: \(id: \w+\))?"
)


def _stack(lines: list[str], start: int) -> tuple[int, Block]:
    """The objects of a stack, which the client takes in any order."""
    end = start
    objects: list[str] = []
    while end < len(lines) and (found := STACK_OBJECT.fullmatch(lines[end])):
        objects.append(found[1])
        end += 1
    return end - start, iter(sorted(objects))


# JSON

INSPECTED: tuple[tuple[str, ...], ...] = (
    ("Name",),
    ("RepoTags",),
    ("State", "Status"),
    ("State", "ExitCode"),
    ("State", "Health", "Status"),
    ("RestartCount",),
    ("Config", "Image"),
    ("Config", "User"),
    ("Config", "Env"),
    ("Config", "Cmd"),
    ("Config", "Entrypoint"),
    ("Config", "WorkingDir"),
    ("Config", "ExposedPorts"),
    ("HostConfig", "RestartPolicy", "Name"),
    ("HostConfig", "PortBindings"),
    ("HostConfig", "Memory"),
    ("HostConfig", "NanoCpus"),
    ("HostConfig", "Privileged"),
    ("HostConfig", "ReadonlyRootfs"),
    ("Driver",),
    ("Scope",),
    ("Internal",),
    ("Options",),
)
"""What is compared of ``docker inspect``: paths of keys.

Not OOMKilled: on a busy computer Docker can miss that the kernel killed a container.
"""

STORAGE_DRIVERS = ("overlay2", "overlayfs", "vfs", "fuse-overlayfs", "btrfs", "zfs")


def _inspected(lines: list[str], start: int) -> tuple[int, Block]:
    if lines[start] != "[" or "]" not in lines[start:]:
        return 0, iter(())
    end = lines.index("]", start) + 1
    try:
        objects = json.loads("\n".join(lines[start:end]))
    except ValueError:
        return 0, iter(())
    if not objects or not all(isinstance(each, dict) for each in objects):
        return 0, iter(())
    return end - start, _object_lines(objects)


def _object_lines(objects: list[dict[str, Any]]) -> Block:
    for each in objects:
        yield "object"
        for path in INSPECTED:
            value: Any = each
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            if value not in (None, "", [], {}, 0, False) and value not in STORAGE_DRIVERS:
                yield f"    {'.'.join(path)}: {json.dumps(value, sort_keys=True)}"
        for mount in each.get("Mounts") or ():
            yield f"    mount {mount['Type']} {mount['Destination']}"
        networks = (each.get("NetworkSettings") or {}).get("Networks") or {}
        for name in sorted(networks):
            yield f"    network {name}"
        # A network's containers, and the labels of any object but the course's.
        containers = each.get("Containers")
        if isinstance(containers, dict):
            for container in sorted(value["Name"] for value in containers.values()):
                yield f"    container {container}"
        labels = each.get("Labels") or (each.get("Config") or {}).get("Labels") or {}
        for name in sorted(labels):
            if not name.startswith(("dockyard.", "org.opencontainers.image.")):
                yield f"    label {name}={labels[name]}"
