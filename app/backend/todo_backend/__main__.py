"""``python -m todo_backend``: serve."""

import gc
import logging
import os
import signal
import sys

from todo_backend import logs, settings


def main() -> None:
    # Process 1 of a container ignores SIGTERM until it has a handler, and loading the rest takes seconds. At once:
    # an exception could be swallowed by whatever is being loaded, and there is nothing to clean up yet.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        config = settings.read()
    except settings.SettingsError as error:
        sys.exit(f"todo-backend: {error}")
    logs.configure(debug=config.debug, pod=config.pod_name, version=config.version)
    logging.getLogger("todo_backend").info("starting: environment %s, port %s", config.environment, config.port)

    # What is loaded stays: to look for garbage among it takes a tenth of the start, and later time of requests.
    gc.disable()
    from todo_backend.app import create_app
    from todo_backend.database import TRANSACTION_SECONDS
    from todo_backend.edge import Edge
    from todo_backend.server import DrainingServer

    server = DrainingServer(
        Edge(create_app(config), pod_name=config.pod_name),
        host=config.host,
        port=config.port,
        drain_seconds=config.drain_seconds,
        # The longest request: a chat turn reads, asks the model and writes.
        finish_seconds=config.model_seconds + 2 * TRANSACTION_SECONDS + 1,
    )
    gc.freeze()
    gc.enable()
    server.run()
    if not server.started:
        sys.exit(1)


main()
