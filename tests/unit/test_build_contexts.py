"""What images are built from: what a Dockerfile copies and the context lacks, and what goes on after a migration."""

from __future__ import annotations

from pathlib import Path

import pytest

from acceptance.chart.build_contexts import ignore_file, is_ignored, missing_copies, missing_locks, nginx_files, scripts
from acceptance.checks.migrations import continues_after_failure
from acceptance.core.migrations import migrates

STAGES = "FROM node AS builder\nCOPY . .\nRUN npm run build\nFROM node\nCOPY --from=builder /app/public ./public\n"


def missing(folder: Path, text: str, *files: str, ignored: str = "") -> list[str]:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return list(missing_copies(text, folder, ignored.split()))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("COPY app/ /app/", []),
        ("COPY --chown=1:1 ./app/a.py b.txt /app/", ["b.txt"]),
        ('ADD ["absent", "/app"]', ["absent"]),
        ("COPY package-lock.json* $FILE ${B}/x /app/", []),
        ("COPY --from=builder /venv /venv", []),
        ("ADD https://example.com/a.tgz /", []),
        ("COPY <<EOF /a\nCOPY absent /b\nEOF", []),
        ("COPY . .", []),
    ],
)
def test_what_the_context_lacks_is_named(tmp_path: Path, line: str, expected: list[str]) -> None:
    assert missing(tmp_path, f"FROM python\n{line}\n", "app/a.py") == expected


def test_what_is_left_out_is_not_there(tmp_path: Path) -> None:
    text = "FROM python\nCOPY app /app\nCOPY docs/a.md /\n"
    files = ("app/a.py", "docs/a.md")
    assert missing(tmp_path, text, *files, ignored="docs/*.md") == ["docs/a.md, which .dockerignore leaves out"]
    assert missing(tmp_path, text, *files, ignored="*.md !app") == []


@pytest.mark.parametrize(
    ("path", "patterns", "expected"),
    [
        ("app/a.py", ["app"], True),
        ("app/a.py", ["/app/"], True),
        ("app/a.py", ["**/*.py"], True),
        ("a.py", ["**/*.py"], True),
        ("app/a.py", ["*.py"], False),
        ("app", ["*", "!app"], False),
        ("app", ["app", "!app/a.py"], False),
        ("application", ["app"], False),
        ("a1.py", ["a?.py"], True),
    ],
)
def test_patterns_are_those_of_docker(path: str, patterns: list[str], expected: bool) -> None:
    assert is_ignored(path, patterns) is expected


def test_dockerfile_may_have_an_ignore_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("# all\n\nshared\n")
    assert ignore_file(tmp_path / "Dockerfile", tmp_path) == ["shared"]
    (tmp_path / "Dockerfile.dockerignore").write_text("own\n")
    assert ignore_file(tmp_path / "Dockerfile", tmp_path) == ["own"]


def test_stage_lacks_a_folder_that_the_source_lacks(tmp_path: Path) -> None:
    assert missing(tmp_path, STAGES) == ["public, which the stage builder copies from it"]
    assert missing(tmp_path, STAGES.replace("npm run build", "mkdir -p public && npm run build")) == []
    assert missing(tmp_path, STAGES.replace("COPY . .", "COPY package.json .").replace("package.json", "a"), "a") == []
    assert missing(tmp_path, STAGES.replace("/app/public", "/app/.next/standalone")) == []
    assert missing(tmp_path, STAGES, "public/robots.txt") == []


def test_scripts_of_the_command_are_read(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "start.sh").write_text("exec a")
    (tmp_path / "other.sh").write_text("exec b")
    text = 'FROM python\nENTRYPOINT ["/bin/sh", "/app/start.sh"]\nCMD ["./absent.sh"]\n'
    assert scripts(text, tmp_path) == {"start.sh": "exec a"}


@pytest.mark.parametrize(
    "line",
    [
        "python -m alembic upgrade head 2>/dev/null || true; uvicorn main:app",
        "alembic upgrade head >/dev/null 2>&1 || :",
        "npx prisma migrate deploy || echo 'no migration' && node server.js",
        "alembic -c a.ini upgrade head; uvicorn main:app",
        "cd /app\nalembic upgrade \\\n  head\nuvicorn main:app",
        "python manage.py migrate || exit 0",
        "python -m todo_backend.migrate; uvicorn main:app",
        "npm run db:deploy; node server.js",
        "npx sequelize-cli db:migrate\nnode server.js",
    ],
)
def test_command_that_goes_on_after_a_failure_is_found(line: str) -> None:
    assert continues_after_failure(["/bin/sh", "-c", line], {}) is not None
    assert continues_after_failure(["start.sh"], {"start.sh": f"#!/bin/sh\n{line}\n"}) is not None


