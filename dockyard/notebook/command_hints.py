"""Hints of one line that name the mistake in a shell command.

A hint is given only when its cause is certain. Each rule looks at the command as the shell got it
and at its output, and returns the hint or None; the first rule that knows the cause wins. The words
of Docker are those of the clients and daemons from 20.10 to 29.
"""

from __future__ import annotations

import difflib
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from dockyard import registry
from dockyard.core import docker_client, full_disk, paths
from dockyard.labs import lab_catalog
from dockyard.notebook import container_hints, expansion

TERMINAL = "a terminal, which  %terminal  opens"


@dataclass(frozen=True)
class Finished:
    """A command that has been run."""

    command: str
    code: int
    output: str
    environment: Mapping[str, str]
    names: Collection[str] = ()
    """The notebook's Python variables."""


def before(command: str) -> str | None:
    """The hint for a command that is about to run."""
    if "docker" not in command:
        return None
    if _SUDO.search(command):
        return (
            "sudo leaves out the course's settings, so this goes to this computer's own Docker. "
            "Type the command without sudo."
        )
    if words := _following(command):
        ends = "its container ends, or " if _WITH_CONTAINER.match(words) else ""
        return f"This runs until {ends}you interrupt the cell (■). Or type it in {TERMINAL}."
    return None


def after(run: Finished) -> str | None:
    """The hint for a command that has ended."""
    return next((hint for rule in RULES if (hint := rule(run))), None)


_SUDO = re.compile(r"(?:^|[;&|(]\s*)sudo\s+(?:-[AbHknPS]+\s+|-u\s*\S+\s+)*docker\b")
_ONE_COMMAND = re.compile(r"\s*docker\s+(?P<words>[^;&|<>()`\n]+?)\s*\Z")
_COMPOSE = r"compose\s+(?:-\S+\s+\S+\s+)*"
_FOLLOWING = (
    # Each with the options that let it end.
    (r"(?:container\s+)?attach\b", r"(?!)"),
    (rf"(?:container\s+|{_COMPOSE})?logs\s+(?:.*\s)?(?:-\w*f\w*|--follow)\b", r"--until"),
    (r"(?:system\s+)?events\b", r"--until|--help"),
    (r"(?:container\s+|compose\s+)?stats\b", r"--no-stream|--help"),
    (
        rf"{_COMPOSE}up\b",
        r"\s-\w*d\b|--detach|--wait|--no-start|--abort-on|--exit-code-from|--dry-run|--help",
    ),
    (rf"{_COMPOSE}(?:watch|events)\b", r"--help|--dry-run"),
)


_WITH_CONTAINER = re.compile(r"(?:container\s+)?(?:attach|logs)\b")


def _following(command: str) -> str | None:
    """The words after ``docker`` of a command that may run until somebody stops it."""
    if not (found := _ONE_COMMAND.match(command)):
        return None
    words = found["words"]
    follows = any(
        re.match(follows, words) and not re.search(ends, words) for follows, ends in _FOLLOWING
    )
    return words if follows else None


def _no_keyboard(run: Finished) -> str | None:
    tty = (
        "input device is not a TTY" in run.output
        or "cannot attach stdin to a TTY-enabled container" in run.output
    )
    if run.code and tty:
        return f"A cell has no keyboard. Leave out -t (--tty), or type this in {TERMINAL}."
    if run.code and re.search(r"interactive login from a non.?TTY", run.output, re.IGNORECASE):
        return (
            f"A cell has no keyboard. Log in in {TERMINAL}, or pass the password through a pipe "
            "to  docker login --username NAME --password-stdin."
        )
    return None


def _removed_folder(run: Finished) -> str | None:
    if run.code and re.search(r"\bgetwd: no such file or directory", run.output):
        return "The folder in which this command ran has been removed."
    return None


_SETTINGS = re.compile(
    r"_|BASH\w*|COLUMNS|DIRSTACK|EPOCH\w*|E?UID|FUNCNAME|GROUPS|HOSTNAME|HOSTTYPE|IFS|LINENO|LINES|"
    r"MACHTYPE|(?:OLD)?PWD|OPT(?:ARG|ERR|IND)|OSTYPE|PIPESTATUS|PPID|PS4|S?RANDOM|REPLY|SECONDS|"
    r"SHELLOPTS|SHLVL"
)
"""Variables that bash sets itself (bash(1), Shell Variables)."""
_TELLING = re.compile(
    r"\s(?:-v|-p|-w|--(?:volume|mount|name|publish|workdir|network|hostname))[ =]"
    r"""["']?[^\s"']*\Z"""
)


def _empty_variable(run: Finished) -> str | None:
    command = run.command
    if "$" not in command or "docker" not in command:
        return None
    if re.search(r"(?:^|[\s;&|])(?:eval|source|\.)\s", command):
        return None
    for start, name in expansion.shell_variables(command):
        known = name in run.environment or _SETTINGS.fullmatch(name)
        if known or expansion.set_by(command, name):
            continue
        if run.code or _TELLING.search(command, 0, start):
            other = f" There is a ${name.upper()}." if _exists(name.upper(), run) else ""
            return f"${name} is empty: neither the shell nor this notebook has it.{other}"
    return None


