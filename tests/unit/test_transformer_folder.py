"""Finding a sentence-transformers model and telling one from another, without torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conexus.embedding.embedder import EmbeddingError
from conexus.embedding.transformer.model_files import fingerprint, foreign_code, locate

MODULES = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
REVISION = "0123456789abcdef0123456789abcdef01234567"  # pragma: allowlist secret - an invented commit


def make_folder(folder: Path, *, weights: bytes = b"weights") -> Path:
    folder.mkdir(parents=True)
    (folder / "modules.json").write_text(json.dumps(MODULES), encoding="utf-8")
    (folder / "config_sentence_transformers.json").write_text('{"prompts": {"query": "q: "}}', encoding="utf-8")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SENTENCE_TRANSFORMERS_HOME", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "hf" / "hub"


def cached(cache: Path, name: str) -> Path:
    entry = cache / f"models--{name.replace('/', '--')}"
    (entry / "refs").mkdir(parents=True)
    (entry / "refs" / "main").write_text(REVISION, encoding="ascii")
    return make_folder(entry / "snapshots" / REVISION)


def test_a_folder_is_found_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(tmp_path / "home" / "mine")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for given in (str(folder), "~/mine"):
        found = locate(given)
        assert (found.name, found.folder) == ("mine", folder.resolve())


@pytest.mark.parametrize("given", ["/no/such/folder", "./gone", "~/gone", "a/b/c", "a name", "../x", "x/..y", ""])
def test_what_is_neither_a_folder_nor_a_name_is_refused(given: str) -> None:
    with pytest.raises(EmbeddingError):
        locate(given)


def test_a_folder_without_a_model_is_refused_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmbeddingError, match="`empty` is not a sentence-transformers model") as raised:
        locate(str(tmp_path / "empty"))
    assert str(tmp_path) not in str(raised.value)


@pytest.mark.parametrize("given", ["sentence-transformers/all-MiniLM-L6-v2", "all-MiniLM-L6-v2"])
def test_a_name_is_found_in_the_cache_even_offline(cache: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    folder = cached(cache, "sentence-transformers/all-MiniLM-L6-v2")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = locate(given)
    assert (found.name, found.folder) == (given, folder)


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "SENTENCE_TRANSFORMERS_HOME"])
def test_the_cache_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    folder = cached(tmp_path / "elsewhere", "org/name")
    assert locate("org/name").folder is None
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert locate("org/name").folder == folder


def test_a_name_that_is_not_cached_may_be_downloaded_unless_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    assert locate("org/name").folder is None
    monkeypatch.setenv("HF_HUB_OFFLINE", "yes")
    with pytest.raises(EmbeddingError, match=r"`org/name` is not in the local cache.*HF_HUB_OFFLINE"):
        locate("org/name")


def test_a_download_that_was_broken_off_does_not_count(cache: Path) -> None:
    folder = cached(cache, "org/name")
    (folder / "model.safetensors").unlink()
    assert locate("org/name").folder is None


def test_the_fingerprint_is_of_the_content_not_of_the_place(tmp_path: Path) -> None:
    one = fingerprint(make_folder(tmp_path / "one"))
    other = make_folder(tmp_path / "other")
    (other / "README.md").write_text("words", encoding="utf-8")
    (other / ".git").mkdir()
    (other / ".git" / "state.json").write_text("{}", encoding="utf-8")
    (other / "onnx").mkdir()
    (other / "onnx" / "config.json").write_text("{}", encoding="utf-8")
    assert fingerprint(other) == one


@pytest.mark.parametrize("change", ["prompts", "weights", "module", "size"])
def test_the_fingerprint_follows_the_model(tmp_path: Path, change: str) -> None:
    folder = make_folder(tmp_path / "model", weights=bytes(3_000_000))
    before = fingerprint(folder)
    if change == "prompts":
        (folder / "config_sentence_transformers.json").write_text('{"prompts": {"query": "x: "}}', encoding="utf-8")
    if change == "weights":
        (folder / "model.safetensors").write_bytes(bytes(1_000_000) + b"\1" * 1_000_000 + bytes(1_000_000))
    if change == "module":
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text("{}", encoding="utf-8")
    if change == "size":
        (folder / "model.safetensors").write_bytes(bytes(3_000_001))
    assert fingerprint(folder) != before


def test_code_of_the_models_own_is_seen(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model")
    assert foreign_code(folder) == ""
    routes = {"types": {"query": "sentence_transformers.models.Transformer", "document": "other--evil.Module"}}
    (folder / "router_config.json").write_text(json.dumps(routes), encoding="utf-8")
    assert foreign_code(folder) == "other--evil.Module"
    (folder / "modules.json").write_text(json.dumps([*MODULES, {"type": "evil.Module"}]), encoding="utf-8")
    assert foreign_code(folder) == "evil.Module"
