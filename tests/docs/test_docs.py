"""The documents say what the code does, in both directions."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import attrs
import pytest

import conexus.lsp.types
from conexus.config import Settings, camel_case
from conexus.limits import Limit
from conexus.lsp import types
from conexus.lsp.structuring import make_converter, structure_params
from conexus.related.relations import RELATIONS

DOCS = Path(__file__).parents[2] / "docs"
PROTOCOL = (DOCS / "protocol.md").read_text(encoding="utf-8")
CONFIGURATION = (DOCS / "configuration.md").read_text(encoding="utf-8")

_ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (workspace|limit|machine) \| (.+) \|$", re.MULTILINE)


def test_the_protocol_document_belongs_to_this_version_of_the_types() -> None:
    source = Path(conexus.lsp.types.__file__).read_bytes()
    written = re.search(r"types\.py hash: (\w+)", PROTOCOL)
    assert written is not None
    now = hashlib.sha256(source).hexdigest()
    assert written[1] == now, f"bring docs/protocol.md up to date, then write there:\ntypes.py hash: {now}"


def test_every_method_has_a_section_with_an_example() -> None:
    sections = re.findall(r"\*\*Method:\*\* `([\w/]+)`", PROTOCOL)
    assert set(sections) == {*types.REQUESTS, *types.NOTIFICATIONS}
    for method in sections:
        assert f'"method": "{method}"' in PROTOCOL, f"{method} has no example"


def test_every_command_is_described_and_no_other() -> None:
    assert set(re.findall(r"^\| `(conexus\.server\.\w+)`", PROTOCOL, re.MULTILINE)) == set(types.COMMANDS)


def test_the_examples_are_right() -> None:
    converter = make_converter()
    examples = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", PROTOCOL, re.MULTILINE | re.DOTALL)]
    assert len(examples) > len(types.REQUESTS)
    for example in examples:
        params = example.get("params")
        if cls := types.REQUESTS.get(example.get("method", "")) or types.NOTIFICATIONS.get(example.get("method", "")):
            structure_params(converter, params, cls)
            assert set(params or {}) <= {camel_case(field.name) for field in attrs.fields(cls)}
        if "result" in example:
            structure_params(converter, example["result"], types.SearchResult)


@pytest.mark.parametrize(
    "cls",
    [
        types.SearchParams,
        types.RelatedParams,
        types.Filters,
        types.SearchResult,
        types.Hit,
        types.IndexState,
        types.StatusResult,
        types.ReindexParams,
        types.IndexChangedParams,
        types.ServerStatusParams,
    ],
)
def test_every_field_is_described_and_no_other(cls: type) -> None:
    section = re.search(rf"^interface {cls.__name__}\b[^{{]*\{{\n(.*?)^\}}", PROTOCOL, re.MULTILINE | re.DOTALL)
    assert section is not None, cls.__name__
    described = dict(re.findall(r"^    (\w+)(\??):", section[1], re.MULTILINE))
    expected = {
        camel_case(field.name): "" if field.default is attrs.NOTHING else "?"
        for field in attrs.fields(cls)
        if field.name not in {"work_done_token", "partial_result_token"}
    }
    assert described == expected


def test_the_relations_are_those_that_there_are() -> None:
    (listed,) = re.findall(r"^type Relation = (.*?);", PROTOCOL, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r'"(\w+)"', listed)) == set(RELATIONS)


def test_every_setting_is_described_and_no_other() -> None:
    described = {name: rest for name, *rest in _ROW.findall(CONFIGURATION)}
    hints = get_type_hints(Settings)
    expected = {
        camel_case(item.name): [
            _type_words(hints[item.name]),
            f"`{json.dumps(list(item.default) if isinstance(item.default, tuple) else item.default)}`",
            item.metadata["scope"],
            item.metadata["description"],
        ]
        for item in fields(Settings)
    }
    assert described == expected


def test_the_smallest_values_are_documented() -> None:
    (words,) = re.findall(r"they are at least 1, but (.+)\.$", CONFIGURATION, re.MULTILINE)
    others = {camel_case(item.name): item.metadata["least"] for item in fields(Settings)}
    others = {name: least for name, least in others.items() if least not in (None, 1)}
    memory = {name for name, least in others.items() if least == 256}
    assert memory == {"modelMemoryMib", "serverMemoryMib", "storeMemoryMib"}
    assert words == (
        "`memoryMib` and `workers` may be 0, `maxMessageDepth` is at least 10, `workerMemoryMib` at least 128, and"
        " the other settings of memory at least 256"
    )
    assert others == dict.fromkeys(memory, 256) | {
        "memoryMib": 0, "workers": 0, "maxMessageDepth": 10, "workerMemoryMib": 128,
    }  # fmt: skip


def test_every_limit_has_a_row_that_names_its_settings() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", CONFIGURATION, re.MULTILINE))
    assert list(rows) == sorted(Limit)
    known = {camel_case(item.name) for item in fields(Settings)}
    assert {name for words in rows.values() for name in re.findall(r"`(\w+)`", words)} <= known


def _type_words(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(hint))
    if get_origin(hint) is tuple:
        return "list of strings"
    return {bool: "boolean", int: "whole number", str: "string"}[hint]
