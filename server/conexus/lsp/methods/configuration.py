"""Handles the notification that the client's settings changed."""

from collections.abc import Mapping

from lsprotocol import types as lsp

from conexus.lsp.configuration import SECTION
from conexus.lsp.connection import Connection


async def did_change_configuration(connection: Connection, params: lsp.DidChangeConfigurationParams) -> None:
    if connection.client.pulls_configuration:
        await connection.configure()
    elif isinstance(params.settings, Mapping) and SECTION in params.settings:
        connection.configuration.of_client = params.settings[SECTION]
        connection.take_settings()
