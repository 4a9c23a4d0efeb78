"""A chosen model runs no code and is never one that a repository brings."""

from __future__ import annotations

import json
import shutil
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conexus.embedding.embedder import EmbeddingError
from conexus.embedding.transformer import embedder as transformer
from conexus.embedding.transformer import model_files, worker
from conexus.embedding.transformer.model_files import foreign_code, locate

TRANSFORMER = "sentence_transformers.models.Transformer"


def make(folder: Path, **files: bytes | str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    described = {"modules.json": json.dumps([{"idx": 0, "name": "0", "path": "", "type": TRANSFORMER}])}
    for name, content in {**described, "model.safetensors": b"weights", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SENTENCE_TRANSFORMERS_HOME", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


# --- where a model comes from ---


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2", "org/name"])
def test_a_folder_of_the_repository_is_not_taken_for_a_model_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make(tmp_path / "repository" / name)
    monkeypatch.chdir(tmp_path / "repository")
    assert locate(name).folder is None
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EmbeddingError, match="is not in the local cache"):
        locate(name)


@pytest.mark.parametrize(
    "given", ["./model", "../work/model", "model/.", "a/b/model", ".", "", "~no.such.user/model", "a\\b"]
)
def test_a_relative_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    for place in ("model", "a/b/model", "~no.such.user/model"):
        make(tmp_path / "work" / place)
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises(EmbeddingError, match="`model` is an absolute path, or a name of the Hugging Face hub"):
        locate(given)


def test_a_tilde_stands_for_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path / "home" / "model")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert locate("~/model").folder == folder.resolve()


# --- what it is made of ---


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "1_Dense/pytorch_model.bin", "adapter_model.bin"]
)
def test_weights_in_a_pickle_are_refused(tmp_path: Path, name: str) -> None:
    folder = make(tmp_path / "model", **{name: b"pickle"})
    if "/" not in name:
        (folder / "model.safetensors").unlink()
    with pytest.raises(EmbeddingError, match=f"in a pickle .`{name}`., which can run code"):
        locate(str(folder))


def test_a_pickle_beside_safetensors_is_not_read_and_does_no_harm(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "model", **{"pytorch_model.bin": b"pickle", "onnx/model.bin": b"", "training_args.bin": b""}
    )
    assert locate(str(folder)).folder == folder.resolve()


def test_a_model_in_the_cache_with_weights_in_a_pickle_is_refused(tmp_path: Path) -> None:
    entry = tmp_path / "hf" / "hub" / "models--org--name"
    (entry / "refs").mkdir(parents=True)
    (entry / "refs" / "main").write_text("0123456789abcdef")
    make(entry / "snapshots" / "0123456789abcdef", **{"1_Dense/pytorch_model.bin": b"pickle"})
    with pytest.raises(EmbeddingError, match="in a pickle"):
        locate("org/name")


NAMED = [
    ("modules.json", [{"type": "evil.Module"}]),
    ("modules.json", [{"type": "sentence_transformers.util.os.system"}]),
    ("modules.json", [{"type": "sentence_transformers.models.Transformer.evil"}]),
    ("modules.json", [{"type": "sentence_transformers.evaluation.SequentialEvaluator"}]),
    ("modules.json", [{"type": "sentence_transformers.models.Evil"}]),
    ("modules.json", [{"type": "org/name--modeling.Transformer"}]),
    ("modules.json", [{"type": TRANSFORMER, "path": "../other"}]),
    ("modules.json", [{"type": TRANSFORMER, "path": "/other"}]),
    ("modules.json", [{"type": TRANSFORMER, "path": "a\\..\\b"}]),
    ("router_config.json", {"types": {"q": "evil.Module"}}),
    ("router_config.json", {"types": {"../q": TRANSFORMER}}),
    ("0_WordEmbeddings/wordembedding_config.json", {"tokenizer_class": "evil.Tokenizer"}),
    ("1_Dense/config.json", {"activation_function": "torch.hub.list"}),
]


@pytest.mark.parametrize(("name", "content"), NAMED, ids=[str(number) for number in range(len(NAMED))])
def test_a_model_that_names_other_code_is_refused(tmp_path: Path, name: str, content: Any) -> None:
    folder = make(tmp_path / "model", **{name: json.dumps(content)})
    assert foreign_code(folder)
    with pytest.raises(EmbeddingError, match="code of models is not run"):
        worker._load(str(folder))


@pytest.mark.parametrize(
    "name",
    [
        TRANSFORMER,
        "sentence_transformers.models.Dense",
        "sentence_transformers.models.Pooling.Pooling",
        "sentence_transformers.base.modules.transformer.Transformer",
        "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    ],
)
def test_the_modules_of_sentence_transformers_are_known(tmp_path: Path, name: str) -> None:
    modules = json.dumps([{"type": name, "path": "0_X"}])
    dense = json.dumps({"activation_function": "torch.nn.modules.activation.Tanh"})
    routes = json.dumps({"types": {"query_0_X": name}, "structure": {"query": ["query_0_X"]}})
    folder = make(
        tmp_path / "model",
        **{"modules.json": modules, "1_Dense/config.json": dense, "router_config.json": routes, "2/config.json": "[1]"},
    )
    assert foreign_code(folder) == ""


def test_a_config_that_is_no_json_is_an_error_of_the_model(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expecting"):
        foreign_code(make(tmp_path / "model", **{"modules.json": "evil"}))


# --- what reads it ---


@pytest.mark.parametrize("version", ["2.5.1", "1.13.0+cpu", "0.4", "unknown"])
def test_a_torch_that_runs_code_of_weights_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    recorded: list[str] = []
    monkeypatch.setattr(transformer.audit, "record", lambda event, **details: recorded.append(event))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr(metadata, "version", lambda name: version)
    with pytest.raises(EmbeddingError, match=r"needs torch 2\.6 or newer"):
        transformer.TransformerEmbedder(str(make(tmp_path / "model")), memory_mib=256, timeout_seconds=1)
    assert recorded == ["modelRefused"]


@pytest.mark.parametrize("version", ["2.6.0", "2.13.0+cpu", "3.0", None])
def test_newer_torch_is_taken(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    def found(name: str) -> str:
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr(metadata, "version", found)
    model_files.check_packages()


def test_the_download_takes_no_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    hub = ModuleType("huggingface_hub")

    def download(name: str, **how: Any) -> str:
        asked.append(how)
        return str(tmp_path)

    hub.constants, hub.snapshot_download = ModuleType("constants"), download  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    with pytest.raises(EmbeddingError, match="no weights in safetensors"):
        worker._download("org/name")
    assert [each["allow_patterns"] for each in asked] == [["*.safetensors", "*.json", "*.txt"]]
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert worker._download("org/name") == str(tmp_path)


@pytest.mark.torch
def test_weights_that_appear_as_a_pickle_only_when_they_are_loaded_are_refused(built: Path, tmp_path: Path) -> None:
    """The folder may change between the check and the load: the process itself reads no pickle."""
    import subprocess

    folder = tmp_path / "model"
    shutil.copytree(built / "small", folder)
    mark = tmp_path / "mark"
    script = f"""
import os, pickle, sys
from pathlib import Path
from conexus.embedding.transformer import worker
class Evil:
    def __reduce__(self):
        return os.system, ("touch {mark}",)
folder = Path(sys.argv[1])
for weights in folder.rglob("model.safetensors"):
    weights.with_name("pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    weights.unlink()
try:
    worker._load(str(folder))
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(folder)], capture_output=True, text=True, check=False
    )
    assert "EmbeddingError it has weights in a pickle" in done.stdout, done.stderr
    assert not mark.exists()
