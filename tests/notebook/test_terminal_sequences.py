"""What a container writes for a terminal does nothing in a cell, whatever it is."""

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockyard.notebook.cell_output import CellOutput
from dockyard.notebook.terminal_sequences import LONGEST, Cleaner
from tests.support.kernels import Kernel

BELL, ST = "\x07", "\x1b\\"
ALPHABET = "\x1b\x9b\x9d\x90\x9c\x07\x08\r\n\x18\x00[]()P_^\\?>=;0159 !AHJKhlmnqrstux#7é"

HARMFUL = {
    "the clipboard": "\x1b]52;c;ZWNobyBtaW5l\x07",
    "the clipboard, asked for": "\x1b]52;c;?\x1b\\",
    "a link": "\x1b]8;;http://evil.invalid/\x1b\\",
    "a link's end": "\x1b]8;;\x07",
    "a title": "\x1b]0;root@bank\x07",
    "a title in 8 bits": "\x9d0;root@bank\x9c",
    "the icon's title": "\x1b]1;x\x1b\\",
    "a long title": f"\x1b]2;{'x' * 100_000}\x07",
    "the title, asked for": "\x1b[21t",
    "a notification": "\x1b]777;notify;a;b\x07",
    "a file of iTerm": f"\x1b]1337;File=name=YQ==:{'QQ' * 3000}\x07",
    "a device control": '\x1bP$q"p\x1b\\',
    "a picture": "\x1bPq#0;2;0;0;0#0~~@@vv@@~~$-\x1b\\",
    "a command of tmux": "\x1bPtmux;\x1b\\",
    "an application's": "\x1b_Gf=24;AAAA\x1b\\",
    "a privacy message": "\x1b^x\x1b\\",
    "a string": "\x1bXx\x1b\\",
    "the alternate screen": "\x1b[?1049h",
    "the mouse": "\x1b[?1000;1006h",
    "bracketed paste": "\x1b[?2004h",
    "another keyboard": "\x1b[>4;2m",
    "a question": "\x1b[6n",
    "a private question": "\x1b[?6n",
    "who are you": "\x1b[>c",
    "a reset": "\x1b[!p",
    "a long control sequence": f"\x1b[{'1;' * 50_000}m",
    "a long number": f"\x1b[{'9' * 5000}A",
    "too many numbers": "\x1b[1;2;3A",
    "a private movement": "\x1b[?5A",
    "margins": "\x1b[2;3r",
    "other letters": "\x1b(0\x1b)B\x0e\x0f",
    "colours": "\x1b[1;38;2;255;0;0m\x1b[0m",
    "bells": "\x07\x07",
    "cancelled": "\x1b[12\x18",
    "zeros": "\x00\x7f",
}
VISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Regions:
    """Takes the states of redrawn screens."""

    def __init__(self):
        self.last = ""

    def __call__(self):
        def show(text):
            self.last = text

        return show


def shown(text, capsys, size=65536, regions=None):
    output = CellOutput(regions)
    for start in range(0, len(text), size):
        output.write(text[start : start + size])
        output.paint()
    output.close()
    return capsys.readouterr().out


@pytest.mark.parametrize("sequence", HARMFUL.values(), ids=HARMFUL)
@pytest.mark.parametrize("size", [65536, 1], ids=["whole", "in pieces"])
def test_a_terminal_sequence_leaves_only_the_text_around_it(sequence, size, capsys):
    if size == 1:
        sequence = sequence if len(sequence) < 10_000 else sequence[:2000] + sequence[-2000:]
    assert shown(f"before {sequence}after\n", capsys, size) == "before after\n"


@pytest.mark.parametrize("sequence", HARMFUL.values(), ids=HARMFUL)
def test_a_screen_that_is_redrawn_takes_none_either(sequence, capsys):
    text = f"\x1b[2J\x1b[Hone\ntwo\n\x1b[1;4H{sequence}!"
    assert shown(text, capsys) == "one!\ntwo\n"


@pytest.mark.parametrize("begin", ["\x1b]52;c;", "\x1b[", "\x1bP", "\x9d", "\x1b"])
def test_a_sequence_without_an_end_hides_its_own_line_only(begin, capsys):
    assert shown(f"before {begin}1\nafter\n", capsys).splitlines()[-1] == "after"
    assert VISIBLE.search(shown(f"before {begin}", capsys)) is None


def test_what_never_ends_takes_no_memory_and_no_time(capsys):
    cleaner = Cleaner()
    began = time.process_time()
    for begin in ("\x1b]52;c;", "\x1b[", "\x1b", "\r", "\x9d", "\x1b]", "\x1b[\x1b["):
        for _ in range(50):
            assert VISIBLE.search(cleaner.clean(begin + "1" * 65536)[1:]) is None
            assert VISIBLE.search(cleaner.clean(begin * 8192)[1:]) is None
            assert len(cleaner._held) <= LONGEST
    assert time.process_time() - began < 20


@given(st.text(ALPHABET, max_size=60), st.integers(1, 20), st.booleans())
def test_no_output_stops_a_cell_or_reaches_it_as_a_sequence(text, size, interactive):
    regions = Regions()
    output = CellOutput(regions if interactive else None)
    output.INTERVAL = 0
    kept = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.stdout.write", kept.append)
        for start in range(0, len(text), size):
            output.write(text[start : start + size])
            output.paint()
        output.close()
    seen = "".join(kept) + regions.last + output.tail()
    assert VISIBLE.search(seen.replace("\r\n", "\n")) is None, (text, seen)


@pytest.mark.slow
def test_what_is_stored_of_a_cell_is_plain_text(tmp_path):
    everything = "".join(HARMFUL.values())
    (tmp_path / "hostile").write_bytes(f"begin {everything}end\n".encode())
    (tmp_path / "drawn").write_bytes(f"\x1b[2J\x1b[Hbegin {everything}end\n".encode())
    with Kernel(tmp_path) as kernel:
        for source in ("!cat hostile", "%%bash\ncat hostile", "%%sh\ncat hostile", "!cat drawn"):
            cell = kernel.run(source)
            assert not cell.error
            assert cell.text.strip() == "begin end", source
            assert "\\u00" not in json.dumps(cell.text)
