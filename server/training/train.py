"""Trains the token vectors: a query's vector shall be nearer to its definition's than to any other of the batch.

The loss is InfoNCE over in-batch negatives in both directions (MultipleNegativesSymmetricRankingLoss of
sentence-transformers; van den Oord et al. 2018), on vectors as ``conexus/embedding/static.py`` makes them: a weighted
sum over the parts of a document, in which a token counts by the square root of how often a part has it.
"""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pairs import Pairs, masked
from torch import nn
from torch.nn import functional

from conexus.embedding.recipe import PARTS

_BODY = PARTS.index("body")


@dataclass(frozen=True)
class Recipe:
    dimensions: int = 256
    batch: int = 2048
    #: Neighbours of one package within a batch: they are the hard negatives that a search in one repository meets.
    group: int = 256
    epochs: int = 2
    #: Share of definitions without documentation, found by their name.
    undocumented: float = 0.3
    #: Share of documented ones that are found by their name all the same.
    by_name: float = 0.12
    #: How often the name is left out of the document that documentation shall find.
    masked: float = 0.25
    rate: float = 0.02
    scale: float = 20.0
    #: Weight of a token seen with probability p is a / (a + p) at first (Arora et al. 2017).
    rarity: float = 1e-3
    #: How much each of ``recipe.PARTS`` counts.
    part_weights: tuple[float, ...] = (1.0, 1.0, 4.0, 1.0)
    #: Longest code in tokens.
    tokens: int = 256
    seed: int = 0


_ASKING = (
    "function to", "how to", "where does it", "code that", "method which", "how", "implementation of", "class for",
    "where is", "find the function that", "what", "logic for",
)  # fmt: skip
#: How long a vector is before rarity: what the rate is meant for.
_LENGTH = 1.6

Tokens = NDArray[np.uint16]


