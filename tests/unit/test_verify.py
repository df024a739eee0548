"""What a run was about and what it left, compared with the digests in its signoff.json."""

from __future__ import annotations

import inspect
import io
import json
import shutil
import sys
import tarfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

import conftest
from acceptance.chart.packaging import package_digest
from acceptance.cli import commands
from acceptance.core import digests
from acceptance.core.rules import ROOT, RULES_FILE
from acceptance.core.suite import Suite
from acceptance.core.target import load
from acceptance.kube.helm import Helm, find_helm
from acceptance.provision.images import BuiltImage
from acceptance.report import html, recorded, signoff, verification
from acceptance.report.judging import judge
from acceptance.report.results import Results, RunMetadata
from tests.unit.test_html import CLEAN, PICTURE, collected, finished

IMAGE = "sha256:" + "1f" * 32
Verify = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def helm() -> Helm:
    return find_helm()


@pytest.fixture
def folder(tmp_path: Path, helm: Helm) -> Path:
    """The folder of an accepted run of this repository's target."""
    results = collected()
    results.metadata.subject["digests"] = {
        "chart": package_digest(helm, ROOT / "chart"),
        "target": digests.of_file(ROOT / "target.toml"),
        "specification": digests.of_file(RULES_FILE),
    }
    results.metadata.subject["images"] = {"backend": {"reference": "todo-backend:1", "id": IMAGE}}
    results.pictures.append(PICTURE)
    place = tmp_path / "run"
    (place / "evidence").mkdir(parents=True)
    (place / "evidence" / "pods.txt").write_text("all Ready\n")
    (place / ".lock").touch()
    write(place, results)
    (place / ".lock").unlink()
    return place


def write(folder: Path, results: Results) -> None:
    """Write the report as a run does at its end."""
    ended = results.started + timedelta(minutes=40)
    data = judge(results, {}, CLEAN, ended)
    html.write(folder, data, results.pictures)
    recorded.write(folder, recorded.record(results, {}, CLEAN, ended))
    signoff.write(folder, data)


