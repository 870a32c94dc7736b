"""Whatever starts Jupyter, on Binder or a hub, opens the copy with the course's settings."""

import json
import os
import subprocess
import sys

from dockyard.core import paths
from dockyard.learner_copy import course_folder

SHOW = (
    "import json, os; from jupyter_core.paths import jupyter_config_path, jupyter_data_dir;"
    "print(json.dumps([jupyter_config_path()[0], jupyter_data_dir(), os.environ['DOCKER_CONFIG'],"
    " os.environ.get('JUPYTER_PATH')]))"
)


def test_the_printed_variables_make_any_jupyter_open_the_copy(tmp_path):
    script = f'settings=$({sys.executable} -m dockyard.jupyter) && eval "$settings" && exec "$@"'
    environment = {**os.environ, "DOCKYARD_HOME": str(tmp_path), "JUPYTER_PATH": "/mine"}
    done = subprocess.run(
        ["bash", "-c", script, "start", sys.executable, "-c", SHOW],
        cwd=paths.CHECKOUT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    config, data, docker, foreign = json.loads(done.stdout)
    assert (data, foreign) == (str(tmp_path / "jupyter" / "data"), None)
    assert docker.startswith(str(tmp_path))
    with open(f"{config}/jupyter_server_config.json") as file:
        found = json.load(file)
    copy = tmp_path / "my-course"
    assert found["ServerApp"]["root_dir"] == str(copy)
    assert found["LabApp"]["default_url"] == f"/lab/tree/{course_folder.START}"
    assert (copy / course_folder.START).exists()


def test_a_folder_that_cannot_be_written_is_an_error_of_three_lines(tmp_path):
    (tmp_path / "my-course").write_text("not a folder")
    done = subprocess.run(
        [sys.executable, "-m", "dockyard.jupyter"],
        cwd=paths.CHECKOUT, env={**os.environ, "DOCKYARD_HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 3
    assert "cannot be written" in done.stderr


KERNEL = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel()
client.execute_interactive(
    "import os, sys; print('debugpy' in sys.modules, '_pydevd_bundle' in sys.modules, os.getcwd());"
    "import debugpy, docker; print(docker.__file__)"
)
info = client.kernel_info(reply=True)["content"]
print(info.get("supported_features"), manager.kernel_spec.metadata, manager.kernel_spec.argv[0])
print(manager.kernel_spec.display_name, sorted(os.listdir(manager.kernel_spec.resource_dir)))
manager.shutdown_kernel(now=True)
"""


def test_kernels_leave_out_the_debugger_and_run_where_the_page_is(tmp_path):
    (tmp_path / "page").mkdir()
    # A file of the learner's with the name of a module that the kernel itself needs.
    (tmp_path / "page" / "zmq.py").write_text("raise SystemExit('not yours')")
    script = f'settings=$({sys.executable} -m dockyard.jupyter) && eval "$settings" && exec "$@"'
    done = subprocess.run(
        ["bash", "-c", script, "start", sys.executable, "-P", "-c", f"import os\n{KERNEL}"],
        cwd=tmp_path / "page", env={**os.environ, "DOCKYARD_HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded, module, facts, shown = done.stdout.splitlines()
    assert loaded == f"False False {tmp_path / 'page'}"
    assert "site-packages" in module
    features, _, kernel = facts.partition("] ")
    assert "debugger" not in features
    assert kernel == f"{{'debugger': False}} {sys.executable}"
    assert shown.startswith("Python 3 (ipykernel) ['kernel.json', 'logo-")
