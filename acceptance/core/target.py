"""What is under test, as one TOML file; everything that implementations do differently is a field of it."""

from __future__ import annotations

import base64
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from acceptance.core.archive import ArchiveError, with_unpacked_chart
from acceptance.core.near_miss import fields_at, suggestion
from acceptance.core.rules import ROOT

DEFAULT_TARGET = ROOT / "target.toml"

ValuePath = Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]
"""A dotted key of the chart's values: `backend.image.tag`."""
HttpPath = Annotated[str, Field(pattern=r"^/")]
Port = Annotated[int, Field(ge=1, le=65535)]
ComponentName = Literal["backend", "frontend"]
COMPONENTS: tuple[ComponentName, ...] = ("backend", "frontend")
CREDENTIALS = ("database_url", "auth_secret", "model_key")
"""The credentials, by their names in `[values]` and `[secret]`."""


class TargetError(Exception):
    """The target file can't be used; the message is one sentence with the cure."""


class Model(BaseModel):
    """A part of the target; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Chart(Model):
    """The chart, a folder or a .tgz, and where it is installed. Paths are relative to the target file."""

    path: Path
    name: str = "todo-chatbot"
    version: str | None = None
    app_version: str | None = None
    release: str = "todo"
    namespace: str = "todo-chatbot"
    """The namespace that every object of the release names."""
    values_files: tuple[Path, ...] = ()
    """Values files shipped with the chart, each rendered and checked beside the defaults."""
    values: dict[str, Any] = {}
    """Values that rendering needs beyond the defaults and the secrets."""


class Values(Model):
    """Paths of the chart's values that a run sets; without a path, a value can't be set."""

    database_url: ValuePath | None = None
    auth_secret: ValuePath | None = None
    model_key: ValuePath | None = None
    model_base_url: ValuePath | None = None
    ca_certificate: ValuePath | None = None
    public_url: ValuePath | None = None
    namespace: ValuePath | None = None
    namespace_create: ValuePath | None = None
    local_cluster: ValuePath | None = None
    name_override: ValuePath | None = None
    environment: ValuePath | None = None
    debug: ValuePath | None = None
    cors_origins: ValuePath | None = None
    extra_config: ValuePath | None = None
    hpa_enabled: ValuePath | None = None
    hpa_min: ValuePath | None = None
    hpa_max: ValuePath | None = None
    hpa_metrics: ValuePath | None = None
    hpa_behavior: ValuePath | None = None


class ComponentValues(Model):
    """Paths of a component's settings in the chart's values."""

    image_repository: ValuePath | None = None
    image_tag: ValuePath | None = None
    replicas: ValuePath | None = None
    resources: ValuePath | None = None
    service_port: ValuePath | None = None
    container_port: ValuePath | None = None
    max_surge: ValuePath | None = None
    max_unavailable: ValuePath | None = None
    startup_probe: ValuePath | None = None
    pre_stop_seconds: ValuePath | None = None
    drain_seconds: ValuePath | None = None


class Image(Model):
    """A component's image and how it is built; sizes in bytes as a registry holds the layers."""

    repository: str
    dockerfile: Path | None = None
    context: Path | None = None
    max_bytes: int
    platform: str = "linux/amd64"


class Probes(Model):
    """The paths of a component's probes."""

    liveness: HttpPath = "/health"
    readiness: HttpPath = "/health"
    startup: HttpPath = "/health"


class Component(Model):
    """One workload and its Service."""

    deployment: str
    service: str
    container: str
    init_container: str | None = None
    port: Port
    service_port: Port
    labels: dict[str, str]
    replicas: int
    max_surge: int | str = 1
    max_unavailable: int | str = 0
    revision_history_limit: int = 10
    resources: dict[str, dict[str, str]] | None = None
    """Shipped requests and limits, compared as quantities; absent means only requests = limits."""
    probes: Probes = Probes()
    image: Image
    values: ComponentValues = ComponentValues()
    secret_keys: tuple[str, ...] = ()
    """The keys of the Secret that the component needs."""
    pool_size: Annotated[int, Field(ge=1)] | None = None
    """How many connections to the database a pod opens at most, as shipped."""
    pod_header: str | None = None
    """Response header with the pod's name, where the application sets one."""


