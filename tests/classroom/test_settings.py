"""Other settings of a hub: accounts of the server, OAuth, those for The Littlest JupyterHub."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from dockyard.core import ports, wait
from dockyard.engine.vm import artifacts
from tests.classroom.hub import PATIENCE, PREFIX, Student, open_hub, skip_without_needs
from tests.support.restricted_host import needs_root

pytestmark = [needs_root, pytest.mark.engine, pytest.mark.slow, pytest.mark.classroom]


@contextmanager
def hub_with(settings):
    """A hub whose settings come from a function of the hub."""
    skip_without_needs()
    with open_hub("embedded", settings) as hub:
        yield hub


PAM = """
c.JupyterHub.authenticator_class = "pam"
c.RoomSpawner.account_prefix = ""
c.RoomSpawner.disk = 0
"""


@contextmanager
def account(name: str, password: str) -> Iterator[str]:
    """A person's account on this computer."""
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", name], check=True)
    try:
        subprocess.run(["chpasswd"], input=f"{name}:{password}\n", text=True, check=True)
        yield name
    finally:
        subprocess.run(["userdel", "--remove", name], check=False, capture_output=True)


def test_accounts_of_the_server_are_used_as_they_are():
    # Students' names at schools have dots; the user has no prefix but the one of tests.
    name = f"{PREFIX}ada.l"
    with hub_with(lambda hub: PAM) as hub, account(name, "right-password"):
        student = Student(hub, name, account=name)
        subprocess.run(["chmod", "711", student.user.pw_dir], check=True)
        student.password = "wrong-password"
        assert "Invalid username or password" in student.log_in().text
        student.password = "right-password"
        student.log_in()
        student.open_server()
        student.wait_for_answer()
        assert student.shell("whoami; pwd; stat --format %a ~").split() == [
            *(name, f"{student.user.pw_dir}/dockyard/my-course", "711")
        ]
        student.stop_server()


PROVIDER = """
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.command = ["{folder}/venv/bin/configurable-http-proxy"]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.DummyAuthenticator.password = "school"
c.JupyterHub.services = [{{
    "name": "course", "oauth_client_id": "service-course", "api_token": "{secret}",
    "oauth_redirect_uri": "{hub}/hub/oauth_callback", "oauth_no_confirm": True,
}}]
c.JupyterHub.load_roles = [{{"name": "user", "scopes": ["self", "access:services"]}}]
"""
OAUTH = """
c.JupyterHub.authenticator_class = "generic-oauth"
c.OAuthenticator.client_id = "service-course"
c.OAuthenticator.client_secret = "{secret}"
c.OAuthenticator.oauth_callback_url = "{hub}/hub/oauth_callback"
c.OAuthenticator.authorize_url = "{school}/hub/api/oauth2/authorize"
c.OAuthenticator.token_url = "{school}/hub/api/oauth2/token"
c.OAuthenticator.userdata_url = "{school}/hub/api/user"
c.OAuthenticator.username_claim = "name"
c.Authenticator.allow_all = False
c.Authenticator.allowed_users = {{"ada"}}
"""
SECRET = "5" * 64
"""Shared by provider and hub, as such a secret is."""


@contextmanager
def provider(hub, port):
    """Another JupyterHub, which is a provider of OAuth 2 for those who know its password."""
    folder = hub.folder / "school"
    folder.mkdir()
    config = folder / "config.py"
    config.write_text(PROVIDER.format(
        port=port, hub_port=ports.choose(), api_port=ports.choose(), folder=hub.folder,
        secret=SECRET, hub=hub.url,
    ))  # fmt: skip
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(
            [hub.folder / "venv/bin/python", "-m", "jupyterhub", f"--config={config}"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait.until(
            "the provider",
            lambda: "JupyterHub is now running" in (folder / "log").read_text(),
            timeout=PATIENCE,
            log=folder / "log",
        )
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait()


def at_the_school(student, school, name):
    """Log in at the provider, whose page the hub leads to; return the page that comes next."""
    page = student.session.get(f"{student.hub.url}/hub/oauth_login", timeout=PATIENCE)
    assert page.url.startswith(f"{school}/hub/login"), page.url
    token = re.search(r'name="_xsrf" value="([^"]+)"', page.text)[1]
    fields = {"username": name, "password": "school", "_xsrf": token}
    return student.session.post(page.url, data=fields, timeout=PATIENCE)


def test_a_provider_of_oauth_says_who_a_student_is():
    port = ports.choose()
    school = f"http://127.0.0.1:{port}"
    with (
        hub_with(lambda hub: OAUTH.format(school=school, hub=hub.url, secret=SECRET)) as hub,
        provider(hub, port),
    ):
        stranger = Student(hub, "mallory")
        refused = at_the_school(stranger, school, "mallory")
        assert refused.status_code == 403, refused.url
        student = Student(hub, "ada")
        assert at_the_school(student, school, "ada").ok
        student.open_server()
        student.wait_for_answer()
        assert student.shell("whoami").strip() == f"{PREFIX}ada"
        student.stop_server()


TLJH = """
c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
load_subconfig("{course}/classroom/tljh_config.py")
c.Spawner.environment = dict(c.Spawner.environment, DOCKYARD_STORE="{store}")
"""
"""The littlest one's spawner has systemd start what this one starts itself."""


def test_the_littlest_jupyterhub_starts_an_engine_and_a_server_with_the_courses_settings():
    artifacts.prepare(print)
    name = f"{PREFIX}tl"
    with (
        account(name, "anything") as user,
        hub_with(lambda hub: TLJH.format(course=hub.course, store=hub.store)) as hub,
    ):
        student = Student(hub, name, account=user)
        student.sign_up()
        student.open_server()
        try:
            student.wait_for_answer()
            assert "machine" in student.shell("python3 -m dockyard engine status")
            facts = student.python(
                "import os, sys; print('debugpy' in sys.modules, os.environ['DOCKYARD_STORE'])"
            )
            assert facts.split() == ["False", str(hub.store)]
            assert "Ready" in student.python("%load_ext dockyard\n%lesson 00-start-here")
            assert "stopped" in student.shell("python3 -m dockyard engine stop")
            student.stop_server()
        finally:
            # With systemd this is what the end of the unit does.
            for process in student.processes():
                with suppress(psutil.Error):
                    process.kill()
