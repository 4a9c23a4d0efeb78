"""A repository's questions, answered in this process: a change of the ranking is measured in seconds.

Files are read as they are: no ignore rules, no limits but those of `read_text`. Through the server it is the product
that is measured, here only chunks, model and ranking.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.quality.data import Repository
from benchmarks.quality.judge import TOP, Hit
from conexus.chunking import language_of
from conexus.embedding.embedder import Embedder
from conexus.embedding.late_interaction import QueryTokens
from conexus.embedding.static import StaticEmbedder
from conexus.search.pipeline import SearchRequest, rank
from conexus.search.query import Query, understand
from conexus.search.query_expansion import expand_query
from conexus.search.query_vectors import QueryVectors
from conexus.search.ranker import SHIPPED, RankingModel
from conexus.search.scope import scope_of
from conexus.segments.analysis import FileFacts, analyse
from conexus.segments.build import build_segment
from conexus.segments.segment import MemorySegment
from conexus.segments.snapshot import RowRef, Snapshot, View
from conexus.values import Filters

_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """An analysed repository and its questions: the expanded query of each, its vectors and its tokens."""

    snapshot: Snapshot
    requests: tuple[tuple[Query, QueryVectors, QueryTokens], ...]


def load(repository: Repository, embedder: Embedder, keep: Path | None) -> Loaded:
    """Analyse a repository, or take what an earlier run left in ``keep``: it knows the model, not the chunking."""
    segment = _segment(repository.root, embedder, keep)
    view = View(str(repository.root), segment, np.ones(len(segment), np.bool_))
    requests = []
    for question in repository.requests:
        query = expand_query(understand(question.query), (view,))
        tokens = _shipped().query_tokens(query.text)
        requests.append((query, {embedder.fingerprint: embedder.embed_query(query.text)}, tokens))
    return Loaded(Snapshot(1, (view,)), tuple(requests))


@cache
def _shipped() -> StaticEmbedder:
    """Its tokens count whichever model made the vectors."""
    return StaticEmbedder()


def answers(loaded: Loaded, model: RankingModel = SHIPPED) -> list[list[Hit]]:
    """Returns the hits of each question, by the shipped ranking or another one."""
    found = []
    for query, vectors, tokens in loaded.requests:
        scope = scope_of(loaded.snapshot, Filters(), query.operators)
        hits = rank(scope, query, vectors, tokens, SearchRequest(query.text, limit=TOP), model=model)
        found.append([_hit(hit.ref) for hit in hits])
    return found


def _hit(ref: RowRef) -> Hit:
    segment = ref.view.segment
    path = f"{Path(ref.view.folder).as_posix()}/{ref.path}"
    return Hit(path, int(segment.start_lines[ref.row]) + 1, int(segment.end_lines[ref.row]))


def _segment(root: Path, embedder: Embedder, keep: Path | None) -> MemorySegment:
    if keep is None:
        return _analysed(root, embedder)
    # The whole path is the name: levels have repositories of the same names.
    path = keep / f"{'-'.join(root.parts[1:])}-{embedder.fingerprint}.pickle"
    if path.exists():
        kept: MemorySegment = pickle.loads(path.read_bytes())  # noqa: S301 - written below
        return kept
    made = _analysed(root, embedder)
    keep.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(made, 5))
    return made


def _analysed(root: Path, embedder: Embedder) -> MemorySegment:
    files = []
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            text = _text(data)
            if text is not None:
                relative = path.relative_to(root).as_posix()
                facts = FileFacts(relative, language_of(relative, text), len(data), 0, "")
                files.append(analyse(facts, text, embedder))
    return build_segment(files, embedder.fingerprint, embedder.dimensions)


def _text(data: bytes) -> str | None:
    if len(data) > _LARGEST or b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