class ConfigMap(Model):
    """The name of the ConfigMap, and its keys."""

    name: str
    environment: str = "ENVIRONMENT"
    debug: str = "DEBUG"
    cors_origins: str = "CORS_ORIGINS"


class Secret(Model):
    """The name of the Secret, and its keys."""

    name: str
    database_url: str = "DATABASE_URL"
    auth_secret: str = "BETTER_AUTH_SECRET"  # noqa: S105 - a key's name
    model_key: str = "OPENAI_API_KEY"
    encoded: bool = False
    """Whether the chart wants the values of these keys base64-encoded already."""

    def as_given(self, text: str) -> str:
        """Return a credential as the chart is given it."""
        return base64.b64encode(text.encode()).decode("ascii") if self.encoded else text

    def from_given(self, text: str) -> str:
        """Return a credential from what the chart was given; text that is not encoded is returned as it is."""
        try:
            return base64.b64decode(text, validate=True).decode() if self.encoded else text
        except ValueError:
            return text


class Autoscaler(Model):
    """The backend's HorizontalPodAutoscaler and its shipped figures."""

    name: str
    min_replicas: int = 2
    max_replicas: int = 5
    cpu_percent: int = 70


class Api(Model):
    """The backend's paths, `{user_id}` and `{id}` filled in, and what they answer.

    A path that is None is not offered, and what it would serve is untested. TOML has no null: `false` stands for it.
    """

    tasks: HttpPath = "/api/{user_id}/tasks"
    task: HttpPath = "/api/{user_id}/tasks/{id}"
    complete: HttpPath | None = "/api/{user_id}/tasks/{id}/complete"
    tags: HttpPath | None = "/api/{user_id}/tags"
    tag: HttpPath | None = "/api/{user_id}/tags/{id}"
    chat: HttpPath | None = "/api/{user_id}/chat"
    conversations: HttpPath | None = "/api/{user_id}/conversations"
    messages: HttpPath | None = "/api/{user_id}/conversations/{id}/messages"
    update_method: Literal["PUT", "PATCH"] = "PUT"
    partial_method: Literal["PATCH", "PUT", "POST"] | None = None
    """The method on a task's path that changes the given fields and leaves the others."""
    complete_method: Literal["PATCH", "POST", "PUT"] = "PATCH"
    complete_toggles: bool = False
    """Whether completing a task without a body turns its state over."""
    created: int = 201
    updated: int = 200
    """The status of a task that was changed or completed; with 204 there is no body."""
    deleted: int = 204
    bad_input: int = 422
    absent: int = 404
    missing_token: Literal[401, 403, 422] = 401
    invalid_token: Literal[401, 403, 422] = 401
    other_user: Literal[403, 404] = 403
    model_failing: tuple[int, ...] = (502, 503)
    """Statuses of a chat turn while the model fails or is unavailable."""
    id_field: str = "id"
    title_field: str = "title"
    completed_field: str = "completed"
    tag_field: str = "name"
    message_field: str = "message"
    conversation_field: str | None = "conversation_id"
    response_field: str = "response"
    tool_calls_field: str | None = "tool_calls"
    role_field: str = "role"
    content_field: str = "content"
    task_field: str | None = None
    """The field of a response that holds one task; None if the response is the task itself."""
    tasks_field: str | None = None
    """The field of the response that holds the list of tasks; None if the response is the list itself."""
    tags_field: str | None = None
    conversations_field: str | None = None
    messages_field: str | None = None
    task_fields: dict[str, tuple[Any, Any]] = {}
    """Further fields that can be written with a task, each with two valid values; the order in a list is free."""
    task_tags_field: str | None = None
    """The field of a task with its tags' names."""
    pending_query: str | None = None
    """The query of the tasks' path for open tasks: `status=pending`."""
    completed_query: str | None = None
    tag_query: str | None = None
    """The query for a tag's tasks, with the name as `{text}`: `tag={text}`."""
    search_query: str | None = None
    """The query for the tasks whose title contains `{text}`: `q={text}`."""
    page_query: str | None = None
    """The query of the paths of tasks and of conversations for a part of the list: `limit={limit}&offset={offset}`."""
    newest_first: bool = False
    """Whether the lists of tasks and of conversations begin with the newest."""
    trims_text: bool = False
    """Whether white space at the ends of a title, tag or message is dropped, and nothing else is bad input."""
    title_limit: int | None = None
    """The longest title in characters; a longer one is bad input."""
    tag_limit: int | None = None
    message_limit: int | None = None
    history_limit: int | None = None
    """How many earlier messages of a conversation reach the model at most; None if all do."""

    @field_validator(
        *("complete", "tags", "tag", "chat", "conversations", "messages", "conversation_field", "tool_calls_field"),
        mode="before",
    )
    @classmethod
    def _not_offered(cls, value: Any) -> Any:
        return None if value is False else value


