"""What is under test, as one TOML file; everything that implementations do differently is a field of it."""

from __future__ import annotations

import base64
import re
import tomllib
from datetime import date
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from acceptance.core.archive import ArchiveError, with_unpacked_chart
from acceptance.core.near_miss import fields_at, suggestion
from acceptance.core.rules import ROOT
from acceptance.core.urls import DatabaseUrlForm

DEFAULT_TARGET = ROOT / "target.toml"

ValuePath = Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]
"""A dotted key of the chart's values: `backend.image.tag`."""
HttpPath = Annotated[str, Field(pattern=r"^/")]
Length = Annotated[int, Field(ge=1)]
"""In characters."""
Port = Annotated[int, Field(ge=1, le=65535)]
ComponentName = Literal["backend", "frontend"]
COMPONENTS: tuple[ComponentName, ...] = ("backend", "frontend")
Refusal = Literal[401, 403, 404]
Carrier = Literal["bearer", "cookie"]
CARRIERS: tuple[Carrier, ...] = ("bearer", "cookie")
CREDENTIALS = ("database_url", "auth_secret", "model_key")
"""The credentials, by their names in `[values]` and `[secret]`."""
PLACEHOLDER = re.compile(r"\{(database_url|auth_secret|model_key|model_base_url|ca_certificate)\}")
"""What stands in an existing Secret for a text of the run's, by the name that it has in `[values]`."""
OTHER_PROVIDERS = re.compile(r"(?i)anthropic|claude|cohere|deepseek|gemini|genai|google|groq|mistral|openrouter")
"""Providers of models other than OpenAI, as names of keys have them."""


class TargetError(Exception):
    """The target file can't be used; the message is one sentence with the cure."""


class Model(BaseModel):
    """A part of the target; unknown keys are refused, and `false` stands for no value, since TOML has no null."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _none_for_false(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        optional = {
            name
            for name, field in cls.model_fields.items()
            if NoneType in get_args(field.annotation) and bool not in get_args(field.annotation)
        }
        return {name: None if value is False and name in optional else value for name, value in given.items()}


class Chart(Model):
    """The chart, a folder or a .tgz, and where it is installed. Paths are relative to the target file."""

    path: Path
    """The chart: a folder or a .tgz."""
    name: str = "todo-chatbot"
    """The chart's name, as in Chart.yaml."""
    version: str | None = None
    """The chart's version; if absent, any SemVer version will do."""
    app_version: str | None = None
    """The chart's appVersion; if absent, any will do."""
    release: str = "todo"
    """The release's name, with which the chart is rendered and installed."""
    namespace: str = "todo-chatbot"
    """The namespace that every object of the release names."""
    values_files: tuple[Path, ...] = ()
    """Values files that are shipped with the chart; each is rendered and checked like the defaults."""
    values: dict[str, Any] = {}
    """Values that rendering needs beyond the defaults and the secrets."""


