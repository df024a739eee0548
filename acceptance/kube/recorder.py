"""The recorder: one list and watch per kind, each in a thread; what they hear becomes history."""

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
"""After which the server ends a watch, so that one which is half open shows within `SILENCE_SECONDS`."""
SILENCE_SECONDS = 13.0
RETRY_SECONDS = 0.5
GONE = 410


class Source(Protocol):
    """Where objects are listed and watched; see `acceptance.objects.Objects`."""

    def list(self, kind: str) -> Listing: ...
    def watch(self, kind: str, version: str, seconds: int, silence: float) -> Iterator[dict[str, Any]]: ...


class Reflector:
    """Follows one kind: every version goes into the history, and so does every time without hearing."""

    def __init__(self, kind: str, source: Source, history: History, now: Callable[[], float] = time.time) -> None:
        self._kind = kind
        self._source = source
        self._history = history
        self._now = now
        self._heard = 0.0
        self._version = ""
        self._known: dict[str, Object] = {}

    def begin(self) -> None:
        """List once; what exists is the history's first state."""
        self._reconcile(self._source.list(self._kind))
        self._history.watched_since(self._kind, self._heard)

    def follow(self, stopped: threading.Event) -> None:
        """Watch until `stopped` is set, whatever happens to the connection."""
        try:
            while not stopped.is_set():
                if self.watch_once():
                    stopped.wait(RETRY_SECONDS)
        except Exception as error:  # noqa: BLE001 - a thread's end must not pass for a quiet cluster
            reason = f"the recorder failed: {type(error).__name__}: {error}"
            self._history.add_gap(Gap(self._kind, self._heard, math.inf, reason, lost=True))

    def watch_once(self) -> str | None:
        """One watch from the last version on, to its end; what went wrong in words, or None."""
        try:
            for event in self._source.watch(self._kind, self._version, WATCH_SECONDS, SILENCE_SECONDS):
                if event["type"] == "ERROR":
                    return self._error(event["object"])
                self._take(event)
        except urllib3.exceptions.ReadTimeoutError:
            return self._late(f"silent for {SILENCE_SECONDS:g} s")
        except ApiException as error:
            if error.status == GONE:
                return self._relist()
            return self._late(f"the API server answered {error.status}")
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return self._late(f"the connection failed: {type(error).__name__}")
        self._heard = self._now()
        return None

    def _take(self, event: dict[str, Any]) -> None:
        self._heard = self._now()
        item: Object = event["object"]
        self._version = text_at(item, "metadata.resourceVersion")
        if event["type"] == "BOOKMARK":
            return
        self._keep(item, deleted=event["type"] == "DELETED")

    def _keep(self, item: Object, *, deleted: bool) -> None:
        version = Version(self._kind, self._heard, item, deleted)
        if deleted:
            self._known.pop(version.uid, None)
        else:
            self._known[version.uid] = item
        self._history.add(version)

    def _error(self, status: Object) -> str:
        if status.get("code") == GONE:
            return self._relist()
        return self._late(f"the watch ended with {status.get('code')}: {status.get('message')}")

    def _late(self, reason: str) -> str:
        """Note a time in which nothing was heard; the next watch still brings every version."""
        self._history.add_gap(Gap(self._kind, self._heard, self._now(), reason, lost=False))
        return reason

    def _relist(self) -> str:
        """The versions since the last one are gone: note that, and take the state as it is now."""
        reason = "the watch's version was gone (410)"
        since = self._heard
        try:
            listing = self._source.list(self._kind)
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            return self._late(f"the list failed: {type(error).__name__}")
        self._history.add_gap(Gap(self._kind, since, self._now(), reason, lost=True))
        self._reconcile(listing)
        return reason

    def _reconcile(self, listing: Listing) -> None:
        self._heard = self._now()
        self._version = listing.version
        there = {text_at(item, "metadata.uid"): item for item in listing.objects}
        for uid in self._known.keys() - there.keys():
            self._keep(self._known[uid], deleted=True)
        for uid, item in there.items():
            known = self._known.get(uid)
            if known is None or version_of(known) != version_of(item):
                self._keep(item, deleted=False)


def version_of(item: Object) -> str:
    return text_at(item, "metadata.resourceVersion")


class Recorder:
    """Records `kinds` from entry to exit, and tells `heard` of each version. At entry every kind has been listed once.

    `heard` is called in the recorder's threads; it is not to wait for anything.
    """

    def __init__(
        self, source: Source, kinds: Iterable[str] = tuple(KINDS), heard: Callable[[Version], None] = lambda _: None
    ) -> None:
        self.history = History(heard)
        self._source = source
        self._kinds = tuple(kinds)
        self._stopped = threading.Event()

    def __enter__(self) -> Recorder:
        followers = [Reflector(kind, self._source, self.history) for kind in self._kinds]
        for follower in followers:
            follower.begin()
        for follower in followers:
            # Daemons: one that waits for its watch to end must not hold up the end of the run.
            threading.Thread(target=follower.follow, args=[self._stopped], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    def wait_until_current(self) -> float:
        """Wait until the history holds all that has happened; return the moment up to which it does.

        Only a settled time can be judged: a watch that hears nothing looks like a cluster where nothing happens.
        """
        moment = time.time()
        for kind in self._kinds:
            eventually(f"the recorder to have every {kind}", partial(self._caught_up, kind), RECORDER_SETTLED)
            self.history.complete_until(kind, moment)
        return moment

    def _caught_up(self, kind: str) -> None:
        there = {text_at(item, "metadata.uid"): version_of(item) for item in self._source.list(kind).objects}
        seen = {text_at(item, "metadata.uid"): version_of(item) for item in self.history.current(kind)}
        if there != seen:
            raise NotYet(f"{len(there.items() ^ seen.items())} versions differ from the API server's")
