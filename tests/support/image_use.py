"""Finds the programs that notebooks run in images, as far as their text tells."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

WITHOUT_VALUE = re.compile(r"-[ditPq]+|--(detach|init|interactive|no-TTY|no-trunc|privileged|quiet"
                           r"|publish-all|read-only|rm|tty)")  # fmt: skip
WORDS_OF_THE_SHELL = frozenset(
    {"alias", "break", "case", "cd", "command", "continue", "do", "done", "elif", "else", "eval"}
    | {"exec", "exit", "export", "false", "fi", "for", "function", "if", "in", "local", "read"}
    | {"return", "set", "shift", "then", "time", "trap", "true", "type", "umask", "unset"}
    | {"until", "wait", "while"}
)
NAME = re.compile(r"[a-z_][a-z0-9_.-]*")


def programs(notebook: Path, references: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Each image of the references with each program that a notebook runs in it."""
    named: dict[str, str] = {}
    for line in _lines(notebook):
        for words in _commands(line):
            yield from _of_command(words, references, named)
    yield from _of_dockerfiles(notebook, references)


def _lines(notebook: Path) -> Iterator[str]:
    for cell in json.loads(notebook.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and not source.startswith("%%writefile"):
            yield from source.replace("\\\n", " ").splitlines()


def _commands(line: str) -> Iterator[list[str]]:
    """The words of each command of a line that begins with docker."""
    for start in re.finditer(r"\bdocker (?=.*\b(run|exec|create) )", line):
        lexer = shlex.shlex(line[start.start() :], posix=True, punctuation_chars="();<>|&")
        lexer.whitespace_split = True
        lexer.commenters = ""
        words = []
        try:
            for word in lexer:
                if set(word) <= set("();<>|&"):
                    break
                words.append(word)
        except ValueError:  # the quotation goes on in the next line
            pass
        yield words


def _of_command(
    words: list[str], references: frozenset[str], named: dict[str, str]
) -> Iterator[tuple[str, str]]:
    action = next((word for word in words[1:] if not word.startswith("-")), "")
    if action not in ("run", "create", "exec"):
        return
    rest, name, entrypoint = words[words.index(action) + 1 :], "", ""
    while rest and rest[0].startswith("-"):
        option, _, value = rest.pop(0).partition("=")
        if not value and not WITHOUT_VALUE.fullmatch(option):
            value = rest.pop(0) if rest else ""
        name = value if option == "--name" else name
        entrypoint = value if option == "--entrypoint" else entrypoint
    if not rest:
        return
    image = named.get(rest[0], "") if action == "exec" else _whole(rest[0])
    if name:
        named[name] = image
    if image not in references:
        return
    run = [entrypoint] if entrypoint else rest[1:]
    for program in _programs(run):
        yield image, program


def _whole(reference: str) -> str:
    return reference if ":" in reference else f"{reference}:latest"


def _programs(words: list[str]) -> Iterator[str]:
    if not words:
        return
    if words[0] in ("timeout", "xargs") and len(words) > 2:
        yield from _programs(words[2:])
    if words[0] in ("chroot",):
        words = words[:1]
    if words[0] in ("sh", "bash") and len(words) > 2 and re.fullmatch(r"-\w*c", words[1]):
        yield from _of_script(words[2])
    if NAME.fullmatch(words[0]) and words[0] not in WORDS_OF_THE_SHELL:
        yield words[0]


def _of_script(script: str) -> Iterator[str]:
    """The first word of each command of a shell script."""
    plain = re.sub(r"\$\(\(.*?\)\)|\"[^\"$]*\"|'[^']*'", "VALUE", script)
    commands = re.split(r"[;|&\n(]+|\b(?:do|then|else|if|while|until|exec)\b", plain)
    for command in commands:
        words = [word for word in command.split() if "=" not in word and word != "!"]
        if words and NAME.fullmatch(words[0]) and words[0] not in WORDS_OF_THE_SHELL:
            yield words[0]


def _of_dockerfiles(notebook: Path, references: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The programs in a Dockerfile's RUN, CMD and ENTRYPOINT, before it installs others."""
    for cell in json.loads(notebook.read_text())["cells"]:
        source = "".join(cell["source"])
        if not re.match(r"%%writefile \S*Dockerfile", source):
            continue
        image = ""
        for line in source.replace("\\\n", " ").splitlines():
            word, _, rest = line.partition(" ")
            if word == "FROM":
                image = _whole(rest.split()[0])
            elif word == "CMD" and "\nENTRYPOINT " in source:
                continue  # the arguments of the entrypoint
            elif word in ("RUN", "CMD", "ENTRYPOINT") and image in references:
                found = json.loads(rest) if rest.startswith("[") else ["sh", "-c", rest]
                for program in _programs(found):
                    yield image, program
                if "install" in rest:
                    image = ""
