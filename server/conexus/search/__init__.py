"""Understands queries, finds candidates and ranks them: pure functions over a snapshot."""
