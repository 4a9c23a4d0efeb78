"""The VS Code extension says the same as the server and the guide."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import conexus
from conexus.config import Settings, camel_case
from conexus.related.relations import RELATIONS

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "editors/vscode"
PACKAGE = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
CONTRIBUTES = PACKAGE["contributes"]
PROPERTIES: dict[str, dict[str, Any]] = CONTRIBUTES["configuration"]["properties"]
GUIDE = (ROOT / "docs/editors/vscode.md").read_text(encoding="utf-8")
SERVER_SETTINGS = {f"conexus.{camel_case(item.name)}": item for item in fields(Settings)}


def test_the_types_of_the_protocol_are_the_server_s() -> None:
    spec = importlib.util.spec_from_file_location("protocol_generator", EXTENSION / "tools/protocol.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    written = (EXTENSION / "src/protocol.ts").read_text(encoding="utf-8")
    assert written == generator.generate(), "run python editors/vscode/tools/protocol.py"


def test_every_setting_of_the_server_can_be_set_in_the_editor_and_means_the_same() -> None:
    hints = get_type_hints(Settings)
    for name, item in SERVER_SETTINGS.items():
        given = dict(PROPERTIES[name])
        described = re.sub(r"`#conexus\.(\w+)#`", r"`\1`", given.pop("markdownDescription"))
        assert described == item.metadata["description"], name
        del given["order"]
        assert given == {
            **_schema(hints[item.name]),
            "default": list(item.default) if isinstance(item.default, tuple) else item.default,
            **({} if item.metadata["least"] is None else {"minimum": item.metadata["least"]}),
            "scope": {"workspace": "window", "limit": "window", "machine": "machine"}[item.metadata["scope"]],
        }, name


def test_the_relations_are_the_server_s() -> None:
    source = (EXTENSION / "src/tree/nodes.ts").read_text(encoding="utf-8")
    listed = re.search(r"^const RELATIONS[^{]*\{\n(.*?)^\};", source, re.MULTILINE | re.DOTALL)
    assert listed
    titles = dict(re.findall(r"^  (\w+): '(.+)',$", listed[1], re.MULTILINE))
    assert set(titles) == set(RELATIONS)
    walkthrough = (EXTENSION / "media/related.md").read_text(encoding="utf-8")
    in_list = "".join(re.findall(r"^- .*$", walkthrough, re.MULTILINE))
    assert set(re.findall(r"_(.+?)_", in_list)) == set(titles.values())


def test_a_folder_that_is_not_trusted_lifts_no_limits() -> None:
    restricted = set(PACKAGE["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"])
    limits = {name for name, item in SERVER_SETTINGS.items() if item.metadata["scope"] == "limit"}
    assert restricted == {"conexus.path"} | limits
    assert all(f"`{name}`" in GUIDE.partition("do not trust")[2].partition("\n## ")[0] for name in restricted)


def test_what_the_server_is_not_told_is_what_it_does_not_know() -> None:
    source = (EXTENSION / "src/settings.ts").read_text(encoding="utf-8")
    listed = re.search(r"OF_THE_EXTENSION[^=]*= \[(.*?)\]", source, re.DOTALL)
    assert listed
    kept = {f"conexus.{name}" for name in re.findall(r"'([\w.]+)'", listed[1])}
    assert kept == set(PROPERTIES) - set(SERVER_SETTINGS)


def test_the_guide_has_every_setting_of_the_extension() -> None:
    section = GUIDE.partition("## Settings")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([\w.]+)` \| .+? \| `(.+?)` \| ([\w-]+) \| (.+) \|$", section, re.MULTILINE)
    assert rows == [
        (name, json.dumps(given["default"]), given["scope"], given["markdownDescription"])
        for name, given in sorted(PROPERTIES.items(), key=lambda each: each[1]["order"])
        if name not in SERVER_SETTINGS
    ]


def test_the_guide_has_every_command_and_key() -> None:
    section = GUIDE.partition("## Keys and commands")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| `(conexus\.[\w.]+)` \| (?:`(.+?)`)? *\| .+ \|$", section, re.MULTILINE)
    keys = {each["command"]: each["key"] for each in CONTRIBUTES["keybindings"]}
    assert [(title, command, key.lower()) for title, command, key in rows] == [
        (each["title"], each["command"], keys.get(each["command"], ""))
        for each in CONTRIBUTES["commands"]
        if each["command"] != "conexus.open"  # a click on a row
    ]


def test_no_command_has_a_name_of_the_server_s_and_every_one_is_there() -> None:
    commands = {each["command"] for each in CONTRIBUTES["commands"]}
    assert not {name for name in commands if name.startswith("conexus.server.")}
    source = (EXTENSION / "src/extension.ts").read_text(encoding="utf-8")
    handlers = re.search(r"const handlers.*?= \{\n(.*?)\n  \};", source, re.DOTALL)
    assert handlers
    # `restart` is there by its name alone.
    names = re.findall(r"^    '?([\w.]+)'?(?:: |,$)", handlers[1], re.MULTILINE)
    assert {f"conexus.{name}" for name in names} == commands


def test_version_and_licence_are_those_of_the_server() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert PACKAGE["version"] == project["version"] == conexus.__version__
    assert f"## {conexus.__version__}\n" in (EXTENSION / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (EXTENSION / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def _schema(hint: Any) -> dict[str, Any]:
    if get_origin(hint) is Literal:
        return {"type": "string", "enum": list(get_args(hint))}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": {"type": "string"}}
    return {"type": {bool: "boolean", int: "integer", str: "string"}[hint]}
