"""Writes a model folder in sentence-transformers' layout, the one that the runtime reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer

_MODULES = [{"idx": 0, "name": "0", "path": "0_StaticEmbedding",
             "type": "sentence_transformers.models.StaticEmbedding"}]  # fmt: skip
_CONFIG = {"model_type": "SentenceTransformer", "prompts": {"query": "", "document": ""}, "default_prompt_name": None,
           "similarity_fn_name": "cosine"}  # fmt: skip


def export(folder: Path, table: NDArray[np.float32], tokenizer: Tokenizer, part_weights: Sequence[float]) -> None:
    """Writes everything but the model card."""
    module = folder / "0_StaticEmbedding"
    module.mkdir(parents=True, exist_ok=True)
    (folder / "modules.json").write_text(json.dumps(_MODULES, indent=2) + "\n", encoding="utf-8")
    (folder / "config_sentence_transformers.json").write_text(json.dumps(_CONFIG, indent=2) + "\n", encoding="utf-8")
    # The length of a sum does not matter, float16's range does.
    scaled = table / np.abs(table).max()
    weights = module / "model.safetensors"
    tensors = {"embedding.weight": scaled.astype(np.float16), "part_weights": np.array(part_weights, np.float32)}
    save_file(tensors, weights)
    weights.chmod(0o644)  # safetensors writes for the owner alone
    tokenizer.save(str(module / "tokenizer.json"), pretty=False)