class Values(Model):
    """Dotted paths in the chart's values, by what they set. A run can't set what has no path."""

    database_url: ValuePath | None = None
    """The URL of PostgreSQL, in the form of `secret.database_scheme` and `database_query`."""
    auth_secret: ValuePath | None = None
    """The secret that signs sessions."""
    model_key: ValuePath | None = None
    """The API key of the model; a run gives one that begins with `sk-proj-`."""
    model_base_url: ValuePath | None = None
    """The base URL of the model's API, which ends with `/v1`. Without it no chat turn is sent."""
    model: ValuePath | None = None
    """The model's name; the application must take any."""
    ca_certificate: ValuePath | None = None
    """The CA certificate (PEM) of the run's database, which takes TLS only; who verifies it needs this."""
    public_url: ValuePath | None = None
    """The address at which browsers reach the frontend."""
    namespace: ValuePath | None = None
    """The namespace that the objects state."""
    namespace_create: ValuePath | None = None
    """Whether the chart creates its namespace."""
    local_cluster: ValuePath | None = None
    """A switch for small clusters on one machine; a run sets it to true."""
    name_override: ValuePath | None = None
    """A prefix or override of the names of all objects, so that two releases can differ."""
    environment: ValuePath | None = None
    """The name of the environment (`config_map.environment`)."""
    debug: ValuePath | None = None
    """Whether the application runs in debug mode (`config_map.debug`): true or false."""
    cors_origins: ValuePath | None = None
    """The allowed origins (`config_map.cors_origins`): a text with commas, or a list where the chart ships one."""
    extra_config: ValuePath | None = None
    """A mapping of further keys of the ConfigMap."""
    hpa_enabled: ValuePath | None = None
    """Whether the backend has an autoscaler."""
    hpa_min: ValuePath | None = None
    """The autoscaler's minReplicas."""
    hpa_max: ValuePath | None = None
    """The autoscaler's maxReplicas."""
    hpa_metrics: ValuePath | None = None
    """The autoscaler's list of metrics."""
    hpa_behavior: ValuePath | None = None
    """The autoscaler's behavior."""


class ComponentValues(Model):
    """Dotted paths of a component's settings in the chart's values."""

    image_repository: ValuePath | None = None
    """The image's repository."""
    image_tag: ValuePath | None = None
    """The image's tag."""
    replicas: ValuePath | None = None
    """The number of pods, where no autoscaler sets it."""
    resources: ValuePath | None = None
    """The main container's requests and limits."""
    service_port: ValuePath | None = None
    """The Service's port."""
    container_port: ValuePath | None = None
    """The port that the container listens on."""
    max_surge: ValuePath | None = None
    """How many pods a rollout may add."""
    max_unavailable: ValuePath | None = None
    """How many pods may be unavailable during a rollout."""
    startup_probe: ValuePath | None = None
    """A mapping with the settings of the startup probe, such as `failureThreshold`."""
    pre_stop_seconds: ValuePath | None = None
    """How long the preStop hook waits."""
    drain_seconds: ValuePath | None = None
    """How long the process still accepts requests after SIGTERM."""


class Image(Model):
    """A component's image, and how it is built."""

    repository: str
    """The image's repository in the shipped chart; only the last part of its path counts."""
    dockerfile: Path | None = None
    """The Dockerfile. Without one no image is built or tested, and no release is installed."""
    context: Path | None = None
    """The build's context, a folder."""
    max_bytes: int
    """The largest size in bytes, as a registry holds the compressed layers."""
    platform: str = "linux/amd64"
    """The platform that the image must be built for."""


class FurtherImage(Model):
    """The image of a further workload of the chart. A run builds it and sets it; the image itself is not judged."""

    repository: str
    """The image's repository in the shipped chart; only the last part of its path counts."""
    dockerfile: Path
    """The Dockerfile."""
    context: Path
    """The build's context, a folder."""
    image_repository: ValuePath | None = None
    """The path of the image's repository in the chart's values."""
    image_tag: ValuePath
    """The path of the image's tag in the chart's values."""


class Probes(Model):
    """The HTTP paths of a component's probes."""

    liveness: HttpPath = "/health"
    """The path of the liveness probe."""
    readiness: HttpPath = "/health"
    """The path of the readiness probe."""
    startup: HttpPath = "/health"
    """The path of the startup probe."""


