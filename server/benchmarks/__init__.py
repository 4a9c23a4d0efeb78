"""Measurements of the real thing: the server over stdio, on real workspaces. Not part of the wheel."""