class Pages(Model):
    """A page that holds a signed-in user's tasks, and how it shows what was searched for."""

    search: HttpPath = "/tasks?q={token}"
    echo: str = 'value="{token}"'
    tasks: HttpPath = "/tasks"
    chat: HttpPath | None = None
    conversation: HttpPath | None = None
    """A page with the messages of the conversation `{id}`."""


class Screens(Model):
    """The frontend's screens: paths, and the accessible names of fields, buttons and links."""

    sign_up: HttpPath
    sign_in: HttpPath
    tasks: HttpPath
    name: str
    email: str
    password: str
    sign_up_button: str
    sign_in_button: str
    sign_out_button: str
    tasks_link: str
    chat_link: str
    new_task: str
    add_button: str
    message: str
    send_button: str
    you: str
    """The accessible name of an article of the chat's log that the user wrote."""
    assistant: str
    delete_button: str | None = None
    """The button that deletes the task `{title}`."""


class Auth(Model):
    """How a user signs up and is authenticated: Better Auth's cookie of strategy `jwt`."""

    kind: Literal["better-auth"] = "better-auth"
    sign_up: HttpPath = "/api/auth/sign-up/email"
    sign_in: HttpPath = "/api/auth/sign-in/email"
    cookie: str = "better-auth.session_data"
    carriers: tuple[Literal["bearer", "cookie"], ...] = ("bearer", "cookie")
    """How the backend takes the token: in an Authorization header, in the cookie, or either."""
    refuses_other_sites: bool = False
    """Whether a form that a page of another site sent is refused, even with the session's cookie."""
    leeway_seconds: int = 0
    """How long a token is still valid after its expiry, for clocks that differ."""


class Tables(Model):
    """Tables and columns of the entities in PostgreSQL; `schema.table` where not in `public`."""

    user: str = "user"
    user_id: str = "id"
    user_email: str = "email"
    task: str = "task"
    task_id: str = "id"
    task_title: str = "title"
    task_completed: str = "completed"
    tag: str = "tag"
    tag_name: str = "name"
    conversation: str = "conversation"
    conversation_id: str = "id"
    message: str = "message"
    message_conversation: str = "conversation_id"
    message_content: str = "content"
    message_role: str = "role"
    message_tool_calls: str | None = "tool_calls"
    owner: str = "user_id"
    """The column of tasks, tags and conversations that holds their user's id."""


class Waiver(Model):
    """A rule whose findings on one object are accepted until a day."""

    rule: str
    object: str
    reason: str
    until: date


class Target(Model):
    """The whole target; `root` is the folder that its paths are relative to."""

    root: Path
    strict: bool = False
    """Whether a broken `derived` rule rejects the release, or is advice."""
    chart: Chart
    values: Values = Values()
    components: dict[ComponentName, Component]
    config_map: ConfigMap
    secret: Secret
    autoscaler: Autoscaler | None = None
    overrides: dict[str, Any] = {}
    """Values by dotted path that make the release fit a small cluster; the report lists each."""
    api: Api = Api()
    pages: Pages = Pages()
    screens: Screens | None = None
    auth: Auth = Auth()
    tables: Tables = Tables()
    waivers: tuple[Waiver, ...] = ()

    @property
    def chart_path(self) -> Path:
        """The chart's folder."""
        return self.root / self.chart.path

    @property
    def secret_paths(self) -> dict[str, str | None]:
        """The chart's value path of each credential by its key in the Secret; None where the target names no path."""
        return {getattr(self.secret, name): getattr(self.values, name) for name in CREDENTIALS}

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
