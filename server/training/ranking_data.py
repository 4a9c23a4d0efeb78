"""Questions to learn the ranking from: packages that the model never saw, as workspaces with questions and answers.

As the span-level benchmark does it: the first sentence of a definition's documentation is the question, the definition
the answer, and the documentation is blanked in the text, so that its words cannot be matched. The sentence at the head
of a file asks for the file in the same way.
"""

from __future__ import annotations

import hashlib
import pickle
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import PurePosixPath

from corpus import WORK, Package, read_corpus
from definitions import LANGUAGES, package_sources, without_documentation
from pairs import first_sentence, is_held_out, is_query

import conexus.chunking
from conexus.chunking.chunk import Chunk

FOLDER = WORK / "ranking"

_QUESTIONS = 16
_FILE_QUESTIONS = 8
_FEWEST, _MOST_FILES = 6, 500
_FEWEST_CHUNKS = 60
_TEST = re.compile(r"(?i)(^|[/._-])(tests?|specs?|fixtures|testdata)([/._-]|$)")
_HEAD = re.compile(
    r'\s*(?:#!.*\n)?\s*("""(?P<quoted>.+?)"""|(?P<block>/\*[*!]?.+?\*/)|(?P<lines>(?:[ \t]*(?://[/!]?|#|--)[^\n]*\n)+))',
    re.DOTALL,
)
_MARKS = re.compile(r"^\s*(?:/\*+!?|\*+/?|//[/!]?|#+!?|--[-|]*)\s?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    #: ``span`` or ``file``.
    category: str
    path: str
    #: 0-based lines of the answer, the end exclusive; a whole file has none.
    lines: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Workspace:
    name: str
    #: Path and text of each file.
    files: tuple[tuple[str, str], ...]
    requests: tuple[Question, ...]


def workspaces() -> Iterator[Workspace]:
    for file in sorted(FOLDER.glob("*.pickle")):
        yield pickle.loads(file.read_bytes())  # noqa: S301  (written by make_workspaces)


def make_workspaces(processes: int = 2) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    packages = [
        package
        for package in read_corpus()
        if package.archive.exists() and is_held_out(f"{package.registry}:{package.name}")
    ]
    with get_context("fork").Pool(processes) as pool:
        made = sum(pool.imap_unordered(_make, packages))
    print(f"{made} workspaces with questions from {len(packages)} packages", flush=True)


def _make(package: Package) -> int:
    name = f"{package.registry}-{package.name.replace('/', '+')}"
    made = workspace(name, [file for files in package_sources(package).values() for file in files][:_MOST_FILES])
    if made is not None:
        (FOLDER / f"{name}.pickle").write_bytes(pickle.dumps(made, 5))
    return int(made is not None)


def workspace(name: str, files: list[tuple[str, str]]) -> Workspace | None:
    """A workspace of these files; nothing where they are too few or hardly documented."""
    chance = random.Random(name)  # noqa: S311  a choice of samples
    chunks = {path: list(conexus.chunking.chunk_text(text, _language(path))) for path, text in files}
    if len(files) < _FEWEST or sum(map(len, chunks.values())) < _FEWEST_CHUNKS:
        return None
    documented = _documented(chunks)
    chosen = chance.sample(documented, min(_QUESTIONS, len(documented)))
    texts = dict(files)
    requests = [
        Question(sentence, "span", path, (chunk.start_line, chunk.end_line)) for sentence, path, chunk in chosen
    ]
    for _, path, chunk in chosen:
        texts[path] = _blanked(texts[path], chunk)
    heads = [(path, found) for path, text in files if not _TEST.search(path) and (found := _head(text))]
    counted = Counter(sentence for _, (sentence, _) in heads)
    heads = [each for each in heads if counted[each[1][0]] == 1]
    for path, (sentence, head) in chance.sample(heads, min(_FILE_QUESTIONS, len(heads))):
        if head in texts[path]:
            texts[path] = texts[path].replace(head, "\n" * head.count("\n"), 1)
            requests.append(Question(sentence, "file", path, None))
    return Workspace(name, tuple(texts.items()), tuple(requests)) if len(requests) >= 4 else None


def _language(path: str) -> str:
    return LANGUAGES.get(PurePosixPath(path).suffix, "bash")


def _documented(chunks: dict[str, list[Chunk]]) -> list[tuple[str, str, Chunk]]:
    found = [
        (first_sentence(chunk.documentation), path, chunk)
        for path, of_file in chunks.items()
        if not _TEST.search(path)
        for chunk in of_file
        if chunk.symbol and not chunk.part and chunk.kind not in ("text", "section")
        and chunk.code.count("\n") - chunk.documentation.count("\n") >= 4
    ]  # fmt: skip
    counted = Counter(sentence for sentence, _, _ in found)
    return [each for each in found if is_query(each[0]) and len(each[0].split()) >= 4 and counted[each[0]] == 1]


def _blanked(text: str, chunk: Chunk) -> str:
    """The text with the lines of the chunk's documentation empty, so that all other lines keep their numbers."""
    lines = text.split("\n")
    kept = without_documentation(chunk.code, chunk.documentation).split("\n")
    place = 0
    for number in range(chunk.start_line, min(chunk.end_line, len(lines))):
        if place < len(kept) and lines[number].rstrip("\r") == kept[place].rstrip("\r"):
            place += 1
        else:
            lines[number] = ""
    return "\n".join(lines)


def _head(text: str) -> tuple[str, str] | None:
    """The first sentence of the comment at a file's head, and that comment."""
    found = _HEAD.match(text[:3000])
    if found is None:
        return None
    said = _MARKS.sub("", found["quoted"] or found["block"] or found["lines"])
    sentence = first_sentence(said.strip())
    return (sentence, found[0]) if is_query(sentence) and len(sentence.split()) >= 4 else None


def digest(workspace: Workspace) -> str:
    """Names a workspace by all that it holds."""
    return hashlib.blake2b(pickle.dumps(replace(workspace, requests=()), 5), digest_size=8).hexdigest()