def _exists(name: str, run: Finished) -> bool:
    return name == "PWD" or name in run.environment


_BRACES = re.compile(r"(?<![{$\\])\{([A-Za-z_]\w*)(?:\[[^\[\]{}]*\]|\.\w+)*\}(?!\})")


def _unknown_name(run: Finished) -> str | None:
    for found in _BRACES.finditer(run.command):
        refused = re.search(rf"(?m)^.*\b(?:Error|invalid)\b.*{re.escape(found[0])}", run.output)
        if refused and found[1] not in run.names:
            return f"{found[0]} was passed on as typed: this notebook has no variable {found[1]}."
    return None


def _option_behind_image(run: Finished) -> str | None:
    found = re.search(r'exec: "(--?[a-z][\w-]*)[^"]*": executable file not found', run.output)
    if found and re.search(r"\bdocker\s+(?:container\s+)?(?:run|create)\b", run.command):
        why = lab_catalog.mistakes()["name-after-the-image"].why.replace("`", "")
        return f"{found[1]} was taken for the program to run. {why}"
    return None


_HUB = r"(?:registry-1|auth|index)\.docker\.io|production\.cloudflare\.docker\.com"
_UNREACHABLE = (
    r"no such host|server misbehaving|i/o timeout|connection refused|network is unreachable|"
    r"Client\.Timeout exceeded|context deadline exceeded|TLS handshake timeout|"
    r"failure in name resolution|connection reset by peer|no route to host"
)
_AWAY = re.compile(rf"(?m)^.*(?:{_HUB})\b.*(?:{_UNREACHABLE})")


def _no_hub(run: Finished) -> str | None:
    if not (run.code and _AWAY.search(run.output)):
        return None
    images = [name.removesuffix(":latest") for name in registry.references()]
    wanted = re.search(r"Unable to find image '([^']+)' locally", run.output)
    if wanted and wanted[1].removesuffix(":latest") in images:
        return (
            f"There is no way to Docker Hub from here, and the course does not have "
            f"{wanted[1]} yet:  python3 -m dockyard registry fill"
        )
    usable = [name for name in images if not name.startswith("dockyard-")]
    return f"There is no way to Docker Hub from here. The course has {', '.join(usable)}."


def _name_in_use(run: Finished) -> str | None:
    found = re.search(r'Conflict\. The container name "/([^"]+)" is already in use', run.output)
    if run.code and found:
        return (
            f"There is a container {found[1]} already. Choose another name; to look at it:  "
            f"docker ps --all --filter name=^{found[1]}$"
        )
    return None


_PORT = re.compile(
    r"Bind for \S*:(?P<allocated>\d+) failed: port is already allocated|"
    r"(?:failed to bind host port for |listen (?:tcp|udp)[46]? )\S*?:(?P<bound>\d+)(?::\S*)?:? .*"
    r"address already in use"
)


def _port_in_use(run: Finished) -> str | None:
    if not (run.code and (found := _PORT.search(run.output))):
        return None
    if port := found["allocated"]:
        return (
            f"Another container has port {port}:  docker ps --filter publish={port}  shows it. "
            "Choose another number before the colon."
        )
    return (
        f"Another program on this computer has port {found['bound']}. "
        "Choose another number before the colon."
    )


_WORDS = {
    "": "attach build builder buildx commit compose config container context cp create diff events "
    "exec export history image images import info inspect kill load login logout logs manifest "
    "network node pause plugin port ps pull push rename restart rm rmi run save search secret "
    "service stack start stats stop swarm system tag top trust unpause update version volume wait",
    "container": "attach commit cp create diff exec export inspect kill logs ls pause port prune "
    "rename restart rm run start stats stop top unpause update wait",
    "image": "build history import inspect load ls prune pull push rm save tag",
    "volume": "create inspect ls prune rm update",
    "network": "connect create disconnect inspect ls prune rm",
    "context": "create export import inspect ls rm show update use",
    "system": "df events info prune",
    "compose": "attach build config cp create down events exec images kill logs ls pause port ps "
    "pull push restart rm run scale start stats stop top unpause up version volumes wait watch",
}
"""The commands of the docker client."""
_UNKNOWN = re.compile(
    r"(?m)^(?:docker: unknown command: docker |unknown docker command: \"|docker: ')"
    r"(?P<words>[a-z]+(?: [\w-]+)?)(?:\"|' is not a docker command|$)"
)


def _misspelt_command(run: Finished) -> str | None:
    if not (run.code and (found := _UNKNOWN.search(run.output))):
        return None
    *group, word = found["words"].split()
    if meant := _nearest(word, _WORDS.get(" ".join(group), "").split()):
        return f"Do you mean  {' '.join(['docker', *group, meant])}?"
    return None


def _nearest(word: str, known: Collection[str]) -> str | None:
    """The known word that is nearest to a misspelt one; None when two are, or none."""
    near = sorted(
        ((difflib.SequenceMatcher(None, word, each).ratio(), each) for each in known), reverse=True
    )
    if not near or near[0][0] < 0.75 or (len(near) > 1 and near[1][0] == near[0][0]):
        return None
    return near[0][1]


