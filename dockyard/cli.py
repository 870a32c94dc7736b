"""The command line: commands and their options. Each command is a module of dockyard.commands."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Iterable
from types import FrameType
from typing import NoReturn

from dockyard import __version__
from dockyard.core import full_disk
from dockyard.core.console import say
from dockyard.engine import providers
from dockyard.exceptions import DockyardError, UnexpectedFailure


def main(arguments: list[str]) -> int:
    """Run one command; return its exit code: 0 success, 1 failure, 2 wrong usage."""
    parser = _parser()
    options = _read(parser, arguments)
    _clean_up_on_signals()
    try:
        # Imported here, because the first commands run before all packages are installed.
        command = importlib.import_module(f"dockyard.commands.{options.command}")
        code: int = command.run(options)
        return code
    except DockyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        # Includes the exceptions of requests, which the Docker SDK does not always wrap.
        print(full_disk.explain(error) or UnexpectedFailure(error), file=sys.stderr)
        return UnexpectedFailure.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        return 130


def _read(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    options, rest = parser.parse_known_args(arguments)
    if options.command == "check" and not any(word.startswith("-") for word in rest):
        # argparse takes no task after an option: check 03 --hint web
        options.tasks, rest = [*options.tasks, *rest], []
    if rest and options.command != "test":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    return options


def _clean_up_on_signals() -> None:
    """Let ``kill`` and a closed terminal end a command as Ctrl-C does, so that it cleans up."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # nohup(1) ignores SIGHUP so that a command outlives its terminal.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    # timeout(1) signals its command and then the process group, the command again included. The
    # second signal must not interrupt the cleanup. Not SIG_IGN, which child processes inherit.
    signal.signal(number, lambda *_: None)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m dockyard", description="Learn Docker on a real daemon."
    )
    parser.add_argument("--version", action="version", version=f"dockyard {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _running(commands)
    _learning(commands)
    _authoring(commands)
    return parser


def _running(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Commands that set up the course and run it."""
    learn = _command(commands, "learn", "set up everything and open the course in JupyterLab")
    _engine_options(learn, providers.LEARNER_CHOICES)
    learn.add_argument("--port", type=_port, help="JupyterLab's port (default: a free one)")
    learn.add_argument("--no-browser", action="store_true", help="print the address only")

    test = _command(commands, "test", "set up everything and test all notebooks and code")
    _engine_options(test, None)
    test.add_argument("--cov", action="store_true", help="print how much of the code was tested")
    test.epilog = (
        "Further arguments go to pytest. Besides the engines for learners, --engine takes those of "
        "tests/engines. With --engine all the notebooks are tested on one engine after the other; "
        "further arguments are then names of notebooks and engines."
    )

    doctor = _command(commands, "doctor", "show what each engine needs on this computer")
    _json_option(doctor)

    engine = _command(commands, "engine", "start, stop or inspect the Docker engine only")
    engine.add_argument("action", choices=("start", "stop", "status", "env"))
    _engine_options(engine, providers.choices())
    _json_option(engine)
    engine.add_argument("--lab", metavar="LAB", help="for env: include the variables of a lab")

    registry = _command(commands, "registry", "manage the course registry")
    registry.add_argument("action", choices=("fill", "list", "verify", "export", "import"))
    registry.add_argument("file", nargs="?", metavar="FILE", help="for export and import")
    _json_option(registry)


def _learning(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Commands for learners and teachers."""
    check = _command(commands, "check", "check which tasks of a lab are done")
    check.add_argument("lab", metavar="LAB", help="for example 03-containers, or 07")
    check.add_argument("tasks", nargs="*", metavar="TASK", help="default: all of them")
    check.add_argument(
        "--watch", action="store_true", help="show the tasks, and tick them off as you work"
    )
    check.add_argument(
        "--plain", action="store_true", help="with --watch: lines instead of a whole screen"
    )
    check.add_argument("--hint", action="store_true", help="print the next hint for the tasks")
    check.add_argument(
        "--new", action="store_true", help="begin anew: the lab, or a case of lab 16"
    )
    _json_option(check)

    drill = _command(commands, "drill", "practise: tasks of less than a minute, again and again")
    drill.add_argument(
        "drills",
        nargs="*",
        metavar="DRILL",
        help="a drill or a lesson (default: what is due, then new ones)",
    )
    drill.add_argument("--list", action="store_true", help="print the names of all drills")
    drill.add_argument(
        "--streak", choices=("on", "off"), help="count the days in a row on which you practise"
    )

    progress = _command(commands, "progress", "show what you have done so far")
    _json_option(progress)

    classroom = _command(
        commands, "classroom", "show a teacher what is done, for a room of learners without a hub"
    )
    classroom.add_argument(
        "action",
        choices=("export", "work", "page", "grades", "hint", "prove", "laptops"),
        help="export: what you have done, as a FILE; work: how you did your labs, as a FILE. For "
        "teachers, with the FOLDER of such files: page, grades (CSV), hint (to all); prove: do the "
        "work in a FILE again and check it; laptops: a table of doctor --json files",
    )
    classroom.add_argument("place", metavar="FILE|FOLDER")
    classroom.add_argument("text", nargs="*", metavar="TEXT", help="for hint; none takes it back")
    classroom.add_argument("--watch", action="store_true", help="page: write it again and again")
    classroom.add_argument(
        "--format",
        choices=("plain", "nbgrader", "moodle", "canvas"),
        default="plain",
        help="grades: whose CSV (default: plain)",
    )

    editors = _command(
        commands, "editors", "let VS Code, PyCharm or another Jupyter use the course's kernel"
    )
    editors.add_argument("--remove", action="store_true", help="take the kernel away again")

    reset = _command(
        commands,
        "reset",
        "start notebooks afresh and remove the containers and images made in them",
    )
    reset.add_argument("notebook", nargs="?", metavar="NOTEBOOK")
    reset.add_argument("--all", action="store_true", help="all notebooks and all of their objects")


def _authoring(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Commands for authors."""
    new = _command(commands, "new", "for authors: create the files of a lesson, lab or view")
    new.add_argument("kind", choices=("lesson", "lab", "view"))
    new.add_argument("name", metavar="NAME", help="17-security for a lesson or lab, or my_view")

    store = _command(commands, "store", "for authors: run notebooks and store their outputs")
    store.add_argument("notebooks", nargs="*", metavar="NOTEBOOK")
    store.add_argument(
        "--labs", action="store_true", help="write the lab notebooks from their catalogue"
    )
    store.add_argument(
        "--twice", action="store_true", help="run twice and print what differs between the runs"
    )
    store.add_argument(
        "--renew", action="store_true", help="store outputs anew even where nothing changed"
    )


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help: str
) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")


def _engine_options(parser: argparse.ArgumentParser, choices: Iterable[str] | None) -> None:
    parser.add_argument(
        "--engine", choices=choices, default="auto", help="the Docker engine to use (default: auto)"
    )


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not a port (1 to 65535)")
    return port
