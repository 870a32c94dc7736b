"""No command of the course reaches a daemon that is not the course's.

The tests run in a mount namespace in which something else listens on docker's default socket, as on
a computer with a Docker of its own. It counts who asks.
"""

import os
import subprocess
import sys
import textwrap

import pytest

from dockyard.core import docker_client, paths
from dockyard.notebook import terminal_magic
from tests.support.restricted_host import needs_root

pytestmark = needs_root

LESSON = "faults-test"

DECOY = """
import os, socket, sys, threading
log = sys.argv[1]
decoy = socket.socket(socket.AF_UNIX)
decoy.bind("/run/docker.sock")
decoy.listen(64)
def count():
    while True:
        other, _ = decoy.accept()
        open(log, "a").write("asked\\n")
        other.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n[]")
        other.close()
threading.Thread(target=count, daemon=True).start()
"""


def beside_a_docker(code, *words, log, **variables):
    """Run Python code in a namespace in which a decoy listens on docker's default socket."""
    kept = {name: value for name, value in os.environ.items() if name not in docker_client.UNSET}
    kept.pop("DOCKER_CONFIG", None)
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs decoy /run && exec "$@"', "-",
         sys.executable, "-c", DECOY + textwrap.dedent(code), log, *map(str, words)],
        env=kept | variables, cwd=paths.CHECKOUT, capture_output=True, text=True, check=False,
        timeout=600,
    )  # fmt: skip


def asked(log):
    return log.read_text().count("asked") if log.exists() else 0


REWRITE = """
import subprocess, time
from dockyard import course
from dockyard.core import docker_client
commands, rewrites = int(sys.argv[2]), int(sys.argv[3])
docker_client.write_config("faults-test")
environment = os.environ | course.environment("faults-test")
ended, written = threading.Event(), []
def rewrite():
    while not ended.is_set() or len(written) < rewrites:
        docker_client.write_config("faults-test")
        written.append(1)
        time.sleep(0.01)
thread = threading.Thread(target=rewrite)
thread.start()
failed = 0
running = []
for _ in range(commands):
    command = ["docker", "ps", "--quiet", "--filter", "name=nothing-at-all"]
    running.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
    if len(running) == 4:
        failed += running.pop(0).wait() != 0
failed += sum(each.wait() != 0 for each in running)
ended.set()
thread.join()
print(failed, len(written) >= rewrites)
"""


@pytest.mark.engine
@pytest.mark.parametrize(
    ("commands", "rewrites"),
    [(100, 20), pytest.param(1000, 200, marks=pytest.mark.faults)],
)
def test_every_command_beside_rewrites_reaches_the_course(tmp_path, commands, rewrites):
    log = tmp_path / "asked"
    done = beside_a_docker(REWRITE, commands, rewrites, log=log)
    assert done.stdout.split() == ["0", "True"], done.stderr
    assert asked(log) == 0


@pytest.fixture
def client(monkeypatch):
    """A docker client: the course's engine has one, and so has a computer with Docker."""
    if not docker_client.find():
        pytest.skip("needs a docker client")
    return os.path.dirname(docker_client.find())


def test_the_decoy_is_asked_by_a_docker_without_a_configuration(tmp_path, client):
    """Otherwise the other tests would prove nothing."""
    log = tmp_path / "asked"
    code = "import subprocess; subprocess.run(['docker', 'ps'], env=os.environ, check=False)"
    path = f"{client}:{os.environ['PATH']}"
    beside_a_docker(code, log=log, PATH=path, HOME=str(tmp_path))
    assert asked(log) > 0


CELL = """
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "dockyard")
from dockyard.core import paths
config = Path(os.environ["DOCKER_CONFIG"], "config.json")
assert str(config).startswith(str(paths.home()))
damage = sys.argv[2]
if damage == "gone":
    import shutil
    shutil.rmtree(config.parents[1])
elif damage == "cut":
    config.write_bytes(config.read_bytes()[:20])
elif damage == "empty":
    config.write_bytes(b"")
shell.system("docker ps")
"""


@pytest.mark.parametrize("damage", ["none", "gone", "cut", "empty"])
def test_a_cell_without_a_front_door_fails(tmp_path, client, damage):
    log = tmp_path / "asked"
    done = beside_a_docker(
        CELL, damage, log=log, PATH=f"{client}:{os.environ['PATH']}", HOME=str(tmp_path),
        DOCKYARD_HOME=str(tmp_path / "home"), IPYTHONDIR=str(tmp_path),
    )  # fmt: skip
    assert "[exit code 1]" in done.stdout, done.stderr
    assert asked(log) == 0
    said = done.stdout + done.stderr
    assert "docker.sock" in said
    assert "dockyard-" in said, "it is the course's own socket"


SHELL = """
import subprocess
subprocess.run(["bash", "--noprofile", "--rcfile", sys.argv[2], "-i"], check=False, text=True,
               input="docker ps\\necho code $?\\nexit\\n")
"""


@pytest.mark.parametrize("damage", ["none", "gone", "empty"])
def test_a_terminal_without_a_front_door_fails_with_the_next_command(tmp_path, client, damage):
    log = tmp_path / "asked"
    home = tmp_path / "home"
    config = home / "docker" / "course"
    if damage != "gone":
        config.mkdir(parents=True)
        (config / "config.json").touch()
    variables = {
        "PATH": f"{client}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "DOCKYARD_HOME": str(home),
        "DOCKER_CONFIG": str(config),
    }
    if damage == "none":
        done = beside_a_docker(
            "from dockyard.core import docker_client; docker_client.write_config()",
            log=log, **variables,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    done = beside_a_docker(SHELL, terminal_magic.START, log=log, **variables)
    assert "code 1" in done.stdout, done.stderr
    assert "python3 -m dockyard engine start" in done.stderr
    assert asked(log) == 0


def test_engine_env_without_a_running_course_sets_nothing(tmp_path, client):
    """What a shell evaluates is empty then, and the command says what to type."""
    log = tmp_path / "asked"
    code = """
    import subprocess
    done = subprocess.run([sys.executable, "-m", "dockyard", "engine", "env"], check=False,
                          capture_output=True, text=True)
    print(done.returncode, repr(done.stdout), done.stderr)
    """
    done = beside_a_docker(code, log=log, DOCKYARD_HOME=str(tmp_path / "home"))
    assert done.stdout.startswith("1 ''")
    assert "python3 -m dockyard engine start" in done.stdout
    assert asked(log) == 0
