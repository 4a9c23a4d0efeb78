"""Writes the protocol's types in TypeScript from the server's: python editors/vscode/tools/protocol.py

A test compares the file that is here with what this makes.
"""

from __future__ import annotations

import types as python_types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from conexus.chunking.languages import LANGUAGES
from conexus.config import camel_case
from conexus.lsp import types

TARGET = Path(__file__).parents[1] / "src" / "protocol.ts"

_NAMES = {str: "string", int: "number", float: "number", bool: "boolean", types.Limit: "number"}


def generate() -> str:
    """The text of `src/protocol.ts`."""
    ours = _of_the_protocol()
    body = [text for each in ours if attrs.has(each) for text in _interface(each)]
    foreign = sorted({name for name in _lsp_types(ours) if name not in {each.__name__ for each in ours}})
    methods = {"SEARCH", "RELATED", "STATUS", "REINDEX", "INDEX_CHANGED", "SERVER_STATUS"}
    constants = {name: value for name, value in vars(types).items() if name in methods or name.startswith("COMMAND_")}
    return "\n".join(
        [
            "// Made by tools/protocol.py of the server's types. docs/protocol.md says what they mean.",
            "",
            f"import type {{ {', '.join(foreign)} }} from 'vscode-languageclient';",
            "",
            f"export const PROTOCOL_VERSION = {types.PROTOCOL_VERSION};",
            "",
            *(f"export const {name} = '{value}';" for name, value in constants.items()),
            "",
            "/** The languages that are read definition by definition. */",
            "export const LANGUAGES: readonly string[] = [",
            *(f"  '{name}'," for name in sorted(LANGUAGES)),
            "];",
            "",
            *body,
        ]
    )


def _of_the_protocol() -> list[type]:
    """The types of its own methods and what is in them. The server has some of the standard's methods, too."""
    here = [each for each in vars(types).values() if isinstance(each, type) and each.__module__ == types.__name__]
    asked = {*types.REQUESTS.values(), *types.NOTIFICATIONS.values()}
    waiting = [each for each in here if each in asked or each.__name__.endswith("Result")]
    found = set(waiting)
    while waiting:
        inside = {part for hint in get_type_hints(waiting.pop()).values() for part in _parts(hint)} & set(here)
        waiting += inside - found
        found |= inside
    return [each for each in here if each in found]


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for argument in get_args(hint):
        yield from _parts(argument)


def _interface(cls: type) -> Iterator[str]:
    hints = get_type_hints(cls)
    fields = attrs.fields(cls)
    if not fields:
        yield f"export type {cls.__name__} = Record<string, never>;\n"
        return
    yield f"export interface {cls.__name__} {{"
    for field in fields:
        mark = "" if field.default is attrs.NOTHING else "?"
        yield f"  readonly {camel_case(field.name)}{mark}: {_type(hints[field.name])};"
    yield "}\n"


def _type(hint: Any) -> str:
    if hint in _NAMES:
        return _NAMES[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " | ".join(f"'{value}'" for value in arguments)
    if origin in {Union, python_types.UnionType}:
        present = dict.fromkeys(_type(each) for each in arguments if each is not type(None))
        return " | ".join(present)
    if origin is Sequence:
        return f"readonly {_type(arguments[0])}[]"
    if origin is Mapping:
        return f"Readonly<Record<{_type(arguments[0])}, {_type(arguments[1])}>>"
    return str(hint.__name__)


def _lsp_types(classes: Sequence[type]) -> Iterator[str]:
    for cls in classes:
        for hint in get_type_hints(cls).values() if attrs.has(cls) else ():
            for each in [hint, *get_args(hint)]:
                if isinstance(each, type) and attrs.has(each):
                    yield each.__name__


if __name__ == "__main__":
    TARGET.write_text(generate(), encoding="utf-8")
