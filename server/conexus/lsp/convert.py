"""Converts the engine's values to the protocol's types and back. The engine already uses the client's encoding."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lsprotocol import types as lsp

from conexus import escape, values
from conexus.lsp import types
from conexus.workspace.paths import path_of_uri, uri_of_path

#: URI schemes of buffers without a file, which are indexed while they are open.
_BUFFER_SCHEMES = ("untitled:",)

_SYMBOL_KINDS = {
    "function": lsp.SymbolKind.Function,
    "method": lsp.SymbolKind.Method,
    "class": lsp.SymbolKind.Class,
    "struct": lsp.SymbolKind.Struct,
    "interface": lsp.SymbolKind.Interface,
    "trait": lsp.SymbolKind.Interface,
    "enum": lsp.SymbolKind.Enum,
    "module": lsp.SymbolKind.Module,
    "type": lsp.SymbolKind.TypeParameter,
    "constant": lsp.SymbolKind.Constant,
    "variable": lsp.SymbolKind.Variable,
    "macro": lsp.SymbolKind.Function,
    "property": lsp.SymbolKind.Property,
    "section": lsp.SymbolKind.String,
    "test": lsp.SymbolKind.Function,
}


def document_of_uri(uri: str) -> str | None:
    """Returns the engine's id of a document, or None if the URI names no local file and no buffer that is indexed."""
    return uri if uri.startswith(_BUFFER_SCHEMES) else path_of_uri(uri)


def uri_of_document(document: str) -> str:
    return document if document.startswith(_BUFFER_SCHEMES) else uri_of_path(document)


def folder_paths(uris: Sequence[str]) -> tuple[str, ...]:
    """Returns the absolute paths of folders. A URI that names no local folder is kept, because no file is in it."""
    return tuple(document_of_uri(uri) or uri for uri in uris)


def place(document: str, where: lsp.Range | lsp.Position) -> values.Place:
    if isinstance(where, lsp.Position):
        return values.Place(document, values.TextRange(_position(where), _position(where)))
    return values.Place(document, values.TextRange(_position(where.start), _position(where.end)))


def filters(given: types.Filters) -> values.Filters:
    return values.Filters(
        languages=tuple(given.languages),
        include=tuple(given.include),
        exclude=tuple(given.exclude),
        kinds=tuple(given.kinds),
        folders=folder_paths(given.folders),
        tests=given.tests,
    )


def result(answer: values.Answer) -> types.SearchResult:
    return types.SearchResult(
        hits=[hit(found) for found in answer.hits],
        index=types.IndexState(
            complete=answer.index.complete,
            indexed_files=answer.index.indexed_files,
            total_files=answer.index.total_files,
            degraded=answer.index.degraded and escape.message(answer.index.degraded),
        ),
        generation=answer.generation,
        took_ms=answer.took_ms,
    )


def hit(found: values.Hit) -> types.Hit:
    return types.Hit(
        location=lsp.Location(uri=uri_of_document(found.document), range=text_range(found.range)),
        version=found.version,
        folder=uri_of_path(found.folder) if found.folder else "",
        language=escape.one_line(found.language),
        kind=found.kind or None,
        symbol=escape.one_line(found.symbol) or None,
        container=escape.one_line(found.container) or None,
        score=found.score,
        reasons=[escape.one_line(reason) for reason in found.reasons],
        preview=found.preview,
        matches=[text_range(match) for match in found.matches],
        relation=found.relation,
        name_range=text_range(found.name_range) if found.name_range else None,
    )


def symbol(found: values.Hit) -> lsp.SymbolInformation:
    """Returns a hit in the form for clients that show one line. A hit without a name is named by its place."""
    return lsp.SymbolInformation(
        name=escape.one_line(found.symbol or f"{Path(found.document).name}:{found.range.start.line + 1}"),
        kind=_SYMBOL_KINDS.get(found.kind, lsp.SymbolKind.File),
        location=lsp.Location(uri=uri_of_document(found.document), range=text_range(found.name_range or found.range)),
        container_name=escape.one_line(found.container) or None,
    )


def status(given: values.Status) -> types.StatusResult:
    fields = asdict(given)
    fields["message"] = escape.message(given.message)
    fields["model"] = types.ModelStatus(**{**fields["model"], "name": escape.message(given.model.name)})
    for folder in fields["folders"]:
        folder["quarantined"] = [escape.message(path) for path in folder["quarantined"]]
    fields["folders"] = [
        types.FolderStatus(uri=uri_of_path(folder.pop("path")), **folder) for folder in fields["folders"]
    ]
    return types.StatusResult(**fields, protocol_version=types.PROTOCOL_VERSION)


def index_changed(event: values.IndexChanged) -> types.IndexChangedParams:
    return types.IndexChangedParams(
        generation=event.generation, folders=[uri_of_path(folder) for folder in event.folders]
    )


def text_range(given: values.TextRange) -> lsp.Range:
    return lsp.Range(
        start=lsp.Position(line=given.start.line, character=given.start.column),
        end=lsp.Position(line=given.end.line, character=given.end.column),
    )


def _position(given: lsp.Position) -> values.Position:
    return values.Position(given.line, given.character)
