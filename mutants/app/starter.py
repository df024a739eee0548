"""Runs in the backend's image: starts the application again and again, each time with one file changed.

The libraries are imported once, so a start takes a tenth of the time; each application is a process of its own, forked
from this one, with the image's package and the changed file in a folder of its own. It needs the standard library only.

    POST /  {"file": "todo_backend/tasks.py", "source": "…"}    end the running application and start the changed one
    GET /                                                       200 while it runs, else 410

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
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


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


class Starter(HTTPServer):
    """Holds the application's process."""

    def __init__(self, port: int, image: Path, work: Path, package: str) -> None:
        super().__init__(("", port), Handler)
        self.image = image
        self.work = work
        self.package = package
        self.child = 0

    def running(self) -> bool:
        """Whether the application runs."""
        if self.child and os.waitpid(self.child, os.WNOHANG)[0]:
            self.child = 0
        return self.child != 0

    def start(self, file: str, source: str) -> None:
        """End the running application and start another, with one file changed."""
        if self.running():
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
        for old in self.work.iterdir():
            shutil.rmtree(old)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(self.image / self.package, self.work / self.package, ignore=ignored)
        (self.work / file).write_text(source, encoding="utf-8")
        self.child = os.fork()
        if self.child == 0:
            self.socket.close()
            os.chdir(self.work)
            sys.path.insert(0, str(self.work))
            importlib.invalidate_caches()
            sys.argv = [self.package]
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
        """Tell whether the application runs."""
        self._answer(200 if self.server.running() else 410)

    def do_POST(self) -> None:
        """Start the application with a changed file."""
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.start(given["file"], given["source"])
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

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
