"""The settings with which Jupyter serves the course, apart from the learner's own Jupyter.

Everything that Jupyter and IPython read or write for themselves is in the course's home, so that a
learner's own settings, kernels and extensions neither change nor matter.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dockyard import course
from dockyard.core import paths, whole_file
from dockyard.jupyter import python_kernel
from dockyard.learner_copy import course_folder, trust
from dockyard.notebook import terminal_magic

HERE = Path(__file__).parent

UNSET = (
    "JUPYTER_CONFIG_PATH",
    "JUPYTER_PATH",
    "JUPYTER_NO_CONFIG",
    "JUPYTERLAB_DIR",
    "PYTHONSTARTUP",
)
"""Variables that would bring in settings, kernels or extensions of the learner's own Jupyter."""


def prepare() -> dict[str, str]:
    """Write the configuration of Jupyter's server; return the variables that make it used.

    The variables in UNSET must be unset as well. Raises OSError.
    """
    folder = paths.jupyter()
    (folder / "config").mkdir(parents=True, exist_ok=True)
    settings = json.dumps(_server_config(), indent=1) + "\n"
    whole_file.write(folder / "config" / "jupyter_server_config.json", settings.encode())
    variables = {
        "JUPYTER_CONFIG_DIR": folder / "config",
        "JUPYTER_DATA_DIR": trust.folder(),
        "JUPYTER_RUNTIME_DIR": runtime(),
        "JUPYTERLAB_SETTINGS_DIR": folder / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces",
        "IPYTHONDIR": folder / "ipython",
    }
    for each in variables.values():
        each.mkdir(parents=True, exist_ok=True)
    _write_kernel(trust.folder() / "kernels" / "python3")
    # In a virtual environment, the environment's own configuration would otherwise come first.
    return {name: str(value) for name, value in variables.items()} | {
        "JUPYTER_PREFER_ENV_PATH": "0"
    }


def runtime() -> Path:
    """The folder of the kernels' sockets and connection files; others cannot enter the one above.

    It is not in the home, because the path of a socket has at most 107 bytes (unix(7)).
    """
    return paths.run_dir() / "jupyter"


def start_page() -> str:
    """The path of the first lesson's page in JupyterLab's address."""
    return f"/lab/tree/{course_folder.START}"


def _server_config() -> dict[str, Any]:
    return {
        "ServerApp": {
            "root_dir": str(paths.learner_copy()),
            "jpserver_extensions": {
                "dockyard.jupyter.course_panel": True,
                # It would look for language servers with npm, which writes to ~/.npm.
                "jupyter_lsp": False,
                "jupyter_server_proxy": True,
                "jupyterlab": True,
            },
            "terminado_settings": {"shell_command": _terminal()},
        },
        # On TCP, everybody on the computer could connect: what a kernel sends is not encrypted.
        "KernelManager": {"transport": "ipc"},
        "LabApp": {
            "app_settings_dir": str(HERE / "settings"),
            "default_url": start_page(),
            "extension_manager": "readonly",
            "extra_labextensions_path": [str(HERE / "labextensions")],
        },
    }


def _write_kernel(folder: Path) -> None:
    """Write the kernel of Python notebooks as Jupyter describes it, with ipykernel's logos.

    See "Kernel specs" in the manual of jupyter-client.
    """
    folder.mkdir(parents=True, exist_ok=True)
    specification = {
        "argv": [sys.executable, "-m", python_kernel.__name__, "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "metadata": {"debugger": False},
    }
    text = json.dumps(specification, indent=1) + "\n"
    whole_file.write(folder / "kernel.json", text.encode())
    # Found, not imported: that takes longer than all the rest.
    ipykernel = find_spec("ipykernel")
    assert ipykernel is not None
    assert ipykernel.origin is not None
    for logo in Path(ipykernel.origin).with_name("resources").glob("logo*"):
        whole_file.write(folder / logo.name, logo.read_bytes())


def _terminal() -> list[str]:
    """The command of terminals: a shell whose own start-up files cannot change its environment."""
    bash = shutil.which("bash")
    return [bash, "--noprofile", "--rcfile", str(terminal_magic.START)] if bash else ["sh"]


def whole() -> dict[str, str]:
    """This process's environment, changed for Jupyter's server, its kernels and terminals.

    ``python3`` is the Python that has the course's packages. Raises OSError.
    """
    changed = course.whole_environment() | prepare()
    folder = str(Path(sys.executable).parent)
    others = [each for each in changed["PATH"].split(os.pathsep) if each != folder]
    changed["PATH"] = os.pathsep.join([folder, *others])
    return {name: value for name, value in changed.items() if name not in UNSET}
