"""Makes the shipped embedding model from nothing: python server/training/make_model.py

Download, extract, learn the tokenizer, train, export, evaluate. Each step keeps its result in server/training/work and
is skipped where that is there already; delete the folder to begin anew.
"""

from __future__ import annotations

import argparse
import os
import pickle
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from card import card
from clients import DownloadError
from corpus import WORK
from definitions import extract_all, fingerprint, read_definitions
from download import download_all
from evaluate_dense import held_out, span
from export import export
from pairs import Pairs, chosen, is_held_out, make_pairs
from teacher import first_directions
from tokenizer import describe, learn
from tokenizers import Tokenizer
from train import Recipe, asking_tokens, train

from conexus.embedding.static import SHIPPED, StaticEmbedder

_TOKENIZER_TEXTS = 90_000
#: Parts of addresses are no words.
_ADDRESS = re.compile(r"\w+://\S+")


def _step(name: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {name}", flush=True)


def learned_tokenizer() -> Tokenizer:
    path = WORK / "tokenizer.json"
    if not path.exists():
        rows = (definition for definition in read_definitions() if not is_held_out(definition.package))
        documented = [definition for definition, sentence in chosen(rows) if sentence]
        documented.sort(key=lambda definition: fingerprint(definition.code))
        texts = (
            f"{d.documentation}\n{d.symbol}\n{' '.join(d.breadcrumb)}\n{d.code[:1500]}"
            for d in documented[:_TOKENIZER_TEXTS]
        )
        learn(_ADDRESS.sub("", text) for text in texts).save(str(path))
    return Tokenizer.from_file(str(path))


def training_pairs(tokenizer: Tokenizer) -> Pairs:
    path = WORK / "pairs.pickle"
    if not path.exists():
        rows = chosen(definition for definition in read_definitions() if not is_held_out(definition.package))
        path.write_bytes(pickle.dumps(make_pairs(tokenizer, rows), protocol=5))
    return pickle.loads(path.read_bytes())  # noqa: S301  (written by the line above)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=SHIPPED, help="the model folder to write")
    parser.add_argument("--against", type=Path, help="a folder of repositories whose code must not be in the corpus")
    parser.add_argument("--span", type=Path, help="span-level benchmark data to measure on too")
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--rate", type=float, default=Recipe.rate)
    parser.add_argument("--batch", type=int, default=Recipe.batch)
    parser.add_argument("--scale", type=float, default=Recipe.scale)
    arguments = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    _step("download")
    download_all()
    _step("extract")
    extract_all(os.cpu_count() or 1, arguments.against)
    _step("learn the tokenizer")
    tokenizer = learned_tokenizer()
    print(describe(tokenizer))
    _step("tokenize")
    pairs = training_pairs(tokenizer)
    print(f"{len(pairs.documented)} definitions, {int(pairs.documented.sum())} of them documented")
    _step("ask the teacher")
    directions = first_directions(tokenizer, Recipe.dimensions)
    _step("train")
    recipe = Recipe(epochs=arguments.epochs, rate=arguments.rate, batch=arguments.batch, scale=arguments.scale)
    asking = asking_tokens(lambda text: tokenizer.encode(text, add_special_tokens=False).ids)
    table = train(pairs, tokenizer.get_vocab_size(), asking, recipe, directions)
    _step("export")
    export(arguments.to, table, tokenizer, recipe.part_weights)
    _step("evaluate")
    metrics = {
        "dense alone, documentation finds its definition in packages left out": held_out(StaticEmbedder(arguments.to))
    }
    if arguments.span:
        metrics["dense alone among definitions, span-level dev data"] = span(
            StaticEmbedder(arguments.to), arguments.span
        )
    text = card(pairs, recipe, tokenizer.get_vocab_size(), metrics)
    (arguments.to / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except DownloadError as error:
        sys.exit(f"The corpus cannot be downloaded: {error}.")
