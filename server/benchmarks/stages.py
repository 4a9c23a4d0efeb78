"""Where the time of a query goes, in process, and how fast the model embeds beside the peer's.

    python -m benchmarks.stages DIR [--peer-python PYTHON] [--queries dev.json]

One thread. Times are medians over all queries, each asked once after a first round that is not counted. What is
embedded is what the index embeds: the text of every chunk of the folder.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

# Before numpy and tokenizers are loaded.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

from benchmarks.harness import peer
from benchmarks.harness.table import percentile
from benchmarks.quality.data import Question, Repository
from benchmarks.quality.in_process import load
from conexus.chunking import chunk_text, language_of
from conexus.embedding.recipe import document_text
from conexus.embedding.static import StaticEmbedder
from conexus.search.candidates import select_candidates
from conexus.search.features import features_of
from conexus.search.pipeline import diversify, prepare, saturation
from conexus.search.query import understand
from conexus.search.query_expansion import expand_query
from conexus.search.ranker import SHIPPED
from conexus.search.reasons import reasons_of
from conexus.search.scope import scope_of
from conexus.values import Filters

_QUERIES = ("where is the configuration read", "parse a date", "retry after an error", "close the connection", "main")
_ROUNDS = 3
_PEER = """
import json, sys, time
from model2vec import StaticModel
model, texts = StaticModel.from_pretrained(sys.argv[1]), json.load(open(sys.argv[2], encoding="utf-8"))
times = []
for _ in range(int(sys.argv[3])):
    started = time.perf_counter()
    model.encode(texts, use_multiprocessing=False)
    times.append(time.perf_counter() - started)
print(min(times))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peer-python", type=Path)
    parser.add_argument("--queries", type=Path, help="a data file of the quality benchmark, for its queries")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    started = time.perf_counter()
    embedder = StaticEmbedder()
    print(f"the model is loaded in {1e3 * (time.perf_counter() - started):.0f} ms")
    chunks, times = _stages(folder, embedder, _queries(arguments.queries))
    print(f"{chunks} chunks, {len(times['rank'])} queries")
    for stage, values in times.items():
        print(f"  {stage:<12} p50 {1e3 * statistics.median(values):.2f} ms  p95 {1e3 * percentile(values, 95):.2f} ms")
    ranking = [sum(parts) for parts in zip(times["understand"], times["rank"], strict=True)]
    print(f"  understanding and ranking together p50 {1e3 * statistics.median(ranking):.2f} ms")
    texts = list(_texts(folder))
    ours = min(_seconds(embedder, texts) for _ in range(_ROUNDS))
    print(f"embedding: {len(texts) / ours:.0f} texts/s, {sum(map(len, texts)) / ours / 1e6:.1f} million characters/s")
    if arguments.peer_python:
        theirs = _peer_seconds(arguments.peer_python, folder, texts)
        print(f"the peer's encode: {len(texts) / theirs:.0f} texts/s; Conexus is {theirs / ours:.2f} times as fast")


def _queries(data: Path | None) -> Sequence[str]:
    if data is None:
        return _QUERIES
    return [query["query"] for entry in json.loads(data.read_text(encoding="utf-8")) for query in entry["queries"]]


def _stages(folder: Path, embedder: StaticEmbedder, queries: Sequence[str]) -> tuple[int, Mapping[str, list[float]]]:
    repository = Repository(folder.name, "", "", folder, tuple(Question(query, "", ()) for query in queries))
    snapshot = load(repository, embedder, None).snapshot
    prepare(snapshot, complete=True)
    times: dict[str, list[float]] = {}
    for _ in range(2):
        times = defaultdict(list)
        for text in queries:
            with _timed(times["understand"]):
                query = understand(text)
            with _timed(times["embed"]):
                vectors = {embedder.fingerprint: embedder.embed_query(query.text)}
                tokens = embedder.query_tokens(query.text)
            with _timed(times["candidates"]):
                scope = scope_of(snapshot, Filters(), query.operators)
                query = expand_query(query, scope.views)
                candidates = select_candidates(scope, query, vectors)
            with _timed(times["rank"]):
                if SHIPPED.ranker is not None and len(candidates.rows):
                    scores = SHIPPED.ranker.scores(features_of(candidates, tokens))
                    files = scope.file_of[candidates.rows]
                    order, _ = diversify(scores, files, saturation(query, SHIPPED.weights))
                    reasons_of(scope, candidates.signals, candidates.rows[order][:10], SHIPPED.weights.prose)
    return snapshot.chunks, times


@contextmanager
def _timed(into: list[float]) -> Iterator[None]:
    started = time.perf_counter()
    yield
    into.append(time.perf_counter() - started)


def _texts(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 1_000_000:
            text = path.read_text(encoding="utf-8", errors="replace")
            relative = path.relative_to(folder).as_posix()
            if "\0" not in text:
                yield from (document_text(relative, chunk) for chunk in chunk_text(text, language_of(relative, text)))


def _seconds(embedder: StaticEmbedder, texts: Sequence[str]) -> float:
    started = time.perf_counter()
    embedder.embed_documents(texts)
    return time.perf_counter() - started


def _peer_seconds(python: Path, folder: Path, texts: Sequence[str]) -> float:
    with tempfile.TemporaryDirectory(prefix="conexus-benchmark-") as scratch:
        peer.make_stand_in(python, Path(scratch, "model"), [folder])
        given = Path(scratch, "texts.json")
        given.write_text(json.dumps(list(texts)), encoding="utf-8")
        command = [str(python), "-c", _PEER, f"{scratch}/model", str(given), str(_ROUNDS)]
        environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
        return float(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


if __name__ == "__main__":
    main()
