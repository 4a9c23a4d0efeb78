"""The smallest definition of each language, to check that its grammar and its query work on this machine."""

from __future__ import annotations

SAMPLES = {
    "bash": "brew() { echo tea; }",
    "c": "int brew(void) { return 1; }",
    "cpp": "class Kettle { int brew() { return 1; } };",
    "csharp": "class Kettle { int Brew() { return 1; } }",
    "elixir": "defmodule Kettle do\n  def brew do\n    :tea\n  end\nend",
    "go": "package kettle\n\nfunc Brew() int { return 1 }",
    "haskell": "brew :: Int -> Int\nbrew x = x + 1",
    "java": "class Kettle { int brew() { return 1; } }",
    "javascript": "function brew() { return 1; }",
    "kotlin": "fun brew(): Int { return 1 }",
    "lua": "function brew() return 1 end",
    "markdown": "# Kettle\n\nHow tea is made.",
    "php": "<?php function brew() { return 1; }",
    "python": "def brew():\n    return 1",
    "ruby": "def brew\n  1\nend",
    "rust": "fn brew() -> i32 { 1 }",
    "scala": "object Kettle { def brew: Int = 1 }",
    "swift": "func brew() -> Int { return 1 }",
    "tsx": "function Brew() { return <p>tea</p>; }",
    "typescript": "function brew(): number { return 1; }",
    "zig": "fn brew() i32 { return 1; }",
}
