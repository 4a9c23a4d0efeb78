"""Retrieval quality on annotated queries, through the real server, beside the peer in the same run.

    python -m benchmarks.quality --level file dev.json DIR --level span span.json DIR2 [--peer-python PYTHON]

A level is a name, a data file and the folder of its repositories. server/benchmarks/README.md says where they come from
and what each figure means.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness import peer
from benchmarks.harness.machine import write_report
from benchmarks.harness.plot import NoPlotting
from benchmarks.quality import in_process, plot, server
from benchmarks.quality.ablations import variants
from benchmarks.quality.data import BadData, Level, Repository, read
from benchmarks.quality.judge import TOP, Hit, ndcg, ranks
from benchmarks.quality.report import CONEXUS, PEER, LevelReport, Row, ablation_table, as_json, table
from conexus.config import Settings
from conexus.embedding.embedder import Embedder
from conexus.embedding.static import StaticEmbedder
from conexus.embedding.transformer.embedder import TransformerEmbedder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--level",
        nargs=3,
        action="append",
        required=True,
        metavar=("NAME", "DATA", "DIR"),
        help="annotated queries and the folder with their repositories; any number of levels",
    )
    parser.add_argument("--repo", action="append", default=[], metavar="NAME", help="only these repositories")
    peer.add_arguments(parser)
    parser.add_argument("--in-process", action="store_true", help="the ranking in this process, without a server")
    parser.add_argument("--model", default="", help="with --in-process: a sentence-transformers model for the vectors")
    parser.add_argument("--ablations", action="store_true", help="also parts of the ranking alone and left out")
    parser.add_argument("--cache", type=Path, help="keeps analysed repositories for --in-process and --ablations")
    parser.add_argument("--out", type=Path, help="write everything as JSON, with the ranks of each query")
    parser.add_argument("--plot", type=Path, help="draw NDCG@10 by language; needs matplotlib")
    arguments = parser.parse_args()
    try:
        levels = [read(name, Path(data), Path(folder), arguments.repo) for name, data, folder in arguments.level]
    except (BadData, OSError, json.JSONDecodeError) as error:
        parser.error(str(error))

    with tempfile.TemporaryDirectory(prefix="conexus-benchmark-") as scratch:
        rival = _peer(arguments, levels, Path(scratch, "model"))
        reports = [_measure(level, rival, arguments) for level in levels]
    way = "in process" if arguments.in_process else "server"
    write_report(arguments.out, {"way": way, "levels": [as_json(report) for report in reports]})
    for report in reports:
        print(table(report))
        if report.ablations:
            print(ablation_table(report))
    if arguments.plot:
        try:
            plot.draw(reports, arguments.plot)
        except NoPlotting as error:
            print(error, file=sys.stderr)
    return 0


@dataclass(slots=True)
class _Peer:
    """The peer as it is run here."""

    python: Path
    model: str
    #: How much its vectors count: None is its own choice, 0 leaves it BM25 and its ranking.
    alpha: float | None
    #: What it ran with, in words.
    way: str
    version: str = field(default="", init=False)

    def answers(self, repository: Repository) -> list[list[Hit]]:
        queries = [question.query for question in repository.requests]
        found = peer.search(self.python, repository.root, self.model, queries, top=TOP, alpha=self.alpha)
        self.version = found.version
        root = repository.root.as_posix()
        return [[Hit(f"{root}/{path}", first, last) for path, first, last in hits] for hits in found.hits]


def _peer(arguments: argparse.Namespace, levels: Sequence[Level], model: Path) -> _Peer | None:
    python, chosen = arguments.peer_python, arguments.peer_model
    if python is None:
        return None
    if chosen == "own":
        return _Peer(python, "", None, "its own model")
    if chosen:
        return _Peer(python, chosen, None, f"model {chosen}")
    # It does not start without a model. One with random weights would only add noise, so its vectors count nothing.
    peer.make_stand_in(python, model, [levels[0].repositories[0].root])
    return _Peer(python, str(model), 0.0, "lexical and its ranking, no model")


def _embedder(arguments: argparse.Namespace) -> Embedder | None:
    if not (arguments.in_process or arguments.ablations):
        return None
    if not arguments.model:
        return StaticEmbedder()
    usual = Settings()
    return TransformerEmbedder(
        arguments.model, memory_mib=usual.model_memory_mib, timeout_seconds=usual.model_timeout_seconds
    )


def _measure(level: Level, rival: _Peer | None, arguments: argparse.Namespace) -> LevelReport:
    embedder = _embedder(arguments)
    rows: list[Row] = []
    ablations: dict[str, list[float]] = {}
    for repository in level.repositories:
        loaded = in_process.load(repository, embedder, arguments.cache) if embedder else None
        if arguments.in_process and loaded:
            found = {CONEXUS: in_process.answers(loaded)}
        else:
            found = {CONEXUS: server.answers(repository)}
        if rival:
            found[PEER] = rival.answers(repository)
        judged = [
            Row(repository, question, {system: ranks(found[system][place], question) for system in found})
            for place, question in enumerate(repository.requests)
        ]
        _progress(level, repository, judged)
        rows += judged
        if arguments.ablations and loaded:
            for name, ranking in variants():
                answers = zip(in_process.answers(loaded, ranking), repository.requests, strict=True)
                ablations.setdefault(name, []).extend(ndcg(ranks(hits, question)) for hits, question in answers)
    labels = {CONEXUS: "Conexus, in process" if arguments.in_process else "Conexus"}
    if rival:
        labels[PEER] = f"semble {rival.version}, {rival.way}"
    return LevelReport(level.name, rows, labels, ablations)


def _progress(level: Level, repository: Repository, rows: Sequence[Row]) -> None:
    means = (f"{name} {statistics.fmean(ndcg(row.ranks[name]) for row in rows):.3f}" for name in rows[0].ranks)
    print(f"{level.name:<6} {repository.name:<20} NDCG@10 {', '.join(means)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
