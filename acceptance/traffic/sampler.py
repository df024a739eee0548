"""The client of the sampler, which runs in a pod: start it with plans, stop it, and read its records."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

import requests

from acceptance.core.deadlines import REQUEST, SAMPLER_UP
from acceptance.core.fields import Object, at, mappings_at, text_at
from acceptance.core.urls import authority
from acceptance.core.wait import NotYet, eventually
from acceptance.kube.client import Objects
from acceptance.provision.cluster import Cluster
from acceptance.provision.gateway import Gateway
from acceptance.provision.tool_pod import namespace_objects, tool_pod
from acceptance.traffic.availability import Availability, ExpectedRefusals, evaluate
from acceptance.traffic.machine_load import LoadSample, MachineLoad
from acceptance.traffic.plans import Plan
from acceptance.traffic.records import InconclusiveSampleError, Record, SampleTotals, decode, require_steady_rate

POD = "sampler"
PORT = 8090
COMMAND_SECONDS = 2 * REQUEST.seconds
"""Time limit of a command. A stop is answered once the last request has ended, at its own deadline at the latest."""
JUDGED_HERE = ("status", "stored", "valid_until", "refusals")
"""Fields of a plan that only the suite needs, and the sampler does not get."""


@dataclass
class SampleRun:
    """A plan that is being executed, and its records once it has stopped."""

    plan: Plan
    records: tuple[Record, ...] = ()
    expected_refusals: ExpectedRefusals | None = None
    """Refusals that the experiment causes on purpose, or of a session that has expired meanwhile."""
    address: str = ""
    """The address that the requests are sent to: the Service's, or the pod's."""

    @property
    def availability(self) -> Availability:
        """The outcome of the requests; raises `InconclusiveSampleError` before the run has stopped."""
        if not self.records:
            raise InconclusiveSampleError("the sample run has not stopped or has sent no request")
        return evaluate(self.records, self.plan.status, self.expected_refusals)


class Sampler:
    """A running sampler that listens at `url`.

    Attributes:
        pod: Its pod.
    """

    def __init__(self, session: requests.Session, url: str, pod: Object) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self.pod = pod

    @contextmanager
    def sample(self, plan: Plan) -> Iterator[SampleRun]:
        """Send requests by one plan from entry to exit; yields its run. See `sample_all`."""
        with self.sample_all({"": plan}) as runs:
            yield runs[""]

    @contextmanager
    def sample_all(self, plans: Mapping[str, Plan]) -> Iterator[dict[str, SampleRun]]:
        """Send requests by `plans` from entry to exit; yields the runs under the labels of their plans.

        Their records are available after exit. If the body raises, the sampler is stopped and that error propagates.

        Raises:
            InconclusiveSampleError: At exit, the records are not reliable. Those that are complete but late are
                available nevertheless, since they say what was written; so are those of a body that raises.
        """
        offset = self.clock_offset()
        numbered: dict[int, SampleRun] = {}
        started: dict[int, float] = {}
        try:
            runs = {}
            for label, plan in plans.items():
                number, runs[label] = self._start(plan)
                started[number] = time.monotonic()
                numbered[number] = runs[label]
            yield runs
        except BaseException:
            with suppress(InconclusiveSampleError):  # the body's error says more
                self._read(numbered, self._stop(numbered), offset)
            raise
        stopped = time.monotonic()
        self._read(numbered, self._stop(numbered), offset)
        late: list[InconclusiveSampleError] = []
        for number, run in numbered.items():
            try:
                require_steady_rate(run.records, run.plan.rate, stopped - started[number])
            except InconclusiveSampleError as error:
                late.append(error)
        if late:
            raise late[0]

    def _read(self, runs: Mapping[int, SampleRun], totals: Mapping[int, SampleTotals], offset: float) -> None:
        """Read the records of stopped runs; raises `InconclusiveSampleError` if some are missing."""
        for number, run in runs.items():
            run.records = decode(self._blocks(number, totals[number].blocks), totals[number], offset)

    def _start(self, plan: Plan) -> tuple[int, SampleRun]:
        document = asdict(plan)
        for name in JUDGED_HERE:
            del document[name]
        started = self._command("POST", "/runs", document)
        expired = None if plan.valid_until is None else ExpectedRefusals(plan.refusals, plan.valid_until)
        return started["run"], SampleRun(plan, expected_refusals=expired, address=started["address"])

    def _stop(self, runs: Collection[int]) -> dict[int, SampleTotals]:
        """Stop all runs at once: otherwise one would keep sending while the last requests of another end."""
        with ThreadPoolExecutor() as pool:
            answers = pool.map(lambda run: self._command("POST", f"/runs/{run}/stop"), runs)
            return {run: SampleTotals(**answer) for run, answer in zip(runs, answers, strict=True)}

    def clock_offset(self) -> float:
        """Return the seconds that the suite's clock is ahead of the sampler's, as of the middle of a round trip."""
        before = time.time()
        remote = float(self._command("GET", "/clock")["time"])
        return (before + time.time()) / 2 - remote

    def machine_load(self, since: float) -> MachineLoad:
        """Return the load of the sampler's machine from `since` on, in seconds since the epoch."""
        offset = self.clock_offset()
        rows = json.loads(self._ask("GET", f"/load?from={since - offset:.3f}").content)
        return MachineLoad(tuple(LoadSample(moment + offset, steal, lateness) for moment, steal, lateness in rows))

    def _blocks(self, run: int, count: int) -> Iterator[dict[str, object]]:
        first = 0
        while first < count:
            blocks = json.loads(self._ask("GET", f"/runs/{run}/blocks?from={first}").content)
            yield from blocks
            first += len(blocks)
            if not blocks:
                return

    def _command(self, method: str, path: str, document: object = None) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask(method, path, document).json()
        return answer

    def _ask(self, method: str, path: str, document: object = None) -> requests.Response:
        try:
            answer = self._session.request(method, self._url + path, json=document, timeout=COMMAND_SECONDS)
        except requests.RequestException as error:
            raise InconclusiveSampleError(f"the sampler did not answer {method} {path}: {error}") from error
        if not answer.ok:
            raise InconclusiveSampleError(f"the sampler refused {method} {path}: {answer.json()['detail']}")
        return answer


