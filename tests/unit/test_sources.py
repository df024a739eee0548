"""What is read from a component's source: names, variables and modules; and which names are misspelt."""

from __future__ import annotations

from pathlib import Path

import pytest

from acceptance.chart.sources import names_in
from acceptance.checks.variables import is_misspelt


def test_variables_and_modules_of_python(tmp_path: Path) -> None:
    package = tmp_path / "src" / "todo"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text('import os\nos.environ["DATABASE_URL"]\nos.environ.get("PORT")\n')
    (package / "twice.py").write_text('if "A_KEY" in os.environ:\n    os.environ["A_KEY"]\n')
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_todo.py").write_text('os.environ["OF_TESTS"]\n')
    found = names_in(tmp_path)
    assert found is not None
    assert found.reads == {"DATABASE_URL", "PORT", "A_KEY"}
    assert {"todo", "todo.__init__", "todo.twice", "src.todo.twice"} <= found.modules
    assert found.required["todo"] == {"DATABASE_URL"}
    assert found.required["todo.twice"] == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        'class Settings(BaseSettings):\n    model_config = {"env_prefix": "TODO_"}\n    port = os.environ["PORT"]\n',
        "viper.AutomaticEnv()\n",
        "nothing = 1\n",
    ],
)
def test_what_a_program_reads_is_unknown(text: str, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(text)
    assert names_in(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "meant", "misspelt"),
    [
        ("APP_VERSON", "APP_VERSION", True),
        ("DATABASES_URL", "DATABASE_URL", True),
        ("DATABASEURL", "DATABASE_URL", True),
        ("DB_POOL_SIZE", "DATABASE_POOL_SIZE", True),
        ("API_VERSION", "APP_VERSION", False),
        ("PG_HOST", "PORT_HOST", False),
        ("PGSSLROOTCERT", "PORT", False),
        ("OPENAI_API_BASE", "OPENAI_API_KEY", False),
        ("SMTP_HOST", "SMTP_PORT", False),
        ("FRONTEND_URL", "BACKEND_URL", False),
        ("LOG_LEVEL", "LOG_FORMAT", False),
    ],
)
def test_misspelt_names(name: str, meant: str, misspelt: bool) -> None:
    assert is_misspelt(name, meant) == misspelt
