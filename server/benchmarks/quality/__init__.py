"""Retrieval quality on annotated queries: `python -m benchmarks.quality`."""
