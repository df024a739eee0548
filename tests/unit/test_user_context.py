"""A cluster of the user's own: its kubeconfig only read, used as far as it can be, and left as it was."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from acceptance.checks.finding import Untested
from acceptance.client.user import sign_up
from acceptance.core.target import Target, load
from acceptance.core.wait import WaitError
from acceptance.experiments import faults
from acceptance.provision import cluster, gateway, lifecycle, user_context
from acceptance.provision import run as runs
from acceptance.provision.cluster import Cluster
from acceptance.provision.gateway import Gateway
from acceptance.provision.provisioner import Provisioner, environment
from acceptance.provision.run import LABEL
from acceptance.provision.user_context import Context
from acceptance.traffic import sampler
from tests.unit.user_cluster import KUBECONFIG, MACHINE, NODE, Machine, nodes, run_on
from toolchain.console import ToolchainError

TAGS = "REF TYPE DIGEST SIZE PLATFORMS LABELS\n"
REASON = "context kind-mine is no kind cluster of one node on this engine"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "of-the-user"))
    made = Machine(tmp_path)
    made.answer("kubectl", "config view", KUBECONFIG)
    made.answer("kubectl", "get nodes", nodes())
    made.answer("docker", "label=io.x-k8s.kind.cluster=mine", NODE)
    made.answer("docker", f"exec {NODE} cat /etc/machine-id", MACHINE)
    return made


@pytest.fixture
def target() -> Target:
    return load()


# ------------------------------------------------------------------------- the kubeconfig


def test_the_users_kubeconfig_is_viewed_and_nothing_else(machine: Machine) -> None:
    hidden: list[str] = []
    found = user_context.read_context(machine.toolchain, "kind-mine", hidden.append)
    assert (found.name, found.kubeconfig, found.node, found.lacking) == ("kind-mine", KUBECONFIG, NODE, "")
    assert hidden == ["tok-12345678", "S0VZIEtFWQ=="]
    view, *others = machine.said("kubectl")
    assert view == "kubectl config view --minify --flatten --raw --context kind-mine"
    assert others
    for command in others:
        path = command.split("--kubeconfig ")[1].split()[0]
        assert path != os.environ["KUBECONFIG"]
        assert not Path(path).exists()
    assert "tok-1" not in repr(found)


def test_a_context_that_is_not_there_is_told_with_those_that_are(machine: Machine) -> None:
    machine.answer("kubectl", "config view", "error: cannot locate context kind-mine\n", 1)
    machine.answer("kubectl", "config get-contexts", "kind-one\nkind-two\n")
    with pytest.raises(ToolchainError) as raised:
        user_context.read_context(machine.toolchain, "kind-mine", lambda _: None)
    assert str(raised.value) == (
        "your kubeconfig does not give context kind-mine (cannot locate context kind-mine): "
        "name one of kind-one, kind-two"
    )


def test_an_api_server_that_does_not_answer_is_told(machine: Machine) -> None:
    machine.answer("kubectl", "get nodes", "E1 noise\nThe connection to the server was refused\n", 1)
    with pytest.raises(ToolchainError) as raised:
        user_context.read_context(machine.toolchain, "kind-mine", lambda _: None)
    assert "context kind-mine did not give its nodes within 15 s (The connection to the server was refused)" in str(
        raised.value
    )
    assert "\n" not in str(raised.value)
    assert any("--request-timeout=15s" in command for command in machine.said("kubectl"))


@pytest.mark.parametrize(
    "other",
    [
        lambda machine: machine.answer("kubectl", "get nodes", nodes(count=2)),
        lambda machine: machine.answer("docker", "label=io.x-k8s.kind.cluster=mine", ""),
        lambda machine: machine.answer("docker", "label=io.x-k8s.kind.cluster=mine", f"{NODE}\n{NODE[::-1]}"),
        lambda machine: machine.answer("docker", "cat /etc/machine-id", "another"),
    ],
    ids=["two nodes", "none on this engine", "two on this engine", "another of that name"],
)
def test_only_the_one_node_on_this_engine_is_taken_for_the_node(
    machine: Machine, other: Callable[[Machine], None]
) -> None:
    other(machine)
    found = user_context.read_context(machine.toolchain, "kind-mine", lambda _: None)
    assert found.node == ""
    assert found.lacking.startswith(REASON)


def test_a_cluster_that_is_not_kinds_has_no_node_here(machine: Machine) -> None:
    found = user_context.read_context(machine.toolchain, "mine", lambda _: None)
    assert found.node == ""
    assert found.lacking.startswith("context mine is no kind cluster")
    assert machine.said("docker") == []


# ---------------------------------------------------------------------------- the cluster


def named(machine: Machine, home: Path, *, node: str = NODE) -> Cluster:
    run = run_on(home, node=node, lacking="" if node else REASON)
    assert run.context is not None
    return cluster.user_cluster(machine.toolchain, run, run.context)


def test_what_a_named_cluster_has_not_got_is_untested_for_its_reason(machine: Machine, tmp_path: Path) -> None:
    found = named(machine, tmp_path, node="")
    assert found.capabilities == frozenset()
    for act in (lambda: found.load_image("tools:1"), lambda: found.node_exec("true"), lambda: found.has_image("a")):
        with pytest.raises(Untested, match=REASON):
            act()
    with pytest.raises(Untested, match="context kind-mine is a cluster of the user's own: no other release"):
        found.require_capability("releases")
    assert machine.said() == []
    assert named(machine, tmp_path).capabilities == {"node", "image-load"}
    assert cluster.run_cluster(machine.toolchain, run_on(tmp_path)).capabilities == {"node", "image-load", "releases"}


def test_an_image_is_loaded_into_the_named_cluster(machine: Machine, tmp_path: Path) -> None:
    found = named(machine, tmp_path)
    with pytest.raises(ToolchainError, match="was loaded, but the node has not got it"):
        found.load_image("tools:1-0badc0de")
    assert machine.said("kind") == ["kind load docker-image tools:1-0badc0de --name mine"]
    assert all(command.startswith(f"docker exec {NODE} ctr") for command in machine.said("docker"))


def test_a_node_may_tell_of_an_images_other_name() -> None:
    """The same content under the name of another run's."""
    mine = sampler.short_name("acceptance-tools:1a2b-0badc0de")
    assert mine == sampler.short_name("docker.io/library/acceptance-tools:1a2b-ffffffff")
    assert mine != sampler.short_name("docker.io/library/acceptance-tools:3c4d-0badc0de")


