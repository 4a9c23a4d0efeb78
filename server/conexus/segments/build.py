"""Builds a segment from analysed files, or from what was stored of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from conexus.segments.analysis import IndexedFile
from conexus.segments.fields import Building, SegmentInput, declarations
from conexus.segments.lexicon import Lexicon
from conexus.segments.segment import MemorySegment


def build_segment(files: Sequence[IndexedFile], model: str, dimensions: int) -> MemorySegment:
    """Builds a segment of whole files. ``model`` made their vectors, which have ``dimensions`` components."""
    collected = {
        name: declaration.collect(files)
        for name, declaration in declarations(MemorySegment).items()
        if declaration.collect is not None
    }
    facts, row_counts = [file.facts for file in files], [len(file.chunks) for file in files]
    return segment_from_input(SegmentInput(model, dimensions, facts, row_counts, collected))


def segment_from_input(segment: SegmentInput) -> MemorySegment:
    """Builds a segment. ``segment.sources`` has what ``collect`` returns for each field that is declared with it."""
    declared = declarations(MemorySegment)
    derived = {name: each.derive(segment) for name, each in declared.items() if each.derive is not None}
    sources = {**segment.sources, **derived}
    words = chain.from_iterable(declared[name].type.words(each) for name, each in sources.items())
    lexicon, numbers = Lexicon.from_words(words)
    building = Building(segment.files, segment.row_counts, segment.dimensions, lexicon, numbers)
    values = {name: each.type.build(sources.get(name), building) for name, each in declared.items()}
    return MemorySegment(model=segment.model, **values)
