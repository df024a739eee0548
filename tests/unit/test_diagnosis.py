"""A diagnosis is one sentence that stays the same while the cause lasts; what can still recover has none."""

from __future__ import annotations

from typing import Any

import pytest

from acceptance.kube import diagnosis
from acceptance.kube.status import lack_of_room
from tests.unit.pods import (
    BACK_OFF,
    CRASHED,
    FORBIDDEN,
    PULL,
    STARTED,
    awaiting_sandbox,
    event,
    healthy,
    pod,
    replica_set,
    status,
    unschedulable,
    waiting,
)

START_ERROR = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    'unable to start container process: exec: "/nope": stat /nope: no such file or directory'
)
# States that the kubelet reports one after the other while it retries: all must have the same diagnosis.
RETRIES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "image": (
        "Pod/broken: container c: the image a:1 can't be pulled",
        [
            pod("broken", status(state=waiting("ErrImagePull", PULL.format(40001)))),
            pod("broken", status(state=waiting("ImagePullBackOff", 'Back-off pulling image "a:1"'))),
            pod("broken", status(state=waiting("ErrImagePull", PULL.format(40002)))),
        ],
    ),
    "image that may not be pulled": (
        "Pod/broken: container c: the image a:1 is not on the node, and its pull policy is Never",
        [pod("broken", status(state=waiting("ErrImageNeverPull", "…")))],
    ),
    "missing key": (
        "Pod/broken: container c can't be created: couldn't find key URL in Secret n/s",
        [pod("broken", status(state=waiting("CreateContainerConfigError", "couldn't find key URL in Secret n/s")))],
    ),
    "command": (
        'Pod/broken: container c can\'t be started: unable to start container process: exec: "/nope": stat /nope: '
        "no such file or directory",
        [
            pod("broken", status(state=waiting("RunContainerError", START_ERROR))),
            pod(
                "broken",
                status(
                    state={"waiting": BACK_OFF},
                    last={"terminated": {"exitCode": 128, "reason": "StartError", "message": START_ERROR}},
                    restarts=1,
                ),
            ),
            pod(
                "broken",
                status(state={"terminated": {"exitCode": 128, "reason": "StartError", "message": START_ERROR}}),
            ),
        ],
    ),
    "crash": (
        "Pod/broken: container c is crash-looping: Error, exit code 1",
        [
            pod("broken", status(state={"terminated": CRASHED}, last={"terminated": CRASHED}, restarts=1)),
            pod("broken", status(state={"waiting": BACK_OFF}, last={"terminated": CRASHED}, restarts=1)),
            pod("broken", status(state=STARTED, last={"terminated": CRASHED}, restarts=2), phase="Running"),
            pod("broken", status(state={"terminated": CRASHED}, last={"terminated": CRASHED}, restarts=2)),
            pod("broken", status(state={"waiting": BACK_OFF}, last={"terminated": CRASHED}, restarts=3)),
        ],
    ),
    "crash of the init container": (
        "Pod/broken: container i is crash-looping: Error, exit code 1",
        [
            pod(
                "broken",
                status(state=waiting("PodInitializing")),
                init=status("i", {"waiting": BACK_OFF}, last={"terminated": CRASHED}, restarts=1),
            ),
            pod(
                "broken",
                status(state=waiting("PodInitializing")),
                init=status("i", {"terminated": CRASHED}, restarts=2),
            ),
        ],
    ),
    "end that is no error": (
        "Pod/broken: container c is crash-looping: Completed, exit code 0",
        [
            pod(
                "broken",
                status(
                    state={"waiting": BACK_OFF}, last={"terminated": {"exitCode": 0, "reason": "Completed"}}, restarts=1
                ),
            )
        ],
    ),
    "no room": (
        "Pod/broken can't be scheduled: 0/1 nodes are available: 1 Insufficient cpu.",
        [unschedulable("0/1 nodes are available: 1 Insufficient cpu.")],
    ),
}


