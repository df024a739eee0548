"""Two frontend pods: who signs in at one is signed in at the other, and a form of one's page works at the other."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import pytest
import requests

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.answers import SEE_OTHER
from acceptance.client.forms import from_browser, submit, text_form
from acceptance.client.pods import origins
from acceptance.client.user import User, send
from acceptance.core.deadlines import REQUEST
from acceptance.core.redaction import redactor
from acceptance.experiments.experiment import Experiment, ExperimentRunner, WaitResult
from acceptance.traffic.plans import new_token

REPLICAS = 2


@dataclass
class TwoFrontends:
    """The experiment, and what was answered otherwise than by one frontend: (pod, what, expected, actual)."""

    experiment: Experiment
    rollout: WaitResult[None]
    problems: list[tuple[str, str, str, str]] = field(default_factory=list)


def sign_in(user: User, pod: str, origin: str) -> User | None:
    """Sign in at the pod's address; the user with the new session, or None if no cookie was set."""
    account = {"email": user.email, "password": user.password}
    url, name = pod + user.target.auth.sign_in, user.target.auth.cookie
    with user.gateway.session() as session:
        session.post(url, json=account, headers=from_browser(origin), timeout=REQUEST.seconds)
        token = next((cookie.value for cookie in session.cookies if cookie.name.endswith(name)), None)
    if not token:
        return None
    redactor.add(token)
    return replace(user, token=token)


def page(user: User, pod: str, search: str, origin: str) -> requests.Response:
    """The page of a pod for the user's session, with a search."""
    url = pod + user.target.pages.search.replace("{token}", search)
    return send(user.gateway, "GET", url, headers={**user.cookie, **from_browser(origin)}, allow_redirects=False)


def use_both(user: User, origin: str, pods: dict[str, str], two: TwoFrontends) -> None:
    """Sign in at each pod, view a page and submit its form at the other, and look for the task at the first."""
    for (first, here), (second, there) in itertools.permutations(pods.items(), 2):
        session, marker = sign_in(user, here, origin), new_token()
        if session is None:
            two.problems.append((first, "sign-in", f"the cookie {user.target.auth.cookie}", "none"))
            continue
        shown = page(session, there, marker, origin)
        if shown.status_code != requests.codes.ok:
            two.problems.append((second, "page", f"200 for a session of Pod/{first}", str(shown.status_code)))
        form = text_form(page(session, here, marker, origin).text)
        if form is None:
            continue
        answer = submit(session, form, there + user.target.pages.tasks, marker, origin)
        if answer.status_code not in SEE_OTHER:
            two.problems.append((second, "form", f"accepted from a page of Pod/{first}", str(answer.status_code)))
        elif page(session, here, marker, origin).text.count(marker) <= shown.text.count(marker):
            two.problems.append((first, "page", f"the task that was added at Pod/{second}", "missing"))


@pytest.fixture(scope="module")
def two_frontends(experiments: ExperimentRunner, reader: User) -> TwoFrontends:
    """The frontend has two replicas for a while, and a user uses both."""
    path, release = experiments.target.component("frontend").values.replicas, experiments.release
    if path is None:
        raise Untested("the target names no value for the number of frontend pods")
    with experiments.experiment("two frontends") as experiment, experiment.disturbance(restarts=False):
        experiments.upgrade({path: REPLICAS})
        two = TwoFrontends(experiment, experiment.wait_for("rollout", experiments.wait_rolled_out))
        if two.rollout.ok:
            use_both(reader, release.origin, origins(release, "frontend"), two)
    return two


@pytest.mark.rule("STA-02")
def test_session_and_form_of_one_frontend_work_at_another(
    two_frontends: TwoFrontends, experiments: ExperimentRunner
) -> None:
    two_frontends.rollout.raise_if_failed()
    findings = [
        Finding("STA-02", f"Pod/{pod}", what, expected, actual)
        for pod, what, expected, actual in two_frontends.problems
    ]
    report_findings(findings, experiments.target)
