"""The Neovim plugin, its manual and its guide say the same, and what the server's protocol says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import attrs
import pytest

from conexus.chunking import KINDS, LANGUAGES
from conexus.config import camel_case
from conexus.lsp import types
from conexus.related.relations import RELATIONS

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "editors/neovim"
MANUAL = (PLUGIN / "doc/conexus.txt").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs/editors/neovim.md").read_text(encoding="utf-8")

#: Types of lsprotocol and Python -> what Lua calls them.
_NAMES = {"str": "string", "int": "integer", "Limit": "integer", "float": "number", "bool": "boolean"}
#: Taken by the server and of no use to this plugin.
_UNUSED = {"workDoneToken", "partialResultToken"}


def lua(path: str) -> str:
    return (PLUGIN / path).read_text(encoding="utf-8")


def lua_list(source: str, name: str) -> list[str]:
    """A list of strings that a module gives a name."""
    match = re.search(rf"^(?:M\.|local ){name} = \{{(.*?)\}}", source, re.MULTILINE | re.DOTALL)
    assert match is not None, name
    return re.findall(r"'([^']+)'", match[1])


def lua_keys(source: str, name: str) -> list[str]:
    """The keys of a table that a module gives a name, which its closing brace ends in the first column."""
    match = re.search(rf"^(?:M\.|local ){name} = \{{\n(.*?)^\}}", source, re.MULTILINE | re.DOTALL)
    assert match is not None, name
    return re.findall(r"^  (\w+) = ", match[1], re.MULTILINE)


def lua_class(name: str) -> dict[str, str]:
    """The fields of a class, as `name` or `name?`, and their types."""
    source = lua("lua/conexus/types.lua")
    match = re.search(rf"^---@class conexus\.{name}\n((?:---@field .*\n)+)", source, re.MULTILINE)
    assert match is not None, name
    return dict(re.findall(r"^---@field (\S+) (.+)$", match[1], re.MULTILINE))


@pytest.mark.parametrize(
    "cls",
    [
        types.Filters,
        types.SearchParams,
        types.RelatedParams,
        types.Hit,
        types.IndexState,
        types.SearchResult,
        types.ModelStatus,
        types.FolderStatus,
        types.StatusResult,
        types.ReindexParams,
        types.IndexChangedParams,
        types.ServerStatusParams,
    ],
)
def test_types_are_the_servers(cls: type[attrs.AttrsInstance]) -> None:
    hints = get_type_hints(cls)
    expected = {
        camel_case(field.name) + ("" if field.default is attrs.NOTHING else "?"): lua_type(hints[field.name])
        for field in attrs.fields(cls)
        if camel_case(field.name) not in _UNUSED
    }
    assert lua_class(cls.__name__) == expected


def lua_type(hint: object) -> str:
    if hint == types.Health:
        return "conexus.Health"
    if hint in (types.Role, types.SearchMode):
        return f"conexus.{'Role' if hint == types.Role else 'SearchMode'}"
    if get_origin(hint) is Literal:
        return "|".join(f"'{value}'" for value in get_args(hint))
    arguments = [argument for argument in get_args(hint) if argument is not type(None)]
    origin = get_origin(hint)
    if origin is not None and origin.__name__ == "Sequence":
        return f"{lua_type(arguments[0])}[]"
    if origin is not None and origin.__name__ == "Mapping":
        return f"table<{lua_type(arguments[0])}, {lua_type(arguments[1])}>"
    if arguments:
        return lua_type(arguments[0])
    name = getattr(hint, "__name__", str(hint))
    if name == "Near":
        return "lsp.TextDocumentPositionParams"
    if getattr(hint, "__module__", "").startswith("lsprotocol"):
        return f"lsp.{name}"
    return _NAMES.get(name, f"conexus.{name}")


@pytest.mark.parametrize("alias", ["Health", "Role", "SearchMode"])
def test_names_of_states_are_the_servers(alias: str) -> None:
    match = re.search(rf"^---@alias conexus\.{alias} (.+)$", lua("lua/conexus/types.lua"), re.MULTILINE)
    assert match is not None
    assert tuple(match[1].replace("'", "").split("|")) == get_args(getattr(types, alias))


def test_what_is_sent_is_what_the_server_knows() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in PLUGIN.rglob("*.lua"))
    used = set(re.findall(r"'(conexus/\w+|experimental/\w+)'", sources))
    assert used == {*types.REQUESTS, *types.NOTIFICATIONS}
    assert set(re.findall(r"'(conexus\.server\.\w+)'", sources)) <= set(types.COMMANDS)
    version = re.search(r"^local PROTOCOL_VERSION = (\d+)$", lua("lua/conexus/client.lua"), re.MULTILINE)
    assert version is not None
    assert int(version[1]) == types.PROTOCOL_VERSION


def test_what_is_completed_is_what_the_server_knows() -> None:
    query = lua("lua/conexus/query.lua")
    assert lua_list(query, "languages") == sorted(LANGUAGES)
    assert lua_list(query, "kinds") == list(KINDS)


def test_the_relations_are_the_server_s() -> None:
    assert set(lua_list(lua("lua/conexus/command.lua"), "relations")) == set(RELATIONS)
    described = section("conexus-command").partition("*:Conexus-related*")[2].partition("*:Conexus-status*")[0]
    assert set(re.findall(r'"(\w+)"', described)) == set(RELATIONS)


def section(tag: str) -> str:
    """The part of the manual that a tag begins."""
    match = re.search(rf"\*{re.escape(tag)}\*.*?(?=^====)", MANUAL, re.MULTILINE | re.DOTALL)
    assert match is not None, tag
    return match[0]


def test_every_command_is_described_and_no_other() -> None:
    commands = set(lua_keys(lua("lua/conexus/command.lua"), "subcommands"))
    assert set(re.findall(r"\*:Conexus-(\w+)\*", MANUAL)) == commands
    assert set(re.findall(r"^\| `:Conexus (\w+)", GUIDE, re.MULTILINE)) == commands


def test_every_option_is_described_with_its_default_and_no_other() -> None:
    config = lua("lua/conexus/config.lua")
    options = set(lua_keys(config, "problem_of"))
    annotated = re.search(r"^---@class conexus\.Options\n((?:---@field .*\n)+)", config, re.MULTILINE)
    assert annotated is not None
    assert set(re.findall(r"^---@field (\w+)\?", annotated[1], re.MULTILINE)) == options
    assert set(re.findall(r"^`(\w+)`\t", section("conexus-options"), re.MULTILINE)) == options
    described = dict(re.findall(r"^\| `(\w+)` \| (?:`(.+?)`|see above) \|", GUIDE, re.MULTILINE))
    assert set(described) == options
    shown = dict(re.findall(r"^\t  (\w+) = (.+),$", section("conexus-options"), re.MULTILINE))
    defaults = re.search(r"^local function defaults\(\)\n(.*?)^end", config, re.MULTILINE | re.DOTALL)
    assert defaults is not None
    for name, value in re.findall(r"^    (\w+) = ([\w']+),$", defaults[1], re.MULTILINE):
        assert described[name].replace('"', "'") == value
        assert shown[name] == value
    pickers = lua_list(config, "pickers")
    assert re.findall(r'"([\w.-]+)"', section("conexus-options").split("`picker`\t")[1])[: len(pickers)] == pickers


def test_every_key_is_described_and_no_other() -> None:
    config = lua("lua/conexus/config.lua")
    match = re.search(r"^M\.keys = \{\n(.*?)^\}", config, re.MULTILINE | re.DOTALL)
    assert match is not None
    keys = {
        action: re.findall(r"'([^']+)'", listed)
        for action, listed in re.findall(r"^  (\w+) = \{(.*?)\},$", match[1], re.MULTILINE)
    }
    assert keys
    of_guide = re.findall(r"^\| (`<.+?`) \| `(\w+)` \|", GUIDE, re.MULTILINE)
    assert {action: re.findall(r"`([^`]+)`", listed) for listed, action in of_guide} == keys
    of_manual = re.findall(r"^\t((?:<\S+> ?)+)\t.*`(\w+)`$", MANUAL, re.MULTILINE)
    assert {action: listed.split() for listed, action in of_manual} == keys


def test_every_mapping_is_described_and_no_other() -> None:
    mappings = set(re.findall(r"'(<Plug>\(conexus-[\w-]+\))'", lua("plugin/conexus.lua")))
    assert set(re.findall(r"\*(<Plug>\(conexus-[\w-]+\))\*", MANUAL)) == mappings
    assert set(re.findall(r"<Plug>\(conexus-[\w-]+\)", GUIDE)) == mappings


def test_every_function_is_described_and_no_other() -> None:
    functions = set(re.findall(r"^function M\.(\w+)\(", lua("lua/conexus/init.lua"), re.MULTILINE))
    assert set(re.findall(r"\*conexus\.(\w+)\(\)\*", MANUAL)) == functions
    assert {name for name in functions if f".{name}" in GUIDE} == functions


def test_every_colour_is_described_and_no_other() -> None:
    groups = set(lua_keys(lua("lua/conexus/picker/highlights.lua"), "groups"))
    assert set(re.findall(r"`(Conexus\w+)`", section("conexus-colours"))) == groups
    sources = "".join(path.read_text(encoding="utf-8") for path in (PLUGIN / "lua/conexus/picker").glob("*.lua"))
    used = {name.removesuffix("OnBorder") for name in re.findall(r"\b(Conexus[A-Z]\w+)\b", sources)}
    assert used - {"ConexusIndexChanged"} == groups


def test_the_manual_fits_a_window_of_78_columns() -> None:
    for line in MANUAL.splitlines():
        assert len(line.expandtabs(8)) <= 80, line
