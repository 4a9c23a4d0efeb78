"""Is an index equal to a fresh one? Asked from outside: the same counts, the same answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from benchmarks.harness.client import Server
from benchmarks.harness.figure import Row

_MOST_NAMED = 5
_TOP, _DEEP = 10, 40

#: A place: path relative to the workspace, first line, line after the last.
Place = tuple[str, int, int]


def differences(server: Server, fresh: Server, queries: Sequence[str], words: Mapping[str, str]) -> dict[str, Any]:
    """What two servers on one folder say differently.

    ``words`` stand in one file each. ``sameContent``: the same counts, each word is found in the same places of its
    file, and no hit is in a file that is gone. ``different`` has the queries and words for which one server has a place
    among its first ten hits that the other does not have among its first forty: content may be equal and the ranking
    not. Other orders are listed apart: hits of the same score may change places.
    """
    counts = [_counts(each.wait_until_indexed()) for each in (server, fresh)]
    reordered: list[str] = []
    ghosts: set[str] = set()
    different, misplaced = {}, {}
    for query in (*queries, *words):
        hits, fresh_hits = _hits(server, query), _hits(fresh, query)
        ours, theirs = [*map(_place, hits)], [*map(_place, fresh_hits)]
        if found := _apart(ours[:_TOP], theirs[:_TOP], ours, theirs):
            different[query] = found
        elif ours[:_TOP] != theirs[:_TOP]:
            reordered.append(query)
        ghosts |= {hit["path"] for hit in hits if not (server.folder / hit["path"]).exists()}
        if path := words.get(query):
            ours, theirs = (
                [_place(hit) for hit in each if hit["path"] == path and _by_word(hit, query)]
                for each in (hits, fresh_hits)
            )
            if found := _apart(ours, theirs, ours, theirs):
                misplaced[query] = found
    return {
        "sameContent": counts[0] == counts[1] and not misplaced and not ghosts,
        "counts": counts[0],
        "freshCounts": counts[1],
        "misplaced": misplaced,
        "ghosts": sorted(ghosts),
        "asked": len(queries) + len(words),
        "different": different,
        "reordered": reordered,
    }


def comparison_rows(size: str, *found: dict[str, Any], other: str = "a fresh index") -> list[Row]:
    """Lines of the table for what ``differences`` found, once or several times."""
    asked = sum(each["asked"] for each in found)
    return [
        Row(f"comparisons with {other}: other counts", size, sum(map(_counts_differ, found)), "", 0.0),
        Row("… words not found where they are", size, sum(len(each["misplaced"]) for each in found), "", 0.0),
        Row("… files found that are gone", size, sum(len(each["ghosts"]) for each in found), "", 0.0),
        Row(f"… other answers, of {asked}", size, sum(len(each["different"]) for each in found), "", 0.0),
        Row(f"… the same in another order, of {asked}", size, sum(len(each["reordered"]) for each in found), ""),
    ]


def defects_of(found: dict[str, Any], when: str, *, other: str = "a fresh index") -> list[str]:
    """The differences in a sentence or two, for the report; empty if there are none."""
    defects = []
    if not found["sameContent"]:
        defects.append(
            f"{when}: the content differs from {other}'s: counts {found['counts']} / {found['freshCounts']}, "
            f"words {_some(found['misplaced'])}, gone {found['ghosts'][:_MOST_NAMED]}"
        )
    if found["different"]:
        several = f"{len(found['different'])} of {found['asked']}"
        defects.append(f"{when}: answers differ from {other}'s: {several}, {_some(found['different'])}")
    return defects


def _apart(ours: list[Place], theirs: list[Place], all_ours: list[Place], all_theirs: list[Place]) -> dict[str, Any]:
    only, missing = set(ours) - set(all_theirs), set(theirs) - set(all_ours)
    return {"only": sorted(only), "missing": sorted(missing)} if only or missing else {}


def _some(differing: dict[str, Any]) -> dict[str, Any]:
    return dict(list(differing.items())[:_MOST_NAMED])


def _counts_differ(found: dict[str, Any]) -> bool:
    return bool(found["counts"] != found["freshCounts"])


def _counts(status: dict[str, Any]) -> dict[str, Any]:
    return {
        "files": status["files"],
        "chunks": status["chunks"],
        "folders": [[each["files"], each["chunks"], each["complete"], each["skipped"]] for each in status["folders"]],
    }


def _hits(server: Server, query: str) -> list[dict[str, Any]]:
    base = f"{server.folder.as_uri()}/"
    hits: list[dict[str, Any]] = server.search(query, _DEEP)["hits"]
    return [{**hit, "path": unquote(hit["location"]["uri"].removeprefix(base))} for hit in hits]


def _by_word(hit: dict[str, Any], word: str) -> bool:
    """Whether the index has the word there. A hit by meaning may only happen to show it."""
    return any(word in reason.lower() for reason in hit["reasons"])


def _place(hit: dict[str, Any]) -> Place:
    shown = hit["location"]["range"]
    return hit["path"], shown["start"]["line"], shown["end"]["line"]
