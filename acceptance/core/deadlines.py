"""Every deadline of the suite, in seconds, each with its source."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

GRACE_PERIOD = 30.0
"""Kubernetes' default grace period of a pod, in seconds: the one that the deadlines below allow for."""


@dataclass(frozen=True)
class Deadline:
    """The time that a condition may take, in seconds, and the source of that figure."""

    name: str
    seconds: float
    source: str

    def counted_from(self, moment: float) -> Deadline:
        """Return what is left of it now if it counts from a moment, in seconds since the epoch; 0 once it has passed.

        Of several conditions that are waited for one after the other, each then has the same end.
        """
        passed = max(0.0, time.time() - moment)
        source = f"{self.source}; {self.seconds:g} s in all, of which {passed:.1f} s had passed"
        return replace(self, seconds=max(0.0, self.seconds - passed), source=source)

    def for_grace_period(self, seconds: float) -> Deadline:
        """Return the deadline of pods with this grace period, which may take all of it to end."""
        beyond = seconds - GRACE_PERIOD
        if beyond <= 0:
            return self
        source = f"{self.source}; {beyond:g} s more, since a pod has a grace period of {seconds:g} s"
        return replace(self, seconds=self.seconds + beyond, source=source)


RELEASE_READY = Deadline("release ready", 180, "CHT-11: all pods Ready within 3 minutes of helm install")
POD_REPLACED = Deadline("pod replaced", 30, "POD-17: a deleted pod's replacement is Ready within 30 s")
RECOVERED = Deadline(
    "pod replaced or restarted", 60, "twice what POD-17 allows, by which the time is judged: a slow start is no failure"
)
DATABASE_ERROR = Deadline("error without database", 5, "PER-08: an error within 5 s, not a hang")
DATABASE_RECOVERY = Deadline("recovery of the database", 30, "PER-08: service recovers within 30 s")
REQUEST = Deadline("answer to a request", 10, "STA-08: a request later than 10 s has failed")
AT_REST = Deadline(
    "p99 at rest", 2, "a page's p99 is 0.43 s here and a write's 0.07 s; a busy machine gets five times the former"
)
ENDPOINT_GONE = Deadline(
    "killed pod's endpoint gone",
    10,
    "the kubelet sees an ended process within 1 s, kube-proxy writes its rules each second; five times that",
)
CAUSE_LASTED = Deadline(
    "fail-fast cause", 15, "a back-off may end by itself; a cause must be reported within 20 s of being known (POD-03)"
)
UNINSTALLED = Deadline("uninstall", 120, "grace period 30 s of every pod, one after the other at worst, twice")
METRICS = Deadline("first metrics", 120, "metrics-server needs two scrapes, 10 s apart here, 60 s by default")
DEPENDENCY_RUNS = Deadline(
    "pod of the database or the model runs", 120, "an image that is on the node: 3 s here; one pulls it first"
)
DATABASE_UP = Deadline("database up", 60, "initdb and start take 3 s here; a busy machine gets twenty times that")
MODEL_UP = Deadline("model's stub up", 30, "Python's start takes 0.3 s here; a busy machine gets a hundred times that")
IMAGES_BUILT = Deadline("images built", 1800, "26 s here, several minutes without a cache; a busy machine gets more")
NODE_UP = Deadline("node up", 240, "kind's own wait for a node is as long; here it takes 3 s")
NODE_AGENTS_UP = Deadline(
    "the suite's pods on the nodes up", 120, "a pod of an image that is on the node: 3 s here; one pulls it first"
)
DNS_UP = Deadline("cluster's DNS up", 120, "the node becomes Ready and CoreDNS's pod starts: 10 s here")
GATEWAY_UP = Deadline("gateway up", 90, "the node becomes Ready and the pod starts: 10 s here")
RECORDER_SETTLED = Deadline("recorder caught up", 30, "a half-open watch shows after 13 s and is resumed")
ROLLED_OUT = Deadline("rollout", 120, "two replicas in turn take 25 s here; a busy machine gets five times that")
RATE_LIMIT = Deadline("rate limit", 40, "Better Auth allows 3 sign-ups in 10 s from one address; four windows of that")
SAMPLER_UP = Deadline("sampler up", 60, "an image that is on the node, and Python's start: 3 s here")
LOGGED = Deadline("a log line", 5, "kubelet hands a line on at once; a busy machine gets seconds")
EVERY_POD = Deadline("an answer of every pod", 20, "a Ready pod takes its share of new connections, 20 ms each")
API_SERVER = Deadline("API server of a context", 15, "it answers in 0.1 s here; one far away gets a hundred times that")
NAMESPACE_GONE = Deadline(
    "the suite's namespace gone", 60, "its pods have a grace period of 1 s; 10 s here, a busy machine gets six times"
)
TUNNEL_UP = Deadline(
    "tunnel of NOTES.txt", 30, "kubectl port-forward takes 1 s here; a busy machine gets thirty times that"
)
CAUSE_REPORTED = Deadline(
    "cause reported", 60, "a back-off shows after the second try, 10 s apart; a busy machine starts slowly"
)
MODEL_ASKED = Deadline(
    "request to the model", 5, "a turn asks the model within 0.1 s here; a busy machine gets seconds"
)
WRITES_COMMITTED = Deadline("commits of a few forms", 5, "1 s here; a busy machine gets seconds")
WRITE_REPEATED = Deadline(
    "repeated write",
    6,
    "a pod without grace period ends after 2 s, and a client repeats at once; three times that",
)
NODE_RESTARTED = Deadline(
    "release Ready after a restart of its node", 180, "37 s from the restart here; a busy machine gets five times that"
)
NODE_DRAINED = Deadline("node drained", 120, "every pod's grace period of 30 s, all at once; four times that")
NODE_LOSS_NOTICED = Deadline("loss of a node noticed", 60, "Kubernetes marks a node that is silent for 50 s")
PODS_OF_LOST_NODE_REPLACED = Deadline(
    "pods of a lost node replaced", 420, "noticed after 50 s, tolerated for 300 s by default, then a start; 1.1 times"
)
NODE_BACK = Deadline("lost node Ready again", 180, "24 s here; a busy machine gets seven times that")
MODEL_GONE = Deadline("turn without the model", 60, "twice the 30 s after which most proxies and clients give up")
MODEL_BACK = Deadline("turn after the model's return", 40, "the cluster's DNS remembers an absent name for up to 30 s")
READINESS = Deadline(
    "readiness follows", 60, "period times threshold, shipped up to 15 s, Kubernetes' 30 s; twice that"
)
LOAD_ENDED = Deadline("load ended", 30, "requests in flight are answered within 10 s; Locust ends 1 s later here")
ENDPOINTS = Deadline("endpoints follow", 5, "within 0.1 s of a pod's readiness here; a busy machine gets seconds")
LIVENESS = Deadline(
    "liveness acts", 150, "period times threshold, shipped 30 s, then a grace period of 30 s; twice that"
)
STARTED = Deadline(
    "container started again", 60, "a first restart is immediate, a second waits for 10 s, a third for 20 s"
)
SCALED_UP = Deadline(
    "scaled up", 240, "metrics each 15 s, a sync each 15 s, at most doubled at a time, and pods' starts"
)
SCALED_DOWN = Deadline("scaled down", 210, "beyond its window: syncs each 15 s, and pods' drains; twice that")
SCALED_TO_REST = Deadline(
    "scaled back after the start", 420, "a window of 300 s by default, syncs each 15 s, and pods' drains"
)
SHOWN = Deadline("something on a page", 15, "a page takes 0.5 s here; a request is to be answered within 10 s")
IMAGE_ANSWERS = Deadline(
    "image answers alone", 60, "its start takes 1 to 3 s here; a busy machine gets twenty times that"
)
DIAGNOSIS = Deadline("cause in time", 20, "POD-03: why a pod can't run is reported within 20 s of being known")
CAUSE_GAP = Deadline(
    "gap in a cause",
    10,
    "a container without a readiness probe is Ready until it crashes once more, and a while longer",
)
VOLUME_GONE = Deadline(
    "emptyDir gone", 30, "the kubelet removes it before the pod's object is gone; its clean-up runs each 2 s"
)
CONNECTIONS_FELL = Deadline(
    "connections fell", 30, "PER-03: they fall after the load; a removed pod's end with its grace period of 30 s"
)
