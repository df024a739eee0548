"""Secrets that exist before the release: made by the run, changed where credentials are, and no fault of the chart."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from acceptance import checks
from acceptance.chart.bounds import value_path
from acceptance.chart.renderer import Renderer
from acceptance.chart.variations import variations
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested, Waived
from acceptance.checks.registry import CheckResults
from acceptance.checks.snapshot import Snapshot
from acceptance.core.fields import Object
from acceptance.core.target import ExistingSecret, Target, Values, load
from acceptance.kube.client import ApiServer, Listing, Objects
from acceptance.kube.existing_secrets import credentials_in, differs, existing_secrets
from acceptance.kube.helm import RefusedReleaseError, find_helm
from acceptance.kube.secrets import decoded
from acceptance.provision import second_release
from acceptance.provision.cluster import Cluster
from acceptance.provision.container_provisioner import ContainerObjects
from acceptance.provision.helm import HelmRelease
from acceptance.provision.images import BuiltImage
from acceptance.provision.providers import provider_of
from acceptance.provision.recipes import recipe
from acceptance.provision.release import Release, ReleaseInputs, changes_secrets, present_secrets, run_secrets
from acceptance.snapshots.live import injected_values
from tests.unit.user_cluster import NODE, Machine, context, machine_of_kind_cluster, run_on
from toolchain.console import CommandError

NAME = "todo-chatbot-secrets"
URL = "postgresql://todo:pass-word-1@db:5432/todo"
CREDENTIALS = {
    "database_url": URL,
    "auth_secret": "a" * 48,
    "model_key": "sk-proj-12345678",
    "model_base_url": "http://m/v1",
}
FURTHER = ExistingSecret(name="model", data={"URL": "{model_base_url}", "MODE": "{plain}", "DSN": "{database_url}&a=b"})
PATHS = dict.fromkeys(("database_url", "auth_secret", "model_key"))


@pytest.fixture(scope="module")
def target() -> Target:
    """Its Secret exists, and another one beside it; the chart takes no credential as a value."""
    found = load()
    values = found.values.model_copy(update=PATHS)
    return found.model_copy(update={"values": values, "existing_secrets": (ExistingSecret(name=NAME), FURTHER)})


# -------------------------------------------------------------------------- what is in them


def test_secret_has_the_keys_of_the_target_by_default(target: Target) -> None:
    secret, further = existing_secrets(target, CREDENTIALS)
    assert decoded(secret) == {
        "DATABASE_URL": URL,
        "BETTER_AUTH_SECRET": CREDENTIALS["auth_secret"],
        "OPENAI_API_KEY": CREDENTIALS["model_key"],
    }
    assert decoded(further) == {"URL": "http://m/v1", "MODE": "{plain}", "DSN": f"{URL}&a=b"}
    assert credentials_in(target, [secret, further]) == CREDENTIALS
    assert not differs(secret, {**secret, "data": {**secret["data"], "MORE": "eA=="}})
    assert differs(secret, further)


def test_credentials_of_existing_secrets_can_be_changed(target: Target) -> None:
    assert target.can_give("database_url")
    assert target.can_give("model_base_url")
    assert not target.can_give("ca_certificate") or target.values.ca_certificate
    bare = target.model_copy(update={"existing_secrets": (), "values": Values()})
    assert not bare.can_give("database_url")


def test_kept_release_keeps_what_its_secrets_hold(target: Target) -> None:
    kept = run_secrets(target, {}, credentials_in(target, existing_secrets(target, CREDENTIALS)))
    assert kept == {name: CREDENTIALS[name] for name in ("auth_secret", "model_key")}
    assert run_secrets(target, {}) != run_secrets(target, {})


def test_live_snapshot_knows_what_was_injected(target: Target) -> None:
    injected = injected_values(target, {}, existing_secrets(target, CREDENTIALS))
    assert injected["DATABASE_URL"] == URL
    assert injected["model_base_url"] == "http://m/v1"


# ------------------------------------------------------------------------ a release with them


class FakeCluster:
    """What the API server has, and what was done to it, in order."""

    def __init__(self, home: Path, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
        self.secrets: dict[str, Object] = {}
        self.done: list[str] = []
        self.values: list[dict[str, Any]] = []
        self.machine: Machine = machine_of_kind_cluster(home)
        self.cluster = Cluster(provider_of(self.machine.toolchain, run_on(home, context(NODE, own_release=True))))
        self.target = target

        def apply_manifest(_: Cluster, manifest: str) -> None:
            for item in yaml.safe_load_all(manifest):
                self.done.append(f"apply {item['kind']}/{item['metadata']['name']}")
                if item["kind"] == "Secret":
                    self.secrets[item["metadata"]["name"]] = item

        def upgrade(_: HelmRelease, __: Path, values: dict[str, Any]) -> None:
            self.done.append("upgrade")
            self.values.append(values)

        monkeypatch.setattr(Cluster, "api", None)
        monkeypatch.setattr(Cluster, "apply_manifest", apply_manifest)
        monkeypatch.setattr(ApiServer, "get", lambda _, item, __: self.secrets.get(item["metadata"]["name"]))
        monkeypatch.setattr(HelmRelease, "upgrade", upgrade)
        monkeypatch.setattr(HelmRelease, "rollback", lambda *_: self.done.append("rollback"))
        pods = {"api": NAME, "web": "other"}
        listed = [
            {"metadata": {"name": name}, "spec": {"template": {"spec": {"envFrom": [{"secretRef": {"name": used}}]}}}}
            for name, used in pods.items()
        ]
        monkeypatch.setattr(Objects, "list", lambda *_: Listing("1", tuple(listed)))

    def release(self) -> Release:
        helm = HelmRelease(self.cluster, "todo", self.target.chart.namespace)
        return Release(self.target, self.cluster, helm, Objects(None, "n"), {"a": 1}, CREDENTIALS)  # type: ignore[arg-type]

    def flush(self) -> list[str]:
        done, self.done = self.done, []
        restarts = self.machine.commands("kubectl")
        self.machine.log.unlink(missing_ok=True)
        return [*done, *(command.split(" --kubeconfig")[0] for command in restarts if "restart" not in command)] + [
            f"restart {command.split(' restart ')[1].split(' --')[0]}" for command in restarts if "restart" in command
        ]


@pytest.fixture
def found(tmp_path: Path, target: Target, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    return FakeCluster(tmp_path, target, monkeypatch)


def test_secrets_are_made_before_the_installation(found: FakeCluster) -> None:
    release = found.release()
    release.upgrade()
    made = [f"apply Namespace/{found.target.chart.namespace}", f"apply Secret/{NAME}", "apply Secret/model"]
    assert found.flush() == [*made, "upgrade"]
    release.upgrade({"b": 2})
    assert found.flush() == ["upgrade"]
    assert found.values == [{"a": 1}, {"a": 1, "b": 2}]
    assert not changes_secrets(release, found.secrets.values())


def test_rotated_credential_restarts_those_who_use_it(found: FakeCluster) -> None:
    release = found.release()
    release.upgrade()
    found.flush()
    release.upgrade({}, {"auth_secret": "b" * 48})
    assert found.flush() == [f"apply Secret/{NAME}", "upgrade", "restart deployment/api"]
    assert decoded(found.secrets[NAME])["BETTER_AUTH_SECRET"] == "b" * 48
    assert found.values[-1] == {"a": 1}
    assert changes_secrets(release, found.secrets.values())
    release.rollback(1)
    assert found.flush() == [f"apply Secret/{NAME}", "rollback", "restart deployment/api"]
    assert decoded(found.secrets[NAME])["BETTER_AUTH_SECRET"] == CREDENTIALS["auth_secret"]


def test_credential_with_a_value_is_given_as_one(found: FakeCluster) -> None:
    values = found.target.values.model_copy(update={"auth_secret": "secrets.auth"})
    release = replace(
        found.release(), target=found.target.model_copy(update={"values": values, "existing_secrets": ()})
    )
    release.upgrade({"b": 2}, {"auth_secret": "b" * 48})
    assert found.flush() == ["upgrade"]
    assert found.values == [{"a": 1, "b": 2, "secrets": {"auth": "b" * 48}}]


def test_no_credential_is_shown_or_an_argument(found: FakeCluster) -> None:
    release = found.release()
    release.upgrade()
    release.upgrade({}, {"auth_secret": "b" * 48})
    said = repr(release) + "".join(found.machine.commands())
    assert not [text for text in (*CREDENTIALS.values(), "b" * 48) if text in said]
    encoded = base64.b64encode(CREDENTIALS["auth_secret"].encode()).decode()
    assert encoded not in said


def test_second_release_has_them_in_its_namespace(found: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = found.target.components.values()
    objects = [{"kind": "Deployment", "metadata": {"name": part.deployment}} for part in parts]
    objects += [{"kind": "Service", "metadata": {"name": part.service}} for part in parts]
    monkeypatch.setattr(second_release, "render", lambda *_: objects)
    images = {str(name): BuiltImage(f"todo-{name}", "tag", "", ()) for name in found.target.components}
    hidden: list[str] = []
    inputs = ReleaseInputs(images, URL, "ca", "http://m/v1")
    with second_release.second_release(found.release(), inputs, hidden.append) as second:
        assert found.done[-3:] == [f"apply Secret/{NAME}", "apply Secret/model", "upgrade"]
        assert found.secrets[NAME]["metadata"]["namespace"] == second.target.chart.namespace
        texts = decoded(found.secrets[NAME])
        assert texts["DATABASE_URL"] == URL
        assert texts["BETTER_AUTH_SECRET"] in hidden
    assert any(
        f"delete namespace {second.target.chart.namespace} " in line for line in found.machine.commands("kubectl")
    )


@pytest.mark.parametrize(
    ("shipped", "words", "error"),
    [
        ({"a": 2}, "Error: failed pre-install: job failed: BackoffLimitExceeded", RefusedReleaseError),
        ({"a": 2}, "Error: ClusterRole exists: invalid ownership metadata", Untested),
        (None, "Error: failed pre-install: job failed: BackoffLimitExceeded", Untested),
    ],
    ids=["shipped values", "beside the first", "other names"],
)
def test_second_release_is_refused_for_its_values_or_its_place(
    found: FakeCluster,
    monkeypatch: pytest.MonkeyPatch,
    shipped: dict[str, Any] | None,
    words: str,
    error: type[Exception],
) -> None:
    def refuse(*_: object) -> None:
        raise RefusedReleaseError(["helm", "upgrade"], 1, "", words)

    first = found.release()
    monkeypatch.setattr(second_release, "with_rendered_names", lambda target, *_: target)
    monkeypatch.setattr(second_release, "render", lambda *_: [])
    monkeypatch.setattr(HelmRelease, "upgrade", refuse)
    images = {str(name): BuiltImage(f"todo-{name}", "tag", "", ()) for name in found.target.components}
    installation = second_release.second_release(first, ReleaseInputs(images, URL, "ca", ""), lambda _: None, shipped)
    with pytest.raises(error), installation:
        pass
    assert any("uninstall second" in line for line in found.machine.commands("helm"))


def test_release_of_the_user_keeps_its_secrets(found: FakeCluster) -> None:
    adopted = replace(found.release(), credentials={})
    adopted.upgrade()
    adopted.rollback()
    assert found.flush() == ["upgrade", "rollback"]


def test_secrets_of_the_user_are_read_to_be_redacted(found: FakeCluster) -> None:
    for name in (NAME, "model"):
        found.machine.answer("kubectl", f"get secret {name} ", {"kind": "Secret", "metadata": {"name": name}})
    held = present_secrets(found.cluster, found.target, "of-the-chart")
    assert [item["metadata"]["name"] for item in held] == [NAME, "model"]


def test_secrets_that_must_not_be_read_are_not_absent(found: FakeCluster) -> None:
    found.machine.answer("kubectl", "get secret", "Error from server (Forbidden): secrets is forbidden", code=1)
    with pytest.raises(CommandError, match="secrets is forbidden"):
        present_secrets(found.cluster, found.target)


# ---------------------------------------------------------------------------- what is judged


@pytest.fixture(scope="module")
def renderer(target: Target) -> Renderer:
    """This repository's chart with the name of a Secret that it does not create."""
    values = {**target.chart.values, "secrets": {"existingSecret": NAME}}
    described = target.model_copy(update={"chart": target.chart.model_copy(update={"values": values})})
    return Renderer(find_helm(), described)


