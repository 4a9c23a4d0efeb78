"""The process of a sentence-transformers model: ``python -P -m conexus.embedding.transformer.worker``.

It communicates in frames.

The first frame that it reads is the set-up, which it answers when the model is loaded. Each further frame requests
vectors. The process ends when its standard input or its parent ends, or when it needs more memory than the set-up
allows.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from conexus.embedding.embedder import EmbeddingError
from conexus.embedding.transformer.frames import read_frame, write_frame
from conexus.embedding.transformer.model_files import MAX_TOKENS, foreign_code, hub_name
from conexus.embedding.unit_vectors import Vectors, to_unit_length, valid_unicode
from conexus.escape import without_home
from conexus.processes.memory import OUT_OF_MEMORY, resident_bytes

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_NICENESS = 10
_WATCH_SECONDS = 0.05
_MESSAGE_CHARACTERS = 300


def main() -> int:
    requests, replies = _private_streams()
    # Ctrl-C in a terminal reaches every process of the group; our parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    try:
        setup, _ = read_frame(requests)
        _watch(setup["memoryMib"], setup["parent"])
        folder = setup["folder"]
        try:
            if folder is None:
                folder = _download(setup["model"])
            model = _load(folder)
            dimensions = _encode(model, "query", ["dimensions"]).shape[1]
        except Exception as error:  # noqa: BLE001 - whatever a model's code raises is reported to the user
            write_frame(replies, {"error": _words(error, folder)})
            return 1
        write_frame(replies, {"dimensions": dimensions, "folder": str(folder)})
        while True:
            _answer(model, read_frame(requests)[0], replies, folder)
    except (EOFError, BrokenPipeError):
        return 0


def _private_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Returns the streams of our frames. From here on, libraries print to standard error and read an empty input."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def _watch(memory_mib: int, parent: int) -> None:
    """Starts a thread that ends this process if it grows beyond ``memory_mib`` or its parent is gone.

    RLIMIT_AS cannot do this, because torch maps several times the memory that it uses.
    """

    def watch() -> None:
        pause = threading.Event()
        while not pause.wait(_WATCH_SECONDS):
            if resident_bytes() > memory_mib << 20:
                os._exit(OUT_OF_MEMORY)
            if os.getppid() != parent:
                os._exit(0)

    threading.Thread(target=watch, name="watch", daemon=True).start()


def _download(model: str) -> str:
    """Downloads the model, which the user asked for by name, into the hub's cache. Returns its folder.

    Raises EmbeddingError if the download fails.
    """
    from huggingface_hub import constants, snapshot_download

    name = hub_name(model)
    kinds = ["*.safetensors", "*.json", "*.txt"]
    runtimes = ["onnx/*", "openvino/*"]
    try:
        folder = snapshot_download(  # nosec B615 - the user chose the model, and its newest revision with it
            name, allow_patterns=kinds, ignore_patterns=runtimes
        )
    except Exception as error:
        raise EmbeddingError(
            f"it is not in the local cache and could not be downloaded ({type(error).__name__})"
        ) from error
    if not any(Path(folder).rglob("*.safetensors")):
        raise EmbeddingError(
            "it has no weights in safetensors, and weights in pickles, which can run code, are not read"
        )
    # Everything is downloaded. Loading must fetch nothing more, and no code of another repository.
    constants.HF_HUB_OFFLINE = True
    return folder


def _load(folder: str) -> SentenceTransformer:
    if foreign := foreign_code(Path(folder)):
        raise EmbeddingError(f"it needs its own class {foreign}, and code of models is not run")
    from sentence_transformers import SentenceTransformer

    # Every library that reads weights in pickles does so by this function.
    if (torch := sys.modules.get("torch")) is not None:
        torch.load = _refuse_pickle  # type: ignore[attr-defined]  # a module has any attribute
    model: SentenceTransformer = SentenceTransformer(folder, local_files_only=True, trust_remote_code=False)
    model.eval()
    longest = model.max_seq_length
    # None means no limit. A StaticEmbedding has an infinite limit, which cannot be set and need not be.
    if longest is None or MAX_TOKENS < longest < float("inf"):
        model.max_seq_length = MAX_TOKENS
    return model


def _refuse_pickle(*arguments: object, **more: object) -> None:
    raise EmbeddingError("it has weights in a pickle, which can run code and is not read")


def _answer(model: SentenceTransformer, request: dict[str, Any], replies: IO[bytes], folder: str) -> None:
    try:
        vectors = _encode(model, request["kind"], request["texts"])
    except Exception as error:  # noqa: BLE001 - whatever a model's code raises is reported to the user
        write_frame(replies, {"error": _words(error, folder)})
    else:
        write_frame(replies, {"shape": vectors.shape}, vectors.tobytes())


def _encode(model: SentenceTransformer, kind: str, texts: list[str]) -> Vectors:
    encode = model.encode_query if kind == "query" else model.encode_document
    given = [valid_unicode(text) for text in texts]
    rows = encode(given, batch_size=len(given), convert_to_numpy=True, show_progress_bar=False)
    vectors = np.array(rows, np.float32, order="C")
    to_unit_length(vectors)
    return vectors


def _words(error: Exception, folder: str | None) -> str:
    """Returns the first line of the error's message, without our paths."""
    text = str(error).strip() or type(error).__name__
    line = text.splitlines()[0]
    if folder:
        line = line.replace(folder, Path(folder).name)
    return without_home(line)[:_MESSAGE_CHARACTERS]


if __name__ == "__main__":
    sys.exit(main())
