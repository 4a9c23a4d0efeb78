"""Measures the peer from inside, with the peer's Python: ``PYTHON worker.py JOB.json``.

Prints one JSON value on a line. Its clock starts before the peer is imported, as a user's does. Then it answers each
line of its standard input, a JSON string that is a query, by how many milliseconds the search took.
"""

from __future__ import annotations

import time

BEGAN = time.perf_counter()

import json  # noqa: E402
import sys  # noqa: E402
from importlib.metadata import version  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402


def main(job: dict[str, Any]) -> None:
    from semble import SembleIndex  # type: ignore[import-not-found]  # in the peer's environment

    imported = time.perf_counter()
    index = SembleIndex.from_path(job["folder"], model_path=job["model"] or None)
    indexed = time.perf_counter()
    times = []
    results: list[Any] = []
    for _ in range(job["runs"]):  # whole rounds, so that no query follows itself
        results = []
        for query in job["queries"]:
            began = time.perf_counter()
            results.append(index.search(query, top_k=job["top"], alpha=job["alpha"]))
            times.append(1000 * (time.perf_counter() - began))
    result = {
        "version": version("semble"),
        "importSeconds": imported - BEGAN,
        "indexSeconds": indexed - BEGAN,
        "files": index.stats.indexed_files,
        "chunks": index.stats.total_chunks,
        "queryMs": times,
        "hits": [[[hit.chunk.file_path, hit.chunk.start_line, hit.chunk.end_line] for hit in hits] for hits in results],
    }
    print(json.dumps(result), flush=True)
    for line in sys.stdin:
        query = json.loads(line)
        began = time.perf_counter()
        index.search(query, top_k=job["top"], alpha=job["alpha"])
        print(1000 * (time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
