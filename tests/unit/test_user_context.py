"""An existing cluster: the user's kubeconfig is only read, and the cluster is left as it was."""

from __future__ import annotations

import json
import os
import signal
import stat
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from acceptance.checks.finding import Untested
from acceptance.client.signing_in import sign_up
from acceptance.core.target import Target, load
from acceptance.core.wait import WaitError
from acceptance.experiments import faults
from acceptance.provision import gateway, lifecycle, user_context
from acceptance.provision import run as runs
from acceptance.provision.cluster import Cluster
from acceptance.provision.gateway import Gateway
from acceptance.provision.node import Node
from acceptance.provision.providers import CAPABILITIES, provider_of
from acceptance.provision.providers.existing import ExistingProvider
from acceptance.provision.provisioner import Provisioner, environment
from acceptance.provision.run import LABEL, Context, OwnCluster
from acceptance.provision.tool_pod import namespace_objects
from acceptance.traffic import sampler
from tests.unit.user_cluster import KUBECONFIG, NODE, Machine, context, machine_of_kind_cluster, nodes, run_on
from toolchain.console import ToolchainError

OTHER = "d1ce" * 16
TAGS = "REF TYPE DIGEST SIZE PLATFORMS LABELS\n"
REASON = "context kind-mine is an existing cluster and no kind cluster on this engine: name a registry"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "of-the-user"))
    return machine_of_kind_cluster(tmp_path)


@pytest.fixture
def target() -> Target:
    return load()


# ------------------------------------------------------------------------- the kubeconfig


def test_kubeconfig_is_only_viewed(machine: Machine) -> None:
    hidden: list[str] = []
    found = user_context.read_context(machine.toolchain, "kind-mine", hidden.append)
    assert (found.name, found.kubeconfig, found.nodes, found.missing_rights) == ("kind-mine", KUBECONFIG, (NODE,), "")
    assert hidden == ["tok-12345678", "S0VZIEtFWQ=="]
    view, *others = machine.commands("kubectl")
    assert view == "kubectl config view --minify --flatten --raw --context kind-mine"
    assert others
    for command in others:
        path = command.split("--kubeconfig ")[1].split()[0]
        assert path != os.environ["KUBECONFIG"]
        assert not Path(path).exists()
    assert "tok-1" not in repr(found)


def test_unknown_context_is_reported_with_known_ones(machine: Machine) -> None:
    machine.answer("kubectl", "config view", "error: cannot locate context kind-mine\n", 1)
    machine.answer("kubectl", "config get-contexts", "kind-one\nkind-two\n")
    with pytest.raises(ToolchainError) as raised:
        user_context.read_context(machine.toolchain, "kind-mine", lambda _: None)
    assert str(raised.value) == (
        "your kubeconfig has no usable context kind-mine (cannot locate context kind-mine): "
        "name one of kind-one, kind-two"
    )


def test_unreachable_api_server_is_reported(machine: Machine) -> None:
    machine.answer("kubectl", "get nodes", "E1 noise\nThe connection to the server was refused\n", 1)
    with pytest.raises(ToolchainError) as raised:
        user_context.read_context(machine.toolchain, "kind-mine", lambda _: None)
    assert "context kind-mine did not list its nodes within 15 s (The connection to the server was refused)" in str(
        raised.value
    )
    assert "\n" not in str(raised.value)
    assert any("--request-timeout=15s" in command for command in machine.commands("kubectl"))


@pytest.mark.parametrize(
    "other",
    [
        lambda machine: machine.answer("kubectl", "get nodes", nodes(count=2)),
        lambda machine: machine.answer("docker", "label=io.x-k8s.kind.cluster=mine", ""),
        lambda machine: machine.answer("docker", "label=io.x-k8s.kind.cluster=mine", f"{NODE}\n{NODE[::-1]}"),
        lambda machine: machine.answer("docker", "cat /etc/machine-id", "another"),
    ],
    ids=["a node elsewhere", "none on this engine", "one more on this engine", "another of that name"],
)
def test_only_a_cluster_on_this_engine_has_its_nodes_here(machine: Machine, other: Callable[[Machine], None]) -> None:
    other(machine)
    found = user_context.read_context(machine.toolchain, "kind-mine", lambda _: None)
    assert found.nodes == ()


def test_other_clusters_have_no_node_here(machine: Machine) -> None:
    found = user_context.read_context(machine.toolchain, "mine", lambda _: None)
    assert found.nodes == ()
    assert machine.commands("docker") == []


