"""`conexus/status`: says what is indexed, and whether everything that was saved and typed is searchable."""

from conexus.lsp import types
from conexus.lsp.connection import Connection


def status(connection: Connection, _: types.StatusParams) -> types.StatusResult:
    """Answers at once, also while the engine starts."""
    connection.start()
    return connection.status()
