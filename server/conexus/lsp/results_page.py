"""Writes pages of results in Markdown, the form of an answer that any editor can show."""

import secrets
from pathlib import Path
from urllib.parse import unquote

from conexus import escape, own_files
from conexus.config import default_data_directory
from conexus.lsp import types
from conexus.workspace.paths import path_of_uri

#: Number of pages that are kept. The oldest pages are removed first.
_KEPT = 20


def directory() -> Path:
    """Returns the folder that pages are written to. Its files are never indexed."""
    return default_data_directory() / own_files.RESULTS


def is_page(document: str) -> bool:
    return Path(document).is_relative_to(directory())


def render(title: str, result: types.SearchResult) -> str:
    """Returns the text of a page.

    Editors show the text as it is written. Therefore places are written in a form that editors can go to, and the
    definitions that make them links for viewers of Markdown are at the end.
    """
    lines = [f"# {escape.markdown(title) or 'Results'}", "", _summary(result), ""]
    targets: dict[str, str] = {}
    for number, hit in enumerate(result.hits, 1):
        line = hit.location.range.start.line + 1
        place = f"{escape.markdown(path_of_uri(hit.location.uri) or hit.location.uri)}:{line}"
        targets[place] = f"{escape.markdown_target(hit.location.uri)}#L{line}"
        lines += [f"## {number}. {_heading(hit)}", "", f"[{place}]"]
        lines += [f"*{escape.markdown(', '.join(hit.reasons))}*"] if hit.reasons else []
        lines += ["", *escape.markdown_block(hit.preview.rstrip("\r\n"), hit.language), ""]
    lines += [f"[{place}]: {uri}" for place, uri in targets.items()]
    return "\n".join([*lines, ""] if targets else lines)


def write(text: str) -> Path:
    """Writes a page that only the user can read, and removes the oldest pages. Returns its path.

    Raises OSError if it cannot be written, or if others may control the folder.
    """
    folder = directory()
    own_files.make_directories(folder.parent, folder.name)
    path = folder / f"results-{secrets.token_hex(8)}.md"
    with own_files.create(path) as file:
        file.write(text.encode(errors="replace"))
    pages = sorted(folder.glob("results-*.md"), key=_age, reverse=True)
    for page in pages[_KEPT:]:
        own_files.remove(page)
    return path


def _age(page: Path) -> float:
    try:
        return page.lstat().st_mtime
    except FileNotFoundError:  # another server of the same user removed it
        return 0.0


def _summary(result: types.SearchResult) -> str:
    found = "1 result" if len(result.hits) == 1 else f"{len(result.hits)} results"
    index = result.index
    if index.complete:
        return f"{found}."
    return f"{found}; {index.indexed_files} of {index.total_files} files are indexed so far."


def _heading(hit: types.Hit) -> str:
    what = " ".join(part for part in (hit.kind, hit.symbol and escape.markdown_code(hit.symbol)) if part)
    return f"{f'{hit.relation}: ' if hit.relation else ''}{what or 'text'} in {escape.markdown(_short_path(hit))}"


def _short_path(hit: types.Hit) -> str:
    """Returns the path inside the hit's workspace folder."""
    inside = hit.location.uri.removeprefix(f"{hit.folder.rstrip('/')}/") if hit.folder else hit.location.uri
    return unquote(inside)
