"""The output, the exit code and the end of a command."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from dockyard.core import wait
from dockyard.notebook import shell_runner
from dockyard.notebook.cell_output import Capture, CellOutput

PATIENCE = 30


def run(command, **options):
    return shell_runner.run(command, CellOutput(), **options)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("echo '{{.Names}}'", "{{.Names}}\n"),
        ("echo out; echo err >&2; echo out", "out\nerr\nout\n"),
        (r"printf '\033[1mbold\033[0m\n'", "bold\n"),
        (r"printf '\033['; printf '1mbold\n'", "bold\n"),
        (r"printf '\xe2\x80'; printf '\xa6\n'", "…\n"),
        ("exec 1>&- 2>&-; sleep 0.1", ""),
    ],
    ids=["braces", "both streams", "escapes", "a cut escape", "a cut character", "closed streams"],
)
def test_the_output_is_shown_as_printed_without_escape_sequences(command, shown, capsys):
    assert run(command).code == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("command", "code"), [("exit 3", 3), ("nothing-of-this-name", 127), ("kill -TERM $$", 143)]
)
def test_the_exit_code_is_that_of_the_shell(command, code, capsys):
    assert run(command).code == code


def test_captured_output_leaves_standard_error_to_the_cell(capsys):
    captured = Capture()
    assert run("echo out; echo err >&2; exit 3", capture=captured).code == 3
    assert captured.text() == "out\n"
    assert capsys.readouterr().out == "err\n"


@pytest.fixture
def interrupt():
    """Interrupts this process, as "interrupt kernel" does, once a file exists."""
    threads = []

    def once(file, times=1):
        def send():
            wait.until("the command to run", file.exists, PATIENCE)
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)

        threads.append(threading.Thread(target=send))
        threads[-1].start()

    yield once
    for thread in threads:
        thread.join()


def test_an_interrupt_ends_a_command_with_code_130(interrupt, tmp_path, capsys):
    interrupt(tmp_path / "runs")
    assert run(f"touch {tmp_path}/runs; sleep 600; echo not reached") == shell_runner.Outcome(
        code=130, interrupted=True
    )
    assert capsys.readouterr().out == ""


def test_an_interrupted_command_can_clean_up_and_keep_its_exit_code(interrupt, tmp_path, capsys):
    interrupt(tmp_path / "runs")
    command = f"trap 'echo cleaned; exit 7' INT; touch {tmp_path}/runs; sleep 600 & wait"
    outcome = run(command)
    assert (outcome.code, outcome.interrupted, outcome.killed) == (7, True, False)
    assert "cleaned" in capsys.readouterr().out


def test_a_command_that_ignores_the_interrupt_is_killed(interrupt, tmp_path, capsys):
    interrupt(tmp_path / "runs")
    pid = tmp_path / "runs"
    outcome = run(f"trap '' INT; echo $$ > {pid}.new; mv {pid}.new {pid}; sleep 600; sleep 600")
    assert outcome == shell_runner.Outcome(code=130, interrupted=True, killed=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_second_interrupt_kills_at_once(interrupt, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(shell_runner, "GRACE", PATIENCE * 20)
    interrupt(tmp_path / "runs", times=2)
    outcome = run(f"trap '' INT; touch {tmp_path}/runs; sleep 600; sleep 600")
    assert outcome.killed


def test_interrupts_raise_again_after_a_command():
    # A process that was started in the background may ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run("true")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_background_process_does_not_hold_the_cell_and_its_output_still_arrives(tmp_path, capsys):
    gate = tmp_path / "gate"
    outcome = run(f"(until test -e {gate}; do sleep 0.05; done; echo later) & echo now")
    assert outcome.code == 0
    assert outcome.group
    assert capsys.readouterr().out == "now\n"
    gate.touch()
    shown = []

    def arrived():
        shown.append(capsys.readouterr().out)
        return "later" in "".join(shown)

    wait.until("the output of the background process", arrived, PATIENCE)


def test_a_background_process_outlives_its_output(tmp_path, capsys):
    """Its pipe stays open, so writing does not end it (SIGPIPE)."""
    done = tmp_path / "done"
    outcome = run(f"(for i in $(seq 2000); do echo {'x' * 100}; done; touch {done}) & sleep 0.01")
    assert outcome.code == 0
    wait.until("the background process to end", done.exists, PATIENCE)


def test_a_background_process_that_is_silent_is_none_of_the_cells_business(capsys):
    assert run("sleep 600 > /dev/null 2>&1 & kill $!; echo done").group == 0
    assert capsys.readouterr().out == "done\n"


def test_the_group_of_a_background_process_stops_it(capsys):
    outcome = run("sleep 600 & sleep 600 & echo started")
    assert run(f"kill -- -{outcome.group}").code == 0

    def gone():
        found = subprocess.run(
            ["ps", "-o", "stat=", "-g", str(outcome.group)], capture_output=True, check=False
        )
        return not [each for each in found.stdout.split() if not each.startswith(b"Z")]

    wait.until("the processes to end", gone, PATIENCE)


def test_a_thread_can_run_commands():
    """Only the main thread can handle signals."""
    found = []
    thread = threading.Thread(target=lambda: found.append(run("exit 4")))
    thread.start()
    thread.join()
    assert found == [shell_runner.Outcome(4)]


def test_no_descriptors_are_left(capsys):
    run("true")
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        run("echo out; echo err >&2", capture=Capture())
    assert len(os.listdir("/dev/fd")) == before
    assert sys.stdout