@pytest.mark.parametrize(("sentence", "states"), RETRIES.values(), ids=RETRIES)
def test_diagnosis_is_stable_across_retries(sentence: str, states: list[dict[str, Any]]) -> None:
    assert [diagnosis.pod_cause(state) for state in states] == [sentence] * len(states)
    assert "\n" not in sentence


def test_pod_security_diagnosis_omits_the_pod_name() -> None:
    sentences = {diagnosis.replica_set_cause(replica_set(suffix)) for suffix in ("abcde", "vwxyz")}
    assert sentences == {f"ReplicaSet/rs can't create its pods: {FORBIDDEN.partition('forbidden: ')[2]}"}


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(healthy(), id="ready"),
        pytest.param(pod(), id="new"),
        pytest.param(pod("broken", status(state=waiting("ContainerCreating"))), id="being created"),
        pytest.param(pod("broken", status(), phase="Running"), id="not ready yet"),
        pytest.param(pod("broken", status(last={"terminated": CRASHED}, restarts=1)), id="restarted once"),
        pytest.param(
            pod("broken", status(last={"terminated": CRASHED}, restarts=9, ready=True)), id="ready in the end"
        ),
        pytest.param(
            pod("broken", status(state={"terminated": {"exitCode": 0, "reason": "Completed"}})), id="completed"
        ),
        pytest.param(
            pod("broken", status(state=waiting("PodInitializing")), init=status("i", STARTED)), id="init container runs"
        ),
        pytest.param(pod("broken", status(state=waiting("ErrImagePull")), deleted=True), id="being deleted"),
        pytest.param(
            unschedulable("0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."),
            id="node is not ready yet",
        ),
        pytest.param({}, id="empty status"),
        pytest.param({"status": {"containerStatuses": [None, {"name": "c", "state": None}]}}, id="nulls"),
    ],
)
def test_healthy_or_starting_pod_has_no_diagnosis(item: dict[str, Any]) -> None:
    assert diagnosis.pod_cause(item) is None


def test_working_replica_set_has_no_diagnosis() -> None:
    assert diagnosis.replica_set_cause(replica_set()) is None
    assert diagnosis.replica_set_cause({}) is None


def test_blocked_pod_is_diagnosed_from_its_events() -> None:
    missing = 'MountVolume.SetUp failed for volume "ca" : configmap "c" not found'
    events = [
        event("other", "FailedMount", "of another pod"),
        event("broken", "BackOff", "of something else"),
        event("broken", "FailedMount", missing),
    ]
    assert diagnosis.pod_cause(awaiting_sandbox(), events) == f"Pod/broken: {missing}"
    assert diagnosis.pod_cause(awaiting_sandbox(), events[:2]) is None
    assert diagnosis.pod_cause(pod("broken", status(state=waiting("ContainerCreating"))), events) is None


def test_sandbox_diagnosis_omits_the_sandbox_id() -> None:
    sentences = {
        diagnosis.pod_cause(
            awaiting_sandbox(),
            [event("broken", "FailedCreatePodSandBox", f'network for sandbox "{digit * 64}": refused')],
        )
        for digit in "0f"
    }
    assert sentences == {'Pod/broken: network for sandbox "…": refused'}


def test_first_diagnosis_is_independent_of_order() -> None:
    pods = [healthy(), RETRIES["no room"][1][0], pod("another", status(state=waiting("ErrImagePull")))]
    sentences = {diagnosis.first_cause(pods, []), diagnosis.first_cause(pods[::-1], [])}
    assert sentences == {"Pod/another: container c: the image a:1 can't be pulled"}
    assert diagnosis.first_cause(pods, [replica_set("x")]) == diagnosis.replica_set_cause(replica_set("x"))
    assert diagnosis.first_cause([healthy()], [replica_set()]) is None
    assert diagnosis.first_cause([], []) is None


def test_lack_of_room_is_not_every_reason_of_the_scheduler() -> None:
    full = "0/2 nodes are available: 2 Insufficient cpu."
    tainted = unschedulable("0/1 nodes are available: 1 node(s) had untolerated taint(s).")
    assert lack_of_room([tainted, unschedulable(full)]) == full
    assert lack_of_room([tainted]) is None
    assert lack_of_room([]) is None
