"""Faults of the external PostgreSQL beyond its stop and pause, such as a crash, lost packets or unanswered commits.

Each is a context manager that applies the fault at entry, yields the moment, and undoes it at exit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial

from acceptance.core.signals import uninterrupted
from acceptance.provision.cluster import Cluster
from acceptance.provision.database import PORT, Database
from acceptance.provision.dependency import PacketRule

LOST_SHARE = 0.25
"""Share of packets that are dropped in each direction. TCP sends a lost one again after 0.2 s, then 0.4 s and so on, so
an exchange of statement and result takes 0.2 s on average, and some take a second."""

IPTABLES = ("iptables", "-w", "10")
"""Waits up to 10 s for its lock, which kube-proxy may hold."""
DELETE = f"""
{" ".join(IPTABLES)} -C "$@"; code=$?
[ $code = 1 ] && exit 0
[ $code = 0 ] && exec {" ".join(IPTABLES)} -D "$@"
exit $code
"""
"""Deletes a rule. A rule that does not exist, for which `iptables -C` exits with 1, is not an error."""


@contextmanager
def database_crashed(database: Database) -> Iterator[float]:
    """Kill PostgreSQL, and start it again at exit, when it recovers from its write-ahead log."""
    database.kill()
    try:
        yield time.time()
    finally:
        database.start()


def connections_refused(database: Database) -> AbstractContextManager[float]:
    """End the release's connections and refuse new ones, as when all of the server's slots are taken."""
    return _role_altered(database, "CONNECTION LIMIT 0", "CONNECTION LIMIT -1")


def database_read_only(database: Database) -> AbstractContextManager[float]:
    """Refuse writes, as on a standby after a failover; the release's connections are ended at entry and at exit."""
    read_only = "default_transaction_read_only"
    return _role_altered(database, f"SET {read_only} = on", f"RESET {read_only}")


def commits_unanswered(database: Database) -> AbstractContextManager[float]:
    """Store commits without answering them; those that wait are answered at exit."""
    return _undone(partial(database.hold_commits, held=True), partial(database.hold_commits, held=False))


def _role_altered(database: Database, change: str, undo: str) -> AbstractContextManager[float]:
    return _undone(partial(database.alter_role, change), partial(database.alter_role, undo))


@contextmanager
def _undone(apply: Callable[[], None], undo: Callable[[], None]) -> Iterator[float]:
    try:
        apply()  # undone even if it fails, since a part of it may have been applied
        yield time.time()
    finally:
        with uninterrupted():
            undo()


@contextmanager
def packets_lost(cluster: Cluster, database: Database, share: float = LOST_SHARE) -> Iterator[float]:
    """Drop a share of the packets between the nodes' pods and PostgreSQL.

    Args:
        cluster: The cluster, whose nodes drop them.
        database: PostgreSQL.
        share: Which share, chosen at random; 1.0 for all of them.
    """
    chosen = ("-m", "statistic", "--mode", "random", "--probability", f"{share}", "-j", "DROP")
    rules = [replace(rule, match=(*rule.match, *chosen)) for rule in database.server.packet_rules(cluster, PORT)]
    try:
        for rule in rules:
            rule.node.exec(*rule.within, *IPTABLES, "-I", *rule.match)
        yield time.time()
    finally:
        with uninterrupted():
            for rule in rules:
                _delete(rule)


def _delete(rule: PacketRule) -> None:
    """Delete a packet rule, if it was inserted. Raises `CommandError` if it may still be there."""
    rule.node.exec(*rule.within, "sh", "-c", DELETE, "sh", *rule.match)