class Component(Model):
    """A Deployment and its Service. Figures are those of the shipped chart."""

    deployment: str
    """The Deployment's name."""
    service: str
    """The Service's name."""
    container: str
    """The name of the application's container."""
    init_container: str | None = None
    """The name of the init container that migrates the database, if there is one."""
    port: Port
    """The port that the container listens on."""
    service_port: Port
    """The Service's port."""
    labels: dict[str, str]
    """Labels of the component's pods that distinguish them from the other component's."""
    replicas: int
    """The number of pods without an autoscaler."""
    max_surge: int | str = 1
    """How many pods a rollout may add: a count or a percentage."""
    max_unavailable: int | str = 0
    """How many pods may be unavailable during a rollout: a count or a percentage."""
    revision_history_limit: int = 10
    """How many old ReplicaSets the Deployment keeps."""
    resources: dict[str, dict[str, str]] | None = None
    """The container's requests and limits, compared as quantities; if absent, they need only be equal."""
    probes: Probes = Probes()
    """The paths of its probes."""
    image: Image
    """Its image."""
    values: ComponentValues = ComponentValues()
    """Paths of its settings in the chart's values."""
    secret_keys: tuple[str, ...] = ()
    """The keys of the Secret that the component needs."""
    pool_size: Annotated[int, Field(ge=1)] | None = None
    """How many connections to the database a pod opens at most."""
    pod_header: str | None = None
    """The response header with the pod's name, if the application sets one."""
    request_id_header: str | None = None
    """The header with a request's identifier, as it was given, in the response and in the log.

    A frontend that has one sends it on to the backend.
    """


class ConfigMap(Model):
    """The name of the ConfigMap, and its keys."""

    name: str
    """The ConfigMap's name."""
    environment: str = "ENVIRONMENT"
    """The key with the name of the environment."""
    debug: str = "DEBUG"
    """The key with `true` or `false`."""
    cors_origins: str = "CORS_ORIGINS"
    """The key with the allowed origins."""


class Secret(Model):
    """The name of the Secret, and its keys."""

    name: str
    """The Secret's name."""
    database_url: str = "DATABASE_URL"
    """The key with the database's URL."""
    auth_secret: str = "BETTER_AUTH_SECRET"  # noqa: S105 - a key's name
    """The key with the secret that signs sessions."""
    model_key: str = "OPENAI_API_KEY"
    """The key with the API key of the model."""
    encoded: bool = False
    """Whether the chart wants the values of these keys base64-encoded already."""
    database_scheme: Annotated[str, Field(pattern=r"^postgres(ql)?(\+[a-z0-9_]+)?$")] = DatabaseUrlForm.scheme
    """The scheme of the database's URL, with the driver that the application wants there: `postgresql+asyncpg`."""
    database_query: Annotated[str, Field(pattern=r"^[^?\s#]*$")] = DatabaseUrlForm.query
    """The query of the database's URL, which asks for TLS: `ssl=require` for asyncpg. May be empty."""

    @property
    def database_form(self) -> DatabaseUrlForm:
        """How the application wants the database's URL."""
        return DatabaseUrlForm(self.database_scheme, self.database_query)

    @property
    def of_another_provider(self) -> bool:
        """Whether the model's key is named after another provider than OpenAI, whose keys have other forms."""
        return OTHER_PROVIDERS.search(self.model_key) is not None and "openai" not in self.model_key.lower()

    def as_given(self, text: str) -> str:
        """Return a credential as the chart is given it."""
        return base64.b64encode(text.encode()).decode("ascii") if self.encoded else text

    def from_given(self, text: str) -> str:
        """Return a credential from what the chart was given; text that is not encoded is returned as it is."""
        try:
            return base64.b64decode(text, validate=True).decode() if self.encoded else text
        except ValueError:
            return text


class ExistingSecret(Model):
    """A Secret that must exist before the chart is installed, as by `kubectl create secret`.

    The run creates it in each namespace that it installs in, and changes it where credentials are rotated.
    """

    name: str
    """Its name, which the chart's pods refer to."""
    data: dict[str, str] | None = None
    """The text of each key; without it the keys of `[secret]`.

    `{database_url}`, `{auth_secret}`, `{model_key}`, `{model_base_url}` and `{ca_certificate}` are the run's.
    """