# ---------------------------------------------------------------------------- the cluster


def existing_cluster(machine: Machine, home: Path, described: Context | None = None) -> Cluster:
    return Cluster(provider_of(machine.toolchain, run_on(home, described)))


def test_every_node_of_a_kind_cluster_is_found(machine: Machine) -> None:
    machine.answer("docker", "label=io.x-k8s.kind.cluster=mine", f"{NODE}\n{OTHER}\n")
    machine.answer("docker", f"exec {OTHER} cat /etc/machine-id", "b1")
    both = {"items": [*nodes()["items"], *nodes("b1")["items"]]}
    machine.answer("kubectl", "get nodes", both)
    assert user_context.read_context(machine.toolchain, "kind-mine", lambda _: None).nodes == (NODE, OTHER)


def test_api_server_that_does_not_answer_denies_no_right(machine: Machine) -> None:
    machine.answer(
        "kubectl", "can-i create pods", "Unable to connect to the server: net/http: TLS handshake timeout", 1
    )
    with pytest.raises(ToolchainError, match=r"did not say whether its user may create pods: .*TLS handshake timeout"):
        user_context.read_context(machine.toolchain, "kind-mine", lambda _: None)


def test_missing_rights_are_named(machine: Machine, tmp_path: Path) -> None:
    machine.answer("kubectl", "can-i create namespaces", "no\n", 1, stderr=False)
    machine.answer("kubectl", "can-i create pods/exec", "no\n", 1, stderr=False)
    found = user_context.read_context(machine.toolchain, "kind-mine", lambda _: None)
    assert found.missing_rights == "create namespaces"
    with pytest.raises(Untested, match="in which your user may not create namespaces"):
        existing_cluster(machine, tmp_path, found).load_image("tools:1")
    with pytest.raises(ToolchainError, match="context kind-mine lacks: create namespaces, create pods/exec; grant"):
        user_context.read_context(machine.toolchain, "kind-mine", lambda _: None, node_access=True)


def test_lacking_capability_is_untested_with_its_reason(machine: Machine, tmp_path: Path) -> None:
    found = existing_cluster(machine, tmp_path, context())
    assert found.capabilities == {"cluster"}
    with pytest.raises(Untested, match=REASON):
        found.load_image("tools:1")
    for act in (found.nodes, lambda: found.node_of({})):
        with pytest.raises(Untested, match="commands run on its nodes only with --allow-node-access"):
            act()
    with pytest.raises(Untested, match="context kind-mine is an existing cluster: no other release"):
        found.require_capability("releases")
    assert machine.commands() == []
    assert existing_cluster(machine, tmp_path, context(NODE)).capabilities == {"cluster", "image-load"}
    assert existing_cluster(machine, tmp_path).capabilities == {"cluster", "node", "image-load"}
    remote = context(registry="registry.example/team", node_access=True)
    assert existing_cluster(machine, tmp_path, remote).capabilities == {"cluster", "node", "image-load"}
    own = Cluster(provider_of(machine.toolchain, runs.Run("0badc0de", tmp_path, kept=False)))
    assert own.capabilities == frozenset(CAPABILITIES)


def test_image_is_loaded_into_the_existing_cluster(machine: Machine, tmp_path: Path) -> None:
    found = existing_cluster(machine, tmp_path)
    with pytest.raises(ToolchainError, match=f"was loaded, but node {NODE} does not list it"):
        found.load_image("tools:1-0badc0de")
    assert machine.commands("kind") == ["kind load docker-image tools:1-0badc0de --name mine"]
    asked = machine.commands("docker")
    assert asked
    assert all(command.startswith(f"docker exec {NODE} ctr") for command in asked)


def test_image_is_pushed_to_the_registry(machine: Machine, tmp_path: Path) -> None:
    found = existing_cluster(machine, tmp_path, context(registry="registry.example/team"))
    found.load_image("registry.example/team/tools:1-0badc0de")
    assert machine.commands() == ["docker push --quiet registry.example/team/tools:1-0badc0de"]
    machine.answer("docker", "push", "denied: requested access to the resource is denied\n", 1)
    with pytest.raises(ToolchainError, match=r"registry registry.example/team refuses .*denied\): log in with"):
        found.load_image("registry.example/team/tools:1-0badc0de")


