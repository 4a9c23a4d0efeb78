"""Determines the language of a file and the canonical name of a language."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from types import MappingProxyType

#: The languages whose files are chunked by definition. Each of them except Markdown has a grammar and a query.
LANGUAGES = frozenset(
    {
        "bash",
        "c",
        "cpp",
        "csharp",
        "elixir",
        "go",
        "haskell",
        "java",
        "javascript",
        "kotlin",
        "lua",
        "markdown",
        "php",
        "python",
        "ruby",
        "rust",
        "scala",
        "swift",
        "tsx",
        "typescript",
        "zig",
    }
)

#: The language of text files if nothing else is known about them.
TEXT = "text"

# Canonical names by other names: language identifiers of editors, and names that people type.
_ALIASES = MappingProxyType(
    {
        "c#": "csharp",
        "c++": "cpp",
        "cs": "csharp",
        "cxx": "cpp",
        "dockercompose": "yaml",
        "docker": "dockerfile",
        "ex": "elixir",
        "golang": "go",
        "hs": "haskell",
        "htm": "html",
        "javascriptreact": "javascript",
        "js": "javascript",
        "json5": "json",
        "jsonc": "json",
        "jsonl": "json",
        "jsx": "javascript",
        "kt": "kotlin",
        "ksh": "bash",
        "literate haskell": "haskell",
        "make": "makefile",
        "md": "markdown",
        "mdx": "markdown",
        "objc": "objective-c",
        "plain text": TEXT,
        "plaintext": TEXT,
        "py": "python",
        "pyi": "python",
        "rb": "ruby",
        "rs": "rust",
        "sh": "bash",
        "shell": "bash",
        "shellscript": "bash",
        "ts": "typescript",
        "txt": TEXT,
        "typescriptreact": "tsx",
        "yml": "yaml",
        "zsh": "bash",
    }
)

# fmt: off
_EXTENSIONS = MappingProxyType({
    extension: language
    for language, extensions in {
        "bash": "sh bash zsh ksh bats ebuild",
        "bat": "bat cmd",
        "c": "c",
        "clojure": "clj cljs cljc edn",
        "cmake": "cmake",
        "coffeescript": "coffee",
        # A header may be C or C++. The C++ grammar reads C headers well; the C grammar does not read C++ headers.
        "cpp": "cc cpp cxx c++ h hh hpp hxx h++ inl ipp tcc tpp cu cuh ino",
        "csharp": "cs csx cake",
        "css": "css",
        "csv": "csv tsv",
        "dart": "dart",
        "diff": "diff patch",
        "dockerfile": "dockerfile",
        "elixir": "ex exs",
        "elm": "elm",
        "erlang": "erl hrl",
        "fsharp": "fs fsx fsi",
        "go": "go",
        "graphql": "graphql gql",
        "groovy": "groovy gradle",
        "haskell": "hs hs-boot lhs",
        "hcl": "hcl",
        "html": "html htm xhtml vue svelte astro eex heex leex erb ejs hbs twig jinja jinja2 j2",
        "ini": "ini cfg conf properties editorconfig",
        "java": "java",
        "javascript": "js jsx mjs cjs es6",
        "json": "json jsonc json5 jsonl ndjson webmanifest",
        "julia": "jl",
        "kotlin": "kt kts",
        "latex": "tex sty cls",
        "less": "less",
        "lua": "lua rockspec",
        "makefile": "mk mak make",
        "markdown": "md markdown mdx mkd",
        "nim": "nim",
        "nix": "nix",
        "objective-c": "m mm",
        "ocaml": "ml mli",
        "perl": "pl pm t",
        "php": "php phtml php5 php7",
        "powershell": "ps1 psm1 psd1",
        "proto3": "proto",
        "python": "py pyi pyw pyx pxd wsgi",
        "r": "r",
        "restructuredtext": "rst rest",
        "ruby": "rb rake gemspec ru podspec jbuilder builder",
        "rust": "rs",
        "scala": "scala sc sbt mill",
        "scss": "scss sass",
        "sql": "sql",
        "swift": "swift",
        "terraform": "tf tfvars",
        "text": "txt text log adoc asciidoc org",
        "toml": "toml",
        "tsx": "tsx",
        "typescript": "ts mts cts",
        "viml": "vim",
        "xml": "xml xsd xsl xslt svg plist csproj fsproj vbproj props targets resx xaml",
        "yaml": "yaml yml",
        "zig": "zig zon",
    }.items()
    for extension in extensions.split()
})

_FILE_NAMES = MappingProxyType({
    "brewfile": "ruby", "capfile": "ruby", "dangerfile": "ruby", "fastfile": "ruby", "gemfile": "ruby",
    "guardfile": "ruby", "podfile": "ruby", "rakefile": "ruby", "thorfile": "ruby", "vagrantfile": "ruby",
    "containerfile": "dockerfile", "dockerfile": "dockerfile",
    "cmakelists.txt": "cmake",
    "gnumakefile": "makefile", "justfile": "makefile", "makefile": "makefile",
    "jenkinsfile": "groovy",
    "sconscript": "python", "sconstruct": "python", "snakefile": "python", "wscript": "python",
    ".bash_aliases": "bash", ".bash_profile": "bash", ".bashrc": "bash", ".envrc": "bash", ".profile": "bash",
    ".zprofile": "bash", ".zshenv": "bash", ".zshrc": "bash", "pkgbuild": "bash",
    ".babelrc": "json", ".eslintrc": "json", ".prettierrc": "json", "composer.lock": "json",
    "cargo.lock": "toml", "pipfile": "toml", "poetry.lock": "toml", "uv.lock": "toml",
    ".clang-format": "yaml", ".clang-tidy": "yaml",
    "readme": "markdown",
})

_INTERPRETERS = MappingProxyType({
    "ash": "bash", "bash": "bash", "bats": "bash", "dash": "bash", "ksh": "bash", "sh": "bash", "zsh": "bash",
    "bun": "typescript", "deno": "typescript", "node": "javascript", "nodejs": "javascript", "ts-node": "typescript",
    "elixir": "elixir", "lua": "lua", "luajit": "lua", "perl": "perl", "php": "php", "python": "python",
    "pypy": "python", "ruby": "ruby", "jruby": "ruby", "runghc": "haskell", "runhaskell": "haskell",
    "rscript": "r", "scala": "scala", "swift": "swift",
})
# fmt: on

_SHEBANG = re.compile(r"#!\s*(?:\S*/)?(?:env\s+(?:-\S+\s+|\w+=\S*\s+)*)?(?:\S*/)?([\w+-]+)")
_MODE_LINE = re.compile(
    r"-\*-\s*(?:.*;\s*)?(?:mode:\s*)?([\w+#-]+)\s*(?:;.*)?-\*-|\bvim?:.*\b(?:ft|filetype)=([\w+#-]+)"
)


_KNOWN = LANGUAGES | {TEXT, *_ALIASES.values(), *_EXTENSIONS.values(), *_FILE_NAMES.values()}


def canonical_language(name: str) -> str:
    """Returns the canonical name of a language: ``ts`` -> ``typescript``. An unknown name is returned in lower case."""
    name = name.strip().lower()
    return _ALIASES.get(name, name)


def is_known_language(name: str) -> bool:
    """Tells whether this is the name, or an alias, of a language that Conexus recognizes."""
    return canonical_language(name) in _KNOWN


def did_you_mean(name: str) -> str:
    """Returns ``; did you mean kotlin?`` with the known names nearest to an unknown one, or an empty text."""
    from difflib import get_close_matches

    similar = get_close_matches(name.lower(), sorted(_KNOWN.union(_ALIASES)))
    nearest = dict.fromkeys(canonical_language(each) for each in similar)
    return f"; did you mean {' or '.join(nearest)}?" if nearest else ""


#: Milliseconds that compiling the query of a language takes, once in a process; about 10 for languages not listed.
#: Compilation holds Python's lock, so a server that reads files beside other work should begin with other languages.
BEGINNING_MS = {
    "cpp": 160, "elixir": 120, "haskell": 90, "zig": 80, "swift": 50, "ruby": 45, "csharp": 40, "tsx": 35,
    "typescript": 30, "kotlin": 30, "scala": 30, "php": 25, "javascript": 20,
}  # fmt: skip


def language_of(path: str, first_line: str = "") -> str:
    """Returns the language of a file by its name, else by its first line (shebang, mode line), else ``text``.

    ``path`` may have any kind of separator; ``first_line`` may be the whole text.
    """
    name = PurePosixPath(path.replace("\\", "/")).name.lower()
    language = _FILE_NAMES.get(name)
    if language is not None:
        return language
    stem, dot, extension = name.rpartition(".")
    if dot and stem:
        language = _EXTENSIONS.get(extension)
        if language is not None:
            return language
    if stem.startswith("dockerfile") or name.startswith("dockerfile."):
        return "dockerfile"
    return _by_first_line(first_line[:200].splitlines()[0]) if first_line else TEXT


def language_of_document(name: str, path: str, text: str) -> str:
    """Returns the language of an open document whose language the client calls ``name``.

    An unknown name says less than the path, because Emacs' Eglot calls the language of every file ``prog`` if it runs
    one server for all modes.
    """
    named = canonical_language(name)
    if named in _KNOWN:
        return named
    language = language_of(path, text)
    return named if named and language == TEXT else language


def _by_first_line(line: str) -> str:
    line = line.removeprefix("\ufeff")
    shebang = _SHEBANG.match(line)
    if shebang:
        interpreter = shebang[1].lower()
        return _INTERPRETERS.get(interpreter) or _INTERPRETERS.get(interpreter.rstrip("0123456789.-"), TEXT)
    if line.startswith("<?php"):
        return "php"
    if line.startswith("<?xml"):
        return "xml"
    mode = _MODE_LINE.search(line)
    return canonical_language(mode[1] or mode[2]) if mode else TEXT
