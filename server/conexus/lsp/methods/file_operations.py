"""Handles files that the user created, renamed or deleted in the editor."""

from lsprotocol import types as lsp

from conexus.lsp.methods.watched_files import hint
from conexus.lsp.session import Session


def did_create_files(session: Session, params: lsp.CreateFilesParams) -> None:
    hint(session, [file.uri for file in params.files])


def did_rename_files(session: Session, params: lsp.RenameFilesParams) -> None:
    hint(session, [uri for file in params.files for uri in (file.old_uri, file.new_uri)])


def did_delete_files(session: Session, params: lsp.DeleteFilesParams) -> None:
    hint(session, [file.uri for file in params.files])
