"""Query understanding, candidates, fusion and ranking: pure functions over a snapshot."""
