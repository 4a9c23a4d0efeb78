"""Open documents."""

from __future__ import annotations

from conexus.text.positions import Encoding
from conexus.workspace.documents import Change, Document, Documents


def test_documents_are_values() -> None:
    none = Documents()
    opened = Document("/a.py", "x = 1\n", 1, "python")
    one = none.put(opened)
    two = one.put(Document("untitled:1", "", None, "text"))
    changed = two.put(opened.changed([Change("2", (0, 4, 0, 5))], 2, Encoding.UTF16))
    closed = changed.close("/a.py")
    assert [len(each) for each in (none, one, two, changed, closed)] == [0, 1, 2, 2, 1]
    assert one.get("/a.py") == two.get("/a.py") == Document("/a.py", "x = 1\n", 1, "python")
    assert changed.get("/a.py") == Document("/a.py", "x = 2\n", 2, "python")
    assert "/a.py" in changed
    assert "/a.py" not in closed
    assert [document.id for document in closed] == ["untitled:1"]


def test_changes_apply_one_after_the_other() -> None:
    document = Document("/a", "one\n", 1, "text")
    changes = [Change("😀", (0, 0, 0, 0)), Change("!", (0, 2, 0, 2)), Change("z\n", (1, 0, 1, 0))]
    assert document.changed(changes, 2, Encoding.UTF16).text == "😀!one\nz\n"
    whole = document.changed([*changes, Change("new"), Change("er", (0, 3, 0, 3))], 3, Encoding.UTF16)
    assert (whole.text, whole.version) == ("newer", 3)
    assert whole.changed([Change("", (0, 0, 0, 3))], 4, Encoding.UTF16).text == "er"


def test_what_is_not_open_cannot_be_closed() -> None:
    documents = Documents()
    assert documents.close("/a") is documents
    assert documents.get("/a") is None
