"""The command line: which words there are and which function each calls. No logic."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import signal
import sys
import time

from dockyard import __version__
from dockyard.exceptions import DockyardError, Unforeseen, UsageError


def say(text: str) -> None:
    """Tell a person what is going on: on standard error, with the time since the start."""
    # Where a terminal was closed nobody hears, and what was begun must end all the same.
    with contextlib.suppress(OSError):
        print(f"[{time.monotonic() - _BEGAN:5.1f} s] {text}", file=sys.stderr, flush=True)


_BEGAN = time.monotonic()
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
        return options.run(options) or 0
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

    learn = _command(commands, "learn", _learn, "set everything up and open the course")
    _engine_options(learn)
    learn.add_argument("--port", type=_port, help="JupyterLab's port (default: a free one)")
    learn.add_argument("--no-browser", action="store_true", help="only print the address")

    test = _command(commands, "test", _test, "set everything up and prove every cell")
    _engine_options(test, "all")
    test.epilog = (
        "Further arguments go to pytest. --engine all proves the notebooks on one engine after "
        "the other; further arguments are then the names of notebooks and engines."
    )

    doctor = _command(commands, "doctor", _doctor, "what each engine would need on this machine")
    doctor.add_argument("--json", action="store_true")

    engine = _command(commands, "engine", _engine, "the engine alone")
    engine.add_argument("action", choices=("start", "stop", "status", "env"))
    _engine_options(engine)
    engine.add_argument("--json", action="store_true")
    engine.add_argument("--lab", metavar="LAB", help="for env: with the values of a lab")

    reg = _command(commands, "registry", _registry, "the course registry")
    reg.add_argument("action", choices=("fill", "list", "verify", "export", "import"))
    reg.add_argument("file", nargs="?", metavar="FILE", help="for export and import")
    reg.add_argument("--json", action="store_true")

    check = _command(commands, "check", _check, "how far a lab is done")
    check.add_argument("lab", metavar="LAB", help="for example 07-containers, or 07")
    check.add_argument("tasks", nargs="*", metavar="TASK", help="default: all of them")
    check.add_argument("--watch", action="store_true", help="tick tasks off as they come true")
    check.add_argument("--hint", action="store_true", help="the next hint for the named tasks")
    check.add_argument("--new", action="store_true", help="begin a new attempt first")
    check.add_argument("--json", action="store_true")

    progress = _command(commands, "progress", _progress, "what you have done so far")
    progress.add_argument("--json", action="store_true")

    store = _command(commands, "store", _store, "for authors: run notebooks and store outputs")
    store.add_argument("notebooks", nargs="*", metavar="NOTEBOOK")
    store.add_argument(
        "--labs", action="store_true", help="the pages of labs, from their catalogue"
    )

    reset = _command(commands, "reset", _reset, "a pristine notebook; the course's objects removed")
    reset.add_argument("notebook", nargs="?", metavar="NOTEBOOK")
    reset.add_argument("--all", action="store_true", help="every notebook and object of the course")
    return parser


def _command(commands, name: str, run, help: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
    parser.set_defaults(run=run)
    return parser


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


def _learn(options) -> int:
    from dockyard import learn

    return learn.run(
        options.engine,
        say,
        install=options.yes,
        port=options.port,
        browser=not options.no_browser,
    )


def _test(options) -> int:
    from dockyard import prove

    return prove.run(options.engine, options.rest, say, install=options.yes)


def _doctor(options) -> int:
    from dockyard import doctor

    report = doctor.examine()
    print(json.dumps(report.as_json(), indent=1) if options.json else doctor.render(report))
    return 0 if report.chosen else 1


def _engine(options) -> int:
    from dockyard import client, course

    if options.action == "start":
        course.start(options.engine, say, install=options.yes)
        course.fill(say, install=options.yes)
    elif options.action == "stop":
        course.stop(say)
    elif options.action == "env":
        variables = _variables(options.lab)
        if options.json:
            print(json.dumps({"set": variables, "unset": client.UNSET}, indent=1))
            return 0
        print(f"unset {' '.join(client.UNSET)}")
        for name, value in variables.items():
            print(f"export {name}={shlex.quote(value)}")
        return 0
    status = course.status()
    if options.json:
        print(json.dumps(status, indent=1))
    elif status["running"]:
        say(f"running: {status['engine']}, Docker {status['version']}, {status['docker_host']}")
        if status["remark"]:
            say(status["remark"])
    elif options.action == "stop":
        say("stopped; what it held is kept")
    else:
        say("not running; start it:  python3 -m dockyard engine start")
    return 0 if status["running"] or options.action == "stop" else 1


def _variables(lab: str | None) -> dict[str, str]:
    from dockyard import course

    if lab is None:
        return course.environment()
    from dockyard.labs import attempt, catalogue

    return attempt.resume(catalogue.load(lab)).environment()


def _check(options) -> int:
    from dockyard.labs import commands

    if options.hint and not options.tasks:
        raise UsageError("Say which task you want a hint for.", next="Name it after the lab.")
    if options.json and (options.watch or options.hint):
        raise UsageError(
            "--json does not go with --watch or --hint, which are for people.",
            next=f"What is done, as data:  python3 -m dockyard check {options.lab} --json",
        )
    return commands.check(
        options.lab,
        options.tasks,
        watch=options.watch,
        new=options.new,
        hint=options.hint,
        as_json=options.json,
    )


def _progress(options) -> int:
    from dockyard.labs import commands

    return commands.show_progress(as_json=options.json)


def _registry(options) -> int:
    from dockyard.registry import commands

    return commands.run(options.action, options.file, say, as_json=options.json)


def _store(options) -> int:
    from dockyard import notebooks

    store = notebooks.store_labs if options.labs else notebooks.store
    return store(options.notebooks, say)


def _reset(options) -> int:
    from dockyard import reset

    return reset.run(options.notebook, say, everything=options.all)
