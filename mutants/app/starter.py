"""Runs in the backend's image: starts the application again and again, each time with one file changed.

The libraries are imported once, so a start takes a tenth of the time; each application is a process of its own, forked
from this one, with the image's package and the changed file in a folder of its own. It needs the standard library only.

    POST /  {"file": "todo_backend/tasks.py", "source": "…"}    end the running application and start the changed one
    POST /  {}                                                  the same, unchanged, and find out which lines run
    GET /                                                       200 while it runs, else 410
    GET /lines                                                  the lines that have run since the last request

    python3 starter.py PORT IMAGE_FOLDER WORK_FOLDER PACKAGE
"""

import ast
import importlib
import json
import os
import runpy
import shutil
import signal
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any


def libraries(package: Path) -> list[str]:
    """Return the modules beyond the package that it imports."""
    found: set[str] = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
    return sorted(name for name in found if name.partition(".")[0] != package.name)


def trace(folder: Path, commands: int, answers: int) -> None:
    """Write the lines of a folder's files that have run, as JSON, whenever a byte is read; then start again.

    Each line costs once what it costs to note it: `sys.monitoring`, of Python 3.12, disables it where it has run.
    """
    monitoring: Any = vars(sys)["monitoring"]
    lines: set[str] = set()
    prefix = f"{folder}/"

    def ran(code: Any, line: int) -> object:
        if code.co_filename.startswith(prefix):
            lines.add(f"{code.co_filename.removeprefix(prefix)}:{line}")
        return monitoring.DISABLE

    def answer() -> None:
        while os.read(commands, 1):
            found = sorted(lines)
            lines.clear()
            monitoring.restart_events()
            os.write(answers, f"{json.dumps(found)}\n".encode())

    monitoring.use_tool_id(monitoring.COVERAGE_ID, "mutants")
    monitoring.register_callback(monitoring.COVERAGE_ID, monitoring.events.LINE, ran)
    monitoring.set_events(monitoring.COVERAGE_ID, monitoring.events.LINE)
    threading.Thread(target=answer, daemon=True).start()


class Starter(HTTPServer):
    """Holds the application's process."""

    def __init__(self, port: int, image: Path, work: Path, package: str) -> None:
        super().__init__(("", port), Handler)
        self.image = image
        self.work = work
        self.package = package
        self.child = 0
        self.pipes = (*os.pipe(), *os.pipe())
        """Both ends of the pipe with commands to the application's process, and of that with its answers."""

    def running(self) -> bool:
        """Whether the application runs."""
        if self.child and os.waitpid(self.child, os.WNOHANG)[0]:
            self.child = 0
        return self.child != 0

    def lines(self) -> str:
        """Return which lines of the application have run since the last request, as JSON."""
        os.write(self.pipes[1], b"\n")
        with os.fdopen(os.dup(self.pipes[2]), encoding="utf-8") as answers:
            return answers.readline()

    def start(self, file: str | None, source: str) -> None:
        """End the running application and start another, with one file changed, or traced without a change."""
        if self.running():
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
        for old in self.work.iterdir():
            shutil.rmtree(old)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(self.image / self.package, self.work / self.package, ignore=ignored)
        if file is not None:
            (self.work / file).write_text(source, encoding="utf-8")
        self.child = os.fork()
        if self.child == 0:
            self.socket.close()
            os.chdir(self.work)
            sys.path.insert(0, str(self.work))
            importlib.invalidate_caches()
            sys.argv = [self.package]
            if file is None:
                trace(self.work, self.pipes[0], self.pipes[3])
            code = 1
            try:
                runpy.run_module(self.package, run_name="__main__", alter_sys=True)
                code = 0
            except SystemExit as end:
                sys.stderr.write(f"{end.code}\n")
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)


class Handler(BaseHTTPRequestHandler):
    """Answers the commands."""

    server: Starter

    def do_GET(self) -> None:
        """Tell whether the application runs, or which of its lines have run."""
        running = self.server.running()
        self._answer(200 if running else 410, self.server.lines() if running and self.path == "/lines" else "")

    def do_POST(self) -> None:
        """Start the application with a changed file."""
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.start(given.get("file"), given.get("source", ""))
        self._answer(200)

    def _answer(self, status: int, text: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text.encode("ascii"))

    def log_message(self, *_: object) -> None:
        """Write nothing: the log is the application's."""


def main() -> None:
    """Import the libraries, then wait for commands."""
    port, image, work, package = sys.argv[1:]
    sys.path.insert(0, image)
    for name in libraries(Path(image) / package):
        with suppress(ImportError):
            importlib.import_module(name)
    sys.path.remove(image)
    Starter(int(port), Path(image), Path(work), package).serve_forever()


if __name__ == "__main__":
    main()
