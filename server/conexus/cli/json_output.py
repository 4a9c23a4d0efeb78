"""Formats answers as JSON, with the names and positions of docs/protocol.md.

Lines and columns count from 0, and columns count UTF-16 units.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conexus.values import Answer, Hit, Status, TextRange


def dump(value: Any) -> str:
    """Returns a value as JSON, indented and pure ASCII, so that no terminal or pipe can misread it."""
    return json.dumps(value, indent=2) + "\n"


def answer_value(answer: Answer) -> dict[str, Any]:
    """Returns the result of ``conexus/search`` or ``conexus/related``."""
    index: dict[str, Any] = {
        "complete": answer.index.complete,
        "indexedFiles": answer.index.indexed_files,
        "totalFiles": answer.index.total_files,
    }
    if answer.index.degraded is not None:
        index["degraded"] = answer.index.degraded
    return {
        "hits": [_hit_value(hit) for hit in answer.hits],
        "index": index,
        "generation": answer.generation,
        "tookMs": answer.took_ms,
    }


def status_value(status: Status) -> dict[str, Any]:
    """Returns the result of ``conexus/status`` without the protocol's version, because no protocol was spoken."""
    return {
        "quiescent": status.quiescent,
        "health": status.health,
        "message": status.message,
        "files": status.files,
        "chunks": status.chunks,
        "pending": status.pending,
        "dirtyBuffers": status.dirty_buffers,
        "embeddedChunks": status.embedded_chunks,
        "generation": status.generation,
        "model": {
            "name": status.model.name,
            "dimensions": status.model.dimensions,
            "fingerprint": status.model.fingerprint,
        },
        "folders": [
            {
                "uri": _uri(part.path),
                "files": part.files,
                "chunks": part.chunks,
                "complete": part.complete,
                "skipped": part.skipped,
                "role": part.role,
                "searchMode": part.search_mode,
            }
            for part in status.folders
        ],
        "phase": status.phase,
        "paused": status.paused,
        "memoryBytes": status.memory_bytes,
        "indexBytes": status.index_bytes,
        "role": status.role,
    }


def _hit_value(hit: Hit) -> dict[str, Any]:
    value: dict[str, Any] = {
        "location": {"uri": _uri(hit.document), "range": _range_value(hit.range)},
        "version": hit.version,
        "folder": _uri(hit.folder),
        "symbol": hit.symbol,
        "kind": hit.kind,
        "container": hit.container,
        "language": hit.language,
        "score": hit.score,
        "reasons": list(hit.reasons),
        "relation": hit.relation,
        "nameRange": _range_value(hit.name_range) if hit.name_range else None,
        "preview": hit.preview,
        "matches": [_range_value(match) for match in hit.matches],
    }
    optional = ("version", "symbol", "kind", "container", "relation", "nameRange")
    # As in the protocol, unknown fields are left out. A version of 0 is known.
    return {name: field for name, field in value.items() if name not in optional or field not in (None, "")}


def _range_value(span: TextRange) -> dict[str, Any]:
    return {
        "start": {"line": span.start.line, "character": span.start.column},
        "end": {"line": span.end.line, "character": span.end.column},
    }


def _uri(path: str) -> str:
    return Path(path).as_uri() if path else ""
