"""The values for Zero to JupyterHub, without a cluster: what the real chart makes of them.

The chart is fetched from its repository, or taken from the folder in ``$Z2JH_CHART``, such as
``jupyterhub/`` in a clone of zero-to-jupyterhub-k8s. Helm, the schemas of Kubernetes and
KubeSpawner are Python packages, installed into a folder of the test's own.
"""

import base64
import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dockyard.core import paths

CLUSTER = paths.CHECKOUT / "classroom/cluster"
VERSIONS = ("1.36", "1.37")
"""The Kubernetes versions whose schemas everything must fit; with 4.4, the chart needs 1.32."""

CHART = "4.4.0"
PACKAGES = (
    "helm-python-sdk==0.2.2", "jupyterhub==5.5.4", "jupyterhub-kubespawner==7.1.0",
    "kubernetes-validate==1.37.0",
)  # fmt: skip

VARIANTS = {
    "machine": ["values.yaml"],
    "dockerd": ["values.yaml", "values-dockerd.yaml"],
}

RENDER = """
import json, os, pathlib, sys
import jsonschema, yaml
import helm_python as helm
chart, values = os.environ.get("Z2JH_CHART"), json.load(sys.stdin)
if not chart:
    helm.pull("jupyterhub", repo_url="https://hub.jupyter.org/helm-chart/", version=sys.argv[1],
              destination=sys.argv[2], untar=True)
    chart = sys.argv[2] + "/jupyterhub"
schema = pathlib.Path(chart, "values.schema.yaml")
with helm.Chart.load(chart) as found:
    found.validate_schema(values)
    if schema.exists():  # a chart that was not packaged yet
        jsonschema.validate(found.merge_values(values), yaml.safe_load(schema.read_text()))
    text = found.render(values, name="dockyard", namespace="dockyard")
json.dump({"chart": chart, "text": text}, sys.stdout)
"""

VALIDATE = """
import json, sys, kubernetes_validate as k
faults = []
for document in json.load(sys.stdin):
    for version in sys.argv[1:]:
        try:
            k.validate(document, version, strict=True)
        except Exception as error:
            name = (document["kind"], document["metadata"]["name"], version)
            faults.append(f"{name}: {getattr(error, 'message', error)}")
print(json.dumps(faults))
"""


POD = r"""
import asyncio
import json
import os
import sys
from types import SimpleNamespace

import yaml
from jupyterhub.objects import Hub, Server
from kubespawner import KubeSpawner
from tornado.httpclient import AsyncHTTPClient
from traitlets.config import Config


def load(config_file: str, values_file: str) -> Config:
    # Names are those of the chart's ConfigMap.
    sys.path.insert(0, os.path.dirname(config_file))
    import z2jh

    with open(values_file) as file:
        values = yaml.safe_load(file)
    z2jh._load_config = lambda: values
    z2jh._get_config_value = lambda key: key
    z2jh.get_secret_value = lambda key, default="": "secret"
    for name in ("HUB", "PROXY_API", "PROXY_PUBLIC", "PROXY_HTTP"):
        os.environ[f"{name}_SERVICE_PORT"] = "8081"
        os.environ[f"{name}_SERVICE_HOST"] = "10.0.0.1"
    # The hub's image has curl; nothing is asked here.
    AsyncHTTPClient.configure = lambda *_: None
    config = Config()
    with open(config_file) as file:
        code = compile(file.read(), config_file, "exec")
    exec(code, {"get_config": lambda: config, "__file__": config_file, "__name__": "config"})
    return config


async def main() -> None:
    config = load(sys.argv[1], sys.argv[2])
    user = SimpleNamespace(
        name="ada", id=1, url="/user/ada/", server=None, settings={}, escaped_name="ada",
        admin=False, groups=[],
    )  # fmt: skip
    hub = Hub(public_host="", base_url="/hub/")
    config.KubeSpawner.setdefault("namespace", "dockyard")
    spawner = KubeSpawner(config=config, user=user, hub=hub, _mock=True)
    spawner.server = Server()
    spawner.api_token = "secret"
    pod = await spawner.get_pod_manifest()
    from kubernetes_asyncio.client import ApiClient

    async with ApiClient() as client:
        found = client.sanitize_for_serialization(pod)
    # The config prints what it loads.
    print("\n" + json.dumps(found))


asyncio.run(main())
"""
"""Prints the pod that KubeSpawner makes for a student, as the chart's hub is configured: its
arguments are the chart's jupyterhub_config.py and the values that the hub's Secret holds."""


