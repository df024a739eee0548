"""The chart that an upgrade starts from: named, of the last tag, or renumbered."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from acceptance.provision.previous_chart import APP_VERSION, VERSION, previous_chart


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart in a checkout without commits."""
    folder = tmp_path / "checkout" / "deploy" / "shop"
    folder.mkdir(parents=True)
    (folder / "Chart.yaml").write_text("name: shop\nversion: 1.2.3\nappVersion: '4'\n", encoding="utf-8")
    (folder / "values.yaml").write_text("a: 1\n", encoding="utf-8")
    git(tmp_path / "checkout", "init", "--quiet")
    return folder


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def git(folder: Path, *argv: str) -> None:
    settings = ("-c", "user.name=shop", "-c", "user.email=shop@example.com")
    subprocess.run(["git", "-C", folder, *settings, *argv], check=True)


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "shop")


def test_named_chart_is_taken_as_it_is(chart: Path, empty: Path) -> None:
    archive = empty / "shop-1.0.0.tgz"
    found = previous_chart(chart, archive, empty)
    assert found.path == archive
    assert "--upgrade-from" in found.origin


@pytest.mark.parametrize("commits", [0, 1], ids=["no commit", "no tag"])
def test_chart_without_a_tagged_release_is_renumbered(chart: Path, empty: Path, commits: int) -> None:
    for _ in range(commits):
        commit(chart)
    found = previous_chart(chart, None, empty)
    content = yaml.safe_load((found.path / "Chart.yaml").read_text(encoding="utf-8"))
    assert content == {"name": "shop", "version": VERSION, "appVersion": APP_VERSION}
    assert (found.path / "values.yaml").read_text(encoding="utf-8") == "a: 1\n"
    assert "1.2.3" in (chart / "Chart.yaml").read_text(encoding="utf-8")


def test_chart_of_the_last_tag_is_taken(chart: Path, empty: Path) -> None:
    commit(chart)
    git(chart, "tag", "v1")
    (chart / "values.yaml").write_text("a: 2\n", encoding="utf-8")
    commit(chart)
    found = previous_chart(chart, None, empty)
    assert (found.path / "values.yaml").read_text(encoding="utf-8") == "a: 1\n"
    assert (found.path / "Chart.yaml").is_file()
    assert found.origin == "the chart of tag v1"


def test_tag_without_the_chart_is_passed_over(chart: Path, empty: Path) -> None:
    readme = chart.parents[1] / "README.md"
    readme.write_text("shop\n", encoding="utf-8")
    git(chart, "add", str(readme))
    git(chart, "commit", "--quiet", "--message", "shop")
    git(chart, "tag", "v0")
    commit(chart)
    assert "another version" in previous_chart(chart, None, empty).origin
