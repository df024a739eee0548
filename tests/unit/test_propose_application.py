"""What `init` finds beside a chart: Dockerfiles, further workloads, routes, and what is left to write."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from os.path import relpath
from pathlib import Path
from typing import Any

import pytest

from acceptance.chart.proposal.application import describe_application
from acceptance.chart.proposal.draft import Draft, toml
from acceptance.chart.proposal.project import files_of, project_of
from acceptance.chart.proposal.routes import routes_of

PYTHON = 'FROM python:3.13-slim\nCOPY . .\nEXPOSE 8000\nCMD ["uvicorn", "main:app"]\n'
NODE = 'FROM node:22\nCOPY . .\nEXPOSE 3000\nCMD ["npm", "start"]\n'
PLAIN = "FROM debian\n"


def project(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write a repository with a chart, and return the chart's folder."""
    for name, text in {".git/HEAD": "", "deploy/chart/Chart.yaml": "", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / "deploy" / "chart"


def described(
    chart: Path,
    objects: Sequence[Any] = (),
    values: dict[str, Any] | None = None,
    probes: dict[str, str] | None = None,
) -> Draft:
    """Return the draft of a chart with both components, whose text is valid TOML."""
    root = chart.parent.parent
    draft = Draft()
    for role, port in (("backend", 8000), ("frontend", 3000)):
        draft.set(("components", role, "deployment"), role)
        draft.set(("components", role, "port"), port)
        draft.set(("components", role, "image", "repository"), f"team/todo-{role}")
    if probes:
        draft.set(("components", "backend", "probes"), probes)
    describe_application(draft, chart, root, objects, values or {}, lambda path: relpath(path, root.resolve()))
    assert tomllib.loads(toml(draft.document, draft.comments, draft.notes)) == draft.document
    return draft


def builds(draft: Draft) -> dict[str, tuple[str, str] | None]:
    """Return the Dockerfile and context of each component."""
    images = {role: part["image"] for role, part in draft.document["components"].items()}
    return {role: (it["dockerfile"], it["context"]) if "dockerfile" in it else None for role, it in images.items()}


def workload(kind: str, name: str, image: str) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "main", "image": image}]}}
    return {"kind": kind, "metadata": {"name": name}, "spec": {"template": template}}


@pytest.mark.parametrize(
    ("files", "backend", "frontend"),
    [
        (
            {"api/Dockerfile": PLAIN, "apps/web/Dockerfile": PLAIN, "mcp-server/Dockerfile": PYTHON},
            ("api/Dockerfile", "api"),
            ("apps/web/Dockerfile", "apps/web"),
        ),
        (
            {"Dockerfile.backend": PYTHON, "docker/ui.Dockerfile": NODE, "docker/Dockerfile.worker": PYTHON},
            ("Dockerfile.backend", "."),
            ("docker/ui.Dockerfile", "docker"),
        ),
        (
            {"one/Dockerfile": PYTHON, "two/Dockerfile": NODE},
            ("one/Dockerfile", "one"),
            ("two/Dockerfile", "two"),
        ),
        (
            {"api/Dockerfile": PYTHON, "api/Dockerfile.dev": PYTHON, "api/Dockerfile.dockerignore": PYTHON},
            ("api/Dockerfile", "api"),
            None,
        ),
        (
            {"server/Dockerfile": NODE.replace("3000", "8000"), "client/Dockerfile": NODE},
            ("server/Dockerfile", "server"),
            ("client/Dockerfile", "client"),
        ),
    ],
    ids=["folders", "files", "contents", "other uses", "both run Node"],
)
def test_dockerfiles_by_evidence(
    tmp_path: Path, files: dict[str, str | bytes], backend: tuple[str, str], frontend: tuple[str, str] | None
) -> None:
    draft = described(project(tmp_path, files))
    assert builds(draft) == {"backend": backend, "frontend": frontend}
    assert draft.comments["components", "backend", "image", "dockerfile"].startswith("found by its name")


