"""Measures the model alone: dense retrieval of definitions, NDCG@10.

    python server/training/evaluate_dense.py [--model DIR] [--span DIR2]

Without --span: on the packages that training left out (the first sentence of a definition's documentation finds it
among all definitions of its package). With --span: on the span-level data that the benchmark's span.py wrote.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np
from definitions import LANGUAGES, read_definitions
from numpy.typing import NDArray
from pairs import chosen, is_held_out

import conexus.chunking
from conexus.embedding.recipe import document_text
from conexus.embedding.static import SHIPPED, StaticEmbedder

_TOP = 10
_QUERIES_PER_PACKAGE = 60
_KINDLESS = {"text", "section"}


def gains(ranks: NDArray[np.int64]) -> list[float]:
    """NDCG@10 of queries with one target each, from the targets' ranks (0 is the first)."""
    return [1 / math.log2(rank + 2) if rank < _TOP else 0.0 for rank in ranks.tolist()]


def _report(rows: list[tuple[str, str, float]]) -> float:
    """``rows``: (group, name, gain). Prints the mean of every group; returns the mean of all."""
    groups: dict[str, list[float]] = defaultdict(list)
    for language, _, gain in rows:
        groups[language].append(gain)
    for language, values in sorted(groups.items()):
        print(f"  {language:<12} {statistics.fmean(values):.3f}  n={len(values)}")
    mean = statistics.fmean(gain for _, _, gain in rows)
    print(f"  all          {mean:.4f}  n={len(rows)}")
    return mean


def held_out(embedder: StaticEmbedder) -> float:
    packages = defaultdict(list)
    for definition, sentence in chosen(d for d in read_definitions() if is_held_out(d.package)):
        packages[definition.package, definition.language].append((definition, sentence))
    rows = []
    for (package, language), found in packages.items():
        asked = [i for i, (_, sentence) in enumerate(found) if sentence][:_QUERIES_PER_PACKAGE]
        if len(asked) < 5 or len(found) < 20:
            continue
        documents = embedder.embed_documents([document_text(d.path, d.chunk) for d, _ in found])
        queries = embedder.embed_documents([found[i][1] for i in asked])
        scores = queries @ documents.T
        own = scores[np.arange(len(asked)), asked]
        rows += [(language, package, gain) for gain in gains((scores > own[:, None]).sum(axis=1))]
    print("packages that training left out, NDCG@10:")
    return _report(rows)


def _covers(first: int, last: int, target: dict) -> bool:
    """As the benchmark's evaluate.py: 1-based lines, the hit shows at least half of the definition."""
    length = target["end_line"] - target["start_line"] + 1
    common = min(last, target["end_line"]) - max(first, target["start_line"]) + 1
    return common >= min(length, 40) / 2 and last - first + 1 <= max(40, 3 * length)


def span(embedder: StaticEmbedder, folder: Path) -> float:
    rows = []
    for repo in json.loads((folder / "span.json").read_text(encoding="utf-8")):
        root = folder / repo["name"]
        places, texts = [], []
        for file in sorted((root / (repo["root"] or "")).rglob("*")):
            if (
                file.suffix not in LANGUAGES
                or not file.is_file()
                or file.is_symlink()
                or file.stat().st_size > 1_000_000
            ):
                continue
            path = file.relative_to(root).as_posix()
            text = file.read_text(encoding="utf-8", errors="replace")
            for chunk in conexus.chunking.chunk_text(text, LANGUAGES[file.suffix]):
                if chunk.kind not in _KINDLESS:
                    places.append((path, chunk.start_line + 1, chunk.end_line))
                    texts.append(document_text(path, chunk))
        documents = embedder.embed_documents(texts)
        for query in repo["queries"]:
            target = query["targets"][0]
            order = np.argsort(-(documents @ embedder.embed_query(query["query"])), kind="stable")[:_TOP]
            hits = [
                rank
                for rank, i in enumerate(order)
                if places[i][0] == target["path"] and _covers(places[i][1], places[i][2], target)
            ]
            rows.append((repo["language"], repo["name"], gains(np.array(hits[:1] or [_TOP]))[0]))
    print("span-level dev, dense alone, among definitions, NDCG@10:")
    return _report(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--span", type=Path)
    arguments = parser.parse_args()
    embedder = StaticEmbedder(arguments.model)
    if arguments.span:
        span(embedder, arguments.span)
    else:
        held_out(embedder)


if __name__ == "__main__":
    main()
