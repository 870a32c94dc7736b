"""What the images promise, on a real engine."""

import io
import re
import subprocess
import tarfile
import zipfile

import pytest
import requests

from dockyard.core import wait
from dockyard.engine import engine_root
from dockyard.registry.api import MANIFESTS
from tests.registry.containers import (
    PATIENCE,
    PREFIX,
    need,
    once,
    port_of,
    put_file,
    reachable,
    run,
)

pytestmark = pytest.mark.engine


def test_busybox_has_its_commands(engine, filled):
    need(engine, filled, "busybox")
    assert once(engine, "busybox", "sh", "-c", "echo $0 && id -un && wget --help 2>&1 | head -1")
    names = once(engine, "busybox", "ls", "/bin").split()
    assert names == sorted(once(engine, "busybox", "busybox", "--list").split(), key=str.encode)
    run_default = engine.images.get("busybox:latest").attrs["Config"]["Cmd"]
    assert run_default == ["sh"]


def test_hello_world_says_hello(engine, filled):
    need(engine, filled, "hello-world")
    assert "Hello from Docker!" in once(engine, "hello-world")


def test_nginx_serves_its_pages_and_logs_to_the_containers_output(engine, filled):
    need(engine, filled, "nginx")
    web = engine.containers.run(
        "nginx:latest", name=f"{PREFIX}nginx", detach=True, ports={"80/tcp": ("127.0.0.1", 0)}
    )
    address = f"http://127.0.0.1:{port_of(web, '80/tcp')}/"
    assert "Welcome to nginx!" in reachable(address).text
    put_file(web, "/usr/share/nginx/html/own.html", b"mine\n")
    assert reachable(f"{address}own.html").text == "mine\n"
    wait.until(
        "the request in the log", lambda: '"GET /own.html HTTP/1.1" 200' in web.logs().decode(), 5
    )
    put_file(web, "/etc/nginx/conf.d/default.conf", b'server { listen 80; return 200 "conf\n"; }')
    run(web, "nginx", "-s", "reload")
    wait.until("the other server", lambda: reachable(address).text == "conf\n", 20)
    assert run(web, "stat", "-c", "%U", "/proc/1").strip() == "root"
    run(web, "id", "nginx")
    web.stop(timeout=20)
    assert web.wait()["StatusCode"] == 0, "it ends by itself when asked"
    web.remove(force=True)


def test_postgres_keeps_its_data_and_serves_other_containers(engine, filled):
    need(engine, filled, "postgres:17")
    net = engine.networks.create(f"{PREFIX}postgres")
    volume = engine.volumes.create(f"{PREFIX}postgres")
    mounted = {volume.name: {"bind": "/var/lib/postgresql/data", "mode": "rw"}}
    settings = {
        "POSTGRES_PASSWORD_FILE": "/secret",
        "POSTGRES_USER": "learner",
        "POSTGRES_DB": "guestbook",
    }

    def query(sql):
        return once(
            engine, "postgres:17", "psql", "-h", "db", "-U", "learner", "-d", "guestbook", "-tAc",
            sql, network=net.name, environment={"PGPASSWORD": "sesame"},
        ).strip()  # fmt: skip

    for begun in (False, True):
        store = engine.containers.create(
            "postgres:17",
            name=f"{PREFIX}postgres",
            network=net.name,
            volumes=mounted,
            environment=settings,
        )
        net.disconnect(store)
        net.connect(store, aliases=["db"])
        put_file(store, "/secret", b"sesame\n")
        put_file(store, "/docker-entrypoint-initdb.d/1.sql", b"create table entries (name text);")
        put_file(
            store,
            "/docker-entrypoint-initdb.d/2.sh",
            b"psql -U $POSTGRES_USER -d $POSTGRES_DB -c \"insert into entries values ('sh')\"\n",
        )
        store.start()
        wait.until(
            "postgres to answer",
            lambda one=store: one.exec_run(["pg_isready", "-h", "127.0.0.1"]).exit_code == 0,
            60,
        )
        if not begun:
            query("insert into entries values ('kept')")
        assert query("select name from entries order by name") == "kept\nsh"
        assert run(store, "stat", "-c", "%U %u", "/proc/1").strip() == "postgres 999"
        assert ("Skipping initialization" in store.logs().decode()) is begun
        store.stop(timeout=30)
        assert store.wait()["StatusCode"] == 0, "it ends by itself when asked"
        store.remove(force=True)


