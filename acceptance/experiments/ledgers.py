"""The write ledgers of an experiment: what its traffic wrote, compared with the rows of each table."""

from __future__ import annotations

from acceptance.core.target import Tables
from acceptance.experiments.experiment import Traffic
from acceptance.provision.database import Database
from acceptance.traffic.write_ledger import Reconciliation, count, reconcile, writes


def reconcile_writes(traffic: Traffic, tables: Tables, database: Database) -> dict[str, Reconciliation]:
    """Compare what was acknowledged with the rows of tasks, of messages, and of the tasks that chat turns added.

    The traffic labelled `backend` writes tasks, the one labelled `chat` sends chat turns; either may be absent.
    """
    user, assistant = {tables.message_role: "user"}, {tables.message_role: "assistant"}
    sources: dict[str, tuple[str, str, str, dict[str, str]]] = {
        "tasks": ("backend", tables.task, tables.task_title, {}),
        "user messages": ("chat", tables.message, tables.message_content, user),
        "assistant messages": ("chat", tables.message, tables.message_content, assistant),
        "tasks by chat": ("chat", tables.task, tables.task_title, {}),
    }
    ledgers = {}
    with database.admin() as connection:
        for label, (traffic_label, table, column, where) in sources.items():
            if traffic_label not in traffic:
                continue
            run = traffic[traffic_label]
            ledgers[label] = reconcile(writes(run), count(connection, table, column, run.plan.token, where))
    return ledgers
