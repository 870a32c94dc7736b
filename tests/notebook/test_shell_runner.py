"""The output and the exit code of ``!`` lines."""

import pytest

from dockyard.notebook import shell_runner


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("echo '{{.Names}}'", "{{.Names}}\n"),
        ("echo out; echo err >&2; echo out", "out\nerr\nout\n"),
        (r"printf '\033[1mbold\033[0m\n'", "bold\n"),
        (r"printf '\033['; printf '1mbold\n'", "bold\n"),
        (r"printf '\xe2\x80'; printf '\xa6\n'", "…\n"),
    ],
    ids=["braces", "both streams", "escapes", "a cut escape", "a cut character"],
)
def test_the_output_is_shown_as_printed_without_escape_sequences(command, shown, capsys):
    assert shell_runner.run(command) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("command", "code"), [("exit 3", 3), ("nothing-of-this-name", 127), ("kill -TERM $$", 143)]
)
def test_a_failure_ends_with_its_exit_code(command, code, capsys):
    assert shell_runner.run(command) == code
    assert capsys.readouterr().out.endswith(f"[exit code {code}]\n")