class Autoscaler(Model):
    """The backend's HorizontalPodAutoscaler in the shipped chart."""

    name: str
    """The autoscaler's name."""
    min_replicas: int = 2
    """Its minReplicas."""
    max_replicas: int = 5
    """Its maxReplicas."""
    cpu_percent: int = 70
    """Its target utilisation of CPU, in percent of the requests."""


class Api(Model):
    """The backend's paths, `{user_id}` and `{id}` filled in, and what they answer.

    A path that is `false` is not offered, and what it would serve is untested.
    """

    tasks: HttpPath = "/api/{user_id}/tasks"
    """GET lists the tasks, POST creates one."""
    task: HttpPath = "/api/{user_id}/tasks/{id}"
    """One task: GET, the methods of changes, DELETE."""
    complete: HttpPath | None = "/api/{user_id}/tasks/{id}/complete"
    """Completes a task."""
    tags: HttpPath | None = "/api/{user_id}/tags"
    """The user's tags: GET and POST."""
    tag: HttpPath | None = "/api/{user_id}/tags/{id}"
    """One tag."""
    chat: HttpPath | None = "/api/{user_id}/chat"
    """POST with a message is a chat turn."""
    conversations: HttpPath | None = "/api/{user_id}/conversations"
    """The user's conversations."""
    messages: HttpPath | None = "/api/{user_id}/conversations/{id}/messages"
    """A conversation's messages."""
    update_method: Literal["PUT", "PATCH"] = "PUT"
    """The method on a task that replaces its title."""
    update_replaces: bool | None = None
    """Whether a field that `update_method` is not given is then as in a new task; with `false` it stays as it was.

    If absent, either will do, for all fields alike.
    """
    partial_method: Literal["PATCH", "PUT", "POST"] | None = None
    """The method on a task's path that changes the given fields and leaves the others."""
    complete_method: Literal["PATCH", "POST", "PUT"] = "PATCH"
    """The method on `complete`."""
    complete_toggles: bool = False
    """Whether completing a task without a body toggles its state."""
    complete_only: bool = False
    """Whether `complete` can only complete a task, whatever its body says."""
    created: int = 201
    """The status of a task that was created."""
    updated: int = 200
    """The status of a task that was changed or completed; with 204 there is no body."""
    deleted: int = 204
    """The status of a deletion."""
    bad_input: int = 422
    """The status of a request with invalid input."""
    absent: int = 404
    """The status of a request for what does not exist."""
    missing_token: Literal[401, 403, 422] = 401
    """The status of a request without a token."""
    invalid_token: Literal[401, 403, 422] = 401
    """The status of a request with a token that is not valid."""
    other_user: Refusal | Annotated[tuple[Refusal, ...], Field(min_length=1)] = 403
    """The status of a request for another user's resource, or a list where routes differ; nothing of it is shown.

    A path without `{user_id}` is the token's own user's.
    """
    turn: int = 200
    """The status of a chat turn that was answered: 201 in frameworks where that of any POST is."""
    model_failing: tuple[int, ...] = (502, 503)
    """Statuses of a chat turn while the model fails or is unavailable."""
    id_field: str = "id"
    """The field with the identifier of a task, a tag or a conversation."""
    title_field: str = "title"
    """The field with a task's title."""
    completed_field: str = "completed"
    """The field that says whether a task is completed."""
    completed_words: tuple[str, str] | None = None
    """What it has for an open and for a completed task, in place of false and true: `["todo", "done"]`."""
    tag_field: str = "name"
    """The field with a tag's name."""
    message_field: str = "message"
    """The field with the message of a chat turn."""
    conversation_field: str | None = "conversation_id"
    """The field with the conversation, in a turn and in its response."""
    response_field: str = "response"
    """The field with the assistant's text, in the response to a turn."""
    tool_calls_field: str | None = "tool_calls"
    """The field with the tool calls, in the response to a turn: any JSON with names and arguments."""
    role_field: str = "role"
    """The field that says who wrote a message: `user` or `assistant`."""
    content_field: str = "content"
    """The field with a message's text."""
    envelope: str | None = None
    """The field of every response that holds what was asked for: `data` in `{"success": true, "data": {"id": 1}}`."""
    task_field: str | None = None
    """The field of a response that holds one task; absent if the response is the task itself."""
    tasks_field: str | None = None
    """The field of a response that holds the list of tasks; absent if the response is the list itself."""
    tags_field: str | None = None
    """Like `tasks_field`, for tags."""
    conversations_field: str | None = None
    """Like `tasks_field`, for conversations."""
    messages_field: str | None = None
    """Like `tasks_field`, for messages."""
    task_fields: dict[str, tuple[Any, Any]] = {}
    """Further fields that can be written with a task, each with two valid values; the order in a list is free."""
    task_tags_field: str | None = None
    """The field of a task with the names of its tags."""
    pending_query: str | None = None
    """The query of the tasks' path for open tasks: `status=pending`."""
    completed_query: str | None = None
    """Like `pending_query`, for completed tasks."""
    tag_query: str | None = None
    """The query for a tag's tasks, with the name as `{text}`: `tag={text}`."""
    search_query: str | None = None
    """The query for the tasks whose title contains `{text}`: `q={text}`."""
    page_query: str | None = None
    """The query of the paths of tasks and of conversations for a part of the list: `limit={limit}&offset={offset}`, or
    `page={page}&size={limit}` where parts are numbered from 1 on; without `{limit}` they have a size of their own."""
    messages_page_query: str | None = None
    """Like `page_query`, for the path of messages, from the oldest on."""
    newest_first: bool = False
    """Whether the lists of tasks and of conversations begin with the newest."""
    last_used_first: bool = False
    """Whether the list of conversations begins with the one in which a message was sent last."""
    trims_text: bool = False
    """Whether white space at the ends of a title, tag or message is dropped, and nothing else is bad input."""
    title_limit: Length | None = None
    """The longest title in characters; a longer one is bad input."""
    tag_limit: Length | None = None
    """The longest name of a tag in characters."""
    message_limit: Length | None = None
    """The longest message of a chat turn in characters."""
    history_limit: Annotated[int, Field(ge=0)] | None = None
    """How many earlier messages of a conversation reach the model at most: 0 if none does, absent if all do."""

    def state(self, *, completed: bool) -> dict[str, object]:
        """Return the field by which a task is completed, or opened again."""
        return {self.completed_field: completed if self.completed_words is None else self.completed_words[completed]}

    def is_completed(self, value: object) -> object:
        """Return true or false for what the field or its column has of a completed or an open task, else the value."""
        words = [word.lower() for word in self.completed_words or ()]
        return bool(words.index(word)) if (word := str(value).lower()) in words else value

    @property
    def other_user_statuses(self) -> tuple[int, ...]:
        """The statuses of a request for another user's resource."""
        return self.other_user if isinstance(self.other_user, tuple) else (self.other_user,)


