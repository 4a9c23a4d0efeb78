"""Scanners of this repository for security: `python -m scanners`, or `make security`, runs all of them.

Each scanner returns one `Outcome`. A scanner that could not do its work, because a tool is not installed or a service
does not answer, returns NOT_CHECKED with the reason, never PASSED.
"""
