"""Fits the ranking: python server/training/ranking.py [--data dev.json --repos DIR]

The ranker learns from questions to packages that the model never saw (``ranking_data.py``) and, where they are given,
from the file-level questions of a retrieval benchmark. Folds of whole repositories show what it is worth on code that
it did not learn from; what is written is fitted on everything. Writes ``conexus/search/ranking.json``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from corpus import HERE
from numpy.typing import NDArray
from ranking_data import FOLDER, Question, Workspace, make_workspaces, workspaces
from torch import nn

from benchmarks.quality import in_process, judge
from benchmarks.quality.data import Repository, Target, read
from conexus.chunking import language_of
from conexus.embedding.static import StaticEmbedder
from conexus.search.candidates import select_candidates
from conexus.search.features import FEATURES, features_of
from conexus.search.pipeline import diversify
from conexus.search.query import understand
from conexus.search.query_expansion import expand_query
from conexus.search.query_intent import INTENT_FEATURES, intent_features
from conexus.search.ranker import MAX_DEVIATIONS
from conexus.search.scope import scope_of
from conexus.search.weights import DATA
from conexus.segments.analysis import FileFacts, analyse
from conexus.segments.build import build_segment
from conexus.segments.segment import MemorySegment
from conexus.segments.snapshot import Snapshot, View
from conexus.values import Filters

RANKING = HERE.parent / "conexus" / "search" / "ranking.json"

#: Candidates that the loss looks at: the right ones are nearly always among them.
_LEARNED = 120
_FOLDS = 4


@dataclass(frozen=True)
class Recipe:
    hidden: int = 64
    epochs: int = 15
    rate: float = 3e-3
    decay: float = 1e-3
    dropout: float = 0.1
    #: Networks, from different beginnings, whose mean counts.
    networks: int = 4
    #: How much a question of the benchmark counts beside one of the corpus.
    benchmark: float = 7.0


@dataclass(frozen=True, slots=True)
class Example:
    """A question, its candidates and which of them are right."""

    repository: str
    #: ``file`` for a question about a topic, ``span`` for one about a place, ``symbol`` for a name.
    level: str
    #: Shape (candidates, features).
    features: NDArray[np.float32]
    files: NDArray[np.int32]
    #: Shape (targets, candidates).
    right: NDArray[np.bool_]
    intent_features: tuple[float, ...]


def examples_of(
    name: str, segment: MemorySegment, requests: Sequence[tuple[str, str, Sequence[Target]]], root: str
) -> list[Example]:
    """``questions``: text, level and targets of each."""
    embedder = _embedder()
    snapshot = Snapshot(1, (View(root, segment, np.ones(len(segment), np.bool_)),))
    scope = scope_of(snapshot, Filters())
    found = []
    for text, level, targets in requests:
        query = expand_query(understand(text), scope.views)
        vectors = {embedder.fingerprint: embedder.embed_query(query.text)}
        candidates = select_candidates(scope, query, vectors)
        hits = [_hit(segment, row, root) for row in candidates.rows.tolist()]
        right = np.array([[judge.covers(hit, target) for hit in hits] for target in targets], np.bool_)
        lines = features_of(candidates, embedder.query_tokens(query.text))
        kind = "symbol" if query.symbol_like else level
        files = scope.file_of[candidates.rows]
        found.append(Example(name, kind, lines, files, right.reshape(len(targets), -1), intent_features(query)))
    return found


def _hit(segment: MemorySegment, row: int, root: str) -> judge.Hit:
    path = f"{root}/{segment.files[segment.file_of[row]].path}"
    return judge.Hit(path, int(segment.start_lines[row]) + 1, int(segment.end_lines[row]))


_embedders: list[StaticEmbedder] = []


def _embedder() -> StaticEmbedder:
    if not _embedders:
        _embedders.append(StaticEmbedder())
    return _embedders[0]


def _of_workspace(workspace: Workspace) -> list[Example]:
    embedder = _embedder()
    files = [
        analyse(FileFacts(path, language_of(path, text), len(text), 0, ""), text, embedder)
        for path, text in workspace.files
    ]
    segment = build_segment(files, embedder.fingerprint, embedder.dimensions)
    root = f"/{workspace.name}"
    requests = [(each.text, each.category, [_target(each)]) for each in workspace.requests]
    return examples_of(workspace.name, segment, requests, root)


def _target(question: Question) -> Target:
    lines = question.lines
    return Target(question.path, None if lines is None else (lines[0] + 1, lines[1]))


def _of_repository(repository: Repository) -> list[Example]:
    loaded = in_process.load(repository, _embedder(), None)
    view = loaded.snapshot.views[0]
    level = "span" if repository.requests[0].category == "span" else "file"
    requests = [(each.query, level, each.targets) for each in repository.requests]
    return examples_of(repository.name, view.segment, requests, view.folder)


def collected(work: Any, items: Sequence[Any]) -> list[Example]:
    with get_context("fork").Pool(2) as pool:
        return [example for examples in pool.imap(work, items) for example in examples]


# --- fitting ---


class Network(nn.Module):
    def __init__(self, inputs: int, recipe: Recipe) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, recipe.hidden)
        self.dropout = nn.Dropout(recipe.dropout)
        self.second = nn.Linear(recipe.hidden, 1)

    def forward(self, lines: torch.Tensor) -> torch.Tensor:
        return self.second(self.dropout(torch.relu(self.first(lines))))[..., 0]


@dataclass(frozen=True, slots=True)
class Scaling:
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    @staticmethod
    def from_examples(examples: Sequence[Example]) -> Scaling:
        lines = np.concatenate([example.features[::5] for example in examples])
        # Numbers that the file can hold exactly, so that what is measured is what is shipped.
        return Scaling(lines.mean(axis=0).round(4), np.maximum(lines.std(axis=0), 1e-3).round(4))

    def __call__(self, lines: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.clip((lines - self.mean) / self.scale, -MAX_DEVIATIONS, MAX_DEVIATIONS)


def fit(examples: Sequence[Example], weights: Sequence[float], scaling: Scaling, recipe: Recipe, seed: int) -> Network:
    """The loss of a question: how unlikely the softmax over its candidates makes the right ones (Cao et al. 2007)."""
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    use = [place for place, example in enumerate(examples) if example.right[:, :_LEARNED].any()]
    most = max(len(examples[place].right) for place in use)
    lines = np.zeros((len(use), _LEARNED, len(FEATURES)), np.float32)
    there = np.zeros((len(use), _LEARNED), np.bool_)
    right = np.zeros((len(use), most, _LEARNED), np.bool_)
    for row, place in enumerate(use):
        example = examples[place]
        size = min(len(example.features), _LEARNED)
        lines[row, :size], there[row, :size] = scaling(example.features[:size]), True
        right[row, : len(example.right), :size] = example.right[:, :size]
    counts = np.array([weights[place] for place in use], np.float32)
    tensors = [torch.from_numpy(each) for each in (lines, there, right, right.any(axis=2), counts)]
    network = Network(len(FEATURES), recipe)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    parts = math.ceil(len(use) / 64)
    steps, step = recipe.epochs * parts, 0
    for _ in range(recipe.epochs):
        for batch in np.array_split(order.permutation(len(use)), parts):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate * (1 - step / steps) + 1e-5
            step += 1
            x, known, hits, has, count = (tensor[torch.from_numpy(batch)] for tensor in tensors)
            scores = network(x).masked_fill(~known, -1e4)
            every = torch.logsumexp(scores, 1, keepdim=True)
            ours = torch.logsumexp(scores[:, None, :].masked_fill(~hits, -1e4), 2)
            loss = ((((every - ours) * has).sum(1) / has.sum(1).clamp(min=1)) * count).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()


def layers_of(networks: Sequence[Network]) -> list[dict[str, Any]]:
    """One network that gives the mean of several."""
    first = np.concatenate([net.first.weight.detach().numpy().T for net in networks], axis=1)
    second = np.concatenate([net.second.weight.detach().numpy().T for net in networks]) / len(networks)
    biases = np.concatenate([net.first.bias.detach().numpy() for net in networks])
    last = np.mean([net.second.bias.detach().numpy() for net in networks], axis=0)
    return [
        {"weights": [_short(row) for row in first], "bias": _short(biases)},
        {"weights": [_short(row) for row in second], "bias": _short(last)},
    ]


def _short(numbers: NDArray[np.float32]) -> list[float]:
    return [round(float(number), 4) for number in numbers]


def scores_of(networks: Sequence[Network], example: Example, scaling: Scaling) -> NDArray[np.float32]:
    lines = torch.from_numpy(scaling(example.features))
    with torch.no_grad():
        return np.mean([network(lines).numpy() for network in networks], axis=0)


def topic_weights(examples: Sequence[Example]) -> dict[str, float]:
    """Logistic regression: does the form of a query say that it asks for a topic?"""
    use = [example for example in examples if example.level != "symbol"]
    lines = torch.tensor([example.intent_features for example in use])
    topic = torch.tensor([float(example.level == "file") for example in use])
    balance = torch.where(topic > 0, 0.5 / topic.mean(), 0.5 / (1 - topic).mean())
    weights = torch.zeros(len(INTENT_FEATURES) + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        said = nn.functional.binary_cross_entropy_with_logits(lines @ weights[1:] + weights[0], topic, balance)
        total = said + 1e-3 * weights[1:].square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    values = [round(float(value), 3) for value in weights.detach().numpy()]
    return {"bias": values[0], **dict(zip(INTENT_FEATURES, values[1:], strict=True))}


def topic_probability(example: Example, weights: dict[str, float]) -> float:
    sum_ = weights["bias"] + sum(
        weights[name] * value for name, value in zip(INTENT_FEATURES, example.intent_features, strict=True)
    )
    return 1 / (1 + math.exp(-sum_))


def gain(example: Example, scores: NDArray[np.float32], topic: dict[str, float], numbers: dict[str, float]) -> float:
    if example.level == "symbol":
        loss = numbers["saturation_of_name"]
    else:
        place, probability = numbers["saturation_of_place"], topic_probability(example, topic)
        loss = place + probability * (numbers["saturation_of_topic"] - place)
    order, _ = diversify(scores, example.files, loss)
    found = [np.flatnonzero(target[order[: judge.TOP]]) for target in example.right]
    return judge.ndcg(tuple(int(ranks[0]) + 1 if len(ranks) else None for ranks in found))


def folded(
    learn: Sequence[Example], benchmark: Sequence[Example], measured: dict[str, Sequence[Example]], recipe: Recipe
) -> Iterator[tuple[str, Example, NDArray[np.float32]]]:
    """Scores of each measured example by networks that saw nothing of its repository."""
    scaling = Scaling.from_examples([*learn, *benchmark])
    names = sorted({example.repository for examples in (benchmark, *measured.values()) for example in examples})
    fold = {name: place % _FOLDS for place, name in enumerate(names)}
    for number in range(_FOLDS):
        others = [example for example in benchmark if fold[example.repository] != number]
        own = [example for example in learn if fold.get(example.repository) != number]
        weights = [1.0] * len(own) + [recipe.benchmark] * len(others)
        networks = [fit([*own, *others], weights, scaling, recipe, seed) for seed in range(recipe.networks)]
        for name, examples in measured.items():
            for example in examples:
                if fold[example.repository] == number:
                    yield name, example, scores_of(networks, example, scaling)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="file-level questions of a benchmark")
    parser.add_argument("--repos", type=Path, help="the folder of its repositories")
    parser.add_argument("--measure", nargs=2, type=Path, action="append", default=[], metavar=("DATA", "REPOS"),
                        help="more questions to the same repositories, never learned from")  # fmt: skip
    parser.add_argument("--to", type=Path, default=RANKING)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # the products are small: threads would only wait for each other
    started = time.monotonic()
    if not any(FOLDER.glob("*.pickle")):
        make_workspaces()
    learn = collected(_of_workspace, list(workspaces()))
    benchmark: list[Example] = []
    if arguments.data:
        benchmark = collected(_of_repository, read("file", arguments.data, arguments.repos, []).repositories)
    measured: dict[str, Sequence[Example]] = {"file": benchmark} if benchmark else {"corpus": learn}
    for data, repos in arguments.measure:
        measured[repos.name] = collected(_of_repository, read("span", data, repos).repositories)
    print(f"{len(learn)} and {len(benchmark)} questions in {time.monotonic() - started:.0f} s", flush=True)
    recipe = Recipe()
    topic = topic_weights([*learn, *benchmark])
    gains: dict[str, list[float]] = defaultdict(list)
    for name, example, scores in folded(learn, benchmark, measured, recipe):
        gains[name].append(gain(example, scores, topic, DATA["numbers"]))
    for name, values in gains.items():
        print(f"{name}: NDCG@10 {np.mean(values):.4f} on repositories that were not learned from, n={len(values)}")
    scaling = Scaling.from_examples([*learn, *benchmark])
    weights = [1.0] * len(learn) + [recipe.benchmark] * len(benchmark)
    networks = [fit([*learn, *benchmark], weights, scaling, recipe, seed) for seed in range(recipe.networks)]
    ranker = {"features": FEATURES, "mean": _short(scaling.mean), "scale": _short(scaling.scale),
              "layers": layers_of(networks)}  # fmt: skip
    data = {**DATA, "version": DATA["version"] + 1, "topic": topic, "ranker": ranker}
    arguments.to.write_text(json.dumps(data, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{arguments.to.name} version {data['version']}, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
