"""The reader of `docker save` archives: it reports what an archive contains, and nothing else."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from acceptance import checks
from acceptance.checks.finding import Waived
from acceptance.checks.snapshot import ImageState, Snapshot
from acceptance.core.target import Target
from mutants import images
from mutants.images import Draft


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_archive_content_is_read(target: Target) -> None:
    image: ImageState = images.read_draft(Draft(), target)
    assert image.config_digest == image.computed_digest
    assert image.computed_diff_ids == tuple(layer.diff_id for layer in image.layers)
    assert "appuser:x:1000" in image.passwd
    assert image.credentials == ()  # a package's sample key is not a credential
    assert image.layers
    assert all(0 < layer.compressed_bytes < 1000 for layer in image.layers)


def test_reading_twice_gives_equal_results(target: Target) -> None:
    assert images.read_draft(Draft(), target) == images.read_draft(Draft(), target)


def test_packages_anywhere_hold_sample_keys(target: Target) -> None:
    sample = b'KEY = "sk-proj-Qx7Lw2Zr9Tn4Vb6Ym1Kc8Hd3"\n'
    record = b"openai/docs.py,sha256=x,40\n"
    files = {
        "app/deps/openai/docs.py": sample,
        "app/deps/openai-1.0.dist-info/RECORD": record,
        "app/deps/own.py": sample,
    }
    draft = Draft(layers=[files])
    assert images.read_draft(draft, target).credentials == ("app/deps/own.py: an OpenAI key",)


def test_layer_size_is_gzip_compressed(target: Target) -> None:
    draft = Draft(layers=[{"app/text": b"some text " * 10_000}])
    (layer,) = images.read_draft(draft, target).layers
    expected = len(gzip.compress(images._tar(draft.layers[0]), 6))
    assert abs(layer.compressed_bytes - expected) < 32


def test_cached_sizes_do_not_hide_changed_content(target: Target) -> None:
    images.read_draft(Draft(), target)
    assert images.findings("IMG-03", Draft(corrupt="layer"), target)


@pytest.mark.parametrize("rule", sorted({rule for rule, *_ in images.MUTANTS}))
def test_unmodified_archive_has_no_finding(rule: str, target: Target) -> None:
    assert not images.findings(rule, Draft(), target)


@pytest.mark.parametrize("mutant", images.every(), ids=lambda each: each.id)
def test_each_mutant_is_killed_by_its_rule(mutant: images.Mutant, target: Target) -> None:
    assert mutant.killed_by(target)


@pytest.mark.parametrize("shell", [["/bin/sh", "-c"], ["bash", "-lc"], ["sh", "-e", "-c"]])
def test_every_shell_between_is_found(shell: list[str], target: Target) -> None:
    draft = Draft()
    draft.config["config"] = {**draft.config["config"], "Entrypoint": [*shell, "python3 -m app"], "Cmd": None}
    snapshot = Snapshot("image", images={images.COMPONENT: images.read_draft(draft, target)})
    found = checks.run_checks(snapshot, target)
    assert [each.field for each in found.findings if each.rule == "IMG-10"] == ["config.Cmd"]


def test_other_platform_in_the_target_is_waived(target: Target) -> None:
    draft = Draft()
    draft.config["architecture"] = "arm64"
    part = target.component(images.COMPONENT)
    stated = part.model_copy(update={"image": part.image.model_copy(update={"platform": "linux/arm64"})})
    other = target.model_copy(update={"components": {**target.components, images.COMPONENT: stated}})
    snapshot = Snapshot("image", images={images.COMPONENT: images.read_draft(draft, target)})
    (check,) = [each for each in checks.for_level("image") if each.id == "IMG-08-backend"]
    with pytest.raises(Waived, match="linux/arm64"):
        check(snapshot, other)