def open_sampler(cluster: Cluster, gateway: Gateway, image: str) -> Sampler:
    """Start the sampler's pod if it is not running, and wait until it answers through the gateway.

    Raises `WaitError` if it does not answer in time.
    """
    cluster.load_image(image)
    cluster.apply(*namespace_objects(cluster), pod(cluster, image))
    objects = Objects(cluster.api, cluster.run.namespace)
    session = gateway.session()

    def probe() -> Sampler:
        pods = objects.list("Pod").by_name
        address = text_at(pods.get(POD), "status.podIP")
        statuses = mappings_at(pods.get(POD), "status.containerStatuses")
        # The sampler of an earlier run may still serve while its container is replaced by one of this image.
        if not address or not any(
            short_name(text_at(status, "image")) == short_name(image) and at(status, "state.running")
            for status in statuses
        ):
            raise NotYet(f"the pod does not run {image} yet")
        sampler = Sampler(session, f"http://{authority(address, PORT)}", pods[POD])
        try:
            sampler.clock_offset()
        except InconclusiveSampleError as error:
            raise NotYet(str(error)) from error
        return sampler

    return eventually("the sampler to answer", probe, SAMPLER_UP)


def short_name(reference: str) -> str:
    """Return an image's name without registry and run id, since a node may report any of an image's names."""
    return reference.rpartition("/")[2].rpartition("-")[0]


def pod(cluster: Cluster, image: str) -> dict[str, Any]:
    """Return the manifest of the sampler's pod; its CPU request keeps it on time on a busy node."""
    command = ["python3", "/opt/tools/sampler.py", "--port", str(PORT)]
    return tool_pod(cluster, POD, image, command, {"cpu": "200m", "memory": "64Mi"})
