"""``make demo``: the real server over stdio on a real workspace, from the start to an edit that was never saved."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from benchmarks.client import Server, ServerError
from conexus.escape import one_line

#: What the demo types into a buffer, by language; other languages get the words as they are.
_WORDS = "boil the kettle, wait three minutes and pour the tea"
_EDITS = {
    "python": f'def brew(kettle, leaves):\n    """{_WORDS.capitalize()}."""\n    kettle.boil()\n    return leaves\n',
    "javascript": f"// {_WORDS}\nfunction brew(kettle, leaves) {{\n  kettle.boil();\n  return leaves;\n}}\n",
    "go": f"// {_WORDS}\nfunc brew(kettle Kettle, leaves Leaves) Leaves {{\n\tkettle.Boil()\n\treturn leaves\n}}\n",
    "rust": f"/// {_WORDS}\nfn brew(kettle: &Kettle, leaves: Leaves) -> Tea {{\n    kettle.boil().pour(leaves)\n}}\n",
}
_EDITS["typescript"] = _EDITS["tsx"] = _EDITS["javascript"]
_EDIT_QUERY = "boil a kettle and make tea"
_PATIENCE_SECONDS = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("query")
    parser.add_argument("--data", type=Path, help="where to keep the index (default: a folder that is removed again)")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        print(f"demo: there is no folder {arguments.folder}", file=sys.stderr)
        return 2
    data = arguments.data or Path(tempfile.mkdtemp(prefix="conexus-demo-"))
    try:
        return demo(arguments.folder.resolve(), arguments.query, data.resolve(), Console(highlight=False))
    except (ServerError, TimeoutError) as error:
        print(f"demo: {error or 'the server did not answer in time'}", file=sys.stderr)
        return 3
    finally:
        if arguments.data is None:
            shutil.rmtree(data, ignore_errors=True)


def demo(folder: Path, query: str, data: Path, console: Console) -> int:
    """Returns 0 if every step gave what it promises."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [sys.executable, "-m", "conexus", "serve", "--stdio"]
    began = time.perf_counter()
    with (
        (data / "server.log").open("wb") as log,
        Server(command, folder, environment={"CONEXUS_DATA_DIR": str(data)}, log=log) as server,
    ):
        answer = server.initialize()
        name = " ".join(answer["serverInfo"].values())
        console.print(f"[bold]{name}[/] answered initialize in {_ms(began)}; the workspace is {_marked_up(folder)}")
        status = _index(server, console)
        hits = _search(server, query, console)
        _related(server, hits, console)
        found = _edit(server, hits, console)
        ended = server.stop()
        console.print(f"\nThe server shut down with status {ended}; the file on disk was never touched.")
    return 0 if status["health"] != "error" and hits and found and ended == 0 else 1


def _index(server: Server, console: Console) -> Any:
    began = time.perf_counter()
    columns = (TextColumn("indexing"), BarColumn(), TextColumn("{task.fields[files]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("indexing", total=None, files="")
        while not (status := server.ask("conexus/status", {}))["quiescent"]:
            total = status["files"] + status["pending"]
            bar.update(task, completed=status["files"], total=total or None, files=f"{status['files']} / {total} files")
            time.sleep(0.05)
    console.print(f"indexed {status['files']} files as {status['chunks']} chunks in {_ms(began)}")
    if status["message"]:
        console.print(f"{status['health']}: {_marked_up(status['message'])}")
    return status


def _search(server: Server, query: str, console: Console) -> list[Any]:
    answer = server.ask("conexus/search", {"query": query, "limit": 5})
    console.print(f"\n[bold]search[/] “{_marked_up(query)}”  ({answer['tookMs']:.1f} ms in the server)")
    _show(server, answer["hits"], console)
    return list(answer["hits"])


def _related(server: Server, hits: list[Any], console: Console) -> None:
    if not hits:
        return
    first = hits[0]
    params = {
        "textDocument": {"uri": first["location"]["uri"]},
        "position": first.get("nameRange", first["location"]["range"])["start"],
        "limit": 5,
    }
    answer = server.ask("conexus/related", params)
    name = _marked_up(_place(server, first))
    console.print(f"\n[bold]related[/] to {name}  ({answer['tookMs']:.1f} ms in the server)")
    _show(server, answer["hits"], console)


def _edit(server: Server, hits: list[Any], console: Console) -> bool:
    """Type into the file of the first hit without saving, and find what was typed."""
    if not hits:
        return False
    uri, language = hits[0]["location"]["uri"], hits[0]["language"]
    file = Path(unquote(urlparse(uri).path))
    server.open(file, file.read_text(encoding="utf-8"), language)
    name = _marked_up(_place(server, hits[0]).split(":")[0])
    console.print(f"\n[bold]edit[/] {name}: a few lines are typed at its top, not saved")
    began = time.perf_counter()
    server.insert(file, 0, _EDITS.get(language, f"{_WORDS}\n") + "\n", 2)
    while time.perf_counter() - began < _PATIENCE_SECONDS:
        found = [
            hit
            for hit in server.ask("conexus/search", {"query": _EDIT_QUERY, "limit": 20})["hits"]
            if hit.get("version") == 2 and _WORDS.lower() in hit["preview"].lower()
        ]
        if found:
            console.print(f"[bold]search[/] “{_EDIT_QUERY}”  (searchable {_ms(began)} after the keystroke)")
            _show(server, found[:1], console)
            return True
        time.sleep(0.005)
    console.print(f"the edit was not found in {_PATIENCE_SECONDS:.0f} s")
    return False


def _show(server: Server, hits: list[Any], console: Console) -> None:
    if not hits:
        console.print("  nothing found")
    for hit in hits:
        head = Text(f"  {hit['score']:.2f}  ", style="dim")
        head.append(one_line(_place(server, hit)), style="cyan")
        if hit.get("relation"):
            head.append(f"  {hit['relation']}", style="magenta")
        head.append(f"  {hit.get('kind', '')} ")
        head.append(hit.get("symbol", ""), style="bold")
        head.append(f"  [{', '.join(hit['reasons'])}]", style="dim")
        _print(console, head)
        for line in [line for line in hit["preview"].splitlines() if line.strip()][:2]:
            _print(console, Text(f"          {one_line(line.rstrip())}", style="dim"))


def _marked_up(text: str | Path) -> str:
    """Text that rich shows as it is, and that drives no terminal."""
    return escape(one_line(str(text)))


def _print(console: Console, line: Text) -> None:
    """One line, cut to a terminal's width and whole in a pipe."""
    if console.is_terminal:
        console.print(line, no_wrap=True, overflow="ellipsis")
    else:
        console.print(line, soft_wrap=True)


def _place(server: Server, hit: Any) -> str:
    path = Path(unquote(urlparse(hit["location"]["uri"]).path))
    return f"{os.path.relpath(path, server.folder)}:{hit['location']['range']['start']['line'] + 1}"


def _ms(began: float) -> str:
    seconds = time.perf_counter() - began
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
