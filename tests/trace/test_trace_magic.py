"""``%%trace`` in a notebook."""

from __future__ import annotations

from html.parser import HTMLParser

import nbformat
import pytest
from nbclient import NotebookClient

from dockyard.core import docker_client as course_client
from tests.support.front_door import needs_dockerd

pytestmark = needs_dockerd

CELLS = {
    "start": "%load_ext dockyard\n"
    "from dockyard.core import docker_client\nclient = docker_client.connect()",
    "command": "%%trace\n!docker run --rm busybox echo hello",
    "code": "%%trace --sdk --curl\nclient.containers.run('busybox', 'true', remove=True)",
    "value": "%%trace\n6 * 7",
    "error": "%%trace\nclient.containers.get('nobody')",
    "times": "%%trace --times\n!docker create --name robot busybox; docker rm robot",
    "killed": "%%trace\n!timeout 1 docker events; true",
    "wrong": "%%trace --what\n1",
}


@pytest.fixture(scope="module")
def notebook(docker, folder):
    """A notebook with %%trace, executed and written to a file."""
    course_client.write_config()
    made = nbformat.v4.new_notebook()
    for name, source in CELLS.items():
        made.cells.append(nbformat.v4.new_code_cell(source, id=name))
    for cell in made.cells:
        if cell.id in ("error", "wrong"):
            cell.metadata["tags"] = ["raises-exception"]
        if cell.id == "times":
            cell.metadata["tags"] = ["nbval-ignore-output"]
    NotebookClient(made, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    nbformat.write(made, folder / "traced.ipynb")
    return made


def outputs(notebook, name):
    (cell,) = [cell for cell in notebook.cells if cell.id == name]
    return cell.outputs


def shown(notebook, name):
    """The text and the HTML of a cell's table."""
    (data,) = [output.data for output in outputs(notebook, name) if "data" in output][-1:]
    return data["text/plain"], data["text/html"]


def test_the_table_follows_the_output_of_the_command(notebook):
    assert outputs(notebook, "command")[0].text == "hello\n"
    text, _ = shown(notebook, "command")
    assert text == (
        "HEAD   /_ping                   → 200\n"
        "POST   /containers/create       → 201\n"
        "POST   /containers/{id}/attach  → 101 upgrade\n"
        "POST   /containers/{id}/wait    → 200 stream\n"
        "POST   /containers/{id}/start   → 204"
    )


def test_sdk_code_and_curl_lines_are_shown_on_demand(notebook):
    text, _ = shown(notebook, "code")
    assert 'client.containers.create("busybox", ["true"])' in text
    assert (
        "curl --unix-socket \"$SOCKET\" --request POST 'http://localhost/containers/{id}/start'"
        in text
    )


def test_a_cell_keeps_its_value_and_may_send_nothing(notebook):
    value, table = outputs(notebook, "value")
    assert value.data["text/plain"] == "42"
    assert table.data["text/plain"] == "No request was sent to the daemon."


def test_an_error_is_shown_once_and_its_request_too(notebook):
    table, error = outputs(notebook, "error")
    assert table.data["text/plain"] == "GET    /containers/nobody/json  → 404"
    assert (error.output_type, error.ename) == ("error", "NotFound")


def test_a_killed_client_is_in_the_table(notebook):
    text, _ = shown(notebook, "killed")
    assert text.splitlines()[1] == "GET    /events  → 200 stream"


def test_times_are_shown_on_demand_with_the_real_ids(notebook):
    text, html = shown(notebook, "times")
    assert text.count(" ms") == 4
    assert ">Time</th>" in html
    assert " ms" not in shown(notebook, "command")[1]


def test_an_unknown_option_is_refused(notebook):
    (error,) = outputs(notebook, "wrong")
    assert error.ename == "UsageError"
    assert "Known: --times, --curl, --sdk." in "\n".join(error.traceback)


class Elements(HTMLParser):
    """Counts elements, and keeps the attributes of each."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def named(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def test_the_html_is_a_real_table_with_folded_details(notebook):
    elements = Elements(shown(notebook, "command")[1])
    assert len(elements.named("table")) == len(elements.named("caption")) == 1
    assert all(head["scope"] == "col" for head in elements.named("th"))
    assert len(elements.named("details")) == len(elements.named("summary")) == 5
    assert len(elements.named("tr")) == 6
