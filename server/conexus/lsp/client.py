"""The client's name and capabilities, resolved once."""

import sys
from dataclasses import dataclass
from typing import Any

from lsprotocol import types as lsp
from pygls.capabilities import get_capability

from conexus.text.positions import Encoding

#: Parts, in lower case, of the `clientInfo.name` of editors made from VS Code.
_VS_CODE_FAMILY = (
    "visual studio code",
    "vscode",
    "vscodium",
    "code - oss",
    "code-server",
    "cursor",
    "windsurf",
    "positron",
    "trae",
    "kiro",
    "antigravity",
)

#: Clients that name other encodings first, but count columns in UTF-16 in files that are not open.
_UTF16_ONLY = frozenset({"Eglot"})


@dataclass(frozen=True, slots=True)
class Client:
    name: str
    #: The encoding whose units columns count, in both directions.
    encoding: Encoding
    pulls_configuration: bool
    registers_configuration: bool
    registers_watched_files: bool
    registers_symbols: bool
    shows_progress: bool
    shows_documents: bool
    takes_code_actions: bool
    wants_index_changed: bool
    wants_server_status: bool

    @property
    def is_vs_code(self) -> bool:
        return any(part in self.name.lower() for part in _VS_CODE_FAMILY)

    @property
    def filters_symbols(self) -> bool:
        """Whether the client drops answers to `workspace/symbol` whose names do not contain the query's letters."""
        return self.is_vs_code or self.name.lower().startswith("zed")

    @property
    def watches_reliably(self) -> bool:
        """Whether the client's file events can be relied on.

        The capability alone says little: Helix has it and reports only what it wrote itself, and Neovim's events depend
        on the system.
        """
        if not self.registers_watched_files:
            return False
        return self.is_vs_code or (self.name == "Neovim" and sys.platform in {"darwin", "win32"})


def client_of(params: lsp.InitializeParams) -> Client:
    capabilities = params.capabilities

    def can(path: str) -> bool:
        return get_capability(capabilities, path, default=None) is True

    conexus = _object(_object(capabilities.experimental).get("conexus"))
    return Client(
        name=params.client_info.name if params.client_info else "",
        encoding=_encoding(params),
        pulls_configuration=can("workspace.configuration"),
        registers_configuration=can("workspace.did_change_configuration.dynamic_registration"),
        registers_watched_files=can("workspace.did_change_watched_files.dynamic_registration"),
        registers_symbols=can("workspace.symbol.dynamic_registration"),
        shows_progress=can("window.work_done_progress"),
        shows_documents=can("window.show_document.support"),
        takes_code_actions=get_capability(
            capabilities, "text_document.code_action.code_action_literal_support", default=None
        )
        is not None,
        wants_index_changed=conexus.get("indexChanged") is True,
        wants_server_status=_object(capabilities.experimental).get("serverStatusNotification") is True,
    )


def _encoding(params: lsp.InitializeParams) -> Encoding:
    """Returns the first of the client's encodings that we have, too; UTF-16 if it names none, as the protocol says."""
    if params.client_info is not None and params.client_info.name in _UTF16_ONLY:
        return Encoding.UTF16
    general = params.capabilities.general
    ours = {str(encoding): encoding for encoding in Encoding}
    for name in (general.position_encodings if general else None) or ():
        # lsprotocol gives members of an enumeration for the names that it knows.
        if (encoding := ours.get(getattr(name, "value", name))) is not None:
            return encoding
    return Encoding.UTF16


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