def test_pods_of_the_suite_pull_with_the_users_credentials(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text('{"auths": {"registry.example": {"auth": "bWU6c2VjcmV0LXdvcmQ="}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    found = existing_cluster(machine, tmp_path, context(registry="registry.example/team", node_access=True))
    namespace, secret, account = namespace_objects(found)
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "privileged"}
    credentials = json.loads(b64decode(secret["data"][".dockerconfigjson"]))
    assert credentials == {"auths": {"registry.example": {"username": "me", "password": "secret-word"}}}
    assert account["imagePullSecrets"] == [{"name": secret["metadata"]["name"]}]
    assert len(namespace_objects(existing_cluster(machine, tmp_path, context(registry="other.example/team")))) == 1
    assert len(namespace_objects(existing_cluster(machine, tmp_path, context(NODE)))) == 1


def test_content_is_compared_across_image_names() -> None:
    """The same content under the name of another run's."""
    mine = sampler.short_name("acceptance-tools:1a2b-0badc0de")
    assert mine == sampler.short_name("docker.io/library/acceptance-tools:1a2b-ffffffff")
    assert mine != sampler.short_name("docker.io/library/acceptance-tools:3c4d-0badc0de")


def test_gateway_of_an_existing_cluster_takes_no_host_port(machine: Machine, tmp_path: Path) -> None:
    machine.answer("kubectl", "get service gateway", {"spec": {"ports": [{"port": 1080, "nodePort": 30123}]}})
    found = existing_cluster(machine, tmp_path)
    assert "hostPort" not in str(gateway.pod(found, "tools:1"))
    assert gateway.node_port_addresses(found) == [("172.18.0.9", 30123)]
    assert gateway.node_port(found)["spec"]["selector"].items() <= gateway.pod(found, "t")["metadata"]["labels"].items()


def test_gateway_of_the_runs_cluster_is_on_its_first_node(machine: Machine, tmp_path: Path) -> None:
    own = Cluster(
        provider_of(machine.toolchain, runs.Run("0badc0de", tmp_path, kept=False, own_cluster=OwnCluster(nodes=3)))
    )
    pod = gateway.pod(own, "tools:1")
    assert "'hostPort': 1080" in str(pod)
    assert pod["spec"]["nodeName"] == "pytest-todo-0badc0de-control-plane"


def test_gateway_proxy_url(target: Target) -> None:
    assert Gateway(target, "172.18.0.9", 30123).proxy == "socks5h://172.18.0.9:30123"


# -------------------------------------------------------------------------- the provision


def test_existing_cluster_gets_nothing_unasked(machine: Machine, tmp_path: Path, target: Target) -> None:
    made = Provisioner(machine.toolchain, run_on(tmp_path, context()), target, lambda _: None)
    made.prepare({"release", "ready_release", "images", "database", "model", "gateway"})
    assert made.cluster().context == "kind-mine"
    for what, ask in (
        ("database", made.database),
        ("model", made.model),
        ("images", made.images),
    ):
        reason = f"the run creates no {what}: the release in context kind-mine is not its own"
        with pytest.raises(Untested, match=reason):
            ask()
    with pytest.raises(Untested, match="metrics-server is not installed in it"):
        made.metrics()
    with pytest.raises(Untested, match=REASON):
        made.gateway()
    made.close()
    assert machine.commands() == []


def test_helm_keeps_every_revision_of_the_user(machine: Machine, tmp_path: Path) -> None:
    run = run_on(tmp_path)
    assert environment(machine.toolchain, run)["HELM_MAX_HISTORY"] == "0"
    assert environment(machine.toolchain, run)["KUBECONFIG"] == str(run.kubeconfig)
    own = runs.Run("0badc0de", run.folder, kept=False)
    assert "HELM_MAX_HISTORY" not in environment(machine.toolchain, own)


# -------------------------------------------------------------------------- what is undone


def index(*names: str) -> dict[str, object]:
    """The index of an archive that was imported."""
    return {"manifests": [{"annotations": {"io.containerd.image.name": name}} for name in names]}


@pytest.fixture
def user() -> Context:
    return context(NODE, node_access=True)


def deleted(run: runs.Run) -> str:
    return (
        f"kubectl --kubeconfig {run.kubeconfig} --context kind-mine delete namespace "
        f"--selector {LABEL}={run.id} --timeout 60s --request-timeout=60s"
    )


def test_run_removes_only_its_namespace_and_images(machine: Machine, user: Context) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=False, context=user) as run:
        assert run.kubeconfig.read_text() == KUBECONFIG
        assert stat.S_IMODE(run.kubeconfig.stat().st_mode) == 0o600
        record = runs.read_record(run.folder)
        assert record["kept"] is False
        assert "tok-" not in str(record)
        assert runs.recorded_context(run.folder) == replace(user, kubeconfig="")
        mine = f"docker.io/library/acceptance-tools:abc-{run.id}"
        images = (
            f"{mine} oci sha256:1 9MB linux/amd64 -\n"
            "sha256:2 oci sha256:1 9MB linux/amd64 -\n"
            "docker.io/library/todo-backend:latest oci sha256:3 9MB linux/amd64 -\n"
            "sha256:4 oci sha256:3 9MB linux/amd64 -\n"
            "sha256:5 oci sha256:5 9MB linux/amd64 -\n"
            "import-2026@sha256:6 oci sha256:6 9MB linux/amd64 -\n"
            "import-2026@sha256:7 oci sha256:7 9MB linux/amd64 -\n"
            "import-2026@sha256:8 oci sha256:8 9MB linux/amd64 -\n"
        )
        machine.answer("docker", "content get sha256:6", index(mine))
        machine.answer("docker", "content get sha256:7", index(mine, "docker.io/library/todo-backend:latest"))
        machine.answer("docker", "content get sha256:8", {"manifests": []})
        machine.answer("docker", "images ls", TAGS + images)
        machine.answer("docker", f"--filter id={NODE}", NODE)
        assert machine.commands() == []
    ctr = f"docker exec {NODE} ctr --namespace k8s.io images"
    assert machine.commands("kubectl") == [deleted(run)]
    assert machine.commands("kind") == []
    assert [line for line in machine.commands(ctr) if " rm " in line] == [
        f"{ctr} rm {mine} sha256:2 import-2026@sha256:6",
    ]
    assert not run.folder.exists()


