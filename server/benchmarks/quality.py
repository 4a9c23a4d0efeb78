"""Retrieval quality in process: file level and span level, with ablations of every signal.

    python -m benchmarks.quality --data dev.json --repos DIR [--data DIR2/span.json --repos DIR2 …] [--cache DIR]

Data and metric are those of the retrieval benchmark (NDCG@10; hits are chunks): a data file names repositories, each
with queries and their targets; DIR holds one folder for each. No server is started, so a change of the ranking is
measured in seconds; ``--cache`` keeps the analysed repositories, and must be emptied when chunks or the model change.
"""

from __future__ import annotations

import argparse
import json
import math
import pickle
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from conexus.chunking import language_of
from conexus.embedding.embedder import Embedder
from conexus.embedding.static import StaticEmbedder
from conexus.index.analysis import FileFacts, analyse
from conexus.index.segment import MemorySegment, build_segment
from conexus.index.snapshot import RowRef, Snapshot, View
from conexus.search.query import understand
from conexus.search.search import search
from conexus.search.weights import DEFAULT, SignalWeights, Weights

TOP = 10
_LARGEST = 1_000_000
_NOTHING = SignalWeights(**{field.name: 0.0 for field in fields(SignalWeights)})


@dataclass(frozen=True, slots=True)
class Repository:
    name: str
    language: str
    root: str
    queries: list[dict[str, Any]]
    snapshot: Snapshot


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--repos", type=Path, action="append", required=True)
    parser.add_argument("--repo", action="append", help="only these repositories")
    parser.add_argument("--cache", type=Path, help="keeps analysed repositories")
    parser.add_argument("--ablations", action="store_true", help="also each signal alone, and each left out")
    arguments = parser.parse_args()
    embedder = StaticEmbedder()
    for data, repos in zip(arguments.data, arguments.repos, strict=True):
        chosen = [each for each in json.loads(data.read_text()) if not arguments.repo or each["name"] in arguments.repo]
        loaded = [_load(each, repos, embedder, arguments.cache) for each in chosen]
        print(f"\n## {data.name}: {sum(len(each.snapshot.views[0].segment) for each in loaded)} chunks\n")
        _table(_measure(loaded, embedder, DEFAULT))
        if arguments.ablations:
            for name, weights in _ablations():
                print(f"{name:<28} {_mean(_measure(loaded, embedder, weights)):.4f}", flush=True)


def _ablations() -> Iterator[tuple[str, Weights]]:
    for field in fields(SignalWeights):
        alone = replace(_NOTHING, **{field.name: 1.0})
        yield f"only {field.name}", replace(DEFAULT, prose=alone, symbol=alone)
    for field in fields(SignalWeights):
        without = {field.name: 0.0}
        yield (
            f"without {field.name}",
            replace(DEFAULT, prose=replace(DEFAULT.prose, **without), symbol=replace(DEFAULT.symbol, **without)),
        )
    for name in ("test", "example", "document", "old", "foreign", "coherence", "saturation"):
        off: dict[str, Any] = {name: 0.0}
        yield f"without {name}", replace(DEFAULT, **off)


Scores = Mapping[str, list[float]]


def _measure(repositories: list[Repository], embedder: Embedder, weights: Weights) -> Scores:
    groups: dict[str, list[float]] = defaultdict(list)
    for repository in repositories:
        for query in repository.queries:
            score = _score(repository, query, embedder, weights)
            for group in ("all", f"language {repository.language}", f"category {query['category']}"):
                groups[group].append(score)
    return groups


def _score(repository: Repository, query: dict[str, Any], embedder: Embedder, weights: Weights) -> float:
    asked = understand(query["query"])
    vectors = {embedder.fingerprint: embedder.embed_query(asked.text)}
    hits = search(repository.snapshot, asked, vectors=vectors, limit=TOP, weights=weights)
    ranks = []
    for target in query["targets"]:
        shown = (rank for rank, hit in enumerate(hits, 1) if _covers(hit.ref, target, repository))
        ranks.append(next(shown, None))
    gain = sum(1 / math.log2(rank + 1) for rank in ranks if rank)
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(TOP, len(ranks)) + 1))


def _covers(hit: RowRef, target: dict[str, Any], repository: Repository) -> bool:
    """As the retrieval benchmark has it: at least half of the target, and not much more than it."""
    path, wanted = "/".join(part for part in (repository.root, hit.path) if part), target["path"]
    if path != wanted and not path.endswith("/" + wanted) and not wanted.endswith("/" + path):
        return False
    if "start_line" not in target:
        return True
    segment = hit.view.segment
    first, last = int(segment.start_lines[hit.row]) + 1, int(segment.end_lines[hit.row])
    length = target["end_line"] - target["start_line"] + 1
    common = min(last, target["end_line"]) - max(first, target["start_line"]) + 1
    return bool(common >= min(length, 40) / 2 and last - first + 1 <= max(40, 3 * length))


def _table(scores: Scores) -> None:
    interval = _interval(scores["all"])
    print(f"NDCG@10 {_mean(scores):.4f} (95 % interval {interval[0]:.3f} to {interval[1]:.3f})\n")
    for group, values in sorted(scores.items()):
        print(f"{group:<28} {statistics.fmean(values):.4f}  n={len(values)}")


def _mean(scores: Scores) -> float:
    return statistics.fmean(scores["all"])


def _interval(values: list[float]) -> tuple[float, float]:
    """The 95 % bootstrap interval of a mean."""
    chance = np.random.default_rng(0)
    means = chance.choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _load(repo: dict[str, Any], repos: Path, embedder: Embedder, cache: Path | None) -> Repository:
    root = repos / repo["name"] / (repo["root"] or "")
    segment = _cached(cache, f"{repos.name}-{repo['name']}-{embedder.fingerprint}", lambda: _segment(root, embedder))
    view = View(str(root), segment, np.ones(len(segment), np.bool_))
    return Repository(repo["name"], repo["language"], repo["root"] or "", repo["queries"], Snapshot(1, (view,)))


def _cached(cache: Path | None, name: str, make: Callable[[], MemorySegment]) -> MemorySegment:
    if cache is None:
        return make()
    path = cache / f"{name}.pickle"
    if path.exists():
        kept: MemorySegment = pickle.loads(path.read_bytes())  # noqa: S301 - written below
        return kept
    made = make()
    cache.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(made, 5))
    return made


def _segment(root: Path, embedder: Embedder) -> MemorySegment:
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


if __name__ == "__main__":
    main()
