"""Derives the roles of a file in a project from its path: test, example, generated, …"""

from __future__ import annotations

import re
from enum import IntFlag
from functools import lru_cache


class Role(IntFlag):
    """Roles of a file; a file may have several, most have none."""

    TEST = 1
    EXAMPLE = 2
    DOCUMENT = 4
    #: Kept for old versions: compat, legacy, deprecated.
    OLD = 8
    #: Written by a program or by another project.
    FOREIGN = 16
    #: Mostly re-exports: ``__init__.py``, ``index.ts``, ``package-info.java``.
    ENTRY = 32
    #: Declarations of what is implemented elsewhere: ``.d.ts``, ``.pyi``.
    DECLARATION = 64


_TEST = re.compile(
    r"(?:^|/)(?:(?:unit|integration|functional|e2e|acceptance)?[-_]?tests?|__tests?__|specs?|testdata|test[-_]?(?:d|data"
    r"|suite|suites|cases|fixtures|resources)|fixtures|__mocks__|__snapshots__|e2e|androidTest|[a-z]+Test)/"
    r"|(?:^|/)(?:test[-_.][^/]*|[^/]*[-_.](?:tests?|spec|test-d)\.[^/]+|tests?\.[^/]+|conftest\.py|[^/]*[a-z0-9](?:Tests?|Spec|Specs|TestCase)\.\w+)$"
)
_EXAMPLE = re.compile(
    r"(?:^|/)(?:[^/]*[-_])?(?:examples?|samples?|demos?|tutorials?|docs_src|playground|bench(?:es|marks?)?)(?:[-_][^/]*)?/",
    re.IGNORECASE,
)
_DOCUMENT = re.compile(
    r"(?:^|/)docs?/|\.(?:md|mdx|rst|adoc|txt)$|(?:^|/)(?:changelog|changes|history|license|readme|authors|news)[^/]*$",
    re.IGNORECASE,
)
_OLD = re.compile(
    r"(?:^|[/_.-])(?:compat|_?compat|legacy|deprecated|old|obsolete|polyfills?)(?:[/_.-]|$)", re.IGNORECASE
)
_FOREIGN = re.compile(
    r"(?:^|/)(?:vendor|vendored|_vendor|third[-_]?party|node_modules|bower_components|external|extern|dist|generated|__generated__|gen)/"
    r"|\.min\.(?:js|css)$|\.(?:pb|g|generated|gen|designer)\.\w+$|_(?:pb2|pb2_grpc|generated|gen)\.\w+$"
    r"|\.(?:lock|map|svg|snap)$|(?:^|/)(?:package-lock\.json|pnpm-lock\.yaml|go\.sum)$",
    re.IGNORECASE,
)  # fmt: skip
_ENTRY = re.compile(
    r"(?:^|/)(?:__init__\.pyi?|package-info\.java|module-info\.java|index\.[cm]?[jt]sx?|mod\.rs|lib\.rs)$"
)
_DECLARATION = re.compile(r"\.d\.[cm]?ts$|\.pyi$")

_PATTERNS = (
    (Role.TEST, _TEST),
    (Role.EXAMPLE, _EXAMPLE),
    (Role.DOCUMENT, _DOCUMENT),
    (Role.OLD, _OLD),
    (Role.FOREIGN, _FOREIGN),
    (Role.ENTRY, _ENTRY),
    (Role.DECLARATION, _DECLARATION),
)


@lru_cache(maxsize=1 << 12)
def roles_of(path: str) -> Role:
    """Returns the roles of a file, given its path relative to the folder, with ``/``."""
    found = Role(0)
    for role, pattern in _PATTERNS:
        if pattern.search(path):
            found |= role
    return found
