"""Turns rows of a snapshot into hits in the lines of the documents as they are now."""
