"""Commands of NOTES.txt: only those that are understood in full are judged."""

from __future__ import annotations

import pytest

from acceptance.checks.notes import Command, commands


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("kubectl --namespace=a port-forward svc/web 8080:80", ("Service", "web", "a", ("8080:80",))),
        ("  $ kubectl port-forward -n a deploy/web 8080:80", ("Deployment", "web", "a", ("8080:80",))),
        ("kubectl rollout status deployment/web --timeout=180s -n a", ("Deployment", "web", "a", ())),
        ("Run `minikube service web -n a`", ("Service", "web", "a", ())),
        ("kubectl logs deployment/web -c main | grep error", ("Deployment", "web", "", ())),
        ("kubectl get -o wide service web -n a", ("Service", "web", "a", ())),
        ("kubectl port-forward svc/web 8080:80 & open http://localhost:8080", ("Service", "web", "", ("8080:80",))),
    ],
)
def test_understood(line: str, found: tuple[str, str, str, tuple[str, ...]]) -> None:
    assert list(commands(line)) == [Command(line.strip(), *found)]


@pytest.mark.parametrize(
    "line",
    [
        "kubectl port-forward $POD_NAME 8080:80",
        "kubectl get pods -l app=web",
        "kubectl port-forward svc/<name> 80",
        "Use kubectl to see the pods.",
        "minikube service list",
    ],
)
def test_left_out(line: str) -> None:
    assert list(commands(line)) == []
