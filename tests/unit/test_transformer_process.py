"""The life of a model's process. A stand-in for sentence-transformers misbehaves on demand; no real model does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from conexus.embedding.embedder import Embedder, EmbeddingError
from conexus.embedding.transformer.embedder import TransformerEmbedder

#: A text's vector is (characters, 1 for a document, 1). Everything it does it writes to `log` in the model's folder.
STAND_IN = """
import os, signal, sys, time
from pathlib import Path
import numpy as np

class SentenceTransformer:
    max_seq_length = 512

    def __init__(self, folder, local_files_only, trust_remote_code):
        print("noise on standard output", flush=True)
        assert sys.stdin.read() == "", "standard input is not empty"
        assert local_files_only and not trust_remote_code
        self.folder = Path(folder)
        self.log("load")
        while (self.folder / "wait").exists():
            time.sleep(0.01)
        if (self.folder / "broken").exists():
            raise OSError(f"{folder}/model.safetensors is broken\\nand more")

    def log(self, line):
        with (self.folder / "log").open("a") as file:
            file.write(line + "\\n")

    def eval(self):
        pass

    def encode_query(self, texts, **options):
        return self.encode(texts, 0)

    def encode_document(self, texts, **options):
        return self.encode(texts, 1)

    def encode(self, texts, document):
        print("more noise", flush=True)
        self.log(f"{'document' if document else 'query'} {len(texts)}")
        for text in texts:
            text.encode("utf-8")
            if text == "slow":
                time.sleep(0.02)
            if text == "hang":
                time.sleep(600)
            if text == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if text == "exit":
                os._exit(3)
            if text == "raise":
                raise ValueError(f"nothing for {self.folder}")
            if text == "grow":
                held = []
                while True:
                    held.append(b"x" * (1 << 22))
                    time.sleep(0.001)
        rows = [[np.nan if text == "nan" else len(text), document, 1] for text in texts]
        return np.array(rows, np.float16)
"""

Make = Callable[..., TransformerEmbedder]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come true within a minute"
        time.sleep(0.02)


def gone(process: int) -> bool:
    """Whether the process has ended; one that nobody waited for counts as ended."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return True


def unit(*values: float) -> np.ndarray:
    return np.array(values, np.float32) / np.float32(np.linalg.norm(values))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    packages = tmp_path / "packages"
    (packages / "sentence_transformers").mkdir(parents=True)
    (packages / "sentence_transformers" / "__init__.py").write_text(STAND_IN, encoding="utf-8")
    monkeypatch.syspath_prepend(packages)
    inherited = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", f"{packages}{os.pathsep}{inherited}" if inherited else str(packages))
    model = tmp_path / "model"
    model.mkdir()
    (model / "modules.json").write_text("[]", encoding="utf-8")
    (model / "model.safetensors").write_bytes(b"")
    return model


@pytest.fixture
def make(folder: Path) -> Iterator[Make]:
    made: list[TransformerEmbedder] = []

    def make(*, memory_mib: int = 1024, timeout_seconds: float = 60) -> TransformerEmbedder:
        made.append(TransformerEmbedder(str(folder), memory_mib=memory_mib, timeout_seconds=timeout_seconds))
        return made[-1]

    yield make
    for embedder in made:
        embedder.close()


def log(folder: Path) -> list[str]:
    path = folder / "log"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def usable_again(embedder: TransformerEmbedder) -> bool:
    try:
        return embedder.embed_query("ok").any()
    except EmbeddingError:
        return False


def test_it_loads_in_the_background_and_embedding_waits_for_it(folder: Path, make: Make) -> None:
    (folder / "wait").touch()
    embedder: Embedder = make()
    assert isinstance(embedder, TransformerEmbedder)
    assert embedder.name == "model"
    assert embedder.fingerprint.startswith("transformer-")
    assert not embedder.ready
    assert not embedder.wait_ready(0.01)
    answers: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: answers.append(embedder.embed_query("four")))
    thread.start()
    until(lambda: log(folder) == ["load"])
    assert thread.is_alive()
    (folder / "wait").unlink()
    thread.join(60)
    np.testing.assert_allclose(answers, [unit(4, 0, 1)], rtol=1e-3)
    assert embedder.wait_ready()
    assert embedder.ready
    assert embedder.dimensions == 3
    assert embedder.problem == ""


def test_documents_are_unit_vectors_in_the_order_given(make: Make) -> None:
    embedder = make()
    texts = ["x" * (97 * index % 101) for index in range(100)]
    vectors = embedder.embed_documents(texts)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [unit(len(text), 1, 1) for text in texts], rtol=1e-6)
    assert embedder.embed_documents([]).shape == (0, 3)


def test_a_text_of_any_unicode_is_embedded_and_what_is_not_finite_is_zero(make: Make) -> None:
    embedder = make()
    vectors = embedder.embed_documents(["\udc80😀\0", "nan"])
    np.testing.assert_allclose(vectors, [unit(3, 1, 1), [0, 0, 0]], rtol=1e-6)


def test_the_process_is_polite(make: Make) -> None:
    embedder = make()
    embedder.wait_ready()
    assert embedder.process_id is not None
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, embedder.process_id) == min(own + 10, 19)


def test_a_query_goes_before_waiting_documents(folder: Path, make: Make) -> None:
    embedder = make()
    embedder.wait_ready()
    thread = threading.Thread(target=embedder.embed_documents, args=(["slow"] * 96,))
    thread.start()
    until(lambda: "document 16" in log(folder))
    served = len(log(folder))
    embedder.embed_query("first")
    thread.join(60)
    # Its turn came after the batch at work, at most one more having begun meanwhile.
    assert log(folder).index("query 1") <= served + 1
    assert log(folder).count("document 16") == 6


