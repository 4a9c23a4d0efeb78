"""Handles files that the user created, renamed or deleted in the editor."""

from lsprotocol import types as lsp

from conexus.lsp.connection import Connection
from conexus.lsp.methods.watched_files import hint


def did_create_files(connection: Connection, params: lsp.CreateFilesParams) -> None:
    hint(connection, [file.uri for file in params.files])


def did_rename_files(connection: Connection, params: lsp.RenameFilesParams) -> None:
    hint(connection, [uri for file in params.files for uri in (file.old_uri, file.new_uri)])


def did_delete_files(connection: Connection, params: lsp.DeleteFilesParams) -> None:
    hint(connection, [file.uri for file in params.files])
