"""Small real models, made by sentence-transformers in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TEXTS = (
    "def read_lines(path):\n    return path.open().readlines()",
    "sort numbers by size",
    "",
    "größe 😀 " * 200,
    "open a file and read its lines",
)

#: Makes a small BERT with prompts and a static model, and writes what sentence-transformers itself says of TEXTS.
BUILD = """
import sys
import numpy as np, torch
from pathlib import Path
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, StaticEmbedding, Transformer
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel, BertTokenizerFast

folder, texts = Path(sys.argv[1]), sys.argv[2:]
torch.manual_seed(7)
words = BertWordPieceTokenizer(lowercase=True)
words.train_from_iterator([*texts, "search: "], vocab_size=200, min_frequency=1, show_progress=False)
words.save(str(folder / "words.json"))
tokenizer = BertTokenizerFast(tokenizer_file=str(folder / "words.json"), model_max_length=64)
config = BertConfig(vocab_size=words.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                    intermediate_size=64, max_position_embeddings=64)
BertModel(config).eval().save_pretrained(folder / "bert")
tokenizer.save_pretrained(folder / "bert")
bert = Transformer(str(folder / "bert"), max_seq_length=64)
small = SentenceTransformer(modules=[bert, Pooling(32)], prompts={"query": "search: ", "document": ""}, device="cpu")
small.save(str(folder / "small"))
small = SentenceTransformer(str(folder / "small"), device="cpu")
static = SentenceTransformer(modules=[StaticEmbedding(words._tokenizer, embedding_dim=16)], device="cpu")
static.save(str(folder / "static"))
options = {"normalize_embeddings": True}
np.savez(folder / "expected.npz", documents=small.encode(texts, prompt="", **options),
         queries=small.encode(texts, prompt="search: ", **options), static=static.encode(texts, **options))
"""


def build(folder: Path) -> Path:
    """Save the models below a folder: ``small`` is a transformer, ``static`` a static one."""
    subprocess.run([sys.executable, "-P", "-c", BUILD, str(folder), *TEXTS], check=True, cwd=folder)
    return folder
