"""Keeps the projects of the retrieval benchmarks out of the corpus: by name, by path, by what a file says of itself."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import PurePosixPath

from corpus import HERE

#: Other names under which excluded projects, or parts of them, are published.
_ALIASES = (
    "absl", "abseil", "actioncable", "actionmailer", "actionpack", "actionview", "activejob", "activemodel",
    "activerecord", "activestorage", "activesupport", "railties", "illuminate", "laravel", "vite-node", "nlohmann",
    "hiredis", "semble", "kotlinx-coroutines-core", "libcurl", "pycurl", "reduxjs", "zod3", "zod4", "ziglang",
    "guzzlehttp", "messagepack-csharp", "jsonnet-nlohmann", "libuv1", "commons-lang3", "jackson-core",
)  # fmt: skip

#: Words that only the excluded project's own files carry near their top, in a licence header or as a namespace.
_MARKERS = (
    "nlohmann", "fmtlib", "abseil authors", "namespace absl", "namespace newtonsoft", "james newton-king",
    "laravel", "namespace illuminate", "taylor otwell", "alamofire software", "snapkit team",
    "messagepack-csharp", "neuecc/messagepack", "package org.jetbrains.exposed",
    "package kotlinx.coroutines", "libuv project", "libuv contributors", "joyent, inc", "daniel stenberg",
    "salvatore sanfilippo", "redis ltd", "redis labs", "rubyonrails", "david heinemeier",
    "package com.google.gson", "package com.fasterxml.jackson.databind", "package org.apache.commons.lang",
    "package io.ktor", "package cats", "package io.circe", "package org.http4s", "armin ronacher",
    "palletsprojects", "encode oss", "kenneth reitz", "samuel colvin", "tiangolo", "spf13", "gin-gonic",
    "go-chi/chi", "chris mccord", "plataformatec", "holowaychuk", "matt zabriskie", "dan abramov",
    "colinhacks", "bats-core", "bash-it", "nvm-sh", "creationix", "folke", "echasnovski", "nvim-telescope",
    "tjdevries", "john macfarlane", "spencer janssen", "blake mizerany", "christian neukirchen",
    "leah neukirchen", "jordi boggiano", "andrew kelley", "hejsil", "vapor community", "qutheory",
    "tokio contributors", "erick tryzelaar", "model2vec", "minish lab",
)  # fmt: skip
_HEAD = 1500


def words(name: str) -> tuple[str, ...]:
    """``libcommons-lang3-java`` -> (``commons``, ``lang``, ``java``)."""
    parts = re.split(r"[^a-z0-9]+", name.lower())
    return tuple(re.sub(r"(?<=[a-z])\d+$", "", part.removeprefix("lib") or part) for part in parts if part)


@cache
def _excluded() -> frozenset[tuple[str, ...]]:
    names = json.loads((HERE / "excluded.json").read_text(encoding="utf-8"))
    return frozenset(words(name) for name in (*names, *_ALIASES)) - {()}


def is_excluded_name(name: str) -> bool:
    """True where a package's name is, or contains as whole words, the name of an excluded project."""
    own = words(name)
    runs = (own[i:j] for i in range(len(own)) for j in range(i + 1, len(own) + 1))
    return any(run in _excluded() for run in runs)


@cache
def _is_excluded_part(part: str) -> bool:
    return words(part) in _excluded() or words(re.sub(r"[-@=_]v?\d[\w.+-]*$", "", part)) in _excluded()


def is_excluded_path(path: str) -> bool:
    """True where a folder or the file itself bears the name of an excluded project, as vendored copies do."""
    file = PurePosixPath(path)
    return any(_is_excluded_part(part) for part in file.parent.parts) or _is_excluded_part(file.stem)


def is_excluded_text(text: str) -> bool:
    """True where the head of a file says that it belongs to an excluded project."""
    head = text[:_HEAD].lower()
    return any(marker in head for marker in _MARKERS)