def test_the_gateway_of_a_named_cluster_takes_no_port_that_may_be_taken(machine: Machine, tmp_path: Path) -> None:
    machine.answer("kubectl", "get service gateway", {"spec": {"ports": [{"port": 1080, "nodePort": 30123}]}})
    found = named(machine, tmp_path)
    assert "hostPort" not in str(gateway.pod(found, "tools:1"))
    assert gateway.address(found) == ("172.18.0.9", 30123)
    assert gateway.node_port(found)["spec"]["selector"].items() <= gateway.pod(found, "t")["metadata"]["labels"].items()


def test_the_gateway_of_a_runs_own_cluster_is_on_loopback(machine: Machine, tmp_path: Path) -> None:
    machine.answer("docker", "port pytest-todo-0badc0de-control-plane 1080/tcp", "127.0.0.1:32768")
    own = cluster.run_cluster(machine.toolchain, runs.Run("0badc0de", tmp_path, kept=False))
    assert "'hostPort': 1080" in str(gateway.pod(own, "tools:1"))
    assert gateway.address(own) == ("127.0.0.1", 32768)


def test_a_gateway_is_where_it_says(target: Target) -> None:
    assert Gateway(target, "172.18.0.9", 30123).proxy == "socks5h://172.18.0.9:30123"


# -------------------------------------------------------------------------- the provision


