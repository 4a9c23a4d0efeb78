"""Immutable, searchable sets of chunks, and the snapshots that they are part of. Pure: no thread, no workspace."""
