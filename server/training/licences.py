"""Which licences are permissive, and what a Debian copyright file says."""

from __future__ import annotations

import re

_PERMISSIVE = re.compile(
    r"(expat|mit|x11|x-?consortium|bsd|(0|1|2|3|4)-?clause|apache|isc|zlib|zlib/libpng|libpng|psf|python|cnri|hpnd|ntp"
    r"|public[- ]domain|pd|cc0|cc-0|bsl|boost|unlicense|wtfpl|postgresql|0bsd|blueoak|ftl|unicode|ruby|openssl|curl"
    r"|upl|ncsa|afl|zpl|beerware|permissive|libtiff|vim|php|fsfap|hsieh-bsd|naist|tcl|w3c)"
    r"([-_ ./~+0-9].*)?",
    re.IGNORECASE,
)
_COPYLEFT = re.compile(
    r"gpl|mpl|epl|cddl|eupl|osl|artistic|cpl|non-?free|proprietary|commercial|cc-by-nc|sspl|busl", re.IGNORECASE
)
_COPYLEFT_HEADERS = (
    "general public license", "mozilla public license", "eclipse public license", "gplv2", "gplv3", "gpl-2", "gpl-3",
    "license-identifier: gpl", "license-identifier: lgpl", "license-identifier: agpl", "license-identifier: mpl",
    "proprietary", "confidential",
)  # fmt: skip


def is_permissive(licence: str) -> bool:
    """True where a licence expression lets one choose permissive terms: every part of an ``and``, one of an ``or``."""
    text = licence.strip().strip("()")
    choices = re.split(r"\s*(?:\bor\b|\|)\s*", text, flags=re.IGNORECASE)
    if len(choices) > 1:
        return any(is_permissive(choice) for choice in choices)
    parts = [
        part.strip(" ()") for part in re.split(r"\s*(?:\band\b|,|&)\s*", text, flags=re.IGNORECASE) if part.strip()
    ]
    return bool(parts) and all(
        _PERMISSIVE.match(re.sub(r"^(the|new|modified)[ -]", "", part, flags=re.IGNORECASE)) is not None
        and not _COPYLEFT.search(part)
        for part in parts
    )


def has_copyleft_header(text: str) -> bool:
    """True where the head of a source file puts it under a licence that is not permissive."""
    head = text[:3000].lower()
    return any(marker in head for marker in _COPYLEFT_HEADERS)


def debian_licence(copyright_file: str) -> tuple[str, tuple[str, ...]] | None:
    """The licence of a package and the patterns of its files under other, non-permissive licences.

    None where the file is not machine-readable (DEP 5) or most of the package is not permissive.
    """
    stanzas = []
    for block in re.split(r"\n\s*\n", copyright_file):
        fields = dict(re.findall(r"^(Files|License):[ \t]*((?:.*)(?:\n[ \t]+\S.*)*)", block, re.MULTILINE))
        if "Files" in fields and "License" in fields:
            stanzas.append((fields["Files"].split(), fields["License"].split("\n")[0].strip()))
    stanzas = [(files, licence) for files, licence in stanzas if not all(f.startswith("debian/") for f in files)]
    main = next((licence for files, licence in stanzas if "*" in files), stanzas[0][1] if stanzas else "")
    if not is_permissive(main):
        return None
    omit = tuple(f.removeprefix("./") for files, licence in stanzas if not is_permissive(licence) for f in files)
    return main, omit