def test_of_a_named_cluster_nothing_is_made_unasked_and_the_rest_is_untested(
    machine: Machine, tmp_path: Path, target: Target
) -> None:
    made = Provisioner(machine.toolchain, run_on(tmp_path, node="", lacking=REASON), target, lambda _: None)
    made.prepare({"release", "ready_release", "images", "database", "model", "gateway"})
    assert made.cluster().context == "kind-mine"
    for what, ask in (
        ("database", made.database),
        ("model", made.model),
        ("images", made.images),
        ("metrics-server", made.metrics),
    ):
        with pytest.raises(Untested, match=f"the {what} of a release in context kind-mine is not this run's own"):
            ask()
    with pytest.raises(Untested, match=REASON):
        made.gateway()
    made.close()
    assert machine.said() == []


def test_helm_drops_no_revision_of_the_users(machine: Machine, tmp_path: Path) -> None:
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
    return Context("kind-mine", KUBECONFIG, NODE)


def deleted(run: runs.Run) -> str:
    return (
        f"kubectl --kubeconfig {run.kubeconfig} --context kind-mine delete namespace "
        f"--selector {LABEL}={run.id} --timeout 60s --request-timeout=60s"
    )


def test_a_run_takes_its_namespace_and_image_away_and_nothing_else(machine: Machine, user: Context) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=False, context=user) as run:
        assert run.kubeconfig.read_text() == KUBECONFIG
        assert stat.S_IMODE(run.kubeconfig.stat().st_mode) == 0o600
        said = runs.record(run.folder)
        assert (said["context"], said["node"], said["kept"]) == ("kind-mine", NODE, False)
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
        assert machine.said() == []
    ctr = f"docker exec {NODE} ctr --namespace k8s.io images"
    assert machine.said("kubectl") == [deleted(run)]
    assert machine.said("kind") == []
    assert [line for line in machine.said(ctr) if " rm " in line] == [
        f"{ctr} rm {mine} sha256:2 import-2026@sha256:6",
    ]
    assert not run.folder.exists()


def test_content_with_a_name_of_somebody_elses_stays_on_the_node(machine: Machine, tmp_path: Path) -> None:
    images = (
        "docker.io/library/acceptance-tools:abc-0badc0de oci sha256:1 9MB linux/amd64 -\n"
        "docker.io/library/acceptance-tools:abc-ffffffff oci sha256:1 9MB linux/amd64 -\n"
        "sha256:2 oci sha256:1 9MB linux/amd64 -\n"
    )
    machine.answer("docker", "images ls", TAGS + images)
    lifecycle.remove_images(machine.toolchain, run_on(tmp_path), NODE)
    rm = f"docker exec {NODE} ctr --namespace k8s.io images rm"
    assert machine.said(rm) == [f"{rm} docker.io/library/acceptance-tools:abc-0badc0de"]


def test_without_its_node_nothing_was_put_into_the_cluster(machine: Machine) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=False, context=Context("mine", KUBECONFIG, "", REASON)) as run:
        pass
    assert machine.said("kubectl") == machine.said("kind") == []
    assert not run.folder.exists()