class Pages(Model):
    """The paths of pages of a signed-in user, and how the page of tasks shows a search."""

    search: HttpPath = "/tasks?q={token}"
    """The page of the tasks whose title contains `{token}`."""
    echo: str = 'value="{token}"'
    """What that page then contains."""
    tasks: HttpPath = "/tasks"
    """The page of the signed-in user's tasks."""
    chat: HttpPath | None = None
    """The page of a new chat."""
    conversation: HttpPath | None = None
    """A page with the messages of the conversation `{id}`."""


class Screens(Model):
    """The frontend's screens: paths, and the accessible names of fields, buttons and links."""

    sign_up: HttpPath
    """The path of the page for signing up."""
    sign_in: HttpPath
    """The path of the page for signing in, to which others lead."""
    tasks: HttpPath
    """The path of the page of tasks."""
    name: str | None
    """The field for the user's name; `false` where sign-up asks for none."""
    email: str
    """The field for the email."""
    password: str
    """The field for the password."""
    sign_up_button: str
    """The button that signs up."""
    sign_in_button: str
    """The button that signs in."""
    sign_out_button: str
    """The button that signs out."""
    tasks_link: str
    """The link to the page of tasks."""
    chat_link: str
    """The link to the chat."""
    new_task: str
    """The field for a new task's title."""
    add_button: str
    """The button that adds the new task."""
    message: str
    """The field for a chat message."""
    send_button: str
    """The button that sends the message."""
    you: str
    """The accessible name of an article in the chat's log that the user wrote.

    Where messages have no such roles, `css=` and a selector of the elements with their texts.
    """
    assistant: str
    """The same for an article that the assistant wrote."""
    password_again: str | None = None
    """The field that repeats the password at sign-up."""
    new_task_button: str | None = None
    """The button that opens the form for a new task, such as a dialog, if it is not there at once."""
    task_row: str | None = None
    """A CSS selector of the tasks' rows, where a task's checkbox has no name (advice of PER-09): `.task-card`."""
    complete_button: str | None = None
    """The button that completes the task `{title}` in its list item; without one, a checkbox named by the title."""
    reopen_button: str | None = None
    """The button that opens the completed task `{title}` again, where `complete_button` is another one."""
    delete_button: str | None = None
    """The button that deletes the task `{title}`."""

    def completion(self, title: str, *, completed: bool) -> str | None:
        """Return the name of what completes a task or opens it again; None where the target names no such button."""
        if self.complete_button is None:
            return title
        template = self.complete_button if completed else self.reopen_button
        return template and template.replace("{title}", title)


