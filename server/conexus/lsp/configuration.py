"""Merges the layers of the settings: defaults < conexus.toml < initializationOptions < the client's configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from conexus.config import SETTINGS_FILE, Problem, Settings, Watcher, merge
from conexus.lsp.client import Client
from conexus.workspace.settings_file import SettingsFile

#: The name of our section of the client's configuration.
SECTION = "conexus"

#: Settings that editors keep in our section for themselves.
_OF_THE_EDITOR = frozenset({"path", "trace"})


@dataclass(slots=True)
class Configuration:
    """The layers of the settings, as they were last given."""

    #: The first folder's conexus.toml, as it was last read.
    file: SettingsFile = field(default_factory=SettingsFile)
    initialization_options: object = None
    #: The client's answer to `workspace/configuration`, or the configuration that it pushed.
    of_client: object = None
    #: Which settings the latest answer of ``settings`` has from conexus.toml, in a sentence for the user.
    note: str = ""

    def settings(self, client: Client) -> tuple[Settings, list[Problem]]:
        """Returns the settings in force, with ``watcher`` resolved to who watches, and a problem for each bad value."""
        settings, problems = self.file.merged_into(Settings())
        settings, more = merge(settings, _ours(self.initialization_options), "initializationOptions")
        problems += more
        settings, more = merge(settings, _ours(self.of_client), "configuration")
        problems += more
        self.note = self.file.note(settings)
        watcher, more = _watcher(settings, client)
        return replace(settings, watcher=watcher), problems + more

    def layers(self) -> list[tuple[str, object]]:
        """Returns what each place gives, from the weakest to the strongest, by the names of the audit log."""
        return [
            (SETTINGS_FILE, self.file.values),
            ("client", self.initialization_options),
            ("client", self.of_client),
        ]


def symbols_wanted(settings: Settings, client: Client) -> bool:
    """Decides whether `workspace/symbol` is answered."""
    if settings.workspace_symbol == "auto":
        return not client.filters_symbols
    return settings.workspace_symbol == "on"


def _watcher(settings: Settings, client: Client) -> tuple[Watcher, list[Problem]]:
    if settings.watcher == "auto":
        return "client" if client.watches_reliably else "server", []
    if settings.watcher == "client" and not client.registers_watched_files:
        return "server", [Problem("`watcher` is `client`, but the editor cannot watch files, so Conexus watches them.")]
    return settings.watcher, []


def _ours(given: object) -> object:
    if not isinstance(given, Mapping):
        return given
    return {name: value for name, value in given.items() if name not in _OF_THE_EDITOR}