def test_postgres_without_a_password_says_what_is_missing(engine, filled):
    need(engine, filled, "postgres:17")
    one = engine.containers.run("postgres:17", name=f"{PREFIX}open", detach=True)
    assert one.wait()["StatusCode"] == 1
    assert "POSTGRES_PASSWORD" in one.logs().decode()
    one.remove(force=True, v=True)


def test_the_two_debians_differ(engine, filled):
    need(engine, filled, "debian:bookworm-slim", "debian:trixie-slim")
    versions = [
        once(engine, f"debian:{tag}", "cat", "/etc/debian_version").partition(".")[0]
        for tag in ("bookworm-slim", "trixie-slim")
    ]
    assert versions == ["12", "13"]


def test_a_dockerfile_for_hubs_httpd_works(engine, filled):
    need(engine, filled, "httpd:2.4")
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, text in (
            ("Dockerfile", "FROM httpd:2.4\nCOPY page.html /usr/local/apache2/htdocs/\n"),
            ("page.html", "built on httpd\n"),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    context.seek(0)
    engine.images.build(fileobj=context, custom_context=True, tag=f"{PREFIX}web", rm=True)
    try:
        web = engine.containers.run(
            f"{PREFIX}web", name=f"{PREFIX}web", detach=True, ports={"80/tcp": ("127.0.0.1", 0)}
        )
        address = f"http://127.0.0.1:{port_of(web, '80/tcp')}/page.html"
        assert reachable(address).text == "built on httpd\n"
        wait.until(
            "the request in the log",
            lambda: '"GET /page.html HTTP/1.1" 200' in web.logs().decode(),
            5,
        )
        assert run(web, "httpd", "-t").strip() == "Syntax OK"
        assert re.match(r"learner:\$2y\$05\$", run(web, "htpasswd", "-Bbn", "learner", "sesame"))
        web.stop(timeout=5)
        assert web.wait()["StatusCode"] == 0, "it ends by itself when asked"
        web.remove(force=True)
    finally:
        engine.images.remove(f"{PREFIX}web", force=True)


def test_redis_keeps_its_data_and_serves_other_containers(engine, filled):
    need(engine, filled, "redis:8")
    net = engine.networks.create(f"{PREFIX}redis")
    volume = engine.volumes.create(f"{PREFIX}redis")
    mounted = {volume.name: {"bind": "/data", "mode": "rw"}}

    def client(*words):
        return once(engine, "redis:8", "redis-cli", "-h", "store", *words, network=net.name).strip()

    for expected in ("", "kept"):
        store = engine.containers.run(
            "redis:8",
            ["redis-server", "--appendonly", "yes"],
            name=f"{PREFIX}redis",
            detach=True,
            network=net.name,
            volumes=mounted,
        )
        net.disconnect(store)
        net.connect(store, aliases=["store"])
        wait.until("redis to answer", lambda one=store: pongs(one), 20)
        assert client("get", "note") == expected
        assert client("set", "note", "kept") == "OK"
        assert "redis" in run(store, "stat", "-c", "%U", "/proc/1")
        store.remove(force=True)


def pongs(one):
    return one.exec_run(["redis-cli", "ping"]).output == b"PONG\n"


def test_python_runs_and_installs(engine, filled):
    need(engine, filled, "python:3.13-slim")
    snake = engine.containers.run(
        "python:3.13-slim", ["sleep", "300"], name=f"{PREFIX}python", detach=True, init=True
    )
    assert run(snake, "python", "--version").startswith("Python 3.13.")
    assert run(snake, "python3", "--version").startswith("Python 3.13.")
    put_file(snake, "/tmp/tool-1.0-py3-none-any.whl", wheel())
    run(snake, "pip", "install", "--no-index", "/tmp/tool-1.0-py3-none-any.whl")
    assert run(snake, "python", "-c", "import tool; print(tool.NAME)").strip() == "a tool"
    run(snake, "python", "-m", "venv", "/tmp/venv")
    snake.remove(force=True)


def wheel():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("tool.py", "NAME = 'a tool'\n")
        info = "tool-1.0.dist-info"
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return packed.getvalue()


@pytest.fixture
def guarded(engine, filled, tmp_path):
    """A registry of one's own with TLS and a password, as the Docker documentation sets it up."""
    need(engine, filled, "registry:2", "httpd:2.4", "busybox")
    key, certificate = tmp_path / "domain.key", tmp_path / "domain.crt"
    subprocess.run(
        [
            "openssl", "req", "-newkey", "rsa:2048", "-nodes", "-x509", "-days", "2",
            "-subj", "/CN=harbour", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
            "-keyout", key, "-out", certificate,
        ],
        capture_output=True,
        check=True,
    )  # fmt: skip
    users = once(engine, "httpd:2.4", "htpasswd", "-Bbn", "learner", "sesame").encode()
    harbour = engine.containers.create(
        "registry:2",
        name=f"{PREFIX}harbour",
        ports={"5000/tcp": ("127.0.0.1", 0)},
        environment={
            "REGISTRY_AUTH": "htpasswd",
            "REGISTRY_AUTH_HTPASSWD_REALM": "harbour",
            "REGISTRY_AUTH_HTPASSWD_PATH": "/htpasswd",
            "REGISTRY_HTTP_TLS_CERTIFICATE": "/domain.crt",
            "REGISTRY_HTTP_TLS_KEY": "/domain.key",
        },
    )
    put_file(harbour, "/htpasswd", users)
    put_file(harbour, "/domain.crt", certificate.read_bytes())
    put_file(harbour, "/domain.key", key.read_bytes())
    harbour.start()
    address = f"127.0.0.1:{port_of(harbour, '5000/tcp')}"
    # Distribution reads credentials at the first request and answers 401 from then on.
    reachable(f"https://{address}/v2/", verify=str(certificate))
    yield address, certificate
    harbour.remove(force=True, v=True)


def test_a_registry_with_tls_and_a_password_refuses_strangers(guarded, filled, tmp_path):
    address, certificate = guarded
    url = f"https://{address}/v2/"
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(url, timeout=PATIENCE)
    assert requests.get(url, verify=str(certificate), timeout=PATIENCE).status_code == 401
    uploads = f"{url}library/busybox/blobs/uploads/"
    assert requests.post(uploads, verify=str(certificate), timeout=PATIENCE).status_code == 401
    known = {"verify": str(certificate), "auth": ("learner", "sesame"), "timeout": PATIENCE}
    assert requests.get(url, **known).status_code == 200

    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "ca.crt").write_bytes(certificate.read_bytes())

    def push(*options):
        words = [engine_root.program("skopeo"), "copy", "--src-tls-verify=false", *options]
        source = f"docker://{filled.address}/library/busybox:latest"
        target = f"docker://{address}/tools/box:1"
        trusted = [f"--dest-cert-dir={tmp_path / 'ca'}"]
        return subprocess.run(
            [*words, *trusted, source, target], capture_output=True, text=True, check=False
        )

    for credentials in ("--dest-no-creds", "--dest-creds=learner:wrong"):
        refused = push(credentials)
        assert refused.returncode != 0
        assert "authentication required" in refused.stderr
    accepted = push("--dest-creds=learner:sesame")
    assert accepted.returncode == 0, accepted.stderr
    tags = requests.get(f"{url}tools/box/tags/list", **known).json()
    assert tags == {"name": "tools/box", "tags": ["1"]}
    kinds = {"Accept": ", ".join(MANIFESTS)}
    manifest = requests.get(f"{url}tools/box/manifests/1", headers=kinds, **known)
    gone = requests.delete(
        f"{url}tools/box/manifests/{manifest.headers['Docker-Content-Digest']}", **known
    )
    assert gone.status_code == 405, "deleting is off, as in the official image"
