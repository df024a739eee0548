"""Records all versions of objects: one list and watch per kind, each in a thread."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Protocol

import urllib3
from kubernetes.client import ApiException

from acceptance.core.deadlines import RECORDER_SETTLED
from acceptance.core.fields import Object, text_at
from acceptance.core.wait import NotYet, eventually
from acceptance.kube.client import KINDS, Listing
from acceptance.kube.history import Gap, History, Version

WATCH_SECONDS = 10
"""Timeout of a watch on the server, so that a half-open connection is detected within `SILENCE_SECONDS`."""
SILENCE_SECONDS = 13.0
"""Read timeout of a watch: the server ends it before that, unless the connection is half open."""
RETRY_SECONDS = 0.5
"""Seconds between a watch that failed and the next one."""
GONE = 410
"""The status of a watch from a version that the API server no longer has."""


class Source(Protocol):
    """What a recorder lists and watches objects with; implemented by `acceptance.kube.client.Objects`."""

    def list(self, kind: str) -> Listing:
        """List the objects of a kind."""

    def watch(self, kind: str, version: str, seconds: int, silence: float) -> Iterator[dict[str, Any]]:
        """Yield the watch events of a kind after `version`."""


class Reflector:
    """Lists and watches one kind; adds every version and every gap to the history."""

    def __init__(self, kind: str, source: Source, history: History, now: Callable[[], float] = time.time) -> None:
        self._kind = kind
        self._source = source
        self._history = history
        self._now = now
        self._last_event = 0.0
        self._version = ""
        self._known: dict[str, Object] = {}

    def start(self) -> None:
        """List once; the result is the history's first state."""
        self._reconcile(self._source.list(self._kind))
        self._history.watched_since(self._kind, self._last_event)

    def follow(self, stopped: threading.Event) -> None:
        """Watch until `stopped` is set, reconnecting after errors."""
        try:
            while not stopped.is_set():
                if self.watch_once():
                    stopped.wait(RETRY_SECONDS)
        except Exception as error:  # noqa: BLE001 - a failed thread must not look like a cluster without changes
            reason = f"the recorder failed: {type(error).__name__}: {error}"
            self._history.add_gap(Gap(self._kind, self._last_event, math.inf, reason, lost=True))

    def watch_once(self) -> str | None:
        """Run one watch from the last version on until it ends; return what failed, or None."""
        try:
            for event in self._source.watch(self._kind, self._version, WATCH_SECONDS, SILENCE_SECONDS):
                if event["type"] == "ERROR":
                    return self._error(event["object"])
                self._take(event)
        except urllib3.exceptions.ReadTimeoutError:
            return self._delayed(f"silent for {SILENCE_SECONDS:g} s")
        except ApiException as error:
            if error.status == GONE:
                return self._relist()
            return self._delayed(f"the API server answered {error.status}")
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return self._delayed(f"the connection failed: {type(error).__name__}")
        self._last_event = self._now()
        return None

    def _take(self, event: dict[str, Any]) -> None:
        self._last_event = self._now()
        item: Object = event["object"]
        self._version = text_at(item, "metadata.resourceVersion")
        if event["type"] == "BOOKMARK":
            return
        self._keep(item, deleted=event["type"] == "DELETED")

    def _keep(self, item: Object, *, deleted: bool) -> None:
        version = Version(self._kind, self._last_event, item, deleted)
        if deleted:
            self._known.pop(version.uid, None)
        else:
            self._known[version.uid] = item
        self._history.add(version)

    def _error(self, status: Object) -> str:
        if status.get("code") == GONE:
            return self._relist()
        return self._delayed(f"the watch ended with {status.get('code')}: {status.get('message')}")

    def _delayed(self, reason: str) -> str:
        """Add a gap without lost versions: the next watch still delivers every version. Return the reason."""
        self._history.add_gap(Gap(self._kind, self._last_event, self._now(), reason, lost=False))
        return reason

    def _relist(self) -> str:
        """List again after the last version has expired, and add a gap with lost versions. Return the reason."""
        reason = "the watch's resource version has expired (410)"
        since = self._last_event
        try:
            listing = self._source.list(self._kind)
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            return self._delayed(f"the list failed: {type(error).__name__}")
        self._history.add_gap(Gap(self._kind, since, self._now(), reason, lost=True))
        self._reconcile(listing)
        return reason

    def _reconcile(self, listing: Listing) -> None:
        self._last_event = self._now()
        self._version = listing.version
        listed = {text_at(item, "metadata.uid"): item for item in listing.objects}
        for uid in self._known.keys() - listed.keys():
            self._keep(self._known[uid], deleted=True)
        for uid, item in listed.items():
            known = self._known.get(uid)
            if known is None or version_of(known) != version_of(item):
                self._keep(item, deleted=False)


def version_of(item: Object) -> str:
    """Return an object's resource version."""
    return text_at(item, "metadata.resourceVersion")


class Recorder:
    """Context manager that records objects from entry to exit; on entry every kind has been listed once.

    Args:
        source: What to list and watch with.
        kinds: The kinds to record.
        on_version: Called with each version, in the recorder's threads; must not block.
    """

    def __init__(
        self,
        source: Source,
        kinds: Iterable[str] = tuple(KINDS),
        on_version: Callable[[Version], None] = lambda _: None,
    ) -> None:
        self.history = History(on_version)
        self._source = source
        self._kinds = tuple(kinds)
        self._stopped = threading.Event()

    def __enter__(self) -> Recorder:
        reflectors = [Reflector(kind, self._source, self.history) for kind in self._kinds]
        for reflector in reflectors:
            reflector.start()
        for reflector in reflectors:
            # Daemon threads: waiting for a watch to end must not delay the end of the run.
            threading.Thread(target=reflector.follow, args=[self._stopped], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    def wait_until_current(self) -> float:
        """Wait until the history has every version up to now; return that moment in seconds since the epoch.

        Checks need a complete interval: a watch that delivers nothing looks like a cluster without changes.
        """
        moment = time.time()
        for kind in self._kinds:
            eventually(f"the recorder to have every {kind}", partial(self._caught_up, kind), RECORDER_SETTLED)
            self.history.complete_until(kind, moment)
        return moment

    def _caught_up(self, kind: str) -> None:
        try:
            listed = self._source.list(kind).objects
        except (ApiException, urllib3.exceptions.HTTPError) as error:
            raise NotYet(f"the API server does not answer: {type(error).__name__}") from error
        actual = {text_at(item, "metadata.uid"): version_of(item) for item in listed}
        recorded = {text_at(item, "metadata.uid"): version_of(item) for item in self.history.current(kind)}
        if actual != recorded:
            raise NotYet(f"{len(actual.items() ^ recorded.items())} versions differ from the API server's")