def test_context_has_what_the_dockerfile_copies(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "docker/api/Dockerfile": "FROM python\nCOPY --chown=1 services/api/main.py ./\n",
        "docker/frontend.Dockerfile": 'FROM node AS b\nCOPY ["package*.json", "./"]\nFROM node\nCOPY --from=b /a /b\n',
        "services/api/main.py": "",
        "src/frontend/package.json": "",
        "src/other/package.json": "",
        "copies/src/frontend/package.json": "",
    }
    draft = described(project(tmp_path, files))
    assert builds(draft) == {
        "backend": ("docker/api/Dockerfile", "."),
        "frontend": ("docker/frontend.Dockerfile", "src/frontend"),
    }
    files["docker/api/Dockerfile"] = "FROM python\nCOPY absent.txt ./\n"
    draft = described(project(tmp_path, files))
    assert draft.comments["components", "backend", "image", "context"].startswith("lacks some")


def test_dockerfiles_that_fit_equally_are_noted(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"a/backend/Dockerfile": PYTHON, "b/backend/Dockerfile": PYTHON}
    draft = described(project(tmp_path, files))
    assert builds(draft)["backend"] is None
    assert (
        "Not found: the backend's Dockerfile, because in . a/backend/Dockerfile, b/backend/Dockerfile fit equally."
        in draft.notes
    )
    assert "[components.backend.image]: dockerfile and context" in draft.notes[-1]


def test_of_equal_dockerfiles_the_nearest_is_taken(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"backend/Dockerfile": PYTHON, "deploy/backend/Dockerfile": PYTHON}
    draft = described(project(tmp_path, files))
    assert builds(draft)["backend"] == ("deploy/backend/Dockerfile", "deploy/backend")


@pytest.mark.parametrize(
    "command",
    [
        '["npm", "run", "dev"]',
        "npx next dev -p 3000",
        "npm install && vite --host",
        '["uvicorn", "main:app", "--reload"]',
    ],
)
def test_server_for_development_is_not_preferred(tmp_path: Path, command: str) -> None:
    files: dict[str, str | bytes] = {"frontend/Dockerfile": NODE.replace('["npm", "start"]', command)}
    assert builds(described(project(tmp_path, files)))["frontend"] == ("frontend/Dockerfile", "frontend")
    files["docker/frontend/Dockerfile"] = NODE.replace('["npm", "start"]', '["npx", "vite", "preview"]')
    assert builds(described(project(tmp_path, files)))["frontend"] == ("docker/frontend/Dockerfile", "docker/frontend")


def test_equal_dockerfiles_of_one_source_name_its_routes(tmp_path: Path) -> None:
    copies = "FROM python\nCOPY requirements.txt .\nEXPOSE 8000\n"
    files: dict[str, str | bytes] = {
        "backend/Dockerfile": copies,
        "docker/backend/Dockerfile": copies,
        "backend/requirements.txt": "",
        "backend/main.py": ROUTES.replace("NAME", "tasks"),
    }
    draft = described(project(tmp_path, files))
    assert any("backend/Dockerfile, docker/backend/Dockerfile fit equally" in note for note in draft.notes)
    assert any(note.startswith("Routes in the source of backend,") for note in draft.notes)


BUILDS = """
    $ docker build --build-arg A=1 -t registry.example/team/todo-backend:1.0 \\
        -f docker/api.Dockerfile ./src/server
    cd src && docker buildx build . --tag=todo-frontend --file web/prod.Dockerfile --no-cache && true
"""


def test_documents_say_how_an_image_is_built(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "docs/deployment.md": BUILDS,
        "src/notes.sh": "docker build -t todo-frontend -f web/prod.Dockerfile . # from here\n",
        "docker/api.Dockerfile": PYTHON,
        "backend/Dockerfile": PYTHON,
        "src/server/main.py": ROUTES.replace("NAME", "tasks"),
        "src/web/prod.Dockerfile": NODE,
    }
    draft = described(project(tmp_path, files))
    assert builds(draft) == {
        "backend": ("docker/api.Dockerfile", "src/server"),
        "frontend": ("src/web/prod.Dockerfile", "src"),
    }
    comments = draft.comments
    assert comments["components", "backend", "image", "context"] == "as docs/deployment.md builds it: check it"
    assert any(note.startswith("Routes in the source of src/server,") for note in draft.notes)


@pytest.mark.parametrize(
    "text",
    [
        "docker build -t todo-backend -f absent.Dockerfile .",
        "docker build -t todo-backend $FOLDER",
        "docker build -t todo-backend ../..",
        "docker build -t other .",
        "docker build -t todo-backend 'unfinished",
        "docker build -t todo-backend a && docker build -t todo-backend b",
    ],
)
def test_commands_that_say_nothing_certain_are_left_out(tmp_path: Path, text: str) -> None:
    files: dict[str, str | bytes] = {"README.md": text, "a/Dockerfile": PLAIN, "b/Dockerfile": PLAIN}
    assert builds(described(project(tmp_path, files)))["backend"] is None