def test_content_also_tagged_by_others_is_kept(machine: Machine, tmp_path: Path) -> None:
    images = (
        "docker.io/library/acceptance-tools:abc-0badc0de oci sha256:1 9MB linux/amd64 -\n"
        "docker.io/library/acceptance-tools:abc-ffffffff oci sha256:1 9MB linux/amd64 -\n"
        "sha256:2 oci sha256:1 9MB linux/amd64 -\n"
    )
    machine.answer("docker", "images ls", TAGS + images)
    machine.answer("docker", f"--filter id={NODE}", NODE)
    run = run_on(tmp_path)
    assert ExistingProvider(machine.toolchain, run, context(NODE)).remove() == []
    rm = f"docker exec {NODE} ctr --namespace k8s.io images rm"
    assert machine.commands(rm) == [f"{rm} docker.io/library/acceptance-tools:abc-0badc0de"]


def test_cluster_without_node_needs_no_cleanup(machine: Machine) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=False, context=context()) as run:
        pass
    assert machine.commands("kubectl") == machine.commands("kind") == []
    assert not run.folder.exists()


def test_next_run_cleans_up_and_says_how_to_restore(
    machine: Machine, user: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    run, lock = lifecycle.new_run(keep=False, context=user)
    runs.update_record(run, release="the release todo is at its own values; if it is not: helm rollback todo 3")
    lock.close()
    machine.answer("docker", f"--filter id={NODE}", NODE)
    lifecycle.sweep(machine.toolchain)
    assert machine.commands("kubectl") == [deleted(run)]
    assert not run.folder.exists()
    message = (
        f"run {run.id} ended before it was sure that the release todo is at its own values; if it is not: helm roll"
    )
    assert message in capsys.readouterr().err


REFUSED = "E1 noise\nThe connection to the server 127.0.0.1:1 was refused\n"


def test_deleted_cluster_is_reported_once(machine: Machine, user: Context, capsys: pytest.CaptureFixture[str]) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=False, context=user) as run:
        machine.answer("kubectl", "delete namespace", REFUSED, 1)
    assert (
        f"the cluster of context kind-mine is gone, with everything that run {run.id} left" in capsys.readouterr().err
    )
    assert not [line for line in machine.commands("docker") if "exec" in line]
    assert not run.folder.exists()


@pytest.mark.parametrize(
    ("words", "there"),
    [(REFUSED, NODE), ("Error from server (Forbidden): no\n", ""), ("timed out waiting\n", NODE)],
    ids=["stopped", "forbidden", "slow"],
)
def test_failed_cleanup_is_retried(
    machine: Machine, user: Context, capsys: pytest.CaptureFixture[str], words: str, there: str
) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=False, context=user) as run:
        machine.answer("kubectl", "delete namespace", words, 1)
        machine.answer("docker", f"--filter id={NODE}", there)
    message = capsys.readouterr().err
    assert f"run {run.id}: context kind-mine: {words.splitlines()[-1]}; the next run tries again" in message
    assert run.folder.exists()
    machine.answer("kubectl", "delete namespace", "")
    lifecycle.sweep(machine.toolchain)
    assert not run.folder.exists()


