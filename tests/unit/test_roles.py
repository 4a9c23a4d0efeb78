"""Roles of files, by their paths."""

from __future__ import annotations

import pytest

from conexus.segments.roles import Role, roles_of


@pytest.mark.parametrize(
    "path",
    [
        "tests/test_app.py",
        "src/app.test.ts",
        "src/__tests__/app.js",
        "pkg/app_test.go",
        "src/test/java/AppTest.java",
        "Sources/AppTests.swift",
        "spec/app_spec.rb",
        "conftest.py",
        "test/support.ex",
        "testdata/a.txt",
        "test-d/a.ts",
        "src/ipc.test-d.ts",
    ],
)
def test_tests(path: str) -> None:
    assert roles_of(path) & Role.TEST


@pytest.mark.parametrize(
    "path", ["src/latest/app.py", "src/contest.py", "src/testing.py", "attest/a.go", "src/inspector.ts", "protest.rs"]
)
def test_no_tests(path: str) -> None:
    assert not roles_of(path) & Role.TEST


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("examples/hello/main.go", Role.EXAMPLE),
        ("docs/guide.md", Role.DOCUMENT),
        ("README.md", Role.DOCUMENT),
        ("src/compat.py", Role.OLD),
        ("vendor/lib/a.c", Role.FOREIGN),
        ("api/service_pb2.py", Role.FOREIGN),
        ("pkg/__init__.py", Role.ENTRY),
        ("types/index.d.ts", Role.DECLARATION),
        ("src/app.py", Role(0)),
    ],
)
def test_other_roles(path: str, role: Role) -> None:
    assert roles_of(path) == role
