"""`conexus/status`: says what is indexed, and whether everything that was saved and typed is searchable."""

from conexus.lsp import types
from conexus.lsp.session import Session


def status(session: Session, _: types.StatusParams) -> types.StatusResult:
    """Answers at once, also while the engine starts."""
    session.start()
    return session.status()
