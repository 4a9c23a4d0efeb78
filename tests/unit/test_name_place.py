"""Where the name of a definition stands."""

from __future__ import annotations

import pytest

from conexus.text.names import place_of_name


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("def ⟨greet⟩(name): ...", "function"),
        ("# greet: says hello\ndef ⟨greet⟩(): ...", "function"),
        ("/* 🎉🎊 乾杯 */ export function ⟨greet⟩() {", "function"),
        ("/* greet */ void ⟨greet⟩(void);", "function"),
        ("/** Says hello: greet. */\nexport function ⟨greet⟩() {", "function"),
        ("/*\n greet says hello\n*/\nvoid ⟨greet⟩(void) {", "function"),
        ("/* greet\n says hello */ void ⟨greet⟩(void) {", "function"),
        ("/// greet says hello\n#[inline] pub fn ⟨greet⟩() {", "function"),
        ("-- greet says hello\nfunction M.⟨greet⟩()", "function"),
        (";; greet\n(defun ⟨greet⟩ ())", "function"),
        ("#define ⟨greet⟩(x) hello(x)", "macro"),
        ("#  define ⟨greet⟩", "macro"),
        ("@greet\ndef ⟨greet⟩(): ...", "function"),
        ("@Test(timeout = 1) void ⟨greet⟩() {", "method"),
        ("[[nodiscard]] int ⟨greet⟩();", "function"),
        ("greeting = regreet; ⟨greet⟩ = 1", "variable"),
        ("## ⟨Opening hours⟩", "section"),
        ("  * ⟨Opening⟩", "section"),
        ("bool operator⟨==⟩(const A& a)", "method"),
    ],
)
def test_the_name_is_found_in_the_code_and_not_in_what_stands_before_it(code: str, kind: str) -> None:
    name = code[code.index("⟨") + 1 : code.index("⟩")]
    place = place_of_name(code.replace("⟨", "").replace("⟩", "").splitlines(keepends=True), name, kind)
    before = code[: code.index("⟨")]
    assert place == (before.count("\n"), len(before) - (before.rfind("\n") + 1))


@pytest.mark.parametrize(
    "code", ["", "# greet\n", "/* greet */\n", "/* greet", "/* a\ngreet\n", "regreet()", "@greet\n"]
)
def test_a_name_that_the_code_does_not_have_has_no_place(code: str) -> None:
    assert place_of_name(code.splitlines(keepends=True), "greet", "function") is None