def values(variant):
    """The values of a variant, merged as Helm merges files: tables by key, lists as a whole."""
    merged = {}
    for name in VARIANTS[variant]:
        merge(merged, yaml.safe_load((CLUSTER / name).read_text()))
    return merged


def merge(into, new):
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)


def documents(name):
    return [each for each in yaml.safe_load_all((CLUSTER / name).read_text()) if each]


def pods(manifests):
    """The pods of manifests, by name: their own and those of templates."""
    for each in manifests:
        spec = each.get("spec", {})
        if each["kind"] == "Pod":
            yield each["metadata"]["name"], spec
        elif "template" in spec:
            yield f"{each['kind']} {each['metadata']['name']}", spec["template"]["spec"]


def breaches(pod):
    """What Pod Security's level "restricted" would refuse in a pod (Kubernetes 1.36)."""
    found = []
    common = pod.get("securityContext") or {}
    found += [key for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)]
    allowed = {"name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral",
               "persistentVolumeClaim", "projected", "secret"}  # fmt: skip
    for volume in pod.get("volumes") or []:
        found += [f"volume {kind}" for kind in set(volume) - allowed]
    if common.get("sysctls") or common.get("runAsUser") == 0:
        found.append("sysctls or root")
    for each in [*(pod.get("initContainers") or []), *pod["containers"]]:
        own, name = each.get("securityContext") or {}, each["name"]

        def of(key, own=own):
            return own.get(key, common.get(key))

        capabilities = own.get("capabilities") or {}
        rules = {
            "privileged": not own.get("privileged"),
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "runAsNonRoot": of("runAsNonRoot") is True,
            "runAsUser": own.get("runAsUser") != 0,
            "drop": "ALL" in (capabilities.get("drop") or []),
            "add": set(capabilities.get("add") or []) <= {"NET_BIND_SERVICE"},
            "seccompProfile": (of("seccompProfile") or {}).get("type")
            in ("RuntimeDefault", "Localhost"),
            "procMount": own.get("procMount", "Default") == "Default",
            "appArmorProfile": (of("appArmorProfile") or {}).get("type") != "Unconfined",
            "hostPort": not any(port.get("hostPort") for port in each.get("ports") or []),
        }
        found += [f"{name}: {rule}" for rule, kept in rules.items() if not kept]
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_variant_asks_for_a_privileged_container_or_a_part_of_the_node(variant):
    singleuser = values(variant)["singleuser"]
    assert singleuser["cloudMetadata"]["blockWithIptables"] is False
    assert singleuser["networkPolicy"]["egressAllowRules"]["cloudMetadataServer"] is False
    assert singleuser["networkPolicy"]["egressAllowRules"]["privateIPs"] is False
    text = json.dumps(values(variant))
    assert "hostPath" not in text
    assert '"privileged": true' not in text


