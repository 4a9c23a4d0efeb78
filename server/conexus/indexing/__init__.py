"""Keeps the searchable snapshot equal to the workspace. One thread, the indexer thread, owns everything here."""
