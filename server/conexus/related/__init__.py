"""Finds code that is related to a place in the code: pure functions over a snapshot."""