@pytest.mark.parametrize(
    "line",
    [
        "alembic upgrade head && exec uvicorn main:app",
        "alembic upgrade head",
        "set -e; alembic upgrade head 2>&1; uvicorn main:app",
        "set -euo pipefail\nalembic upgrade head\nexec uvicorn main:app",
        "until alembic upgrade head; do sleep 1; done; uvicorn main:app",
        "if ! alembic upgrade head; then exit 1; fi; uvicorn main:app",
        "alembic upgrade head || exit 1; uvicorn main:app",
        "alembic upgrade head || (echo failed && exit 1); uvicorn main:app",
        "alembic upgrade head | tee log; uvicorn main:app",
        "# alembic upgrade head || true\nuvicorn main:app",
        "alembic current || true; uvicorn main:app",
        "npx prisma migrate status; node server.js",
        "python manage.py makemigrations --check; uvicorn main:app",
        "python manage.py migrate --plan; uvicorn main:app",
        "echo running migrations; uvicorn main:app",
        "cd /app/migrations; alembic upgrade head && uvicorn main:app",
    ],
)
def test_command_that_ends_with_a_failure_is_right(line: str) -> None:
    assert continues_after_failure(["sh", "-c", line], {}) is None


def test_shell_may_be_told_to_end_at_once() -> None:
    line = "alembic upgrade head; uvicorn main:app"
    assert continues_after_failure(["sh", "-ec", line], {}) is None
    assert continues_after_failure(["sh", "-e", "-c", line], {}) is None
    assert continues_after_failure(["start.sh"], {"start.sh": f"#!/bin/sh -e\n{line}"}) is None
    assert continues_after_failure(["absent.sh"], {}) is None
    assert continues_after_failure([], {}) is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["./bin/migrate"], True),
        (["sh", "-c", "flask db upgrade"], True),
        (["alembic", "upgrade", "head"], True),
        (["alembic", "current"], False),
        (["npm", "run", "start"], False),
    ],
)
def test_command_of_a_hook_that_migrates_is_known(words: list[str], expected: bool) -> None:
    assert migrates(words) is expected


@pytest.mark.parametrize(
    ("lines", "files", "expected"),
    [
        ("COPY package*.json ./\nRUN npm ci", ["package.json"], ["package-lock.json"]),
        ("COPY package.json package-lock.json* ./\nRUN npm ci", ["package.json", "package-lock.json"], []),
        ("COPY web/package*.json ./\nRUN npm ci --omit=dev", ["web/package.json", "web/package-lock.json"], []),
        ("COPY package.json ../package-lock.json* ./\nRUN npm ci", ["package-lock.json"], []),
        ("COPY . .\nRUN npm ci", ["npm-shrinkwrap.json"], []),
        ("COPY . .\nRUN if [ -f yarn.lock ]; then yarn --frozen-lockfile; else npm ci; fi", ["package.json"], []),
        ("COPY . .\nRUN npm install", ["package.json"], []),
        ("COPY --from=deps /app .\nRUN npm ci", [], []),
        ("COPY pyproject.toml .\nRUN pip install uv && uv sync --no-dev --frozen", ["pyproject.toml"], ["uv.lock"]),
        ("COPY . .\nRUN yarn install --frozen-lockfile", ["yarn.lock"], []),
    ],
)
def test_lock_file_is_where_an_installation_needs_it(
    tmp_path: Path, lines: str, files: list[str], expected: list[str]
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    found = [each.partition(",")[0] for each in missing_locks(f"FROM node\n{lines}\n", tmp_path)]
    assert found == expected


def test_files_of_nginx_are_those_of_the_last_stage(tmp_path: Path) -> None:
    for name in ("dev.conf", "nginx.conf"):
        (tmp_path / name).write_text(f"# {name}")
    first, last = "FROM nginx\nCOPY dev.conf /etc/nginx/nginx.conf\n", "FROM nginx\nCOPY out /usr/share/nginx/html\n"
    copied = "COPY --chown=1:1 nginx.conf /etc/nginx/conf.d/default.conf\n"
    assert nginx_files(first + last, tmp_path) == {}
    assert nginx_files(first + last + copied, tmp_path) == {"nginx.conf": "# nginx.conf"}
