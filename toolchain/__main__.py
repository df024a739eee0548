"""`python -m toolchain`: have everything; `python -m toolchain run COMMAND …`: and run a command with it.

The command's exit code is passed on; 2 means that the toolchain could not be had.
"""

from __future__ import annotations

import signal
import subprocess
import sys

from toolchain import engine, ensure
from toolchain.console import ToolchainError, log

FAILED = 2


def main(arguments: list[str]) -> int:
    if arguments and arguments[0] != "run":
        log("usage", "python -m toolchain [run COMMAND [ARGUMENT …]]")
        return FAILED
    command = arguments[1:]
    with engine.in_use():
        ensure()
        if not command:
            return 0
        # Ctrl-C goes to the whole foreground group: the command cleans up, and then this ends too. A handler, unlike
        # an ignored signal, is not inherited.
        signal.signal(signal.SIGINT, lambda *_: None)
        try:
            child = subprocess.Popen(command)
        except OSError as error:
            raise ToolchainError(f"{command[0]} can't be run: {error.strerror}") from error
        # What is told to end cleans up as if it was interrupted.
        signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGINT))
        code = child.wait()
        return code if code >= 0 else FAILED


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (ToolchainError, OSError) as error:
        log("error", str(error))
        sys.exit(FAILED)
    except KeyboardInterrupt:
        log("error", "interrupted")
        sys.exit(FAILED)
