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

from benchmarks.harness.client import Server, ServerError
from conexus.cli.progress import LatestProgress, progress_line
from conexus.cli.terminal import DIM, PATH, SYMBOL, paint, wants_colour
from conexus.escape import one_line
from conexus.values import Progress

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
        return demo(arguments.folder.resolve(), arguments.query, data.resolve())
    except (ServerError, TimeoutError) as error:
        print(f"demo: {error or 'the server did not answer in time'}", file=sys.stderr)
        return 3
    finally:
        if arguments.data is None:
            shutil.rmtree(data, ignore_errors=True)


def demo(folder: Path, query: str, data: Path) -> int:
    """Returns 0 if every step gave what it promises."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = data / "server.log"
    log.unlink(missing_ok=True)
    began = time.perf_counter()
    with Server(folder, data, log=log) as server:
        answer = server.initialize()
        name = " ".join(answer["serverInfo"].values())
        print(f"{_bold(name)} answered initialize in {_ms(began)}; the workspace is {one_line(str(folder))}")
        status = _index(server)
        hits = _search(server, query)
        _related(server, hits)
        found = _edit(server, hits)
        ended = server.stop()
        print(f"\nThe server shut down with status {ended}; the file on disk was never touched.")
    return 0 if status["health"] != "error" and hits and found and ended == 0 else 1


def _index(server: Server) -> Any:
    began = time.perf_counter()
    latest = LatestProgress()
    with progress_line(latest) as show:
        while not (status := server.status())["quiescent"]:
            latest(Progress("Indexing", status["files"], status["files"] + status["pending"]))
            show()
            time.sleep(0.05)
    print(f"indexed {status['files']} files as {status['chunks']} chunks in {_ms(began)}")
    if status["message"]:
        print(f"{status['health']}: {one_line(status['message'])}")
    return status


def _search(server: Server, query: str) -> list[Any]:
    answer = server.search(query, 5)
    print(f"\n{_bold('search')} “{one_line(query)}”  ({answer['tookMs']:.1f} ms in the server)")
    _show(server, answer["hits"])
    return list(answer["hits"])


def _related(server: Server, hits: list[Any]) -> None:
    if not hits:
        return
    first = hits[0]
    params = {
        "textDocument": {"uri": first["location"]["uri"]},
        "position": first.get("nameRange", first["location"]["range"])["start"],
        "limit": 5,
    }
    answer = server.ask("conexus/related", params)
    name = one_line(_place(server, first))
    print(f"\n{_bold('related')} to {name}  ({answer['tookMs']:.1f} ms in the server)")
    _show(server, answer["hits"])


def _edit(server: Server, hits: list[Any]) -> bool:
    """Type into the file of the first hit without saving, and find what was typed."""
    if not hits:
        return False
    uri, language = hits[0]["location"]["uri"], hits[0]["language"]
    file = Path(unquote(urlparse(uri).path))
    server.open(file, file.read_text(encoding="utf-8"), language)
    name = one_line(_place(server, hits[0]).split(":")[0])
    print(f"\n{_bold('edit')} {name}: a few lines are typed at its top, not saved")
    began = time.perf_counter()
    server.insert(file, 0, _EDITS.get(language, f"{_WORDS}\n") + "\n", 2)
    while time.perf_counter() - began < _PATIENCE_SECONDS:
        found = [
            hit
            for hit in server.search(_EDIT_QUERY, 20)["hits"]
            if hit.get("version") == 2 and _WORDS.lower() in hit["preview"].lower()
        ]
        if found:
            print(f"{_bold('search')} “{_EDIT_QUERY}”  (searchable {_ms(began)} after the keystroke)")
            _show(server, found[:1])
            return True
        time.sleep(0.005)
    print(f"the edit was not found in {_PATIENCE_SECONDS:.0f} s")
    return False


def _show(server: Server, hits: list[Any]) -> None:
    if not hits:
        print("  nothing found")
    colour = wants_colour(sys.stdout)
    for hit in hits:
        score, reasons = paint(f"{hit['score']:.2f}", DIM, colour), paint(f"[{', '.join(hit['reasons'])}]", DIM, colour)
        place = paint(one_line(_place(server, hit)), PATH, colour)
        symbol = paint(hit.get("symbol", ""), SYMBOL, colour)
        print("  ".join(filter(None, ("", score, place, hit.get("relation"), hit.get("kind"), symbol, reasons))))
        for line in [line for line in hit["preview"].splitlines() if line.strip()][:2]:
            print(f"          {paint(one_line(line.rstrip()), DIM, colour)}")


def _bold(text: str) -> str:
    return paint(text, SYMBOL, wants_colour(sys.stdout))


def _place(server: Server, hit: Any) -> str:
    path = Path(unquote(urlparse(hit["location"]["uri"]).path))
    return f"{os.path.relpath(path, server.folder)}:{hit['location']['range']['start']['line'] + 1}"


def _ms(began: float) -> str:
    seconds = time.perf_counter() - began
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
