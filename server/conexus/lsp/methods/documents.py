"""Open documents: their text is what is searched, whatever the disk says."""

import logging

from lsprotocol import types as lsp

from conexus.lsp import convert, results_page
from conexus.lsp.methods.watched_files import hint
from conexus.lsp.session import Session
from conexus.workspace.documents import Change

logger = logging.getLogger(__name__)


def did_open(session: Session, params: lsp.DidOpenTextDocumentParams) -> None:
    item = params.text_document
    document = convert.document_of_uri(item.uri)
    if document is None or results_page.is_page(document):
        return
    session.documents = session.documents.open(document, item.text, item.version, item.language_id)
    if session.engine is not None:
        session.engine.open_document(document, item.text, item.version, item.language_id)


def did_change(session: Session, params: lsp.DidChangeTextDocumentParams) -> None:
    document = convert.document_of_uri(params.text_document.uri)
    if document is None or results_page.is_page(document):
        return
    if document not in session.documents:
        logger.warning("Ignored a change of a document that is not open")
        return
    session.documents = session.documents.change(
        document,
        map(_change, params.content_changes),
        params.text_document.version,
        session.client.encoding,
    )
    changed = session.documents.get(document)
    if session.engine is not None and changed is not None:
        session.engine.change_document(document, changed.text, changed.version)


def did_save(session: Session, params: lsp.DidSaveTextDocumentParams) -> None:
    hint(session, [params.text_document.uri])


def did_close(session: Session, params: lsp.DidCloseTextDocumentParams) -> None:
    document = convert.document_of_uri(params.text_document.uri)
    if document is None or document not in session.documents:
        return
    session.documents = session.documents.close(document)
    if session.engine is not None:
        session.engine.close_document(document)


def _change(given: lsp.TextDocumentContentChangeEvent) -> Change:
    if isinstance(given, lsp.TextDocumentContentChangePartial):
        start, end = given.range.start, given.range.end
        return Change(given.text, (start.line, start.character, end.line, end.character))
    return Change(given.text)