def _counted(tokens: Tokens, weight: float = 1.0) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Each token once, and how much it counts."""
    unique, counts = np.unique(tokens, return_counts=True)
    return unique.astype(np.int64), (weight * np.sqrt(counts)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Bags:
    """Weighted tokens of several texts, one after the other."""

    tokens: NDArray[np.int64]
    weights: NDArray[np.float32]
    starts: NDArray[np.int64]

    @staticmethod
    def of(texts: list[list[tuple[NDArray[np.int64], NDArray[np.float32]]]]) -> Bags:
        """``texts``: for each text the counted tokens of its parts."""
        lengths = [sum(len(tokens) for tokens, _ in parts) for parts in texts]
        return Bags(
            np.concatenate([tokens for parts in texts for tokens, _ in parts]),
            np.concatenate([weights for parts in texts for _, weights in parts]),
            np.cumsum([0, *lengths[:-1]]),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    queries: Bags
    documents: Bags
    #: Equal for equal queries.
    keys: NDArray[np.int64]


class Sampler:
    """Draws a query and a document of a definition, with parts left out at random."""

    def __init__(self, pairs: Pairs, asking: list[Tokens], recipe: Recipe) -> None:
        self._parts, self._documented, self._asking, self._recipe = pairs.parts, pairs.documented, asking, recipe

    def batch(self, rows: NDArray[np.int64], number: int) -> Batch:
        random = np.random.default_rng((self._recipe.seed, number))
        queries, documents = zip(*(self._pair(int(row), random.random(8)) for row in rows), strict=True)
        keys = np.array([hash(query.tobytes()) for query in queries])
        return Batch(Bags.of([[_counted(query)] for query in queries]), Bags.of(list(documents)), keys)

    def _pair(self, row: int, chance: NDArray[np.float64]) -> tuple[Tokens, list]:
        parts, recipe = self._parts, self._recipe
        by_name = not self._documented[row] or chance[0] < recipe.by_name
        if by_name:
            query = [parts["symbol"][row]]
            if chance[1] < 0.5:
                query.append(parts["breadcrumb"][row][-8:])
        else:
            query = [parts["sentence" if chance[1] < 0.8 else "documentation"][row]]
        if chance[2] < 0.15:
            query.insert(0, self._asking[int(chance[3] * len(self._asking))])
        is_masked = chance[4] < (0.85 if by_name else recipe.masked)
        body = parts["code"][row][: recipe.tokens]
        if is_masked:
            body = masked(body, parts["symbol"][row])
        if by_name and chance[7] < 0.6:
            body = np.concatenate([parts["documentation"][row]] * 2 + [body])
        document = [_counted(body, recipe.part_weights[_BODY])]
        shown = {"path": chance[5] > 0.2, "breadcrumb": chance[6] > 0.2, "symbol": not is_masked}
        for name, weight in zip(PARTS, recipe.part_weights, strict=True):
            if shown.get(name):
                document.append(_counted(parts[name][row], weight))
        return np.concatenate(query), document


def batches(pairs: Pairs, recipe: Recipe, epoch: int) -> list[NDArray[np.int64]]:
    """Rows of each batch of an epoch: whole groups of neighbours from one package, the groups in any order."""
    chance = np.random.default_rng((recipe.seed, epoch))
    documented = np.flatnonzero(pairs.documented)
    others = np.flatnonzero(~pairs.documented)
    wanted = int(len(documented) * recipe.undocumented / (1 - recipe.undocumented))
    rows = np.concatenate([documented, chance.permutation(others)[:wanted]])
    rows = chance.permutation(rows)
    rows = rows[np.argsort(pairs.package[rows], kind="stable")]
    groups = [rows[i : i + recipe.group] for i in range(0, len(rows), recipe.group)]
    order = chance.permutation(len(groups))
    rows = np.concatenate([groups[i] for i in order])
    return [rows[i : i + recipe.batch] for i in range(0, len(rows) - recipe.batch // 2, recipe.batch)]


def _drawn(sampler: Sampler, plan: list[NDArray[np.int64]]) -> Iterator[Batch]:
    """The batches of the plan, drawn a few ahead in a process of its own."""
    context = multiprocessing.get_context("fork")
    ready = context.Queue(6)

    def draw() -> None:
        torch.set_num_threads(1)
        for number, rows in enumerate(plan):
            ready.put(sampler.batch(rows, number))

    process = context.Process(target=draw, daemon=True)
    process.start()
    for _ in plan:
        yield ready.get()
    process.join()


def first_table(pairs: Pairs, directions: NDArray[np.float32] | None, vocabulary: int, recipe: Recipe) -> torch.Tensor:
    """The given directions, or random ones where a teacher has none, long where a token is rare."""
    counts = sum(np.bincount(pairs.parts[name].values, minlength=vocabulary) for name in ("sentence", "code", "symbol"))
    share = counts / counts.sum()
    torch.manual_seed(recipe.seed)
    first = torch.randn(vocabulary, recipe.dimensions)
    if directions is not None:
        first = torch.from_numpy(directions)
    first = functional.normalize(first) * _LENGTH
    return first * torch.from_numpy(recipe.rarity / (recipe.rarity + share)).float()[:, None]


def train(
    pairs: Pairs, vocabulary: int, asking: list[Tokens], recipe: Recipe, directions: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Token vectors of shape (vocabulary, dimensions). Token 0, the unknown, is zero.

    ``directions``, of the same shape, is what the vectors begin with.
    """
    bag = nn.EmbeddingBag.from_pretrained(
        first_table(pairs, directions, vocabulary, recipe), freeze=False, mode="sum", padding_idx=0
    )
    optimizer = torch.optim.Adam(bag.parameters(), lr=recipe.rate, betas=(0.9, 0.99))
    plan = [batch for epoch in range(recipe.epochs) for batch in batches(pairs, recipe, epoch)]
    started, running = time.monotonic(), 0.0
    for step, batch in enumerate(_drawn(Sampler(pairs, asking, recipe), plan)):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * min(1.0, (step + 1) / 50) * (0.02 + 0.98 * (1 - step / len(plan)))
        scores = _vectors(bag, batch.queries) @ _vectors(bag, batch.documents).T * recipe.scale
        # Two definitions with the same query are both right: neither is the other's negative.
        same = (batch.keys[:, None] == batch.keys[None, :]) & ~np.eye(len(batch.keys), dtype=bool)
        scores = scores.masked_fill(torch.from_numpy(same), -1e4)
        goal = torch.arange(len(batch.keys))
        loss = (functional.cross_entropy(scores, goal) + functional.cross_entropy(scores.T, goal)) / 2
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        running = loss.item() if step == 0 else 0.98 * running + 0.02 * loss.item()
        if (step + 1) % 100 == 0 or step + 1 == len(plan):
            passed = time.monotonic() - started
            left = passed / (step + 1) * (len(plan) - step - 1)
            print(f"step {step + 1} of {len(plan)}  loss {running:.3f}  {passed:.0f} s  left {left:.0f} s", flush=True)
        if not math.isfinite(running):
            raise RuntimeError("training diverged: lower the rate")
    table = bag.weight.detach().numpy().astype(np.float32)
    table[0] = 0
    return table


def _vectors(bag: nn.EmbeddingBag, bags: Bags) -> torch.Tensor:
    tokens, starts, weights = map(torch.from_numpy, (bags.tokens, bags.starts, bags.weights))
    return functional.normalize(bag(tokens, starts, per_sample_weights=weights))


def asking_tokens(encode) -> list[Tokens]:
    """Token numbers of ways to ask, which say nothing of what is asked for."""
    return [np.array(encode(words), np.uint16) for words in _ASKING]
