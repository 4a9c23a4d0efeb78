"""The servers that tests of security speak to."""

from tests.lsp.conftest import elsewhere, start, workspace

__all__ = ["elsewhere", "start", "workspace"]
