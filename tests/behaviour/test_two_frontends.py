"""Two frontend pods: who signs in at one is signed in at the other, and a form of one's page works at the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
import requests

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.accounts import sign_in_content
from acceptance.client.answers import SEE_OTHER, set_cookies
from acceptance.client.forms import from_browser, submit, text_form
from acceptance.client.pods import origins
from acceptance.client.sessions import NO_COOKIE, Session
from acceptance.client.tokens import kept_cookies, token_in
from acceptance.client.user import User, answer_within_rate_limit, send
from acceptance.core.redaction import redactor
from acceptance.experiments.experiment import Experiment, WaitResult
from acceptance.experiments.recovery import require_room
from acceptance.experiments.runner import ExperimentRunner
from acceptance.traffic.plans import new_token

REPLICAS = 2
Problem = tuple[str, str, str, str]
"""The pod, what was done, what was expected, and what came instead."""


@dataclass
class TwoFrontends:
    """The experiment, and what two frontends answered differently from one."""

    experiment: Experiment
    rollout: WaitResult[None]
    problems: list[Problem] = field(default_factory=list)
    forms: int = 0
    """How many forms of one pod's page were submitted at the other."""


def sign_in(user: User, pod: str, origin: str) -> User | None:
    """Sign in at the pod's address; the user with the new session, or None if no cookie was set.

    Raises:
        AssertionError: The pod sent no response.
        WaitError: The application's rate limit refuses for too long.
    """
    auth = user.target.auth
    content, headers = sign_in_content(auth, user.account), from_browser(origin)
    answer = answer_within_rate_limit(
        auth.sign_in, lambda: send(user.gateway, "POST", pod + auth.sign_in, headers=headers, **content)
    )
    cookies = kept_cookies({}, set_cookies(answer))
    session = Session.of(auth, cookies)
    for secret in session.credentials.secrets():
        redactor.add(secret)
    return replace(user, session=session) if token_in(auth, cookies) else None


def page(user: User, pod: str, search: str, origin: str) -> requests.Response:
    """Return the page of a pod for the user's session, with a search."""
    url = pod + user.target.pages.search.replace("{token}", search)
    return send(user.gateway, "GET", url, headers={**user.cookie, **from_browser(origin)}, allow_redirects=False)


def use_both(user: User, origin: str, pods: dict[str, str], two: TwoFrontends) -> None:
    """Use either pod first, and then the other; a request without a response is a problem too."""
    for first, second in itertools.permutations(pods.items(), 2):
        try:
            two.problems += problems_of(user, origin, first, second, two)
        except AssertionError as error:
            expected = "every request is answered"
            two.problems.append((first[0], f"used together with Pod/{second[0]}", expected, str(error)))


def problems_of(
    user: User, origin: str, first: tuple[str, str], second: tuple[str, str], two: TwoFrontends
) -> Iterator[Problem]:
    """Sign in at the first pod, view a page and submit its form at the second, and look for the task at the first.

    Each pod is its name and address. A form that is submitted is counted in `two`.
    """
    (one, here), (other, there) = first, second
    session, marker = sign_in(user, here, origin), new_token()
    if session is None:
        yield one, "sign-in", f"the cookie {user.target.auth.cookie}", "none"
        return
    shown = page(session, there, marker, origin)
    if shown.status_code != requests.codes.ok:
        yield other, "page", f"200 for a session of Pod/{one}", str(shown.status_code)
    form = text_form(page(session, here, marker, origin).text)
    if form is None:
        return
    two.forms += 1
    answer = submit(session, form, there + user.target.pages.tasks, marker, origin)
    if answer.status_code not in SEE_OTHER and not answer.ok:
        yield other, "form", f"accepted from a page of Pod/{one}", str(answer.status_code)
    elif page(session, here, marker, origin).text.count(marker) <= shown.text.count(marker):
        yield one, "page", f"the task that was added at Pod/{other}", "missing"


@pytest.fixture(scope="module")
def two_frontends(experiments: ExperimentRunner, reader: User) -> TwoFrontends:
    """The frontend has two replicas for a while, and a user uses both."""
    path, release = experiments.target.component("frontend").values.replicas, experiments.release
    if path is None:
        raise Untested("the target names no value for the number of frontend pods")
    if not release.target.auth.has_cookie:
        raise Untested(NO_COOKIE)
    if release.target.auth.service != "frontend":
        raise Untested("users sign in at the backend, so no frontend pod opens a session")
    with experiments.experiment("two frontends") as experiment, experiment.disturbance(restarts=False):
        experiments.upgrade({path: REPLICAS})
        two = TwoFrontends(experiment, experiment.wait_for("rollout", experiments.wait_rolled_out))
        require_room(experiments.objects, f"{REPLICAS} frontends")
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
    if not two_frontends.forms:
        raise Untested("no page has a form that works without scripts, so only the session was tried")