@pytest.fixture
def with_agent(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    """A pod of the suite on each node, through which containers 1 and 2 are found."""
    monkeypatch.setattr(Cluster, "_agent_on", lambda _, node: f"agent-on-{node}")
    monkeypatch.setattr(Node, "main_processes", lambda _: {"1": 10, "2": 20})
    for pid, number in ((10, 1), (20, 2)):
        machine.answer("kubectl", f"cat /proc/{pid}/cgroup", f"0::/pods/{number}\n")


def pod_of(number: int) -> dict[str, object]:
    statuses = [{"name": "c", "containerID": f"containerd://{number}"}]
    return {"spec": {"nodeName": "n"}, "status": {"containerStatuses": statuses}}


FREEZER = "/sys/fs/cgroup/pods/{}/cgroup.freeze"


@pytest.mark.usefixtures("with_agent")
def test_second_interrupt_leaves_no_container_paused(machine: Machine, tmp_path: Path) -> None:
    """The first one ends the experiment; the other ones come while that is undone."""
    script = machine.bin / "kubectl"
    again = 'case "$*" in *timeout*) ;; *freeze*) kill -INT $PPID ;; esac\nargv='
    script.write_text(script.read_text("utf-8").replace("argv=", again, 1), "utf-8")
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with (
            pytest.raises(RuntimeError, match="the first"),
            faults.paused_container(existing_cluster(machine, tmp_path), pod_of(1), "c"),
        ):
            raise RuntimeError("the first")
    except KeyboardInterrupt:
        pytest.fail("it was interrupted while it was undone")
    finally:
        signal.signal(signal.SIGINT, previous)
    assert "echo THAWED" in machine.log.read_text("utf-8")


@pytest.mark.usefixtures("with_agent")
def test_paused_containers_are_recorded(machine: Machine, tmp_path: Path) -> None:
    found = existing_cluster(machine, tmp_path)
    one, two = FREEZER.format(1), FREEZER.format(2)
    with faults.paused_container(found, pod_of(1), "c"):
        with faults.paused_container(found, pod_of(2), "c"):
            assert runs.paused_freezers(runs.read_record(found.run.folder)) == {one: "n", two: "n"}
        assert runs.paused_freezers(runs.read_record(found.run.folder)) == {one: "n"}
    assert runs.paused_freezers(runs.read_record(found.run.folder)) == {}


@pytest.mark.usefixtures("with_agent")
@pytest.mark.parametrize(
    "described", [context(NODE, node_access=True), None], ids=["existing cluster", "run's cluster"]
)
def test_paused_containers_are_resumed_first(machine: Machine, described: Context | None) -> None:
    run, lock = lifecycle.new_run(keep=False, context=described)
    node = "n" if described else f"{run.cluster_name}-control-plane"
    runs.update_record(run, paused={FREEZER.format(1): node, FREEZER.format(2): node})
    lock.close()
    tool, where = ("kubectl", "exec agent-on-n -- nsenter") if described else ("docker", f"exec {node} sh -c")
    machine.answer(tool, FREEZER.format(1), "not found", 1)
    machine.answer("docker", f"--filter id={NODE}", NODE)
    lifecycle.sweep(machine.toolchain)
    resumed = [line for line in machine.commands(tool)[:9] if where in line]
    assert len(resumed) == 2
    assert machine.commands()[0] == resumed[0]
    assert not run.folder.exists()


# ----------------------------------------------------------------------------- the origin


def test_sign_up_sends_the_releases_origin(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, object]] = []

    def request(_: requests.Session, method: str, url: str, **kwargs: object) -> requests.Response:
        assert method == "POST"
        sent.append((url, kwargs["headers"]))
        answer = requests.Response()
        answer.status_code = 500
        return answer

    monkeypatch.setattr(requests.Session, "request", request)
    with pytest.raises(AssertionError, match="sign-up was answered 500") as raised:
        sign_up(target, Gateway(target, "127.0.0.1", 1), "http://todo.example", lambda _: None)
    assert not isinstance(raised.value, WaitError)
    url = f"http://todo-frontend-service.todo-chatbot.svc.cluster.local:3000{target.auth.sign_up}"
    assert sent == [(url, {"Origin": "http://todo.example"})]
