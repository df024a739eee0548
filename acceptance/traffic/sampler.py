"""The suite's side of the sampler: give it a plan, stop it, and read what it noted."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from acceptance.core.deadlines import REQUEST, SAMPLER_UP
from acceptance.core.fields import at, mappings_at, name_of, text_at
from acceptance.core.wait import NotYet, eventually
from acceptance.kube.client import Objects
from acceptance.provision.cluster import Cluster
from acceptance.provision.gateway import Gateway
from acceptance.provision.tool_pod import namespace, tool_pod
from acceptance.traffic.availability import Availability, ExpectedRefusals, evaluate
from acceptance.traffic.records import InconclusiveSampleError, Record, SampleTotals, decode, require_steady_rate

POD = "sampler"
PORT = 8090
COMMAND_SECONDS = 2 * REQUEST.seconds
"""A stop is answered when the last request has ended, which may take the whole of a request's time."""


@dataclass(frozen=True)
class Plan:
    """What to send and what is a good answer; see the sampler's own `Plan` for the fields.

    `status` is the one that every request is to be answered with; the body must hold the request's token.
    """

    host: str
    port: int
    rate: float
    method: str
    path: str
    token: str
    status: int
    echo: str = "{token}"
    headers: dict[str, str] = field(default_factory=dict, repr=False)  # they may hold a credential
    body: str = ""
    reused_share: float = 0.5
    connections: int = 8
    timeout: float = REQUEST.seconds
    checks_idle_connections: bool = True
    pod_header: str = ""


@dataclass
class SampleRun:
    """One plan under way; after `stop`, its records."""

    plan: Plan
    records: tuple[Record, ...] = ()
    expected_refusals: ExpectedRefusals | None = None
    """Refusals that are right too, where the experiment brings them about."""
    address: str = ""
    """To which the requests were sent: the Service's, or the pod's."""

    @property
    def availability(self) -> Availability:
        """What became of the requests; `VoidError` before the sampling has ended."""
        if not self.records:
            raise InconclusiveSampleError("the sampling has not ended or sent nothing")
        return evaluate(self.records, self.plan.status, self.expected_refusals)


class Sampler:
    """A sampler that listens at `url`, reached by `session`."""

    def __init__(self, session: requests.Session, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self.address = urlsplit(url).hostname or ""
        """The sampler's own: its pod's."""

    @contextmanager
    def sample(self, plan: Plan) -> Iterator[SampleRun]:
        """`samplings` of one plan."""
        with self.sample_all({"": plan}) as samplings:
            yield samplings[""]

    @contextmanager
    def sample_all(self, plans: Mapping[str, Plan]) -> Iterator[dict[str, SampleRun]]:
        """Send requests by `plans` from entry to exit; then the records are there, under the labels of the plans.

        Raises `VoidError` at exit where they can't be relied on. Where the body of the `with` raises,
        the sampler is stopped and that error stands.
        """
        offset = self.clock_offset()
        runs: dict[int, SampleRun] = {}
        started: dict[int, float] = {}
        try:
            samplings = {}
            for label, plan in plans.items():
                document = asdict(plan)
                del document["status"]
                begun = self._command("POST", "/runs", document)
                started[begun["run"]] = time.monotonic()
                runs[begun["run"]] = samplings[label] = SampleRun(plan, address=begun["address"])
            yield samplings
        except BaseException:
            self._stop(runs)
            raise
        stopped = time.monotonic()
        for run, totals in self._stop(runs).items():
            records = decode(self._blocks(run, totals.blocks), totals, offset)
            require_steady_rate(records, runs[run].plan.rate, stopped - started[run])
            runs[run].records = records

    def _stop(self, runs: Collection[int]) -> dict[int, SampleTotals]:
        """Stop all at once: one that ended after another would have sent on while the other's last requests ended."""
        with ThreadPoolExecutor() as pool:
            answers = pool.map(lambda run: self._command("POST", f"/runs/{run}/stop"), runs)
            return {run: SampleTotals(**answer) for run, answer in zip(runs, answers, strict=True)}

    def clock_offset(self) -> float:
        """Seconds that the suite's clock is ahead of the sampler's, as seen midway of a round trip."""
        before = time.time()
        there = float(self._command("GET", "/clock")["time"])
        return (before + time.time()) / 2 - there

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
        answer = self._session.request(method, self._url + path, json=document, timeout=COMMAND_SECONDS)
        if not answer.ok:
            raise InconclusiveSampleError(f"the sampler refused {method} {path}: {answer.json()['detail']}")
        return answer


def open_sampler(cluster: Cluster, gateway: Gateway, image: str) -> Sampler:
    """Start the sampler's pod, if it does not run, and wait until it answers through the gateway."""
    cluster.load_image(image)
    cluster.apply(namespace(cluster), pod(cluster, image))
    objects = Objects(cluster.api, cluster.run.namespace)
    session = gateway.session()

    def probe() -> Sampler:
        pods = {name_of(item): item for item in objects.list("Pod").objects}
        address = text_at(pods.get(POD), "status.podIP")
        statuses = mappings_at(pods.get(POD), "status.containerStatuses")
        # One of an earlier run may still serve while its container is replaced by one of this image.
        if not address or not any(
            content(text_at(status, "image")) == content(image) and at(status, "state.running") for status in statuses
        ):
            raise NotYet(f"the pod does not run {image} yet")
        sampler = Sampler(session, f"http://{address}:{PORT}")
        try:
            sampler.clock_offset()
        except (requests.RequestException, InconclusiveSampleError) as error:
            raise NotYet(str(error)) from error
        return sampler

    return eventually("the sampler to answer", probe, SAMPLER_UP)


def content(reference: str) -> str:
    """An image's name without its registry and its run's id: a node tells of any of the names that content has."""
    return reference.rpartition("/")[2].rpartition("-")[0]


def pod(cluster: Cluster, image: str) -> dict[str, Any]:
    """Return the manifest of the sampler's pod; its CPU request keeps it on time on a busy node."""
    command = ["python3", "/opt/tools/sampler.py", "--port", str(PORT)]
    return tool_pod(cluster, POD, image, command, {"cpu": "200m", "memory": "64Mi"})
