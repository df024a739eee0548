"""``python -m todo_backend``: run the server."""

import gc
import logging
import os
import signal
import sys


def main() -> None:
    # Process 1 of a container ignores SIGTERM until it has a handler, and the imports take seconds. The handler exits
    # immediately: a module that is being imported could swallow an exception, and there is nothing to clean up yet.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    # Imported modules are never garbage: collecting during the imports takes a tenth of the startup time.
    gc.disable()
    from todo_backend import logs, settings

    try:
        config = settings.read()
    except settings.SettingsError as error:
        sys.exit(f"todo-backend: {error}")
    logs.configure(debug=config.debug, pod=config.pod_name, version=config.version)
    logging.getLogger("todo_backend").info("starting: environment %s, port %s", config.environment, config.port)

    from todo_backend.app import create_app
    from todo_backend.database import TRANSACTION_SECONDS
    from todo_backend.middleware import RequestContextMiddleware
    from todo_backend.server import DrainingServer

    server = DrainingServer(
        RequestContextMiddleware(create_app(config), pod_name=config.pod_name),
        host=config.host,
        port=config.port,
        drain_seconds=config.drain_seconds,
        # The longest request: a chat turn reads, calls the model and writes.
        finish_seconds=config.model_seconds + 2 * TRANSACTION_SECONDS + 1,
    )
    # Excludes what is loaded by now from later collections, which would delay requests.
    gc.freeze()
    gc.enable()
    server.run()
    if not server.started:
        sys.exit(1)


main()
