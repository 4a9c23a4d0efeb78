"""Segments, snapshots, the LanceDB store and the indexer. The only package that imports lancedb and pyarrow."""