@pytest.fixture(scope="module")
def rendered(renderer: Renderer) -> Snapshot:
    return renderer.snapshot()


def judged(snapshot: Snapshot, target: Target) -> CheckResults:
    return checks.run_checks(snapshot, target)


def texts(results: CheckResults, *rules: str) -> list[str]:
    return [str(each) for each in results.findings if each.rule in rules]


def test_existing_secret_is_no_fault_of_the_chart(rendered: Snapshot, target: Target) -> None:
    results = judged(rendered, target)
    assert (
        texts(results, "CHT-08", "REL-01", "REL-05", "REL-07", "SCY-09", *(f"SEC-{n:02}" for n in range(1, 14))) == []
    )
    reason = f"Secret/{NAME} exists before the release, as the target says"
    of_secret = [f"SEC-{number:02}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12)]
    assert {rule for rule, text in results.untested.items() if text == reason} == set(of_secret)
    with pytest.raises(Waived, match="DATABASE_URL is in a Secret that exists before the release"):
        value_path(target, None, "database_url")


def test_other_renderings_are_judged_too(renderer: Renderer, rendered: Snapshot) -> None:
    varied = variations(renderer, rendered)
    assert len(varied) > 20
    assert all(each.snapshot.existing for each in varied)


def test_key_that_the_existing_secret_lacks_is_named(rendered: Snapshot, target: Target) -> None:
    few = ExistingSecret(name=NAME, data={"DATABASE_URL": "{database_url}", "OPENAI_API_KEY": "{model_key}"})
    lacking = target.model_copy(update={"existing_secrets": (few,)})
    snapshot = replace(rendered, existing=existing_secrets(lacking, CREDENTIALS))
    found = texts(judged(snapshot, lacking), "REL-05")
    assert any(
        f"a key of Secret/{NAME}, which exists before the release, actual no BETTER_AUTH_SECRET" in each
        for each in found
    )


def test_secret_that_nobody_makes_is_still_missed(rendered: Snapshot, target: Target) -> None:
    nobody = target.model_copy(update={"existing_secrets": ()})
    results = judged(replace(rendered, existing=()), nobody)
    assert any(f"Secret/{NAME}" in each for each in texts(results, "CHT-08"))
    assert results.untested["REL-05"] == f"Secret/{NAME} is given by its name and not part of this release"


def test_keys_of_an_unknown_secret_are_not_said_to_be_absent(rendered: Snapshot, target: Target) -> None:
    """A container that takes the whole of a Secret which nobody describes."""

    def whole(item: Object) -> Object:
        found = json.loads(json.dumps(item))
        if found["kind"] == "Deployment":
            for container in found["spec"]["template"]["spec"]["containers"]:
                container["env"] = [
                    each for each in container["env"] if "secretKeyRef" not in each.get("valueFrom", {})
                ]
                container["envFrom"] = [{"secretRef": {"name": "by-hand"}}]
        assert isinstance(found, dict)
        return found

    snapshot = replace(rendered, objects=tuple(map(whole, rendered.objects)), existing=())
    nobody = target.model_copy(update={"existing_secrets": ()})
    results = judged(snapshot, nobody)
    assert texts(results, "SEC-11") == []
    assert "takes all keys of Secret/by-hand" in results.untested["SEC-11-backend"]
    named = ExistingSecret(name="by-hand", data={"DATABASE_URL": "{database_url}"})
    lacking = nobody.model_copy(update={"existing_secrets": (named,)})
    existing = existing_secrets(lacking, {"database_url": rendered.injected_values["DATABASE_URL"]})
    found = texts(judged(replace(snapshot, existing=existing), lacking), "SEC-11")
    assert any("BETTER_AUTH_SECRET by secretKeyRef or secretRef, actual none" in each for each in found)
    assert [each for each in found if "DATABASE_URL" in each] == []


def test_containers_without_a_cluster_have_them_too(rendered: Snapshot, target: Target) -> None:
    snapshot = replace(rendered, existing=existing_secrets(target, CREDENTIALS))
    view = ComponentView(snapshot, target, "backend")
    made = recipe(view, view.main_container(view.pods[0]), "todo-backend-0", "todo-backend:tag")
    assert made.environment["DATABASE_URL"] == URL
    held = ContainerObjects(snapshot, None).data("Secret", NAME)  # type: ignore[arg-type]
    assert base64.b64decode(held["DATABASE_URL"]).decode() == URL
