"""The contract of protocol version 1: what `conexus/*` messages carry. docs/protocol.md describes it and
carries a hash of this file; a test compares them.

Names are camelCase on the wire. A field with a default may be absent or null. Unknown fields are ignored.
A breaking change raises `PROTOCOL_VERSION`; a new field or method does not.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NewType

import attrs
from lsprotocol.types import Location, Position, ProgressToken, Range, TextDocumentIdentifier

PROTOCOL_VERSION = 1

SEARCH = "conexus/search"
RELATED = "conexus/related"
STATUS = "conexus/status"
REINDEX = "conexus/reindex"
INDEX_CHANGED = "conexus/indexChanged"
SERVER_STATUS = "experimental/serverStatus"

#: How many hits a client may ask for: 1 to `LARGEST_LIMIT`.
Limit = NewType("Limit", int)
LARGEST_LIMIT = 200
DEFAULT_LIMIT = Limit(20)

Health = Literal["ok", "warning", "error"]
Role = Literal["writer", "reader"]
SearchMode = Literal["exact", "indexed"]


@attrs.frozen(kw_only=True)
class Near:
    """Where the user is: hits close to it are preferred."""

    text_document: TextDocumentIdentifier
    position: Position


@attrs.frozen(kw_only=True)
class Filters:
    languages: Sequence[str] = ()
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    kinds: Sequence[str] = ()
    folders: Sequence[str] = ()
    tests: Literal["include", "exclude", "only"] = "include"


@attrs.frozen(kw_only=True)
class SearchParams:
    query: str
    limit: Limit = DEFAULT_LIMIT
    filters: Filters = attrs.field(factory=Filters)
    near: Near | None = None
    work_done_token: ProgressToken | None = None
    partial_result_token: ProgressToken | None = None


@attrs.frozen(kw_only=True)
class RelatedParams:
    """Exactly one of `range` and `position` is given."""

    text_document: TextDocumentIdentifier
    range: Range | None = None
    position: Position | None = None
    relations: Sequence[str] = ()
    limit: Limit = DEFAULT_LIMIT
    filters: Filters = attrs.field(factory=Filters)
    work_done_token: ProgressToken | None = None
    partial_result_token: ProgressToken | None = None


@attrs.frozen(kw_only=True)
class OpenedDocument:
    """The standard's `TextDocumentItem`, of which language and version may be absent."""

    uri: str
    text: str
    language_id: str = ""
    version: int | None = None


@attrs.frozen(kw_only=True)
class DidOpenParams:
    """The standard's `DidOpenTextDocumentParams`."""

    text_document: OpenedDocument


@attrs.frozen(kw_only=True)
class ChangedDocument:
    """The standard's `VersionedTextDocumentIdentifier`. Without a version it has the one after the last."""

    uri: str
    version: int | None = None


@attrs.frozen(kw_only=True)
class ContentChange:
    """The standard's `TextDocumentContentChangeEvent`. Without a range the text is the whole document's."""

    text: str
    range: Range | None = None


@attrs.frozen(kw_only=True)
class DidChangeParams:
    """The standard's `DidChangeTextDocumentParams`."""

    text_document: ChangedDocument
    #: Each a `ContentChange`, if it can be read: one that cannot must not make the others unreadable.
    content_changes: Sequence[Any]


@attrs.frozen(kw_only=True)
class Hit:
    location: Location
    folder: str
    language: str
    score: float
    reasons: Sequence[str]
    preview: str
    version: int | None = None
    symbol: str | None = None
    kind: str | None = None
    container: str | None = None
    relation: str | None = None
    name_range: Range | None = None
    matches: Sequence[Range] = ()


@attrs.frozen(kw_only=True)
class IndexState:
    complete: bool
    indexed_files: int
    total_files: int
    degraded: str | None = None


@attrs.frozen(kw_only=True)
class SearchResult:
    """The result of `conexus/search` and of `conexus/related`."""

    hits: Sequence[Hit]
    index: IndexState
    generation: int
    took_ms: float


@attrs.frozen(kw_only=True)
class StatusParams:
    pass


@attrs.frozen(kw_only=True)
class ModelStatus:
    name: str
    dimensions: int
    fingerprint: str


@attrs.frozen(kw_only=True)
class FolderStatus:
    uri: str
    files: int
    chunks: int
    complete: bool
    skipped: Mapping[str, int]
    quarantined: Sequence[str]
    role: Role
    search_mode: SearchMode


@attrs.frozen(kw_only=True)
class StatusResult:
    quiescent: bool
    health: Health
    message: str
    files: int
    chunks: int
    pending: int
    dirty_buffers: int
    embedded_chunks: int
    generation: int
    model: ModelStatus
    folders: Sequence[FolderStatus]
    phase: str
    paused: bool
    memory_bytes: int
    index_bytes: int
    role: Role
    limits: Mapping[str, int]
    protocol_version: int


@attrs.frozen(kw_only=True)
class ReindexParams:
    folders: Sequence[str] = ()
    paths: Sequence[str] = ()
    work_done_token: ProgressToken | None = None


@attrs.frozen(kw_only=True)
class ReindexResult:
    pass


@attrs.frozen(kw_only=True)
class IndexChangedParams:
    generation: int
    folders: Sequence[str]


@attrs.frozen(kw_only=True)
class ServerStatusParams:
    """As rust-analyzer defines `experimental/serverStatus`."""

    health: Health
    quiescent: bool
    message: str | None = None


#: The requests of this protocol with the types of their parameters.
REQUESTS: Mapping[str, type] = {
    SEARCH: SearchParams,
    RELATED: RelatedParams,
    STATUS: StatusParams,
    REINDEX: ReindexParams,
}

#: The notifications that the server sends, each only to clients that ask for it.
NOTIFICATIONS: Mapping[str, type] = {
    INDEX_CHANGED: IndexChangedParams,
    SERVER_STATUS: ServerStatusParams,
}

#: Commands of `workspace/executeCommand`. Editors register a server's commands under these names, so they
#: are apart from those of our extensions (`conexus.*`).
COMMAND_SEARCH = "conexus.server.search"
COMMAND_RELATED = "conexus.server.related"
COMMAND_STATUS = "conexus.server.status"
COMMAND_REINDEX = "conexus.server.reindex"
COMMAND_PAUSE = "conexus.server.pause"
COMMAND_RESUME = "conexus.server.resume"
COMMAND_CLEAR = "conexus.server.clear"
COMMAND_SHOW_RESULTS = "conexus.server.showResults"

COMMANDS = (
    COMMAND_SEARCH,
    COMMAND_RELATED,
    COMMAND_STATUS,
    COMMAND_REINDEX,
    COMMAND_PAUSE,
    COMMAND_RESUME,
    COMMAND_CLEAR,
    COMMAND_SHOW_RESULTS,
)

#: The kind of our code action.
ACTION_RELATED = "source.conexus.related"
