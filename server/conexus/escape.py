"""Makes foreign text harmless for what shows it: one function for each kind of sink.

Foreign is every text that comes from a repository, a client or the file system: names, settings, code, messages of
exceptions. It is kept as it is everywhere else and escaped where it is shown. ``one_line`` may be applied twice.
"""

from __future__ import annotations

import re
from pathlib import Path

#: Control characters and line separators, which could drive a terminal or forge a line, and invisible characters, above
#: all those that change the direction of what follows and show other code than there is (CVE-2021-42574).
_UNFIT = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
#: What means something in CommonMark, and in what viewers add to it: strikethrough, formulas, links of bare addresses.
_MARKDOWN = re.compile(r"[\\`*\[\]<>#~$@]|(?<!\w)_+|_+(?!\w)|&(?=#?\w+;)|:(?=//)|(?<=www)\.", re.IGNORECASE)
_BACKTICKS = re.compile("`+")
_UNFIT_IN_URI = re.compile(r"[^\w:/%#?&=.,;@!$*+~-]", re.ASCII)
_UNFIT_IN_LANGUAGE = re.compile(r"[^\w+#.-]")


def one_line(text: str) -> str:
    r"""Returns the text as one line for a terminal, a log or a label.

    Characters that could drive a terminal become escapes such as ``\x1b``.
    """
    return _UNFIT.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def message(text: str) -> str:
    """Returns the text for a notification, a log message, progress, a status or an error of the protocol.

    The protocol has plain text there. VS Code makes links of ``[label](target)`` all the same, and runs commands that
    are targets. Zed renders Markdown: a bare address stays a link there.
    """
    return one_line(text).replace("](", "] (")


def without_home(text: str) -> str:
    """Returns the text with the user's home directory written as ``~``: it is private, not dangerous."""
    try:
        home = str(Path.home())
    except RuntimeError:  # in a container with an unknown user id, say
        return text
    return text.replace(home, "~") if len(home) > 1 else text


def markdown(text: str) -> str:
    """Returns the text as one line of a Markdown page. An underscore inside a word is kept: it means nothing there."""
    return _MARKDOWN.sub(lambda found: "".join(f"\\{each}" for each in found[0]), one_line(text.replace("\n", " ")))


def markdown_code(text: str) -> str:
    """Returns the text as a code span of a Markdown page, whatever backticks it has."""
    line = one_line(text)
    fence = "`" * (_longest_backticks(line) + 1)
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def markdown_block(text: str, language: str) -> list[str]:
    """Returns the lines of a code block of a Markdown page, whatever fences the code has."""
    body = "\n".join(map(one_line, re.split("\r\n|\n|\r", text)))
    fence = "`" * max(3, _longest_backticks(body) + 1)
    return [f"{fence}{_UNFIT_IN_LANGUAGE.sub('', language)}", body, fence]


def markdown_target(uri: str) -> str:
    """Returns a URI as the target of a link of a Markdown page."""
    return _UNFIT_IN_URI.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "replace")), uri)


def _longest_backticks(text: str) -> int:
    return max((len(run[0]) for run in _BACKTICKS.finditer(text)), default=0)
