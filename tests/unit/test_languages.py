from __future__ import annotations

import pytest

from conexus.chunking import LANGUAGES, canonical_language, language_of, language_of_document


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("a/b.py", "python"),
        ("a\\b.PY", "python"),
        ("x.tsx", "tsx"),
        ("x.mts", "typescript"),
        ("x.d.ts", "typescript"),
        ("x.h", "cpp"),
        ("x.c", "c"),
        ("x.kts", "kotlin"),
        ("x.exs", "elixir"),
        ("build.gradle", "groovy"),
        ("README.md", "markdown"),
        ("README", "markdown"),
        ("Dockerfile", "dockerfile"),
        ("web.dockerfile", "dockerfile"),
        ("Dockerfile.web", "dockerfile"),
        ("CMakeLists.txt", "cmake"),
        ("notes.txt", "text"),
        ("Gemfile", "ruby"),
        (".bashrc", "bash"),
        (".py", "text"),
        ("x.unknown", "text"),
        ("noextension", "text"),
        ("", "text"),
    ],
)
def test_language_by_name(path: str, language: str) -> None:
    assert language_of(path) == language


@pytest.mark.parametrize(
    ("first_line", "language"),
    [
        ("#!/bin/sh", "bash"),
        ("#!/usr/bin/env python3.12\nimport x", "python"),
        ("#!/usr/bin/env -S node --flag", "javascript"),
        ("#! /usr/local/bin/ruby -w", "ruby"),
        ("\ufeff#!/usr/bin/env bash", "bash"),
        ("#!/usr/bin/awk -f", "text"),
        ("<?php echo 1;", "php"),
        ("# -*- mode: python -*-", "python"),
        ("# -*- coding: utf-8; mode: ruby -*-", "ruby"),
        ("# vim: set ft=sh :", "bash"),
        ("\n", "text"),
        ("plain words", "text"),
    ],
)
def test_language_by_first_line(first_line: str, language: str) -> None:
    assert language_of("bin/tool", first_line) == language


def test_the_name_counts_more_than_the_first_line() -> None:
    assert language_of("tool.rb", "#!/usr/bin/env python") == "ruby"


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("ts", "typescript"),
        ("typescriptreact", "tsx"),
        ("javascriptreact", "javascript"),
        ("C++", "cpp"),
        ("cs", "csharp"),
        ("shellscript", "bash"),
        ("plaintext", "text"),
        (" Rust ", "rust"),
        ("Brainfuck", "brainfuck"),
    ],
)
def test_canonical_language(name: str, canonical: str) -> None:
    assert canonical_language(name) == canonical


def test_languages_are_canonical() -> None:
    assert {canonical_language(language) for language in LANGUAGES} == LANGUAGES


@pytest.mark.parametrize(
    ("name", "path", "text", "language"),
    [
        ("typescriptreact", "a.ts", "", "tsx"),
        ("python", "a", "", "python"),
        ("plaintext", "a.py", "", "text"),
        ("json", "a.conf", "", "json"),
        ("prog", "a.py", "", "python"),
        ("", "a.py", "", "python"),
        ("fundamental", "run", "#!/bin/sh\nexit", "bash"),
        ("Cobol", "a.cbl", "", "cobol"),
        ("", "a.cbl", "", "text"),
    ],
)
def test_the_client_names_the_language_of_a_document_if_anyone_knows_it(
    name: str, path: str, text: str, language: str
) -> None:
    assert language_of_document(name, path, text) == language
