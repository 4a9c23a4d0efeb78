"""Trains the token vectors: a query's mean vector shall be nearer to its definition's than to any other of the batch.

The loss is InfoNCE over in-batch negatives in both directions (MultipleNegativesSymmetricRankingLoss of
sentence-transformers; van den Oord et al. 2018), on the mean of token vectors as ``StaticEmbedding`` computes it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pairs import Pairs, masked
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Recipe:
    dimensions: int = 256
    batch: int = 2048
    #: Neighbours of one package within a batch: they are the hard negatives that a search in one repository meets.
    group: int = 64
    epochs: int = 4
    #: Share of definitions without documentation, found by their name.
    undocumented: float = 0.3
    rate: float = 0.02
    scale: float = 20.0
    #: Weight of a token seen with probability p is a / (a + p) at first (Arora et al. 2017).
    rarity: float = 1e-3
    #: Longest document in tokens.
    tokens: int = 192
    seed: int = 0


_ASKING = (
    "function to", "how to", "where does it", "code that", "method which", "how", "implementation of", "class for",
    "where is", "find the function that", "what", "logic for",
)  # fmt: skip


class Sampler:
    """Draws a query and a document of a definition, with parts left out at random."""

    def __init__(self, pairs: Pairs, asking: list[NDArray[np.uint16]], recipe: Recipe) -> None:
        self._parts, self._documented, self._asking, self._recipe = pairs.parts, pairs.documented, asking, recipe
        self._chance = np.random.default_rng(recipe.seed)

    def pair(self, row: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        parts, chance = self._parts, self._chance.random(8)
        by_name = not self._documented[row] or chance[0] < 0.12
        if by_name:
            query = [parts["symbol"][row]]
            if chance[1] < 0.5:
                query.append(parts["breadcrumb"][row][-8:])
        else:
            query = [parts["sentence" if chance[1] < 0.8 else "documentation"][row]]
        if chance[2] < 0.15:
            query.insert(0, self._asking[int(chance[3] * len(self._asking))])
        is_masked = chance[4] < (0.85 if by_name else 0.5)
        document = []
        if chance[5] > 0.2:
            document.append(parts["path"][row])
        if chance[6] > 0.2:
            document.append(parts["breadcrumb"][row])
        if not is_masked:
            document.append(parts["symbol"][row])
        if by_name and chance[7] < 0.6:
            document += [parts["documentation"][row]] * 2
        document.append(masked(parts["code"][row], parts["symbol"][row]) if is_masked else parts["code"][row])
        return np.concatenate(query), np.concatenate(document)[: self._recipe.tokens]


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


def _bag(texts: list[NDArray[np.uint16]]) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = np.array([0] + [len(text) for text in texts[:-1]])
    return torch.from_numpy(np.concatenate(texts).astype(np.int64)), torch.from_numpy(np.cumsum(lengths))


def first_table(pairs: Pairs, vocabulary: int, recipe: Recipe) -> torch.Tensor:
    """Random directions, long where a token is rare."""
    counts = sum(np.bincount(pairs.parts[name].values, minlength=vocabulary) for name in ("sentence", "code", "symbol"))
    share = counts / counts.sum()
    torch.manual_seed(recipe.seed)
    directions = torch.randn(vocabulary, recipe.dimensions) * 0.1
    return directions * torch.from_numpy(recipe.rarity / (recipe.rarity + share)).float()[:, None]


def train(pairs: Pairs, vocabulary: int, asking: list[NDArray[np.uint16]], recipe: Recipe) -> NDArray[np.float32]:
    """Token vectors of shape (vocabulary, dimensions). Token 0, the unknown, is zero."""
    bag = nn.EmbeddingBag.from_pretrained(
        first_table(pairs, vocabulary, recipe), freeze=False, mode="mean", padding_idx=0
    )
    optimizer = torch.optim.Adam(bag.parameters(), lr=recipe.rate, betas=(0.9, 0.99))
    sampler = Sampler(pairs, asking, recipe)
    plan = [batch for epoch in range(recipe.epochs) for batch in batches(pairs, recipe, epoch)]
    started, running = time.monotonic(), 0.0
    for step, rows in enumerate(plan):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * min(1.0, (step + 1) / 50) * (0.02 + 0.98 * (1 - step / len(plan)))
        queries, documents = zip(*(sampler.pair(int(row)) for row in rows), strict=True)
        left = functional.normalize(bag(*_bag(list(queries))))
        right = functional.normalize(bag(*_bag(list(documents))))
        scores = left @ right.T * recipe.scale
        # Two definitions with the same query are both right: neither is the other's negative.
        keys = np.array([hash(query.tobytes()) for query in queries])
        same = torch.from_numpy((keys[:, None] == keys[None, :]) & ~np.eye(len(keys), dtype=bool))
        scores = scores.masked_fill(same, -1e4)
        goal = torch.arange(len(rows))
        loss = (functional.cross_entropy(scores, goal) + functional.cross_entropy(scores.T, goal)) / 2
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        running = loss.item() if step == 0 else 0.98 * running + 0.02 * loss.item()
        if (step + 1) % 100 == 0 or step + 1 == len(plan):
            passed = time.monotonic() - started
            print(
                f"step {step + 1} of {len(plan)}  loss {running:.3f}  {passed:.0f} s"
                f"  left {passed / (step + 1) * (len(plan) - step - 1):.0f} s",
                flush=True,
            )
        if not math.isfinite(running):
            raise RuntimeError("training diverged: lower the rate")
    table = bag.weight.detach().numpy().astype(np.float32)
    table[0] = 0
    return table


def asking_tokens(encode) -> list[NDArray[np.uint16]]:
    """Token numbers of ways to ask, which say nothing of what is asked for."""
    return [np.array(encode(words), np.uint16) for words in _ASKING]
