"""Formats answers as JSON, with the names and positions of docs/protocol.md.

Lines and columns count from 0, and columns count UTF-16 units.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from conexus.config import camel_case
from conexus.values import Answer, Hit, Position, Status, TextRange


def dump(value: Any) -> str:
    """Returns a value as JSON, indented and pure ASCII, so that no terminal or pipe can misread it."""
    return json.dumps(value, indent=2) + "\n"


def answer_value(answer: Answer) -> dict[str, Any]:
    """Returns the result of ``conexus/search`` or ``conexus/related``."""
    return {**_json_value(answer), "hits": [_hit_value(hit) for hit in answer.hits]}


def status_value(status: Status) -> dict[str, Any]:
    """Returns the result of ``conexus/status`` without the protocol's version, because no protocol was spoken."""
    value: dict[str, Any] = _json_value(status)
    value["folders"] = [{"uri": _uri(part.pop("path")), **part} for part in value["folders"]]
    return value


def _hit_value(hit: Hit) -> dict[str, Any]:
    value: dict[str, Any] = _json_value(hit)
    location = {"uri": _uri(value.pop("document")), "range": value.pop("range")}
    # As in the protocol, names that are not known are left out.
    known = {name: field for name, field in value.items() if field or name not in {"symbol", "kind", "container"}}
    return {"location": location, **known, "folder": _uri(hit.folder)}


def _json_value(value: Any) -> Any:
    """Returns a value of the engine with the protocol's names. Fields that are None are left out."""
    if isinstance(value, Position):
        return {"line": value.line, "character": value.column}
    if isinstance(value, TextRange):
        return {"start": _json_value(value.start), "end": _json_value(value.end)}
    if isinstance(value, tuple):
        return [_json_value(item) for item in value]
    if is_dataclass(value):
        items = ((camel_case(item.name), getattr(value, item.name)) for item in fields(value))
        return {name: _json_value(item) for name, item in items if item is not None}
    return value


def _uri(path: str) -> str:
    return Path(path).as_uri() if path else ""
