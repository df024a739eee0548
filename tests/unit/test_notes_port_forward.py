"""The port-forwards of NOTES.txt: which are found, which lead to the frontend, and which answer counts."""

from __future__ import annotations

import signal
import sys

import pytest
import requests

from acceptance.checks.finding import Untested
from acceptance.client import notes_port_forward
from acceptance.client.notes_port_forward import (
    PortForward,
    find_port_forwards,
    first_answer,
    frontend_port_forwards,
    run_port_forward,
)
from acceptance.core.deadlines import Deadline
from acceptance.core.target import Target
from acceptance.provision.port_forward import free_port
from toolchain.console import ToolchainError

BACKEND = "kubectl port-forward svc/todo-backend-service 8000:8000"
FRONTEND = "kubectl port-forward service/todo-frontend-service 8080:80"
BY_PORT = "kubectl port-forward $POD 3000:3000"
UNTOLD = "kubectl port-forward $POD 8080:$PORT"


def printed(target: Target, notes: str) -> list[str]:
    """The commands that may lead to the frontend, as printed."""
    found = frontend_port_forwards(notes, target)
    return [each.command.splitlines()[-1].removeprefix("exec ") for each in found]


def test_assignments_come_before_the_command() -> None:
    (found,) = find_port_forwards(
        "1. Open:\n\n  export POD=$(kubectl get pods)\n  kubectl -n x port-forward svc/web 8080:80 &\n"
    )
    assert found.port == 8080
    assert found.command.startswith("export POD=")
    assert found.command.endswith("8080:80")
    assert find_port_forwards("Open http://localhost:3000") == []


@pytest.mark.parametrize(
    ("arguments", "command", "port", "remote"),
    [
        ("svc/web 3000:3000 -n todo", "svc/web 3000:3000 -n todo", 3000, "3000"),
        ("svc/web 3000:http", "svc/web 3000:http", 3000, "http"),
        ("svc/web 8080:80 --address 127.0.0.1", "svc/web 8080:80 --address 127.0.0.1", 8080, "80"),
        ("$POD_NAME 8080:$CONTAINER_PORT", "$POD_NAME 8080:$CONTAINER_PORT", 8080, "$CONTAINER_PORT"),
        ("svc/web 3000   # then open the page", "svc/web 3000", 3000, "3000"),
        ("svc/web 3000:3000 &", "svc/web 3000:3000", 3000, "3000"),
        ("svc/web 3000:3000 > /dev/null 2>&1 &", "svc/web 3000:3000", 3000, "3000"),
        ("svc/web \\\n    8080:80 \\\n    -n todo", "svc/web  8080:80  -n todo", 8080, "80"),
    ],
)
def test_commands_are_read_with_options_and_lines(arguments: str, command: str, port: int, remote: str) -> None:
    found = find_port_forwards(f"  kubectl port-forward {arguments}\n")
    assert found == [PortForward(f"exec kubectl port-forward {command}", port, remote)]


def test_any_local_port_is_one_that_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes_port_forward, "free_port", lambda: 45678)
    (found,) = find_port_forwards("kubectl port-forward svc/web :80 -n todo\n")
    assert found == PortForward("exec kubectl port-forward svc/web 45678:80 -n todo", 45678, "80")


@pytest.mark.parametrize(
    ("notes", "chosen"),
    [
        ([BACKEND, FRONTEND], [FRONTEND]),
        ([UNTOLD, FRONTEND], [FRONTEND]),
        ([BACKEND, BY_PORT, UNTOLD], [BY_PORT]),
        ([BACKEND, UNTOLD, UNTOLD], [UNTOLD, UNTOLD]),
        ([BACKEND], []),
        (["minikube service a", UNTOLD], [UNTOLD]),
        (["Open the page."], []),
    ],
)
def test_port_forward_of_the_frontend_is_chosen(target: Target, notes: list[str], chosen: list[str]) -> None:
    assert printed(target, "\n".join(notes)) == chosen


