"""Locates a sentence-transformers model and identifies it. Reads files only, and needs neither torch nor a network."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conexus.embedding.embedder import EmbeddingError
from conexus.embedding.recipe import RECIPE_VERSION

#: Maximum number of tokens of a text, whatever the model allows: the cost of attention grows with their square.
MAX_TOKENS = 1024

_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_WEIGHTS = (".safetensors", ".bin")
_IDENTIFYING = (*_WEIGHTS, ".json", ".txt", ".model")
#: Folders that hold the same weights for other runtimes.
_OTHER_RUNTIMES = ("onnx", "openvino")
#: Maximum size in bytes of a file that is hashed as a whole. Larger files are hashed in samples.
_WHOLE = 1 << 20
_SAMPLE = 4096
_SAMPLES = 64


@dataclass(frozen=True, slots=True)
class ModelSource:
    """The name of a model, fit to be shown to the user, and its folder; None for a model that must be downloaded."""

    name: str
    folder: Path | None


def locate(model: str) -> ModelSource:
    """Finds the model: a folder, or a name of the Hugging Face hub that is in the local cache or may be downloaded.

    Raises EmbeddingError with a sentence for the user.
    """
    path = _expanded(model)
    if path.is_dir():
        name = path.resolve().name
        if not _is_model(path):
            raise EmbeddingError(f"the folder `{name}` is not a sentence-transformers model: it has no modules.json")
        return ModelSource(name, path.resolve())
    if path.is_absolute() or model.startswith(("~", ".")) or not _HUB_NAME.fullmatch(model) or ".." in model:
        raise EmbeddingError(f"there is no model `{path.name}`: `model` names neither a folder nor a model of the hub")
    cached = next(filter(_is_model, _snapshots(model)), None)
    if cached is None and _offline():
        raise EmbeddingError(
            f"the model `{model}` is not in the local cache of the Hugging Face hub, and HF_HUB_OFFLINE forbids"
            " to download it"
        )
    return ModelSource(model, cached)


def hub_name(model: str) -> str:
    """Returns the full name of a model: a name without an organisation belongs to sentence-transformers."""
    return model if "/" in model else f"sentence-transformers/{model}"


def fingerprint(folder: Path) -> str:
    """Returns an identifier of weights, tokenizer, prompts and text recipe.

    The call takes milliseconds, because large files are sampled. Raises EmbeddingError if a file cannot be read.
    """
    hashed = hashlib.blake2b(f"{RECIPE_VERSION} {MAX_TOKENS}".encode(), digest_size=12)
    try:
        for path in _identifying_files(folder):
            size = path.stat().st_size
            hashed.update(f"\n{path.relative_to(folder).as_posix()} {size}\n".encode("utf-8", "surrogateescape"))
            for piece in _pieces(path, size):
                hashed.update(piece)
    except OSError as error:
        raise EmbeddingError(f"the model `{folder.name}` cannot be read: {error.strerror}") from error
    return f"transformer-{hashed.hexdigest()}"


def foreign_code(folder: Path) -> str:
    """Returns the name of a class outside sentence-transformers that the model asks to import, or an empty string.

    sentence-transformers 5 runs such code of a local folder without asking. A workspace that names its own model must
    not run code on the machine of the person who opens it.
    """
    for path in _identifying_files(folder):
        if path.name in {"modules.json", "router_config.json", "wordembedding_config.json"}:
            for name in _class_names(json.loads(path.read_text(encoding="utf-8"))):
                if not name.startswith("sentence_transformers."):
                    return name
    return ""


def _class_names(config: object) -> Iterator[str]:
    modules = config if isinstance(config, list) else [config]
    for module in modules:
        if isinstance(module, dict):
            for value in (module.get("type"), module.get("tokenizer_class"), *dict(module.get("types") or {}).values()):
                if value is not None:
                    yield str(value)


def _is_model(folder: Path) -> bool:
    described = (folder / "modules.json").is_file() or (folder / "config.json").is_file()
    return described and any(path.suffix in _WEIGHTS for path in _identifying_files(folder))


def _identifying_files(folder: Path) -> list[Path]:
    found = []
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        if path.suffix in _IDENTIFYING and not hidden and parts[0] not in _OTHER_RUNTIMES and path.is_file():
            found.append(path)
    return sorted(found)


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        if size <= _WHOLE:
            yield file.read()
            return
        for number in range(_SAMPLES):
            file.seek((size - _SAMPLE) * number // (_SAMPLES - 1))
            yield file.read(_SAMPLE)


def _snapshots(model: str) -> Iterator[Path]:
    """Yields folders of the model's main revision in the caches that huggingface_hub and sentence-transformers use."""
    entry = "models--" + hub_name(model).replace("/", "--")
    # Relative paths of caches are skipped, because they would name folders of the workspace.
    for cache in filter(Path.is_absolute, _caches()):
        try:
            revision = (cache / entry / "refs" / "main").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if re.fullmatch(r"[0-9a-f]+", revision):
            yield cache / entry / "snapshots" / revision


def _caches() -> Iterator[Path]:
    environment = os.environ
    if own := environment.get("SENTENCE_TRANSFORMERS_HOME"):
        yield _expanded(own)
    xdg = Path(environment.get("XDG_CACHE_HOME") or "~/.cache")
    home = Path(environment.get("HF_HOME") or xdg / "huggingface")
    yield _expanded(environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE") or home / "hub")


def _expanded(path: str | Path) -> Path:
    """Returns the path with ``~`` expanded, or the path itself if there is no home directory."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises


def _offline() -> bool:
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"} for name in names)
