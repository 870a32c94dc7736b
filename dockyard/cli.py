"""The command line: its words and options. Each command is a module of ``dockyard.commands``."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys

from dockyard import __version__
from dockyard.core.console import say
from dockyard.exceptions import DockyardError, Unforeseen

ENGINES = ("auto", "local", "embedded", "machine", "docker-26", "podman")


def main(arguments: list[str]) -> int:
    """Run one command; returns 0 done, 1 failed, 2 wrong usage."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command != "test":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    _end_when_told()
    try:
        # A command imports only what it needs: the first ones run before all is installed.
        command = importlib.import_module(f"dockyard.commands.{options.command}")
        return command.run(options)
    except DockyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        # Of the system, of requests and of the Docker SDK, when what was there a moment ago is not.
        print(Unforeseen(error), file=sys.stderr)
        return Unforeseen.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        return 130


def _end_when_told() -> None:
    """Let ``kill`` and a closed terminal end a command as Ctrl-C does, so that it cleans up."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # nohup(1) has a command outlive its terminal.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m dockyard", description="Learn Docker on a real daemon."
    )
    parser.add_argument("--version", action="version", version=f"dockyard {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    learn = _command(commands, "learn", "set everything up and open the course")
    _engine_options(learn)
    learn.add_argument("--port", type=_port, help="JupyterLab's port (default: a free one)")
    learn.add_argument("--no-browser", action="store_true", help="only print the address")

    test = _command(commands, "test", "set everything up and prove every cell")
    _engine_options(test, "all")
    test.epilog = (
        "Further arguments go to pytest. --engine all proves the notebooks on one engine after "
        "the other; further arguments are then the names of notebooks and engines."
    )

    doctor = _command(commands, "doctor", "what each engine would need on this machine")
    doctor.add_argument("--json", action="store_true")

    engine = _command(commands, "engine", "the engine alone")
    engine.add_argument("action", choices=("start", "stop", "status", "env"))
    _engine_options(engine)
    engine.add_argument("--json", action="store_true")
    engine.add_argument("--lab", metavar="LAB", help="for env: with the values of a lab")

    reg = _command(commands, "registry", "the course registry")
    reg.add_argument("action", choices=("fill", "list", "verify", "export", "import"))
    reg.add_argument("file", nargs="?", metavar="FILE", help="for export and import")
    reg.add_argument("--json", action="store_true")

    check = _command(commands, "check", "how far a lab is done")
    check.add_argument("lab", metavar="LAB", help="for example 07-containers, or 07")
    check.add_argument("tasks", nargs="*", metavar="TASK", help="default: all of them")
    check.add_argument("--watch", action="store_true", help="tick tasks off as they come true")
    check.add_argument("--hint", action="store_true", help="the next hint for the named tasks")
    check.add_argument("--new", action="store_true", help="begin a new attempt first")
    check.add_argument("--json", action="store_true")

    progress = _command(commands, "progress", "what you have done so far")
    progress.add_argument("--json", action="store_true")

    store = _command(commands, "store", "for authors: run notebooks and store outputs")
    store.add_argument("notebooks", nargs="*", metavar="NOTEBOOK")
    store.add_argument(
        "--labs", action="store_true", help="the pages of labs, from their catalogue"
    )

    reset = _command(commands, "reset", "a pristine notebook; the course's objects removed")
    reset.add_argument("notebook", nargs="?", metavar="NOTEBOOK")
    reset.add_argument("--all", action="store_true", help="every notebook and object of the course")
    return parser


def _command(commands, name: str, help: str) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")


def _engine_options(parser: argparse.ArgumentParser, *more: str) -> None:
    parser.add_argument(
        "--engine", choices=(*ENGINES, *more), default="auto", help="where the daemon is from"
    )
    parser.add_argument("--yes", action="store_true", help="install missing packages unasked")


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not a port (1 to 65535)")
    return port