def test_no_dockerfile_is_noted(tmp_path: Path) -> None:
    draft = described(project(tmp_path, {"node_modules/backend/Dockerfile": PYTHON, ".x/api/Dockerfile": PYTHON}))
    assert builds(draft) == {"backend": None, "frontend": None}
    assert "Not found: the backend's Dockerfile, because in . there is none." in draft.notes
    draft = described(project(tmp_path, {"proxy/Dockerfile": PLAIN}))
    assert any("because in . none of proxy/Dockerfile reads like it" in note for note in draft.notes)


def test_odd_files_stop_nothing(tmp_path: Path) -> None:
    odd: dict[str, str | bytes] = {
        "api/Dockerfile": b"\xff\xfe\x00 FROM \\\n\x00",
        "api/main.py": b"\xff\x00 FastAPI(",
        "api/deep.py": "FastAPI = " + "(" * 5000,
        "api/bad.py": "def FastAPI(:\n",
        "web/Dockerfile": "FROM\nCOPY\nCOPY [\nEXPOSE ${X\nCOPY /*** **a /\nCMD [[[",
    }
    chart = project(tmp_path, odd)
    (tmp_path / "api" / "loop").symlink_to(tmp_path)
    (tmp_path / "frontend").mkdir()
    (tmp_path / "frontend" / "Dockerfile").symlink_to("nowhere")
    (tmp_path / "backend" / "Dockerfile").mkdir(parents=True)
    os.mkfifo(tmp_path / "Dockerfile")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))).mkdir()
    assert builds(described(chart)) == {"backend": ("api/Dockerfile", "api"), "frontend": ("web/Dockerfile", "web")}


def test_files_are_bounded_and_unreadable_ones_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, {f"{number}/Dockerfile": PLAIN for number in range(20)})
    assert len(list(files_of(tmp_path, entries=25))) < 20

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "scandir", refuse)
    assert list(files_of(tmp_path)) == []


def test_project_is_the_repository_or_near(tmp_path: Path) -> None:
    chart = tmp_path / "a" / "b" / "c" / "chart"
    chart.mkdir(parents=True)
    assert project_of(chart, tmp_path / "a") == tmp_path / "a"
    assert project_of(chart, tmp_path / "a" / "b" / "other") == tmp_path / "a" / "b" / "c"
    assert project_of(chart, chart) == tmp_path
    (tmp_path / "a" / ".git").write_text("gitdir: elsewhere")
    assert project_of(chart, tmp_path / "x") == tmp_path / "a"
    archive = chart / "shop.tgz"
    archive.write_bytes(b"")
    assert project_of(archive, chart) == tmp_path / "a"
    (tmp_path / "a" / ".git").unlink()
    assert project_of(archive, chart) == chart


def test_further_workloads_are_named(tmp_path: Path) -> None:
    chart = project(tmp_path, {"api/Dockerfile": PYTHON, "services/mcp/Dockerfile": PYTHON})
    objects = [
        workload("Deployment", "backend", "team/todo-backend:1"),
        workload("Deployment", "todo-mcp-server", "team/todo-mcp:1"),
        workload("StatefulSet", "db", "postgres:17"),
    ]
    draft = described(chart, objects, {"mcp": {"image": {"repository": "team/todo-mcp", "tag": 1}}})
    note = next(each for each in draft.notes if each.startswith("Further workloads"))
    assert "Deployment/backend" not in note
    assert "  Deployment/todo-mcp-server: team/todo-mcp:1\n" in note
    assert note.endswith("  StatefulSet/db: postgres:17")
    start = note.rindex("[[images]]")
    entry = tomllib.loads(note[start : note.index("  StatefulSet")])
    assert entry["images"] == [
        {
            "repository": "team/todo-mcp",
            "dockerfile": "services/mcp/Dockerfile",
            "context": "services/mcp",
            "image_repository": "mcp.image.repository",
            "image_tag": "mcp.image.tag",
        }
    ]
    assert "[[images]] or [overrides]" in draft.notes[-1]
    assert "[[images]]" not in "".join(described(chart, objects[:1]).notes)