_NOT_FOUND = re.compile(r"(?m)^(?:\S*/)?(?:ba)?sh: (?:line )?\d+: (\S+?): (?:command )?not found$")


def _misspelt_program(run: Finished) -> str | None:
    if not (run.code and (found := _NOT_FOUND.search(run.output))):
        return None
    program = found[1]
    if program == "docker":
        if shutil.which("docker", path=run.environment.get("PATH")):
            # A shell inside a container has said it.
            return None
        return "Run the first cell of this notebook: it makes the course's docker client available."
    if program == "docker-compose":
        return "Compose is a part of the docker client:  docker compose, without the hyphen."
    # Letters left out, doubled or exchanged, as in dokcer.
    if program != "dockerd" and set(program) == set("docker") and _nearest(program, ["docker"]):
        return "Do you mean  docker?"
    return None


def _engine_stopped(run: Finished) -> str | None:
    said = re.search(
        r"(?m)^.*(?:Cannot connect to the Docker daemon|failed to connect to the docker API).*",
        run.output,
    )
    if run.code and said and f"unix://{paths.front_door()}" in said[0]:
        return "The engine of the course does not run:  python3 -m dockyard engine start"
    return None


def _other_daemon(run: Finished) -> str | None:
    said = re.search(
        r"(?:Cannot connect to the Docker daemon at |failed to connect to the docker API at |"
        r"permission denied while trying to connect to the (?:Docker daemon socket|docker API) at )"
        r"(?P<address>[a-z]+://[^\s;?]+?)[.:;?]?(?:\s|$)",
        run.output,
    )
    if not (run.code and said) or str(paths.front_door()) in said["address"]:
        return None
    if re.search(r"DOCKER_\w+=|\bdocker\s+-|\b(?:sudo|sh|bash|exec|run|ssh)\b", run.command):
        # The address was chosen in the command, or the client is another one.
        return None
    set_by = next((name for name in docker_client.UNSET if run.environment.get(name)), None)
    advice = f"%env {set_by}=" if set_by else "docker context use default"
    return (
        f"docker asked the daemon at {said['address']}, which is not the course's. To ask that "
        f"one again:  {advice}"
    )


_DESKTOP = [
    "ai",
    "debug",
    "desktop",
    "extension",
    "init",
    "mcp",
    "model",
    "offload",
    "pass",
    "sandbox",
    "scout",
]
"""Commands of plug-ins that come with Docker Desktop only, or are installed one by one."""


def _missing_plugin(run: Finished) -> str | None:
    found = re.search(
        r"(?m)^(?:docker: unknown command: docker |docker: ')(?P<word>[a-z]+)\b", run.output
    )
    if run.code and found and found["word"] in _DESKTOP:
        return (
            f"docker {found['word']} is a plug-in that comes with Docker Desktop. The course's "
            "client does not have it."
        )
    return None


def _other_processor(run: Finished) -> str | None:
    if not run.code:
        return None
    if found := re.search(r"no matching manifest for (\S+) in the manifest list", run.output):
        return f"This image does not exist for this computer's kind of processor, {found[1]}."
    found = re.search(
        r"requested image's platform \((\S+)\) does not match the detected host platform "
        r"\((\S+?)\)",
        run.output,
    )
    if found and "exec format error" in run.output:
        return (
            f"The programs of this image are for {found[1]}, and this computer is {found[2]}. "
            "Leave out --platform, or choose an image for this one."
        )
    return None


def _full_disk(run: Finished) -> str | None:
    if not (run.code and "no space left on device" in run.output.lower()):
        return None
    # A full disk inside a container, such as a small tmpfs, is no concern of the computer's.
    if folder := full_disk.find():
        return f"The disk of {folder} is full. What is large:  !{full_disk.what_is_large(folder)}"
    return None


def _lost_container(run: Finished) -> str | None:
    if not run.code:
        return None
    return container_hints.gone(run.output) or container_hints.cut_id(run.output)


def _shell_of_its_own(run: Finished) -> str | None:
    if re.fullmatch(r"\s*cd(?:\s+[^\s;&|]+)?\s*", run.command) and not run.code:
        return "Each ! line has a shell of its own, so this changes nothing for the next. Use  %cd."
    if re.fullmatch(r"\s*export\s+\w+=[^;&|\n]*", run.command) and not run.code:
        return "Each ! line has a shell of its own, so the next does not see this. Use  %env."
    return None


RULES: tuple[Callable[[Finished], str | None], ...] = (
    _no_keyboard,
    _removed_folder,
    _empty_variable,
    _unknown_name,
    _option_behind_image,
    _no_hub,
    _name_in_use,
    _port_in_use,
    _missing_plugin,
    _misspelt_command,
    _misspelt_program,
    _engine_stopped,
    _other_daemon,
    _other_processor,
    _full_disk,
    _lost_container,
    _shell_of_its_own,
)