@pytest.mark.parametrize("file", ["teacher.yaml", "dockerd.yaml"])
def test_the_pods_beside_the_chart_keep_to_restricted(file):
    found = dict(pods(documents(file)))
    assert found
    assert {name: breaches(pod) for name, pod in found.items()} == {name: [] for name in found}


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of an environment with PACKAGES."""
    folder = tmp_path_factory.mktemp("cluster") / "venv"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", f"--python={sys.executable}", folder], check=True)
    install = [*uv, "pip", "install", "--quiet", f"--python={folder / 'bin/python'}", *PACKAGES]
    subprocess.run(install, check=True)
    return folder / "bin/python"


@pytest.fixture(scope="module", params=VARIANTS)
def rendered(request, python, tmp_path_factory):
    """The variant's name, the chart's folder and its manifests."""
    folder = tmp_path_factory.mktemp(request.param)
    done = subprocess.run(
        [python, "-c", RENDER, CHART, folder], input=json.dumps(values(request.param)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "HelmRepoError" in done.stderr:
        pytest.skip("the chart cannot be fetched; $Z2JH_CHART may name its folder")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    manifests = [
        document
        for name, text in found["text"].items()
        if name.endswith(".yaml")
        for document in yaml.safe_load_all(text)
        if document
    ]
    return request.param, Path(found["chart"]), manifests


@pytest.fixture(scope="module")
def student(rendered, python, tmp_path_factory):
    """The pod that the hub would make for a student."""
    variant, chart, manifests = rendered
    (secret,) = [
        each for each in manifests
        if each["kind"] == "Secret" and "values.yaml" in each.get("data", {})
    ]  # fmt: skip
    # What teacher.yaml reads.
    assert secret["metadata"]["name"] == "hub"
    assert secret["data"]["hub.services.classroom.apiToken"]
    file = tmp_path_factory.mktemp(variant) / "values.yaml"
    file.write_bytes(base64.b64decode(secret["data"]["values.yaml"]))
    # A server that nobody asks.
    cluster = {"name": "none", "cluster": {"server": "https://127.0.0.1:9"}}
    context = {"name": "none", "context": {"cluster": "none", "user": "none"}}
    nobody = {
        "apiVersion": "v1", "kind": "Config", "current-context": "none",
        "clusters": [cluster], "contexts": [context], "users": [{"name": "none", "user": {}}],
    }  # fmt: skip
    kubeconfig = file.with_name("kubeconfig")
    kubeconfig.write_text(json.dumps(nobody))
    config = chart / "files/hub/jupyterhub_config.py"
    done = subprocess.run(
        [python, "-c", POD, config, file], capture_output=True, text=True, check=False,
        env=os.environ | {"POD_NAMESPACE": "dockyard", "KUBECONFIG": str(kubeconfig)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.classroom
@pytest.mark.slow
def test_everything_fits_the_schemas_of_two_versions_of_kubernetes(rendered, student, python):
    _, _, manifests = rendered
    every = [*manifests, student, *documents("teacher.yaml"), *documents("dockerd.yaml")]
    assert {"Deployment", "NetworkPolicy", "DaemonSet", "Pod"} <= {each["kind"] for each in every}
    done = subprocess.run(
        [python, "-c", VALIDATE, *VERSIONS], input=json.dumps(every),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.classroom
@pytest.mark.slow
def test_a_students_pod_keeps_to_restricted_unless_it_has_a_daemon_in_a_user_namespace(
    rendered, student
):
    variant, _, manifests = rendered
    spec = student["spec"]
    if variant == "machine":
        assert breaches(spec) == []
        refused = {name: found for name, pod in pods(manifests) if (found := breaches(pod))}
        assert refused == {}
    else:
        assert spec["hostUsers"] is False
        assert {each.partition(":")[0] for each in breaches(spec)} == {"dockerd"}
        notebook, daemon = spec["containers"]
        assert not daemon["securityContext"]["privileged"]
        # Only the daemon has what restricted refuses, and only the socket is shared.
        mounts = [{m["name"] for m in each["volumeMounts"]} for each in (notebook, daemon)]
        assert mounts[0] & mounts[1] == {"dockerd-run"}


@pytest.mark.classroom
@pytest.mark.slow
def test_a_students_pod_has_the_memory_and_the_folders_that_the_course_needs(rendered, student):
    variant, _, _ = rendered
    notebook, *_ = student["spec"]["containers"]
    environment = {each["name"]: each.get("value") for each in notebook["env"]}
    mounts = {each["mountPath"]: each["name"] for each in notebook["volumeMounts"]}
    assert environment["DOCKYARD_HOME"].startswith("/srv/student/")
    assert "/srv/student" in mounts
    volumes = {each["name"]: each for each in student["spec"]["volumes"]}
    if variant == "machine":
        assert volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] == "Memory"
        assert notebook["resources"]["limits"]["memory"] == 2560 * 2**20
    assert notebook["lifecycle"]["preStop"]["exec"]["command"][-2:] == ["engine", "stop"]