@pytest.fixture
def verify(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    def run(*options: str | Path) -> tuple[int, str]:
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(sys, "argv", ["acceptance", "verify", str(folder), *map(str, options)])
        code = commands.main()
        output = capsys.readouterr()
        return code, output.out + output.err

    return run


def archive_of(path: Path, *identifiers: str) -> Path:
    """An archive of images as `docker save` writes it."""
    entries = [{"Config": f"blobs/sha256/{each.partition(':')[2]}", "RepoTags": None} for each in identifiers]
    content = json.dumps(entries).encode()
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return path


def test_untouched_run_is_verified(verify: Verify, tmp_path: Path) -> None:
    code, output = verify("--images", archive_of(tmp_path / "images.tar", IMAGE))
    assert (code, output) == (0, "run 20260714-091502-7be1, accepted: 10 same, 0 different, 0 not compared\n")


def test_what_is_not_at_hand_is_named(verify: Verify, folder: Path) -> None:
    code, output = verify()
    assert code == 0
    assert "image of the backend: not compared, name an archive of images with --images\n" in output
    results = recorded.results_of(recorded.read(folder))
    results.target_file = "other.toml"
    write(folder, results)
    code, output = verify()
    assert code == 0
    assert "chart: not compared, it is not available\ntarget: not compared, it is not available\n" in output


@pytest.mark.parametrize(
    ("path", "expected"),
    [("index.html", "index.html: different"), ("evidence/pods.txt", "evidence/pods.txt: different")],
)
def test_altered_file_is_found(verify: Verify, folder: Path, path: str, expected: str) -> None:
    (folder / path).write_text((folder / path).read_text().replace("a", "b"))
    code, output = verify()
    assert code == 1
    assert expected in output


def test_file_that_is_gone_or_new_is_found(verify: Verify, folder: Path) -> None:
    (folder / "evidence" / "pods.txt").rename(folder / "evidence" / "nodes.txt")
    code, output = verify()
    assert code == 1
    assert "evidence/nodes.txt: different, expected absent, actual sha256:" in output
    assert "evidence/pods.txt: different, expected sha256:" in output


def test_altered_results_differ_from_the_page(verify: Verify, folder: Path) -> None:
    data = signoff.read(folder)
    data["verdict"] = "rejected"
    signoff.write(folder, data)
    code, output = verify()
    assert code == 1
    assert "results on index.html: different" in output


def test_altered_page_is_found_though_its_digest_fits(verify: Verify, folder: Path) -> None:
    page = (folder / "index.html").read_text(encoding="utf-8")
    (folder / "index.html").write_text(page.replace("accepted", "accepted, and very good"), encoding="utf-8")
    signoff.write(folder, signoff.read(folder))
    code, output = verify()
    assert code == 1
    assert "index.html as made from signoff.json: different" in output
    assert "1 different" in output


def test_altered_verdict_is_found_though_its_page_fits(verify: Verify, folder: Path) -> None:
    results = recorded.results_of(recorded.read(folder))
    next(iter(results.tests.values())).outcome = "error"
    recorded.write(folder, recorded.record(results, {}, CLEAN, results.started))
    signoff.write(folder, signoff.read(folder))
    code, output = verify()
    assert code == 1
    assert "signoff.json as judged from results.json: different" in output


def test_report_of_another_suite_is_not_compared(
    verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = archive_of(tmp_path / "images.tar", IMAGE)
    assert verify("--images", images, "--strict")[0] == 0
    monkeypatch.setattr(verification, "suite", lambda: Suite("2.0.0", None, clean=False, digest="sha256:0"))
    code, output = verify("--images", images)
    assert code == 0
    assert "index.html as made from signoff.json: not compared, it is of another version of the suite" in output
    assert verify("--images", images, "--strict")[0] == 1


def test_strict_verification_needs_an_accepted_run(verify: Verify, folder: Path, tmp_path: Path) -> None:
    results = recorded.results_of(recorded.read(folder))
    results.metadata.fresh_cluster = False
    write(folder, results)
    images = archive_of(tmp_path / "images.tar", IMAGE)
    assert [verify("--images", images)[0], verify("--images", images, "--strict")[0]] == [0, 1]


def test_other_artefacts_are_found(verify: Verify, tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    shutil.copytree(ROOT / "chart", chart)
    (chart / "templates" / "more.yaml").write_text("# nothing\n")
    target = tmp_path / "target.toml"
    target.write_text((ROOT / "target.toml").read_text() + "\n# changed\n")
    target.with_name("app").symlink_to(ROOT / "app")
    for name in ("dockerfiles", "support"):
        target.with_name(name).symlink_to(ROOT / name)
    code, output = verify(
        "--chart", chart, "--target", target, "--images", archive_of(tmp_path / "images.tar", "sha256:" + "0" * 64)
    )
    assert code == 1
    for what in ("chart", "target", "image of the backend"):
        assert f"{what}: different, expected sha256:" in output


@pytest.mark.parametrize("content", [None, "{}"])
def test_folder_without_records_is_compared_as_far_as_it_goes(
    verify: Verify, folder: Path, content: str | None
) -> None:
    (folder / "results.json").unlink()
    if content:
        (folder / "results.json").write_text(content)
    (folder / "index.html").write_bytes(b"\xff")
    code, output = verify()
    assert code == 1
    assert "results.json: different, expected sha256:" in output
    assert "results on index.html: different, expected sha256:" in output
    assert "signoff.json as judged from results.json: not compared, " in output


def test_images_of_further_workloads_are_part_of_what_was_tested() -> None:
    worker = BuiltImage("registry.example/todo-worker", "1", IMAGE, ())
    metadata = RunMetadata()
    inspect.unwrap(conftest.images)(
        SimpleNamespace(images=lambda: {"backend": replace(worker, repository="todo-backend")}, archive=Path("i.tar")),
        metadata,
    )
    provisioner = SimpleNamespace(
        target=load(), installs_release=True, further_images=lambda: {worker.repository: worker}
    )
    request = SimpleNamespace(getfixturevalue=lambda _: SimpleNamespace(values={}))
    next(inspect.unwrap(conftest.release)(provisioner, None, metadata, request, lambda _: nullcontext()))
    assert metadata.subject["images"] == {
        "backend": {"reference": "todo-backend:1", "id": IMAGE},
        "registry.example/todo-worker": {"reference": "registry.example/todo-worker:1", "id": IMAGE},
    }


def test_image_of_a_further_workload_is_compared(verify: Verify, folder: Path, tmp_path: Path) -> None:
    other = "sha256:" + "2e" * 32
    results = recorded.results_of(recorded.read(folder))
    results.metadata.add_images({"todo-worker": BuiltImage("todo-worker", "1", other, ())})
    write(folder, results)
    code, output = verify("--images", archive_of(tmp_path / "images.tar", IMAGE))
    assert (code, f"image of the todo-worker: different, expected {other}, actual absent\n" in output) == (1, True)
    assert verify("--images", archive_of(tmp_path / "both.tar", IMAGE, other))[0] == 0


def test_results_that_are_none_are_refused(verify: Verify, folder: Path) -> None:
    data = json.loads((folder / "signoff.json").read_text())
    del data["verdict"]
    (folder / "signoff.json").write_text(json.dumps(data))
    assert verify() == (
        2,
        f"ERROR: {folder}/signoff.json is not what signoff.schema.json describes: 'verdict' is a required property\n",
    )
    (folder / "signoff.json").unlink()
    code, output = verify()
    assert code == 2
    assert "has no results of a run" in output


def test_archive_without_images_is_refused(verify: Verify, tmp_path: Path) -> None:
    (tmp_path / "images.tar").write_text("no archive")
    code, output = verify("--images", tmp_path / "images.tar")
    assert code == 2
    assert "is not an archive of images" in output


def test_package_has_the_digest_of_its_chart(helm: Helm, tmp_path: Path) -> None:
    helm("package", ROOT / "chart", "--destination", tmp_path)
    (package,) = tmp_path.glob("*.tgz")
    assert package_digest(helm, package) == package_digest(helm, ROOT / "chart")


def test_chart_that_helm_cannot_package_has_no_digest(helm: Helm, tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("name: {}\n")
    assert package_digest(helm, tmp_path) is None


def test_file_that_is_no_package_is_refused(helm: Helm, tmp_path: Path) -> None:
    (tmp_path / "chart.tgz").write_text("no archive")
    with pytest.raises(OSError, match="is not a packaged chart"):
        package_digest(helm, tmp_path / "chart.tgz")


def test_digest_does_not_depend_on_order() -> None:
    assert digests.of_data({"a": 1, "b": [2]}) == digests.of_data({"b": [2], "a": 1})
    assert digests.of_data({"b": [2, 3]}) != digests.of_data({"b": [3, 2]})
    one, other = ("a", b"1"), ("b", b"2")
    assert digests.of_named([one, other]) == digests.of_named([other, one])
    assert digests.of_named([one]) != digests.of_named([("a", b"2")])


def test_sign_off_block_is_on_the_page_of_an_accepted_run_alone() -> None:
    page = html.render(finished(broken=False))
    assert 'id="sign"' in page
    assert "<code>python -m acceptance verify reports/20260714-091502-7be1 --strict</code>" in page
    assert 'id="sign"' not in html.render(finished(broken=True))


def test_comparison_names_what_is_absent() -> None:
    assert str(verification.compare("chart", None, None)) == "chart: same"
    assert str(verification.compare("chart", None, "sha256:1")) == "chart: different, expected absent, actual sha256:1"