def test_a_killed_run_is_undone_by_the_next_and_says_how_its_release_is_led_back(
    machine: Machine, user: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    run, lock = lifecycle.new_run(keep=False, context=user)
    runs.update_record(run, release="the release todo is at its own values; if it is not: helm rollback todo 3")
    lock.close()
    machine.answer("docker", f"--filter id={NODE}", NODE)
    lifecycle.sweep(machine.toolchain)
    assert machine.said("kubectl") == [deleted(run)]
    assert not run.folder.exists()
    told = f"run {run.id} ended before it was sure that the release todo is at its own values; if it is not: helm roll"
    assert told in capsys.readouterr().err


REFUSED = "E1 noise\nThe connection to the server 127.0.0.1:1 was refused\n"


def test_a_cluster_that_is_no_more_is_told_once_and_forgotten(
    machine: Machine, user: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=False, context=user) as run:
        machine.answer("kubectl", "delete namespace", REFUSED, 1)
    assert f"the cluster of context kind-mine is no more, nor is what run {run.id} put" in capsys.readouterr().err
    assert not [line for line in machine.said("docker") if "exec" in line]
    assert not run.folder.exists()


@pytest.mark.parametrize(
    ("words", "there"),
    [(REFUSED, NODE), ("Error from server (Forbidden): no\n", ""), ("timed out waiting\n", NODE)],
    ids=["stopped", "forbidden", "slow"],
)
def test_what_could_not_be_removed_is_tried_again(
    machine: Machine, user: Context, capsys: pytest.CaptureFixture[str], words: str, there: str
) -> None:
    with lifecycle.acquire_run(machine.toolchain, keep=False, context=user) as run:
        machine.answer("kubectl", "delete namespace", words, 1)
        machine.answer("docker", f"--filter id={NODE}", there)
    told = capsys.readouterr().err
    assert f"run {run.id}: context kind-mine: {words.splitlines()[-1]}; the next run tries again" in told
    assert run.folder.exists()
    machine.answer("kubectl", "delete namespace", "")
    lifecycle.sweep(machine.toolchain)
    assert not run.folder.exists()


def test_a_second_interrupt_does_not_leave_a_container_frozen(machine: Machine, tmp_path: Path) -> None:
    """The first one ends the experiment; the other ones come while that is undone."""
    pod = {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "c", "containerID": "containerd://1"}]}}
    machine.answer("docker", "task ls", "TASK PID STATUS\n1 10 PAUSED\n")
    script = machine.bin / "docker"
    again = 'case "$*" in *pause*) ;; *) kill -INT $PPID ;; esac\nsaid='
    script.write_text(script.read_text("utf-8").replace("said=", again, 1), "utf-8")
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with (
            pytest.raises(RuntimeError, match="the first"),
            faults.paused_container(named(machine, tmp_path), pod, "c"),
        ):
            raise RuntimeError("the first")
    except KeyboardInterrupt:
        pytest.fail("it was interrupted while it was undone")
    finally:
        signal.signal(signal.SIGINT, previous)
    assert machine.said("docker")[-1].endswith("task resume 1")


def test_what_is_frozen_is_on_record_while_it_is(machine: Machine, tmp_path: Path) -> None:
    def pod(number: int) -> dict[str, object]:
        return {"status": {"containerStatuses": [{"name": "c", "containerID": f"containerd://{number}"}]}}

    found = named(machine, tmp_path)
    with faults.paused_container(found, pod(1), "c"):
        with faults.paused_container(found, pod(2), "c"):
            assert runs.paused_containers(runs.record(found.run.folder)) == {"1": NODE, "2": NODE}
        assert runs.paused_containers(runs.record(found.run.folder)) == {"1": NODE}
    assert runs.paused_containers(runs.record(found.run.folder)) == {}


@pytest.mark.parametrize("context", [Context("kind-mine", KUBECONFIG, NODE), None], ids=["the user's", "the run's own"])
def test_what_a_killed_run_left_frozen_is_thawed_first(machine: Machine, context: Context | None) -> None:
    run, lock = lifecycle.new_run(keep=False, context=context)
    runs.update_record(run, frozen={"1": NODE, "2": NODE})
    lock.close()
    machine.answer("docker", "task resume 1", "not found", 1)
    machine.answer("docker", f"--filter id={NODE}", NODE)
    lifecycle.sweep(machine.toolchain)
    resume = f"docker exec {NODE} ctr --namespace k8s.io task resume"
    assert machine.said()[:2] == [f"{resume} 1", f"{resume} 2"]
    assert not run.folder.exists()


# ----------------------------------------------------------------------------- the origin


def test_a_user_signs_up_from_the_releases_origin(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, object]] = []

    def post(_: requests.Session, url: str, **kwargs: object) -> requests.Response:
        sent.append((url, kwargs["headers"]))
        answer = requests.Response()
        answer.status_code = 500
        return answer

    monkeypatch.setattr(requests.Session, "post", post)
    with pytest.raises(AssertionError, match="sign-up was answered 500") as raised:
        sign_up(target, Gateway(target, "127.0.0.1", 1), "http://todo.example", lambda _: None)
    assert not isinstance(raised.value, WaitError)
    url = f"http://todo-frontend-service.todo-chatbot.svc.cluster.local:3000{target.auth.sign_up}"
    assert sent == [(url, {"Origin": "http://todo.example"})]