def test_an_error_of_the_model_is_told_and_the_process_stays(folder: Path, make: Make) -> None:
    embedder = make()
    embedder.wait_ready()
    process = embedder.process_id
    with pytest.raises(EmbeddingError, match=r"^the model `model` failed: nothing for model$"):
        embedder.embed_query("raise")
    assert embedder.embed_query("ok").any()
    assert embedder.process_id == process


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hang", "took longer than 2 s for one batch and was stopped"),
        ("grow", "needed more than 200 MiB and was stopped"),
        ("die", "was ended by SIGKILL"),
        ("exit", "ended with code 3"),
    ],
)
def test_a_process_that_fails_is_ended_and_started_again(make: Make, text: str, words: str) -> None:
    embedder = make(memory_mib=200, timeout_seconds=2)
    embedder.wait_ready()
    process = embedder.process_id
    assert process is not None
    with pytest.raises(EmbeddingError, match=words):
        embedder.embed_documents(["good", text])
    assert gone(process)
    assert not embedder.ready
    assert words in embedder.problem
    with pytest.raises(EmbeddingError, match=words):
        embedder.embed_query("too soon")
    until(lambda: usable_again(embedder))
    assert embedder.process_id not in {None, process}
    assert embedder.problem == ""


def test_after_three_failures_in_a_row_it_is_not_started_again(folder: Path, make: Make) -> None:
    (folder / "broken").touch()
    embedder = make()

    def fails() -> bool:
        with pytest.raises(EmbeddingError, match=r"^the model `model` failed: model/model.safetensors is broken$"):
            embedder.wait_ready()
        return embedder.given_up

    until(fails)
    assert log(folder) == ["load"] * 3
    (folder / "broken").unlink()
    for use in (
        lambda: embedder.embed_query("x"),
        lambda: embedder.embed_documents(["x"]),
        lambda: embedder.dimensions,
    ):
        with pytest.raises(EmbeddingError, match="is broken"):
            use()
    assert embedder.process_id is None
    assert log(folder) == ["load"] * 3


def test_a_success_between_failures_counts(folder: Path, make: Make) -> None:
    embedder = make()
    for _ in range(3):
        until(lambda: usable_again(embedder))
        with pytest.raises(EmbeddingError):
            embedder.embed_query("exit")
    assert not embedder.given_up


@pytest.mark.parametrize("state", ["loading", "working", "idle"])
def test_closing_ends_the_process_and_whoever_waits(folder: Path, make: Make, state: str) -> None:
    if state == "loading":
        (folder / "wait").touch()
    embedder = make()
    until(lambda: log(folder)[:1] == ["load"])
    problems: list[str] = []

    def embed() -> None:
        try:
            embedder.embed_documents(["hang"])
        except EmbeddingError as error:
            problems.append(str(error))

    thread = threading.Thread(target=embed)
    process = embedder.process_id
    assert process is not None
    if state != "idle":
        thread.start()
    if state == "working":
        until(lambda: "document 1" in log(folder))
    embedder.close()
    embedder.close()
    assert gone(process)
    if state != "idle":
        thread.join(60)
        assert problems in (["the model `model` is closed"], ["the model `model` was closed"])
    with pytest.raises(EmbeddingError, match="is closed"):
        embedder.wait_ready()
    with pytest.raises(EmbeddingError, match="is closed"):
        embedder.embed_query("x")


PARENT = """
import sys, time
from conexus.embedding.transformer.embedder import TransformerEmbedder
embedder = TransformerEmbedder(sys.argv[1], memory_mib=1024, timeout_seconds=600)
embedder.wait_ready()
print(embedder.process_id, embedder.embed_query("x").shape, flush=True)
print(sorted({"torch", "transformers", "sentence_transformers"} & set(sys.modules)), flush=True)
if sys.argv[2] == "work":
    embedder.embed_query("hang")
sys.stdin.read()
"""


@pytest.mark.parametrize("state", ["idle", "work"])
def test_the_process_ends_with_its_parent_and_leaves_its_streams_alone(folder: Path, state: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder), state],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        with closing(parent.stdout) as output:
            process, shape = output.readline().split(maxsplit=1)
            assert shape == "(3,)\n"
            assert output.readline() == "[]\n"
            queries = 3 if state == "work" else 2
            until(lambda: log(folder).count("query 1") == queries)
            parent.kill()
            assert output.read() == ""
        assert parent.stderr.read() == ""
    until(lambda: gone(int(process)))


def test_a_file_of_the_workspace_is_not_imported(folder: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("struct", "sentence_transformers", "conexus"):
        (folder / f"{name}.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    monkeypatch.chdir(folder)
    assert make().wait_ready()


def test_code_of_a_model_is_not_run(folder: Path, make: Make) -> None:
    (folder / "modules.json").write_text('[{"path": "", "type": "evil.Module"}]', encoding="utf-8")
    with pytest.raises(EmbeddingError, match=r"needs its own class evil\.Module, and code of models is not run"):
        make().wait_ready()
    assert log(folder) == []


def test_a_name_that_cannot_be_downloaded_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with closing(TransformerEmbedder("org/name", memory_mib=1024, timeout_seconds=60)) as embedder:
        assert embedder.name == "org/name"
        with pytest.raises(EmbeddingError, match="`org/name`"):
            assert embedder.fingerprint
        with pytest.raises(EmbeddingError, match=r"`org/name` failed: it is not in the local cache and could not be"):
            embedder.wait_ready()


def test_without_the_extra_the_user_is_told_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbeddingError, match=r"install Conexus again from its clone, with '\.\[transformers\]'"):
        TransformerEmbedder(str(folder), memory_mib=1024, timeout_seconds=60)
