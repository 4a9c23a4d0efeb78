"""docs/security/audit.md lists the events that there are, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from conexus.audit.events import EVENTS, FIELDS

TEXT = (Path(__file__).parents[2] / "docs" / "security" / "audit.md").read_text(encoding="utf-8")
TYPES = {str: "text", int: "number"}


def test_every_event_is_described_and_no_other() -> None:
    described = dict(re.findall(r"^\| `(\w+)` \| (.+ \| .+) \|$", TEXT.split("## Events")[1], re.MULTILINE))
    fields = {
        name: [f"`{each}`" for each in kind.fields] + [f"`{each}`?" for each in kind.optional]
        for name, kind in EVENTS.items()
    }
    expected = {name: f"{EVENTS[name].description} | {', '.join(listed)}" for name, listed in fields.items()}
    assert {name: rest for name, rest in described.items() if name not in FIELDS} == expected


def test_every_field_is_described_and_no_other() -> None:
    described = re.findall(r"^\| `(\w+)` \| (text|number|number or boolean) \| (.+) \|$", TEXT, re.MULTILINE)
    expected = [
        (name, "number or boolean" if name == "value" else TYPES[kind], meaning)
        for name, (kind, meaning) in sorted(FIELDS.items())
    ]
    assert described == expected
