"""Locates a sentence-transformers model and identifies it. Reads files only, and needs neither torch nor a network."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath

from conexus.embedding.embedder import EmbeddingError
from conexus.embedding.recipe import RECIPE_VERSION

#: Maximum number of tokens of a text, whatever the model allows: the cost of attention grows with their square.
MAX_TOKENS = 1024

_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_WEIGHTS = ".safetensors"
_IDENTIFYING = (_WEIGHTS, ".json", ".txt", ".model")
#: Files by which a model names classes and functions.
_NAMING_FILES = ("modules.json", "router_config.json", "wordembedding_config.json", "config.json")
#: The full names of sentence-transformers' modules: those of its packages that have one of these classes.
_MODULE = re.compile(
    r"sentence_transformers\.(?:(?:base|sentence_transformer|sparse_encoder)\.)?(?:models|modules)\.(?:\w+\.)*"
    r"(?P<class>\w+)",
    re.ASCII,
)
_MODULES = (
    "Asym", "BoW", "CLIPModel", "CNN", "Dense", "Dropout", "LSTM", "LayerNorm", "Normalize", "Pooling", "Router",
    "StaticEmbedding", "Transformer", "WeightedLayerPooling", "WhitespaceTokenizer", "WordEmbeddings", "WordWeights",
)  # fmt: skip
_ACTIVATION = re.compile(r"torch\.nn\.modules\.(activation|linear)\.\w+", re.ASCII)
#: Older releases run code of a pickle even if they are asked not to (CVE-2025-32434).
_LEAST_TORCH = (2, 6)
#: Error message. It does not name our own distribution, because that name is another product's on the Python package
#: index.
_MISSING_EXTRA = (
    "the setting `model` names a sentence-transformers model, for which the package sentence-transformers is missing in"
    f" {sys.prefix}; install Conexus again from its clone, with '.[transformers]' in place of '.'"
)
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
    """Finds the model: a folder by its absolute path, or a name of the Hugging Face hub.

    A name is looked for in the local cache of the hub, and may be downloaded. Nothing is ever looked for in the working
    directory, which is a stranger's repository where an editor starts the server there. Raises EmbeddingError with a
    sentence for the user.
    """
    path = _expanded(model) if model.startswith("~") else Path(model)
    if path.is_absolute():
        if not path.is_dir():
            raise EmbeddingError(f"there is no model `{path.name}`: `model` names no folder")
        folder = path.resolve()
        _check_weights(folder)
        return ModelSource(folder.name, folder)
    if not _HUB_NAME.fullmatch(model) or ".." in model:
        raise EmbeddingError(
            f"there is no model `{model}`: `model` is an absolute path, or a name of the Hugging Face hub"
        )
    cached = next(filter(_is_model, _snapshots(model)), None)
    if cached is not None:
        _check_weights(cached)
    if cached is None and _offline():
        raise EmbeddingError(
            f"the model `{model}` is not in the local cache of the Hugging Face hub, and HF_HUB_OFFLINE forbids"
            " to download it"
        )
    return ModelSource(model, cached)


def check_packages() -> None:
    """Raises EmbeddingError if a package that a chosen model needs is missing or too old. Imports none of them."""
    if importlib.util.find_spec("sentence_transformers") is None:
        raise EmbeddingError(_MISSING_EXTRA)
    try:
        found = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return  # it was installed in some other way, and importing sentence-transformers says whether it is there
    numbers = re.match(r"(\d+)\.(\d+)", found)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < _LEAST_TORCH:
        least = ".".join(map(str, _LEAST_TORCH))
        raise EmbeddingError(
            f"the setting `model` needs torch {least} or newer, because torch {found} can run code of a model's files"
        )


def _check_weights(folder: Path) -> None:
    """Raises EmbeddingError if a folder holds no model, or one whose weights are pickles.

    To read a pickle can run code. Other pickles in the folder do no harm, because nothing reads them (see ``worker``).
    """
    files = _identifying_files(folder)
    safe = {path.parent for path in files if path.suffix == _WEIGHTS}
    for path in folder.rglob("*.bin"):
        inside = path.relative_to(folder).parts
        if "model" in path.stem and inside[0] not in _OTHER_RUNTIMES and path.parent not in safe:
            raise EmbeddingError(
                f"the model `{folder.name}` keeps weights in a pickle (`{'/'.join(inside)}`), which can run code; only"
                " weights in safetensors are read"
            )
    if not _is_model(folder):
        raise EmbeddingError(
            f"the folder `{folder.name}` is not a sentence-transformers model: it has no modules.json or no weights in"
            " safetensors"
        )


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
    """Returns a name by which the model asks to run other code than sentence-transformers' modules, or an empty string.

    sentence-transformers 5 imports any class that a local folder names, and loads modules from any path that it names.
    Raises OSError or ValueError if a file cannot be read.
    """
    for path in _identifying_files(folder):
        if path.name in _NAMING_FILES:
            config = json.loads(path.read_text(encoding="utf-8"))
            for name in _class_names(config):
                if not ((known := _MODULE.fullmatch(name)) and known["class"] in _MODULES):
                    return name
            for place in _places(config):
                if PurePosixPath(place).is_absolute() or "\\" in place or ".." in place.split("/"):
                    return place
            if function := _function(config):
                return function
    return ""


def _class_names(config: object) -> Iterator[str]:
    modules = config if isinstance(config, list) else [config]
    for module in modules:
        if isinstance(module, dict):
            for value in (module.get("type"), module.get("tokenizer_class"), *dict(module.get("types") or {}).values()):
                if value is not None and "." in str(value):
                    yield str(value)


def _places(config: object) -> Iterator[str]:
    """Yields the paths of modules, which are relative to the model's folder."""
    for module in config if isinstance(config, list) else [config]:
        if isinstance(module, dict):
            yield str(module.get("path") or "")
            yield from map(str, dict(module.get("types") or {}))


def _function(config: object) -> str:
    """Returns a function of torch that a module asks to call, if it is none of torch's activation functions."""
    name = str(config.get("activation_function")) if isinstance(config, dict) else ""
    return name if name.startswith("torch.") and not _ACTIVATION.fullmatch(name) else ""


def _is_model(folder: Path) -> bool:
    described = (folder / "modules.json").is_file() or (folder / "config.json").is_file()
    return described and any(path.suffix == _WEIGHTS for path in _identifying_files(folder))


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
