"""Handles open documents: their text is searched, whatever is on disk.

A change that cannot be read or applied is not skipped, because the next change would be applied to a text that the
editor does not have. Instead, the document is lost: its file on disk is searched until the editor sends a whole text.
"""

import logging
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from lsprotocol import types as lsp

from conexus import limits
from conexus.limits import Limit
from conexus.lsp import convert, results_page, types
from conexus.lsp.connection import Connection
from conexus.lsp.messages import Unreadable
from conexus.lsp.methods.watched_files import hint
from conexus.lsp.protocol import Stage
from conexus.lsp.structuring import ParamsError, structure_params
from conexus.workspace.documents import Change, Document

logger = logging.getLogger(__name__)

_NO_ROOM = "more or larger documents are open than `maxDocuments` and `maxDocumentsMib` allow"
_TOO_LARGE = (
    "A message of the editor was too large and was ignored (`maxMessageMib`). Open documents are searched as they are"
    " on disk until the editor sends their whole text."
)


def did_open(connection: Connection, params: object) -> None:
    """Stores a document's text. ``params`` are a ``DidOpenParams`` as JSON."""
    try:
        item = structure_params(connection.protocol.converter, params, types.DidOpenParams).text_document
    except ParamsError as error:
        named = _document_named(params)
        _lose(connection, named, error, opened=None if named is None else Document(named, "", None, ""))
        return
    document = _document_of(item.uri)
    if document is not None:
        _keep(connection, Document(document, item.text, item.version, item.language_id))


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
    _keep(connection, changed)


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
        if document in connection.documents:
            connection.close_document(document)


def lose_all(connection: Connection, unreadable: Unreadable) -> None:
    """Loses all open documents, until the editor sends whole texts: a message cannot be read or names no file."""
    if unreadable.too_large and connection.protocol.stage is Stage.INITIALIZED:
        connection.show_once(_TOO_LARGE)
    if documents := list(connection.documents):
        logger.warning(
            "The texts of %d documents are not known until the editor sends them as a whole: %s",
            len(documents),
            unreadable.reason,
        )
        connection.lost = connection.lost.put(*map(_without_text, documents))
        connection.close_document(*(document.id for document in documents))


def _keep(connection: Connection, document: Document) -> None:
    """Stores a document's text, or loses the document if there is no room for it beside the other open ones."""
    if not connection.admits(document):
        limits.hit(Limit.DOCUMENTS)
        _lose(connection, document.id, ParamsError(_NO_ROOM), opened=document)
        return
    connection.lost = connection.lost.close(document.id)
    connection.put_document(document)


def _lose(connection: Connection, document: str | None, error: Exception, *, opened: Document | None = None) -> None:
    """Loses a document: its file is searched until a whole text arrives.

    ``opened`` is what the client has just opened. If ``document`` is None, all documents are lost, because a message
    that does not say which document it is about may be about any.
    """
    if document is None:
        lose_all(connection, Unreadable(str(error)))
        return
    former = connection.documents.get(document) or connection.lost.get(document) or opened
    if former is None:
        logger.warning("Ignored a bad change of a document that is not open: %s", error)
        return
    if document not in connection.lost:
        # The name of a document that is no file may hold anything.
        name = document if PurePath(document).is_absolute() else "a document"
        if len(connection.lost) >= connection.settings.max_documents:
            # A change of it is ignored, until the client opens it again.
            logger.warning("Too many documents are open; %s is searched as it is on disk", name)
        else:
            logger.warning("The text of %s is not known until the editor sends it as a whole: %s", name, error)
            connection.lost = connection.lost.put(_without_text(former))
    if document in connection.documents:
        connection.close_document(document)


def _without_text(document: Document) -> Document:
    return Document(document.id, "", document.version, document.language)


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
