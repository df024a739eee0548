"""Structured logging: one JSON object per line on stdout."""

import json
import logging
import sys
from datetime import UTC, datetime


class _Json(logging.Formatter):
    def __init__(self, pod: str, version: str) -> None:
        super().__init__()
        self._release = {"pod": pod, "version": version}

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **getattr(record, "fields", {"logger": record.name, "message": record.getMessage()}),
            **self._release,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(*, debug: bool, pod: str, version: str) -> None:
    """Log everything to stdout; ``debug`` includes the application's debug messages."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Json(pod, version))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.captureWarnings(True)
    logging.getLogger("todo_backend").setLevel(logging.DEBUG if debug else logging.INFO)
    # At INFO these log every request to the model.
    for name in ("httpx", "httpx2", "openai", "openai.agents"):
        logging.getLogger(name).setLevel(logging.WARNING)
