"""`python -m toolchain` prepares the toolchain; `python -m toolchain run COMMAND …` then runs a command with it.

`python -m toolchain helm` prepares Helm alone, which is all that the static level needs: no engine, no cluster.
The command's exit code is passed on; 2 means that the toolchain is unavailable.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import traceback

from toolchain import binaries, engine, ensure, helm_server
from toolchain.console import ToolchainError, log

FAILED = 2


def main(arguments: list[str]) -> int:
    """Prepare the toolchain, run the command if there is one, and return the exit code."""
    if arguments == ["helm"]:
        helm_server.prepare(binaries.ensure("helm", with_kubernetes=False))
        return 0
    if arguments and arguments[0] != "run":
        log("usage", "python -m toolchain [helm | run COMMAND [ARGUMENT …]]")
        return FAILED
    command = arguments[1:]
    with engine.in_use():
        ensure()
        return run_command(command) if command else 0


def run_command(command: list[str]) -> int:
    """Run a command in the foreground and return its exit code; 2 if a signal killed it."""
    # Ctrl-C reaches the whole foreground process group: the command cleans up first, then this process ends. A
    # handler, unlike an ignored signal, is not inherited by the command.
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        child = subprocess.Popen(command)
    except OSError as error:
        raise ToolchainError(f"{command[0]} can't be run: {error.strerror}") from error
    # SIGTERM makes the command clean up as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGINT))
    code = child.wait()
    return code if code >= 0 else FAILED


def exit_code(arguments: list[str]) -> int:
    """Return the exit code of `main`, or 2 after an error of this program, which is printed."""
    try:
        return main(arguments)
    except (ToolchainError, OSError) as error:
        log("error", str(error))
    except KeyboardInterrupt:
        log("error", "interrupted")
    except Exception:  # noqa: BLE001 - Python's own exit code, 1, would mean a rejected release
        log("error", traceback.format_exc().rstrip())
    return FAILED


if __name__ == "__main__":
    sys.exit(exit_code(sys.argv[1:]))
