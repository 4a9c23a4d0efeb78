"""Handles the notification that the client's settings changed."""

from collections.abc import Mapping

from lsprotocol import types as lsp

from conexus.lsp.configuration import SECTION
from conexus.lsp.session import Session


async def did_change_configuration(session: Session, params: lsp.DidChangeConfigurationParams) -> None:
    if session.client.pulls_configuration:
        await session.configure()
    elif isinstance(params.settings, Mapping) and SECTION in params.settings:
        session.configuration.of_client = params.settings[SECTION]
        session.take_settings()
