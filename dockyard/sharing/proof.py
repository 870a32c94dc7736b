"""A learner's work, done again for the teacher in an engine that is thrown away."""

from __future__ import annotations

import msgspec

from dockyard.core.console import printable
from dockyard.exceptions import EngineStartFailed
from dockyard.sharing import sandbox, work_file
from dockyard.sharing.work_file import WorkFile

LONGEST = 300
"""Characters of what a check or an error says."""


class Result(msgspec.Struct, frozen=True):
    """The verdict on one task that the learner had done."""

    lab: str
    task: str
    done: bool
    said: str


def prove(work: WorkFile) -> dict[str, list[Result]]:
    """For each lab in the work, the verdict on each task that the learner had done.

    Nothing that the learner typed runs outside of the sandbox. Raises InstallFailed, or
    EngineStartFailed when the engine in it does not start or ends.
    """
    ran = sandbox.run(["-m", "dockyard.sharing.replay"], work_file.encode(work))
    found: dict[str, list[Result]] = {name: [] for name in work.labs}
    for line in ran.stdout.splitlines():
        each = _decode(line)
        if each and each.lab in found and each.task in work.labs[each.lab].done:
            found[each.lab].append(each)
    if ran.returncode and not any(found.values()):
        raise EngineStartFailed(
            "The work could not be done again.",
            printable(ran.stderr.decode(errors="replace")[-LONGEST:]),
            next="Try the engine by itself:  python3 -m dockyard engine start --engine machine",
        )
    for name, results in found.items():
        seen = {each.task for each in results}
        missing = [task for task in work.labs[name].done if task not in seen]
        results += [
            Result(name, task, False, "The proof ended before this task.") for task in missing
        ]
    return found


def _decode(line: bytes) -> Result | None:
    """A result as it was written; nothing that is printed can steer a terminal."""
    try:
        found = msgspec.json.decode(line, type=Result)
    except msgspec.MsgspecError:
        return None
    return msgspec.structs.replace(found, said=printable(found.said)[:LONGEST])
