"""Which outputs count as equal, and which lines are named as different."""

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from dockyard.authoring.output_comparison import (
    comparable,
    differing_lines,
    keep_equal_outputs,
    load_rules,
)

RULES = load_rules()
ONE, OTHER = "1" * 64, "2" * 64


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def plot(png, description):
    return new_output("display_data", data={"image/png": png, "text/plain": description})


def drawing(svg):
    return new_output("display_data", data={"image/svg+xml": svg, "text/plain": "A drawing."})


def failure(text):
    return new_output("error", ename="ValueError", evalue=text)


def page(**outputs):
    return new_notebook(
        cells=[
            new_code_cell("print()", id=name, outputs=[output], execution_count=1)
            for name, output in outputs.items()
        ]
    )


def texts(notebook):
    return [output["text"] for cell in notebook.cells for output in cell.outputs]


def test_the_rules_are_those_of_the_proof_in_their_order():
    assert next(iter(RULES)).startswith(r"(?m)^\|.* cn")
    assert RULES[r"sha256:[0-9a-f]{64}"] == "sha256:<digest>"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (stream(f"{ONE}\n"), stream(f"{OTHER}\n")),
        (
            drawing('<text class="dy-address">172.17.0.2</text>'),
            drawing('<text class="dy-address">172.17.0.3</text>'),
        ),
        (plot("AAAA", "Plot: Memory."), plot("BBBB", "Plot: Memory.")),
        (failure(f"no {ONE}"), failure(f"no {OTHER}")),
    ],
    ids=["text", "SVG", "plot", "error"],
)
def test_an_output_that_is_equal_after_the_rules_stays_as_it_was(old, new):
    before, after = page(cell=old), page(cell=new)
    assert keep_equal_outputs(before, after, RULES) == []
    assert after.cells[0].outputs == [old]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (stream("one\n"), stream("two\n")),
        (stream("one\n"), stream("one\n", name="stderr")),
        (drawing("<svg>one</svg>"), drawing("<svg>two</svg>")),
        (plot("AAAA", "Plot: Memory."), plot("AAAA", "Plot: Disk.")),
        (failure("one"), failure("two")),
        (failure("one"), stream("one")),
    ],
    ids=["text", "stream", "SVG", "plot", "error", "kind"],
)
def test_an_output_that_differs_after_the_rules_is_stored_anew(old, new):
    after = page(cell=new)
    assert keep_equal_outputs(page(cell=old), after, RULES) == ["cell"]
    assert after.cells[0].outputs == [new]


TAKEN = "driver failed programming external connectivity on endpoint b: port is already allocated"
HELP = "\nRun 'docker run --help' for more information\n"
LOG = (
    'time="2026-11-28T21:00:00Z" level=error msg="error waiting for container: context canceled"\n'
)


@pytest.mark.parametrize(
    "old",
    [
        f"{LOG}docker: Error response from daemon: {TAKEN}.\n",
        f"docker: Error response from daemon: {TAKEN}.\n{LOG}",
    ],
    ids=["log first", "log last"],
)
def test_a_port_that_is_taken_is_the_same_error_on_the_oldest_docker(old):
    new = f"docker: Error response from daemon: failed to set up container networking: {TAKEN}\n"
    same, other = (page(cell=stream(text)) for text in (f"{old}[exit code 125]\n", ""))
    assert keep_equal_outputs(same, page(cell=stream(f"{new}{HELP}[exit code 125]\n")), RULES) == []
    assert keep_equal_outputs(other, page(cell=stream(f"{LOG}[exit code 125]\n")), RULES) == [
        "cell"
    ]


def test_a_plot_whose_code_changed_is_stored_anew():
    after = page(cell=plot("BBBB", "Plot: Memory."))
    after.cells[0].source = "print('in red')"
    assert keep_equal_outputs(page(cell=plot("AAAA", "Plot: Memory.")), after, RULES) == ["cell"]


def test_a_new_cell_is_stored_and_the_others_stay():
    after = page(first=stream(OTHER), added=stream("more"))
    assert keep_equal_outputs(page(first=stream(ONE)), after, RULES) == ["added"]
    assert texts(after) == [ONE, "more"]


def test_a_cell_that_shows_an_id_of_a_changed_cell_is_stored_anew_with_it():
    before = page(run=stream(ONE), other=stream("3" * 64), ps=stream(f"{ONE[:12]} web"))
    after = page(run=stream(OTHER), other=stream("4" * 64), ps=stream(f"{OTHER[:12]} web Up"))
    assert keep_equal_outputs(before, after, RULES) == ["run", "ps"]
    assert texts(after) == [OTHER, "3" * 64, f"{OTHER[:12]} web Up"]


def test_an_id_in_a_table_counts_as_shown_although_tables_are_compared_without_ids():
    table = "CONTAINER ID   IMAGE   NAMES\n{}   nginx   {}\n"
    before = page(run=stream(ONE), ps=stream(table.format(ONE[:12], "web")))
    after = page(run=stream(f"{OTHER} more"), ps=stream(table.format(OTHER[:12], "web")))
    assert keep_equal_outputs(before, after, RULES) == ["run", "ps"]


def test_cells_that_share_an_id_only_by_way_of_a_third_are_stored_together():
    port, new_port = "127.0.0.1:32768", "127.0.0.1:32770"
    before = page(a=stream(ONE), b=stream(f"{ONE} {port}"), c=stream(f"{port}"))
    after = page(a=stream(OTHER), b=stream(f"{OTHER} {new_port}"), c=stream(f"{new_port} open"))
    assert keep_equal_outputs(before, after, RULES) == ["a", "b", "c"]


def ignored(output, source="print()"):
    notebook = page(cell=output)
    notebook.cells[0].metadata["tags"] = ["nbval-ignore-output"]
    notebook.cells[0].source = source
    return notebook


def test_an_output_that_is_not_compared_stays_until_its_source_changes_or_it_fails():
    before = ignored(stream("one"))
    assert keep_equal_outputs(before, ignored(stream("two")), RULES) == []
    assert keep_equal_outputs(before, ignored(stream("two"), "print(2)"), RULES) == ["cell"]
    assert keep_equal_outputs(before, ignored(failure("two")), RULES) == ["cell"]


def test_differing_lines_are_paired_as_they_are_after_the_rules():
    old = [stream(f"{ONE}\nbusy\nsame\n")]
    new = [stream(f"{OTHER}\nidle\nsame\nmore\n")]
    assert differing_lines(old, new, RULES) == [("busy", "idle"), ("", "more")]


def test_streams_that_were_interrupted_are_compared_as_a_whole():
    mixed = [stream("one\n"), stream("careful\n", "stderr"), stream("two\n")]
    assert comparable(mixed, {}) == {"stdout": ["one\ntwo\n"], "stderr": ["careful\n"]}