class Auth(Model):
    """How users sign up and in, and how the backend then knows them; `kind` says where the token is.

    `cookie`: the session's cookie is the token. `token`: the response to sign-in has the token as JSON, and the pages'
    scripts keep it; there is no cookie. `exchange`: the cookie is for the frontend alone, which gives a token for it.
    """

    kind: Literal["cookie", "token", "exchange", "better-auth"] = "cookie"
    """Where the token is; `better-auth` is an earlier name of `cookie`."""
    service: ComponentName = "frontend"
    """The component at whose Service users sign up and in, and exchange the cookie."""
    sign_up: HttpPath = "/api/auth/sign-up/email"
    """The path to POST `sign_up_fields` to, as JSON; where its response opens no session, the new user signs in."""
    sign_in: HttpPath = "/api/auth/sign-in/email"
    """The path to POST `sign_in_fields` to; its response opens the session."""
    sign_up_fields: dict[str, Any] = {"name": "{name}", "email": "{email}", "password": "{password}"}
    """The body of sign-up: `{name}`, `{email}` and `{password}` are filled in; anything else is sent as it is."""
    sign_in_fields: dict[str, Any] = {"email": "{email}", "password": "{password}"}
    """The body of sign-in, in the same way."""
    sign_in_format: Literal["json", "form"] = "json"
    """How the body of sign-in is sent; OAuth2's password grant is a form with `username` and `password`."""
    token: HttpPath = "/api/auth/token"  # noqa: S105 - a path
    """The path to GET with the cookie, which returns the token as JSON; of kind `exchange` only."""
    token_field: str = "access_token"  # noqa: S105 - a field's name
    """The field of the JSON with the token, with dots for one within another: `data.token`; not of kind `cookie`."""
    user_claim: str | None = None
    """The claim of the token that names its user, such as `user_id`; without it `user.id`, or else `sub`."""
    user_field: str | None = None
    """The field of the response to sign-up, sign-in or `user` with the user's identifier, where no claim has it."""
    user: HttpPath | None = None
    """The path to GET with the token for the user, such as `/auth/me`, where no earlier response has `user_field`."""
    session: HttpPath | None = None
    """The frontend's path to GET the session of the cookie."""
    cookie: str = "better-auth.session_data"
    """The session's cookie; not of kind `token`."""
    carriers: Annotated[tuple[Carrier, ...], Field(min_length=1)] = CARRIERS
    """How the backend takes the token, the preferred way first; without a token in the cookie it is `bearer` alone."""
    refuses_other_sites: bool = False
    """Whether a form on another site's page is refused, even with the session's cookie."""
    limits_sign_in: bool = False
    """Whether sign-in is refused (429) for some seconds after many wrong passwords."""
    session_seconds: Annotated[int, Field(ge=1)] | None = None
    """How long a session lasts from sign-in; not judged without it, nor where the token is exchanged for a cookie."""
    leeway_seconds: int = 0
    """How long a token is accepted after its expiry, since clocks differ."""

    @model_validator(mode="before")
    @classmethod
    def _bearer_by_default(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("kind") in ("token", "exchange"):
            return {"carriers": ("bearer",), **given}
        return given

    @model_validator(mode="after")
    def _cookie_holds_what_it_carries(self) -> Auth:
        if not self.cookie_holds_token and "cookie" in self.carriers:
            raise ValueError(f"carriers has cookie, but with the kind {self.kind} no cookie holds the token")
        return self

    @model_validator(mode="after")
    def _user_has_a_field(self) -> Auth:
        if self.user is not None and self.user_field is None:
            raise ValueError("user needs user_field, the field of its response with the user's identifier")
        return self

    @property
    def cookie_holds_token(self) -> bool:
        """Whether the session's cookie is the token."""
        return self.kind in ("cookie", "better-auth")

    @property
    def has_cookie(self) -> bool:
        """Whether a session has a cookie, by which the frontend knows the user whose page it renders."""
        return self.kind != "token"


class Tables(Model):
    """Tables and their columns in PostgreSQL; a table is `schema.table` if it is not in `public`."""

    user: str = "user"
    """The table of users."""
    user_id: str = "id"
    """Its column with the identifier."""
    user_email: str = "email"
    """Its column with the email."""
    task: str = "task"
    """The table of tasks."""
    task_id: str = "id"
    """Its column with the identifier."""
    task_title: str = "title"
    """Its column with the title."""
    task_completed: str = "completed"
    """Its column that says whether a task is completed."""
    tag: str | None = "tag"
    """The table of tags; `false` if there is none, and tags are judged by the API alone."""
    tag_name: str = "name"
    """Its column with the name."""
    conversation: str = "conversation"
    """The table of conversations."""
    conversation_id: str = "id"
    """Its column with the identifier."""
    message: str = "message"
    """The table of messages."""
    message_conversation: str = "conversation_id"
    """Its column with the conversation."""
    message_content: str = "content"
    """Its column with the text."""
    message_role: str = "role"
    """Its column that says who wrote the message."""
    message_tool_calls: str | Annotated[tuple[str, ...], Field(min_length=1)] | None = "tool_calls"
    """Its column with the tool calls; a list of columns if their names and arguments are apart."""
    owner: str = "user_id"
    """The column of tasks, tags and conversations with their user's identifier; tags may lack it."""
    deleted: str | None = None
    """The column that marks deleted tasks and tags by a time or `true`; absent if their rows are removed."""

    @property
    def tool_call_columns(self) -> tuple[str, ...]:
        """The columns of a message's tool calls."""
        columns = self.message_tool_calls or ()
        return (columns,) if isinstance(columns, str) else columns


class Waiver(Model):
    """A rule whose findings on one object are accepted until a day."""

    rule: str
    """The rule's identifier."""
    object: str
    """The object, as `Kind/name`."""
    reason: str
    """Why they are accepted."""
    until: date
    """The last day on which they are accepted."""


class Target(Model):
    """The whole target; `root` is the folder that its paths are relative to."""

    root: Path
    """The folder of the target file."""
    strict: bool = False
    """Whether a broken `derived` rule rejects the release, or is advice."""
    chart: Chart
    """The chart."""
    values: Values = Values()
    """Paths of the chart's values."""
    components: dict[ComponentName, Component]
    """The backend and the frontend."""
    images: tuple[FurtherImage, ...] = ()
    """The images of further workloads."""
    config_map: ConfigMap
    """The ConfigMap."""
    secret: Secret
    """The Secret."""
    existing_secrets: tuple[ExistingSecret, ...] = ()
    """Secrets that the chart does not create."""
    autoscaler: Autoscaler | None = None
    """The backend's autoscaler."""
    overrides: dict[str, Any] = {}
    """Values by dotted path that make the release fit a small cluster; the report lists each."""
    api: Api = Api()
    """The backend's API."""
    pages: Pages = Pages()
    """The frontend's pages."""
    screens: Screens | None = None
    """What a browser sees; without it no browser test is run."""
    auth: Auth = Auth()
    """How users are authenticated."""
    tables: Tables = Tables()
    """The tables in PostgreSQL."""
    waivers: tuple[Waiver, ...] = ()
    """Findings that are accepted for a time."""

    @property
    def chart_path(self) -> Path:
        """The chart's folder."""
        return self.root / self.chart.path

    @property
    def secret_paths(self) -> dict[str, str | None]:
        """The chart's value path of each credential by its key in the Secret; None where the target names no path."""
        return {getattr(self.secret, name): getattr(self.values, name) for name in CREDENTIALS}

    @property
    def existing_data(self) -> dict[str, dict[str, str]]:
        """The text of each key of each existing Secret, with placeholders, by the Secret's name."""
        own = {getattr(self.secret, name): f"{{{name}}}" for name in CREDENTIALS}
        return {each.name: own if each.data is None else each.data for each in self.existing_secrets}

    @property
    def secret_exists(self) -> bool:
        """Whether the Secret of `[secret]` exists before the release, so that the chart need not create it."""
        return self.secret.name in self.existing_data

    def exists_with(self, name: str) -> bool:
        """Whether an existing Secret holds a text of the run's, by its name in `[values]`."""
        return any(f"{{{name}}}" in text for data in self.existing_data.values() for text in data.values())

    def can_give(self, name: str) -> bool:
        """Whether a run can change a credential: by a value of the chart, or in an existing Secret."""
        return getattr(self.values, name) is not None or self.exists_with(name)

    def component(self, name: str) -> Component:
        """Return a component by name. Raises `KeyError` where the target has none of that name."""
        return self.components[name]  # type: ignore[index]


def _mistake(error: ErrorDetails) -> str:
    """Return one mistake in a target file, with the most similar known key for an unknown one."""
    *parents, last = error["loc"]
    where = ".".join(map(str, error["loc"]))
    if error["type"] != "extra_forbidden":
        return f"{where}: {error['msg']}"
    return f"{where} is not a key of the target{suggestion(str(last), fields_at(Target, parents))}"


def load(path: Path = DEFAULT_TARGET) -> Target:
    """Load a target file. Raises `TargetError` with every mistake in one sentence."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TargetError(f"cannot read the target file {path}: {error.strerror}; name one with --target") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetError(f"the target file {path} is not valid TOML: {error}") from error
    try:
        root = path.resolve().parent
        target = Target.model_validate({**with_unpacked_chart(document, root), "root": root})
    except ArchiveError as error:
        raise TargetError(f"the target file {path} does not fit: {error}") from error
    except ValidationError as error:
        mistakes = "; ".join(_mistake(each) for each in error.errors())
        raise TargetError(f"the target file {path} does not fit: {mistakes}") from error
    if not (target.chart_path / "Chart.yaml").is_file():
        raise TargetError(f"the target file {path} names {target.chart.path} as the chart, but it has no Chart.yaml")
    for values_file in target.chart.values_files:
        if not (target.root / values_file).is_file():
            raise TargetError(
                f"the target file {path} names {values_file} in chart.values_files, but there is no such file"
            )
    return target