def test_notes_for_minikube_are_untested_elsewhere(target: Target) -> None:
    with pytest.raises(Untested, match="prints `minikube service todo-frontend -n todo`"):
        frontend_port_forwards("Run:\n  minikube service todo-frontend -n todo\n", target)


@pytest.mark.parametrize(
    "notes",
    [
        "export NODE_PORT=$(kubectl get -o jsonpath={.spec.ports[0].nodePort} svc a)\necho http://$NODE_IP:$NODE_PORT",
        "Visit https://todo.example.com/ in your browser.",
        "kubectl get ingress todo -n todo\nhttp://todo.local",
    ],
)
def test_notes_with_an_address_are_untested(target: Target, notes: str) -> None:
    """A NodePort, an Ingress or a load balancer, whose address the suite can't reach as users do."""
    with pytest.raises(Untested, match=r"NOTES.txt leads to https?://.*prints no kubectl port-forward"):
        frontend_port_forwards(notes, target)


@pytest.mark.parametrize("notes", ["", "Open http://localhost:3000", "kubectl get pods\nhttp://127.0.0.1:8080"])
def test_notes_that_lead_nowhere_print_no_command(target: Target, notes: str) -> None:
    assert frontend_port_forwards(notes, target) == []


def test_target_without_a_frontend_is_untested(target: Target) -> None:
    components = {"backend": target.components["backend"]}
    with pytest.raises(Untested, match="names no frontend"):
        frontend_port_forwards(FRONTEND, target.model_copy(update={"components": components}))


def serve(port: int, status: int) -> PortForward:
    """A command that answers every request on a port with a status."""
    handler = (
        "import http.server as h; H = type('H', (h.BaseHTTPRequestHandler,), "
        f"dict(do_GET=lambda s: (s.send_response({status}), s.send_header('Content-Length', '0'), s.end_headers()))); "
        f"h.HTTPServer(('127.0.0.1', {port}), H).serve_forever()"
    )
    return PortForward(f'exec {sys.executable} -c "{handler}"', port, "80")


def is_ok(answer: requests.Response) -> bool:
    return answer.ok


def test_command_whose_answer_is_right_counts() -> None:
    ended = PortForward("exec false", free_port(), "80")
    wrong, right = (serve(free_port(), status) for status in (404, 200))
    assert first_answer([ended, wrong, right], "/", is_ok)[0] == right
    assert first_answer([right, wrong], "/", is_ok)[0] == right
    command, answer = first_answer([ended, wrong], "/", is_ok)
    assert (command, answer.status_code) == (wrong, 404)
    with pytest.raises(AssertionError, match="ended with exit code 1"):
        first_answer([wrong, ended], "/", is_ok)


def test_api_server_that_does_not_answer_is_no_finding() -> None:
    words = "Unable to connect to the server: dial tcp 127.0.0.1:6443: connect: connection refused"
    unreachable = PortForward(f"echo '{words}'; exit 1", free_port(), "80")
    with pytest.raises(ToolchainError, match="Unable to connect to the server"):
        first_answer([unreachable], "/", is_ok)
    lost = PortForward("echo 'dial tcp4 127.0.0.1:3000: connect: connection refused'; exit 1", free_port(), "80")
    with pytest.raises(AssertionError, match="connection refused"):
        first_answer([lost], "/", is_ok)


def test_command_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes_port_forward, "END_SECONDS", 0.5)
    deaf = PortForward("trap '' TERM; echo ready; while :; do sleep 0.1; done", free_port(), "80")
    with run_port_forward(deaf) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    assert process.returncode == -signal.SIGKILL


def test_redirects_without_end_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes_port_forward, "TUNNEL_UP", Deadline("tunnel", 1, "short for a test"))

    def redirected(*_: object, **__: object) -> None:
        raise requests.TooManyRedirects("Exceeded 30 redirects.")

    monkeypatch.setattr(requests.Session, "get", redirected)
    with pytest.raises(AssertionError, match="Exceeded 30 redirects"):
        first_answer([PortForward("exec sleep 60", free_port(), "80")], "/", is_ok)
