"""Handles open documents: their text is searched, whatever is on disk.

A change that cannot be read or applied is not skipped, because the next change would be applied to a text that the
editor does not have. Instead, the document is lost: its file on disk is searched until the editor sends a whole text.
"""

import logging
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from lsprotocol import types as lsp

from conexus.lsp import convert, results_page, types
from conexus.lsp.connection import Connection
from conexus.lsp.methods.watched_files import hint
from conexus.lsp.structuring import ParamsError, structure_params
from conexus.workspace.documents import Change, Document

logger = logging.getLogger(__name__)


def did_open(connection: Connection, params: object) -> None:
    """Stores a document's text. ``params`` are a ``DidOpenParams`` as JSON."""
    try:
        item = structure_params(connection.protocol.converter, params, types.DidOpenParams).text_document
    except ParamsError as error:
        _lose(connection, _document_named(params), error, opened=True)
        return
    document = _document_of(item.uri)
    if document is not None:
        _open(connection, Document(document, item.text, item.version, item.language_id))


def did_change(connection: Connection, params: object) -> None:
    """Applies changes to a document's text. ``params`` are a ``DidChangeParams`` as JSON."""
    try:
        given = structure_params(connection.protocol.converter, params, types.DidChangeParams)
    except ParamsError as error:
        _lose(connection, _document_named(params), error)
        return
    document = _document_of(given.text_document.uri)
    if document is None:
        return
    known = connection.documents.get(document)
    former = known or connection.lost.get(document)
    if former is None:
        logger.warning("Ignored a change of a document that is not open")
        return
    try:
        changes = _changes(connection, given.content_changes, known=known is not None)
        changed = former.changed(changes, _version(given.text_document.version, former), connection.client.encoding)
    except ParamsError as error:
        _lose(connection, document, error)
        return
    except Exception as error:
        logger.exception("Applying a change failed")
        _lose(connection, document, error)
        return
    if known is None:
        _open(connection, changed)
        return
    connection.put_document(changed)


def did_save(connection: Connection, params: lsp.DidSaveTextDocumentParams) -> None:
    hint(connection, [params.text_document.uri])


def did_close(connection: Connection, params: object) -> None:
    """Makes the file on disk searched again. ``params`` are the standard's ``DidCloseTextDocumentParams`` as JSON."""
    try:
        given = structure_params(connection.protocol.converter, params, lsp.DidCloseTextDocumentParams)
    except ParamsError as error:
        _lose(connection, _document_named(params), error)
        return
    document = convert.document_of_uri(given.text_document.uri)
    if document is not None:
        connection.lost = connection.lost.close(document)
        _forget(connection, document)


def lose_all(connection: Connection) -> None:
    """Loses all open documents, until the editor sends whole texts: a message cannot be read or names no file."""
    for document in connection.documents:
        _lose(connection, document.id, ParamsError("a message could not be read"))


def _open(connection: Connection, document: Document) -> None:
    connection.lost = connection.lost.close(document.id)
    connection.put_document(document)


def _lose(connection: Connection, document: str | None, error: Exception, *, opened: bool = False) -> None:
    """Loses a document: its file is searched until a whole text arrives.

    ``opened`` says that the client has just opened the document. If ``document`` is None, all documents are lost,
    because a message that does not say which document it is about may be about any.
    """
    if document is None:
        lose_all(connection)
        return
    former = connection.documents.get(document) or connection.lost.get(document)
    if former is None and not opened:
        logger.warning("Ignored a bad change of a document that is not open: %s", error)
        return
    if document not in connection.lost:
        # The name of a document that is no file may hold anything.
        name = document if PurePath(document).is_absolute() else "a document"
        logger.warning("The text of %s is not known until the editor sends it as a whole: %s", name, error)
    connection.lost = connection.lost.put(former or Document(document, "", None, ""))
    _forget(connection, document)


def _forget(connection: Connection, document: str) -> None:
    if document in connection.documents:
        connection.close_document(document)


def _changes(connection: Connection, given: Sequence[Any], *, known: bool) -> list[Change]:
    """Reads the changes that make the document's text, from the last whole text on.

    Raises ParamsError if the text that the changes apply to is not known.
    """
    changes: list[Change] = []
    unreadable: ParamsError | None = None if known else ParamsError("an earlier change was lost")
    for each in given:
        try:
            change = structure_params(connection.protocol.converter, each, types.ContentChange)
        except ParamsError as error:
            unreadable = error
            continue
        if change.range is None:
            changes, unreadable = [], None
        changes.append(_change(change))
    if unreadable is not None:
        raise unreadable
    return changes


def _change(given: types.ContentChange) -> Change:
    if given.range is None:
        return Change(given.text)
    start, end = given.range.start, given.range.end
    return Change(given.text, (start.line, start.character, end.line, end.character))


def _version(given: int | None, former: Document) -> int | None:
    if given is not None or former.version is None:
        return given
    return former.version + 1


def _document_of(uri: str) -> str | None:
    """Returns the engine's id of a document, or None if the document is not searched."""
    document = convert.document_of_uri(uri)
    return None if document is None or results_page.is_page(document) else document


def _document_named(params: object) -> str | None:
    """Returns the document that unreadable parameters are about, or None if they name none."""
    given = params.get("textDocument") if isinstance(params, dict) else None
    uri = given.get("uri") if isinstance(given, dict) else None
    return (_document_of(uri) or uri) if isinstance(uri, str) else None
