"""Converts file URIs to paths and back (RFC 8089).

Pure: the platform is an argument, so that every platform's rules are tested on any platform.
"""

from __future__ import annotations

import ntpath
import os
import posixpath
import re
from urllib.parse import quote, unquote_to_bytes

_WINDOWS = os.name == "nt"
_FILE_URI = re.compile(r"file:(?://([^/?#]*))?([^?#]*)", re.IGNORECASE)
#: What cannot be the name of an entry of a directory.
NO_NAMES = frozenset({"", ".", ".."})
#: Matches a host and a share of Windows; `//./` and `//?/` begin the names of devices.
_SHARE = re.compile(r"//(?![.?]+[/\\])[^/\\]+[/\\](?!\.{1,2}(?:[/\\]|$))[^/\\]")
_DRIVE = re.compile(r"/?([A-Za-z])[:|](/.*)?", re.DOTALL)


def path_of_uri(uri: str, windows: bool = _WINDOWS) -> str | None:
    """Returns the absolute path that a URI names, in one spelling for all spellings of the URI.

    Returns None if the URI names no local file: another scheme, another host, or a name that is not UTF-8 or not
    absolute. Paths are compared instead of URIs, because editors spell one file's URI differently (VS Code writes
    ``file:///c%3A/``).
    """
    match = _FILE_URI.match(uri)
    if match is None:
        return None
    try:
        path = unquote_to_bytes(match[2]).decode()
        host = unquote_to_bytes(match[1] or "").decode()
    except UnicodeError:
        return None
    if host.lower() == "localhost":
        host = ""
    if "\0" in path + host or not path.startswith("/"):
        return None
    if not windows:
        return None if host else posixpath.normpath("/" + path.lstrip("/"))
    if host:
        path = f"//{host}{path}"
    elif drive := _DRIVE.fullmatch(path):
        return ntpath.normpath(f"{drive[1].upper()}:{drive[2] or '/'}")
    # Some clients write the host of a network share into the path.
    return ntpath.normpath(path) if _SHARE.match(path) else None


def uri_of_path(path: str | os.PathLike[str], windows: bool = _WINDOWS) -> str:
    """Returns the URI of an absolute path. Bytes of a name that are not UTF-8 are kept as they are."""
    name = os.fspath(path)
    if not windows:
        return "file://" + _quoted(name)
    name = name.replace("\\", "/")
    if name.startswith("//"):
        # In the place of the host, localhost would name this computer's own disk.
        return ("file://" if name.lower().startswith("//localhost/") else "file:") + _quoted(name)
    drive, rest = name[:2], name[2:]
    return f"file:///{drive}{_quoted(rest)}"


def _quoted(path: str) -> str:
    return quote(path.encode("utf-8", "surrogateescape"), safe="/~")


def relative_path(root: str, path: str, windows: bool = _WINDOWS) -> str | None:
    """Returns the path of a file relative to a folder, with ``/``; both are given absolute.

    Returns an empty string for the folder itself, and None for a path that is not below it, or that is not normal:
    with ``..``, ``.`` or an empty part, it might name something else. Windows does not tell upper from lower case.
    """
    if windows:
        root, path = root.replace("\\", "/"), path.replace("\\", "/")
    prefix = root.rstrip("/") + "/"
    own, of_root = f"{path}/"[: len(prefix)], prefix
    if windows:
        own, of_root = own.lower(), of_root.lower()
    if own != of_root:
        return None
    relative = path[len(prefix) :]
    return None if relative and not NO_NAMES.isdisjoint(relative.split("/")) else relative