MAIN = """
from fastapi import FastAPI
from app.routes import tasks, chat_router
from app.api.auth import router as auth
import settings

def create() -> FastAPI:
    app = FastAPI()
    app.include_router(tasks.router, prefix="/api")
    app.include_router(auth, prefix=settings.PREFIX)
    app.include_router(chat_router)
    return app

app: FastAPI = create() or FastAPI()

@app.get("/health")
async def health(): ...

@client.get("/none")
def none(): ...
"""
ROUTES = """
from fastapi import APIRouter
VERSION = 1
router = APIRouter(prefix="/NAME")

@router.get("")
@router.post(path="/{id}")
async def each(): ...

@router.delete(f"/v{VERSION}/x")
def remove(): ...
"""


def test_routes_are_read_with_their_prefixes(tmp_path: Path) -> None:
    project(
        tmp_path,
        {
            "app/main.py": MAIN,
            "app/routes/__init__.py": "from .chat import router as chat_router\n",
            "app/routes/tasks.py": ROUTES.replace("NAME", "tasks"),
            "app/routes/chat.py": ROUTES.replace("NAME", "chat") + "router.include_router(router)\n",
            "app/api/auth.py": ROUTES.replace("NAME", "auth"),
        },
    )
    found = routes_of(files_of(tmp_path))
    assert {"GET /health", "GET /api/tasks", "POST /api/tasks/{id}", "DELETE /api/tasks/v…/x"} <= {*found}
    assert {"GET …/auth", "POST /chat/{id}"} <= {*found}
    assert not any("none" in each for each in found)


def test_routes_and_the_driver_are_noted(tmp_path: Path) -> None:
    many = ROUTES.replace("NAME", "a") + "".join(f"@router.get('/{n}')\ndef f{n}(): ...\n" for n in range(40))
    files: dict[str, str | bytes] = {"api/Dockerfile": PYTHON, "api/main.py": many, "api/tests/test_x.py": "# asyncpg"}
    notes = described(project(tmp_path, files)).notes
    routes = next(each for each in notes if each.startswith("Routes in the source of api,"))
    assert "\n  GET /a\n" in routes
    assert routes.endswith("\n  and 13 more")
    assert len(routes.splitlines()) == 32
    assert not any("asyncpg" in each for each in notes)
    files["api/requirements.txt"] = "asyncpg==0.30\n"
    notes = described(project(tmp_path, files)).notes
    assert any('database_scheme = "postgresql+asyncpg"' in each for each in notes)


@pytest.mark.parametrize(
    ("source", "rendered", "stated"),
    [
        ("@app.get('/health')\n", "/healthz", "/health"),
        ("@app.get('/health')\n", "/health?full=1", "/health?full=1"),
        ("@app.get('/health')\nNAMES = 'healthz'\n", "/healthz", "/healthz"),
        ("@app.get('/tasks')\n", "/healthz", "/healthz"),
        ("@app.get(f'/{x}/health')\n", "/healthz", "/healthz"),
        ("@app.get('/api/status/ready')\n", "/ready", "/ready"),
    ],
)
def test_probe_of_a_path_that_no_route_has(tmp_path: Path, source: str, rendered: str, stated: str) -> None:
    text = f"from fastapi import FastAPI\napp = FastAPI()\n{source}def f(): ...\n"
    chart = project(tmp_path, {"api/Dockerfile": PYTHON, "api/main.py": text})
    draft = described(chart, probes={"liveness": rendered})
    assert draft.document["components"]["backend"]["probes"] == {"liveness": stated}
    assert any("as a route of its source" in each for each in draft.notes) == (rendered != stated)


def test_the_last_note_says_what_is_left_to_write(tmp_path: Path) -> None:
    chart = project(tmp_path, {"api/Dockerfile": PYTHON, "web/Dockerfile": NODE})
    draft = described(chart)
    assert draft.notes[-1].startswith("Ready: `make static`")
    for part in ("[api]", "[auth]", "[tables]", "[pages]", "[screens]", "database_scheme", "docs/your-application.md"):
        assert part in draft.notes[-1]
    assert ".image]" not in draft.notes[-1]
    text = toml(draft.document, draft.comments, draft.notes)
    assert text.rstrip().splitlines()[-1].startswith("# ")


def test_notes_hold_no_control_characters() -> None:
    assert tomllib.loads(toml({}, notes=["a\x07\x7f\udcffb\r\nc"])) == {}
