"""Measures the peer from inside. Run with the peer's Python: ``PYTHON peer_worker.py FOLDER MODEL QUERIES.json RUNS``.

Prints one JSON value. Its clock starts before the peer is imported, as a user's does.
"""

from __future__ import annotations

import time

BEGAN = time.perf_counter()

import json  # noqa: E402
import sys  # noqa: E402
from importlib.metadata import version  # noqa: E402
from pathlib import Path  # noqa: E402


def main(folder: str, model: str, queries: list[str], runs: int) -> None:
    from semble import SembleIndex  # type: ignore[import-not-found]  # in the peer\'s environment

    imported = time.perf_counter()
    index = SembleIndex.from_path(folder, model_path=model or None)
    indexed = time.perf_counter()
    times = []
    for _ in range(runs):  # whole rounds, so that no query follows itself
        for query in queries:
            began = time.perf_counter()
            index.search(query, top_k=10)
            times.append(1000 * (time.perf_counter() - began))
    result = {
        "version": version("semble"),
        "importSeconds": imported - BEGAN,
        "indexSeconds": indexed - BEGAN,
        "files": index.stats.indexed_files,
        "chunks": index.stats.total_chunks,
        "queryMs": times,
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(Path(sys.argv[3]).read_text(encoding="utf-8")), int(sys.argv[4]))
