"""Whatever a client sends, in whatever order: one answer each, and at the end the index of a fresh server.

A seed determines what is sent. For a long run: CONEXUS_FUZZ_SECONDS=600 pytest -s tests/property/test_lsp_fuzz.py
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from tests.faults import seeded, until
from tests.lsp.raw import RawClient, raw_client
from tests.property.test_document_sync import position_of
from tests.workspaces import write

#: Seconds that a long run takes; without it, a few rounds of a fixed number of steps.
SECONDS = float(os.environ.get("CONEXUS_FUZZ_SECONDS", "0"))
ROUNDS, STEPS = 2, 60

FOLDERS = ("first", "second")
NAMES = ("one.py", "two.go", "inner/three.py", "skipped/four.py", "läng 5%.md")
PIECES = (
    "def alpha():\n    return beta()\n\n\n",
    "class Gamma:\r\n    é = '🙂'\r\n",
    "# text\n",
    "x",
    "\n",
    "",
    "func D() {}\n",
)
QUERIES = ("alpha", "gamma class", "return beta", "text about functions", "kind:function", "lang:python x")
WRONG: list[Any] = [5, -1, None, "x", [], {}, True, 1e308, 2**53 + 1, [[]], {"uri": 5}, "\ud800", "file:///", "\0"]
#: What a request may be refused with: no parameters, no method, no request, cancelled, failed.
REFUSALS = {-32602, -32601, -32600, -32800, -32803}
NOTICES = {"window/showMessage", "window/logMessage"}


@dataclass(frozen=True)
class Opened:
    """A document as the editor has it; ``text`` is None while the server cannot know it."""

    text: str | None
    version: int | None
    language: str


@dataclass
class World:
    """What the client has said, as far as it decides what is found."""

    client: RawClient
    root: Path
    chance: Random
    folders: list[str] = field(default_factory=lambda: ["first"])
    documents: dict[str, Opened] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    waiting: list[int] = field(default_factory=list)
    #: Number of messages whose answer has no id.
    nameless: int = 0
    sent: int = 0

    # --- parts of messages ---

    def uri(self) -> str:
        if self.chance.random() < 0.15:
            return f"untitled:Untitled-{self.chance.randrange(2)}"
        return self.path().as_uri()

    def path(self) -> Path:
        return self.root / self.chance.choice(FOLDERS) / self.chance.choice(NAMES)

    def text(self) -> str:
        return "".join(self.chance.choices(PIECES, k=self.chance.randrange(6)))

    def wrong(self) -> Any:
        return self.chance.choice(WRONG)

    def lose_all(self) -> None:
        self.documents = {uri: replace(document, text=None) for uri, document in self.documents.items()}

    def lose(self, uri: str) -> None:
        if uri in self.documents:
            self.documents[uri] = replace(self.documents[uri], text=None)

    # --- steps ---

    def open(self) -> None:
        uri, text, version = self.uri(), self.text(), self.chance.choice([1, 2, 7, None, 2**40])
        language = self.chance.choice(["python", "go", "", "py\n```"])
        item = {"uri": uri, "languageId": language, "version": version, "text": text}
        self.client.notify("textDocument/didOpen", {"textDocument": item})
        self.documents[uri] = Opened(text, version, language)

    def open_badly(self) -> None:
        uri = self.uri()
        field_name = self.chance.choice(["text", "version", "languageId"])
        item = {"uri": uri, "languageId": "python", "version": 1, "text": "x", field_name: [5]}
        self.client.notify("textDocument/didOpen", {"textDocument": item})
        self.documents.setdefault(uri, Opened(None, None, ""))
        self.lose(uri)

    def change(self) -> None:
        uri = self.chance.choice([*self.documents, self.uri()])
        former = self.documents.get(uri)
        text = former.text if former else None
        changes: list[dict[str, Any]] = []
        for _ in range(self.chance.randrange(1, 4)):
            new = self.text()
            if self.chance.random() < 0.3:
                changes.append({"text": new})
                text = new
                continue
            if text is None:  # nobody knows what it is applied to
                changes.append({"range": self._range("abc", 0, 1), "text": new})
                continue
            start, end = sorted(self.chance.randrange(len(text) + 1) for _ in range(2))
            start, end = (index - (index > 0 and text[index - 1 : index + 1] == "\r\n") for index in (start, end))
            changes.append({"range": self._range(text, start, end), "text": new})
            text = text[:start] + new + text[end:]
        version = self.chance.choice([None, 3, 99])
        identifier = {"uri": uri, "version": version}
        self.client.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": changes})
        if former is None:
            return
        # A change that nobody can apply is forgotten if a whole text comes after it.
        if text is None:
            self.lose(uri)
            return
        counted = version if version is not None or former.version is None else former.version + 1
        self.documents[uri] = Opened(text, counted, former.language)

    def _range(self, text: str, start: int, end: int) -> dict[str, Any]:
        first, last = position_of(text, start, "utf-16"), position_of(text, end, "utf-16")
        if end == len(text) and self.chance.random() < 0.3:
            last = {"line": self.chance.choice([10**6, 2**31, 2**53]), "character": self.chance.choice([0, 2**32])}
        if self.chance.random() < 0.1:
            first, last = last, first
        return {"start": first, "end": last}

    def change_badly(self) -> None:
        uri = self.chance.choice([*self.documents, self.uri()])
        place = {"start": {"line": self.chance.choice([-1, "0", None, 1.5]), "character": 0}, "end": 5}
        change = self.chance.choice([{"text": 5}, {"range": place, "text": "x"}, "x", {"range": 5, "text": ""}])
        params = {"textDocument": {"uri": uri, "version": 4}, "contentChanges": [change]}
        if self.chance.random() < 0.2:
            params["contentChanges"] = self.chance.choice([5, "x", {}])
        self.client.notify("textDocument/didChange", params)
        self.lose(uri)

    def close(self) -> None:
        uri = self.chance.choice([*self.documents, self.uri()])
        self.client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        self.documents.pop(uri, None)

    def save(self) -> None:
        saved = [uri for uri, document in self.documents.items() if document.text is not None and uri[0] == "f"]
        if not saved:
            return
        uri = self.chance.choice(saved)
        path = next(path for path in self._paths() if path.as_uri() == uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((self.documents[uri].text or "").encode())
        self.client.notify("textDocument/didSave", {"textDocument": {"uri": uri}})

    def _paths(self) -> list[Path]:
        return [self.root / folder / name for folder in FOLDERS for name in NAMES]

    def write(self) -> None:
        path = self.path()
        write(path.parent, {path.name: self.text()})
        self._tell(path)

    def delete(self) -> None:
        path = self.path()
        if self.chance.random() < 0.2:
            shutil.rmtree(path.parent, ignore_errors=True)
            path.parent.mkdir(parents=True)
            path = path.parent
        else:
            path.unlink(missing_ok=True)
        self._tell(path)

    def _tell(self, path: Path) -> None:
        method, params = self.chance.choice(
            [
                ("workspace/didChangeWatchedFiles", {"changes": [{"uri": path.as_uri(), "type": 2}]}),
                ("workspace/didCreateFiles", {"files": [{"uri": path.as_uri()}]}),
                ("workspace/didRenameFiles", {"files": [{"oldUri": "file:///none", "newUri": path.as_uri()}]}),
                ("workspace/didDeleteFiles", {"files": [{"uri": path.as_uri()}]}),
            ]
        )
        self.client.notify(method, params)

    def write_settings(self) -> None:
        folder = self.root / self.chance.choice(FOLDERS)
        folder.mkdir(exist_ok=True)
        text = self.chance.choice(["", 'exclude = ["*.md"]\n', "exclude = 5\n", "maxFileBytes = 60\n", "[", "a.b = 1"])
        (folder / "conexus.toml").write_text(text)
        self.client.notify(
            "workspace/didChangeWatchedFiles", {"changes": [{"uri": (folder / "conexus.toml").as_uri(), "type": 2}]}
        )

    def change_folders(self) -> None:
        folder = self.chance.choice(FOLDERS)
        item = {"uri": (self.root / folder).as_uri(), "name": folder}
        if folder in self.folders:
            event = {"added": [], "removed": [item]}
            self.folders.remove(folder)
        else:
            event = {"added": [item], "removed": [{"uri": "x:y", "name": ""}]}
            self.folders.append(folder)
        self.client.notify("workspace/didChangeWorkspaceFolders", {"event": event})

    def configure(self) -> None:
        self.settings = self.chance.choice(
            [{}, {"exclude": ["*.go"]}, {"exclude": "x", "maxFileBytes": 50}, {"maxQueryLength": 6}, {"novelty": 1}]
        )
        self.client.notify("workspace/didChangeConfiguration", {"settings": {"conexus": self.settings}})

    def request(self) -> None:
        uri = self.uri()
        place = {"textDocument": {"uri": uri}, "position": {"line": self.chance.randrange(4), "character": 0}}
        method, params = self.chance.choice(
            [
                ("conexus/search", {"query": self.chance.choice(QUERIES), "limit": self.chance.choice([1, 20, 200])}),
                ("conexus/search", {"query": "alpha", "near": place, "filters": {"languages": ["python"]}}),
                ("conexus/related", place),
                ("workspace/symbol", {"query": self.chance.choice(["", "alpha", "G"])}),
                ("conexus/status", {}),
                ("conexus/reindex", {"paths": ["first", "inner"]}),
                ("textDocument/codeAction", {**place, "range": self._range("", 0, 0), "context": {"diagnostics": []}}),
                ("workspace/executeCommand", {"command": "conexus.server.search", "arguments": ["alpha", 5]}),
                ("workspace/executeCommand", {"command": f"conexus.server.{self.chance.choice(['pause', 'resume'])}"}),
                ("workspace/executeCommand", {"command": "conexus.server.clear"}),
            ]
        )
        self.waiting.append(self.client.ask(method, params))

    def request_badly(self) -> None:
        method = self.chance.choice(
            ["conexus/search", "conexus/related", "conexus/reindex", "workspace/symbol", "no/method", "initialize", ""]
        )
        key = self.chance.choice(["query", "limit", "filters", "paths", "textDocument", "position", "workDoneToken"])
        params = self.chance.choice([{"query": "x", key: self.wrong()}, self.wrong()])
        if method == "conexus/reindex" and key == "workDoneToken":
            return  # progress would be reported to it
        self.waiting.append(self.client.ask(method, params))

    def cancel(self) -> None:
        known = [*self.waiting[-5:], 10**9, "x", None, 1.5]
        self.client.notify("$/cancelRequest", {"id": self.chance.choice(known)})

    def notify_badly(self) -> None:
        method = self.chance.choice(
            [
                "workspace/didChangeWatchedFiles",
                "workspace/didChangeWorkspaceFolders",
                "textDocument/didSave",
                "workspace/didRenameFiles",
                "window/workDoneProgress/cancel",
                "$/setTrace",
                "none",
            ]
        )
        self.client.notify(
            method, self.chance.choice([{"changes": self.wrong()}, {"event": self.wrong()}, self.wrong()])
        )

    def break_a_message(self) -> None:
        message = json.dumps({"jsonrpc": "2.0", "method": "conexus/search", "params": {"query": self.text()}}).encode()
        cut = self.chance.randrange(1, len(message))
        kinds: list[tuple[bytes, bool]] = [
            (message[:cut], True),
            (message[:cut] + b"\x00" + message[cut:], False),
            (b"[" * 500 + b"]" * 500, True),
            (b"[1]", False),
            (b'"\xff"', False),
            (b'{"jsonrpc": "2.0", "id": [], "method": "conexus/status"}', False),
        ]
        body, unreadable = self.chance.choice(kinds)
        if b"\x00" in body:
            # A zero byte is wrong everywhere: no text and no name of JSON may have it as it is.
            unreadable = True
        self.client.send_body(body)
        self.nameless += 1
        if unreadable:
            self.lose_all()

    def send_too_much(self) -> None:
        self.client.send_body(b'{"method": "textDocument/didChange", "params": "%s"}' % (b"x" * (1 << 20)))
        self.nameless += 1
        self.lose_all()

    def stray(self) -> None:
        self.client.send_bytes(self.chance.choice([b"stray\r\n", b"\r\n", b"X: 1\r\n", b"Content-Length: x\r\n"]))

    def respond(self) -> None:
        self.client.send({"jsonrpc": "2.0", "id": self.wrong(), "result": self.wrong()})

    def steps(self) -> list[tuple[Callable[[], None], int]]:
        often = [(self.change, 12), (self.request, 10), (self.open, 6), (self.write, 6)]
        return [
            *often,
            *((step, 3) for step in (self.close, self.save, self.delete, self.request_badly, self.cancel)),
            *((step, 1) for step in (self.open_badly, self.change_badly, self.change_folders, self.configure)),
            *((step, 1) for step in (self.write_settings, self.notify_badly, self.break_a_message, self.stray)),
            *((step, 1) for step in (self.respond, self.send_too_much)),
        ]

    def run(self, steps: int) -> None:
        actions, weights = zip(*self.steps(), strict=True)
        for action in self.chance.choices(actions, weights, k=steps):
            action()
            self.sent += 1

    # --- the end of a round ---

    def check_answers(self) -> None:
        for msg_id in self.waiting:
            answer = self.client.answer(msg_id)
            if "error" in answer:
                assert answer["error"]["code"] in REFUSALS, answer
                assert "Traceback" not in answer["error"]["message"]
        self.waiting.clear()
        for _ in range(self.nameless):
            assert self.client.answer(None)["error"]["code"] in {-32700, -32600}
        self.nameless = 0
        self.client.request("workspace/executeCommand", {"command": "conexus.server.resume"})
        assert len(self.client._answered) == len(set(self.client._answered)), "answered twice"

    def facts(self, client: RawClient) -> dict[str, Any]:
        """What a client finds."""
        status = client.wait_until_quiescent()
        found: dict[str, Any] = {name: status[name] for name in ("files", "chunks", "dirtyBuffers")}
        found["folders"] = sorted((each["uri"], each["files"], each["chunks"]) for each in status["folders"])
        for query in QUERIES:
            answer = client.answer(client.ask("conexus/search", {"query": query, "limit": 200}))
            found[query] = sorted(map(indexed, answer["result"]["hits"])) if "result" in answer else answer["error"]
        return found

    def open_on(self, client: RawClient) -> None:
        """Bring a fresh client to what this one has said."""
        folders = [{"uri": (self.root / folder).as_uri(), "name": folder} for folder in self.folders]
        client.initialize(None, workspaceFolders=folders, initializationOptions=OPTIONS)
        if self.settings:
            client.notify("workspace/didChangeConfiguration", {"settings": {"conexus": self.settings}})
        for uri, document in self.documents.items():
            if document.text is not None:
                item = {"uri": uri, "languageId": document.language, "version": document.version}
                client.notify("textDocument/didOpen", {"textDocument": {**item, "text": document.text}})


OPTIONS = {"watcher": "off", "maxMessageMib": 1}


def drain(client: RawClient) -> None:
    """Take what the server told, which is all that may be left."""
    client.request("conexus/status")
    while not client._inbox.empty():
        message = client._inbox.get()
        assert message is not None
        client._put_back.append(message)
    assert {message.get("method") for message in client._put_back} <= NOTICES, client._put_back
    client._put_back.clear()


def fuzz(seed: str, directory: Path, steps: int) -> int:
    """One client's life, compared with a fresh server's answers. Returns the number of messages."""
    world_root = directory / "workspace"
    for folder in FOLDERS:
        write(world_root / folder, {".gitignore": "skipped/\n", "kept.py": "def kept():\n    return alpha()\n"})
    with raw_client(directory / "data") as client:
        world = World(client, world_root, seeded(seed))
        first = {"uri": (world_root / "first").as_uri(), "name": "first"}
        client.initialize(None, workspaceFolders=[first], initializationOptions=OPTIONS)
        for _ in range(2):  # the second part on what the first one left
            world.run(steps // 2)
            world.check_answers()
            with raw_client(directory / f"fresh-{world.sent}") as fresh:
                world.open_on(fresh)
                compare(world, client, fresh)
                drain(fresh)
                assert fresh.shut_down() == 0
            drain(client)
        assert client.shut_down() == 0
    assert "Traceback" not in client.stderr, client.stderr
    return world.sent


def indexed(hit: dict[str, Any]) -> str:
    """What an index has of a hit. Scores differ in the last digits with the place of a row in its segment."""
    return json.dumps({name: value for name, value in hit.items() if name not in {"score", "reasons"}})


def compare(world: World, client: RawClient, fresh: RawClient) -> None:
    """Wait until a client finds what a fresh one does: a settings file is read some time after it was written."""
    expected = world.facts(fresh)

    def differences() -> str:
        found = world.facts(client)
        wrong = [name for name in expected if found[name] != expected[name]]
        opened = json.dumps({uri: document.text for uri, document in world.documents.items()}, indent=1)
        return "\n".join([opened, *(f"{name}:\n{found[name]}\nnot\n{expected[name]}" for name in wrong)])

    until(lambda: world.facts(client) == expected, differences)


def test_any_messages_have_one_answer_each_and_leave_the_index_of_a_fresh_server(tmp_path: Path) -> None:
    begun, rounds, sent = time.monotonic(), 0, 0
    first = int(os.environ.get("CONEXUS_FUZZ_SEED", "0"))
    while rounds < ROUNDS if not SECONDS else time.monotonic() - begun < SECONDS:
        directory = tmp_path / str(rounds)
        try:
            sent += fuzz(str(first + rounds), directory, STEPS)
        except BaseException as error:
            error.add_note(f"CONEXUS_FUZZ_SEED={first + rounds}")
            raise
        shutil.rmtree(directory)
        rounds += 1
    print(f"{rounds} executions, {sent} messages, {time.monotonic() - begun:.0f} s")  # noqa: T201
