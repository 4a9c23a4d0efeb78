"""The Neovim plugin in real Neovims: typed at in a terminal, looked at on its screen."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.editors import install, picture
from tests.editors.guides import configuration
from tests.editors.neovim.driver import INIT, PLUGIN, Neovim
from tests.editors.sample import Sample
from tests.faults import processes_of, until
from tests.repositories import commit, git

ROOT = PLUGIN.parents[1]
UNIT = Path(__file__).parent / "neovim/unit"
UNIT_TESTS = sorted(path for path in UNIT.glob("*.lua") if path.stem not in {"run", "expect"})

#: What the pickers of others need. They come from GitHub alone, so nothing here installs them: a checkout of each may
#: be put into the folder of editors.
PICKERS = {
    "telescope": ("plenary.nvim", "telescope.nvim"),
    "fzf-lua": ("fzf-lua",),
    "snacks": ("snacks.nvim",),
    "mini.pick": ("mini.nvim",),
}

EditorFinder = Callable[[str], Path]
Opener = Callable[..., Neovim]


@pytest.fixture(params=["neovim", "neovim-0.11"])
def every_neovim(request: pytest.FixtureRequest, editor: EditorFinder) -> Path:
    return editor(request.param)


@pytest.fixture
def open_with(environment: dict[str, str], sample: Sample, no_process_left: None) -> Callable[[Path], Opener]:
    def bind(program: Path) -> Opener:
        return partial(Neovim, program, environment, sample.root)

    return bind


@pytest.fixture
def bare(environment: dict[str, str], sample: Sample, no_process_left: None) -> Opener:
    """A Neovim, the program of which is still to be given, with nothing on its runtimepath but its own."""

    def open_bare(program: Path, *arguments: str, **more: Any) -> Neovim:
        return Neovim(program, environment, sample.root, *arguments, plugin=None, **more)

    return open_bare


@pytest.fixture
def neovim(editor: EditorFinder, open_with: Callable[[Path], Opener]) -> Opener:
    return open_with(editor("neovim"))


def listed(editor: Neovim) -> list[str]:
    """The rows of the picker's list."""
    rows: list[str] = editor.lua("""
        for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
          if vim.bo[buffer].filetype == 'conexus-list' then
            return vim.api.nvim_buf_get_lines(buffer, 0, -1, false)
          end
        end
        return {}
    """)
    return [row.strip() for row in rows]


def wait_for_first(editor: Neovim, text: str) -> list[str]:
    """The rows, once the first of them holds a text."""
    rows: list[str] = []

    def shown() -> bool:
        rows[:] = listed(editor)
        return bool(rows) and text in rows[0]

    until(shown)
    return rows


@contextmanager
def picker_open(editor: Neovim, command: str = "Conexus search") -> Iterator[None]:
    """A command that opens the picker; afterwards the picker is closed by then, or closed by Escape."""
    editor.command(command)
    until(lambda: editor.floats() > 0)
    yield
    if editor.floats():
        editor.terminal.press("Escape")
        until(lambda: editor.floats() == 0)


# --- a day with it ---


def test_a_day_with_the_plugin(every_neovim: Path, open_with: Callable[[Path], Opener], sample: Sample) -> None:
    with open_with(every_neovim)("shop/checkout.py") as editor:
        status = editor.wait_until_indexed()
        assert status["health"] == "ok"
        assert status["files"] > 5

        # Search as you type, move, and open the right place at the right column, beside emoji.
        with picker_open(editor):
            editor.terminal.type(sample.EMOJI_QUERY)
            wait_for_first(editor, sample.EMOJI_ANSWER)
            editor.terminal.press("C-n", "C-p", "Enter")
            until(lambda: editor.floats() == 0)
        place = sample.place_of(sample.EMOJI_ANSWER, sample.emoji_file)
        assert editor.place() == (sample.emoji_file, place.line, place.column("utf-8"))
        assert editor.lua("return vim.fn.mode()") == "n"

        # An edit is found, unsaved.
        editor.command("edit shop/retry.py")
        until(lambda: editor.place()[0].name == "retry.py")
        editor.terminal.type("ggO" + sample.NEW_CODE)
        editor.terminal.press("Escape")
        with picker_open(editor):
            editor.terminal.type(sample.NEW_QUERY)
            wait_for_first(editor, sample.NEW_ANSWER)
            editor.terminal.press("Enter")
            until(lambda: editor.floats() == 0)
        assert editor.place() == (sample.root / "shop/retry.py", 0, 4)
        assert editor.lua("return vim.bo.modified")
        assert sample.NEW_ANSWER not in (sample.root / "shop/retry.py").read_text()

        # Related code: its caller and its test.
        editor.command("edit! | /def retry")
        with picker_open(editor, "Conexus related"):
            until(lambda: len(listed(editor)) > 2)
            assert {"test", "caller"} <= {row.split()[0] for row in listed(editor)}
            editor.terminal.type("caller pay")
            until(lambda: [row.split()[:2] for row in listed(editor)] == [["caller", "pay"]])
            editor.terminal.press("Enter")
            until(lambda: editor.floats() == 0)
        assert editor.place()[0] == sample.root / "shop/checkout.py"

        # Another branch, another truth.
        before = sample.rates_answer()
        with picker_open(editor):
            editor.terminal.type(sample.RATES_QUERY)
            wait_for_first(editor, before)
        sample.switch(sample.OTHER)
        editor.command("checktime")
        until(lambda: first_answer(editor, sample.RATES_QUERY) == sample.rates_answer())
        with picker_open(editor):
            editor.terminal.type(sample.RATES_QUERY)
            rows = wait_for_first(editor, sample.rates_answer())
            assert not any(before in row for row in rows)

        assert editor.quit() == 0


def first_answer(editor: Neovim, query: str) -> str:
    """The symbol that the server names first."""
    symbol: str = editor.lua(
        """
        local client = vim.lsp.get_clients({ name = 'conexus' })[1]
        local answer = client:request_sync('conexus/search', { query = ..., limit = 1 }, 10000)
        return answer.result.hits[1].symbol or ''
        """,
        query,
    )
    return symbol


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_columns_are_right_whatever_the_server_counts(neovim: Opener, sample: Sample, encoding: str) -> None:
    init = f"""
        vim.lsp.config('conexus', {{ capabilities = {{ general = {{ positionEncodings = {{ '{encoding}' }} }} }} }})
        {INIT}
    """
    place = sample.place_of(sample.EMOJI_ANSWER, sample.emoji_file)
    with neovim("shop/checkout.py", init=init) as editor:
        editor.wait_until_indexed()
        assert editor.lua("return vim.lsp.get_clients({ name = 'conexus' })[1].offset_encoding") == encoding
        with picker_open(editor, f"Conexus search {sample.EMOJI_QUERY}"):
            wait_for_first(editor, sample.EMOJI_ANSWER)
            editor.terminal.press("Enter")
            until(lambda: editor.floats() == 0)
        assert editor.place() == (sample.emoji_file, place.line, place.column("utf-8"))

        editor.command(f"Conexus! search {sample.EMOJI_QUERY}")
        editor.wait_for("#vim.fn.getqflist() > 0")
        first = editor.lua("return vim.fn.getqflist()[1]")
        assert (first["lnum"], first["col"]) == (place.line + 1, place.column("utf-8") + 1)

        # Where a place is sent, too: the definition at the cursor, behind all that is wide.
        editor.command("cclose | cc 1")
        until(lambda: editor.place() == (sample.emoji_file, place.line, place.column("utf-8")))
        with picker_open(editor, "Conexus related"):
            until(lambda: "thankCustomer" in editor.terminal.screen)


# --- the picker ---


def scripted(editor: Neovim, settings: str = "{}", *, live: bool = True) -> None:
    """Open the picker over questions that this test answers, by `answer(query, …)`, whenever it likes."""
    editor.lua(f"""
        asked, cancelled, answers = {{}}, {{}}, {{}}
        require('conexus.picker').open({{
          title = 'Scripted', query = '', live = {str(live).lower()},
          ask = function(query, callback)
            table.insert(asked, query)
            answers[query] = callback
            return function() table.insert(cancelled, query) end
          end,
        }}, vim.tbl_extend('force', require('conexus.config').get(), {settings}))
        function answer(query, names, index)
          local function item(name)
            return {{
              hit = {{
                location = {{ uri = 'file:///' .. name, range = {{
                  start = {{ line = 0, character = 0 }}, ['end'] = {{ line = 1, character = 0 }} }} }},
                symbol = name, reasons = {{ 'meaning' }}, preview = name .. ' = 1', language = 'python', score = 1,
              }},
              path = '/' .. name, short = name .. '.py', lnum = 1, col = 0, end_lnum = 1, label = name, marks = {{}},
              code = name, encoding = 'utf-8',
            }}
          end
          answers[query]({{
            items = vim.tbl_map(item, names),
            index = index or {{ complete = true, indexedFiles = 3, totalFiles = 3 }},
            took = 1,
          }})
        end
    """)


def names_listed(editor: Neovim) -> list[str]:
    return [row.split()[0] for row in listed(editor)]


def selected(editor: Neovim) -> str:
    """The name in the chosen row."""
    row: str = editor.lua("""
        for _, window in ipairs(vim.api.nvim_list_wins()) do
          if vim.bo[vim.api.nvim_win_get_buf(window)].filetype == 'conexus-list' then
            return vim.api.nvim_win_call(window, vim.api.nvim_get_current_line)
          end
        end
    """)
    return row.split(maxsplit=1)[0]


def test_the_order_is_the_servers_and_it_wraps_around(neovim: Opener) -> None:
    with neovim() as editor:
        scripted(editor)
        editor.terminal.type("q")
        editor.wait_for("answers.q")
        editor.lua("answer('q', { 'zeta', 'alpha', 'mu' })")
        assert names_listed(editor) == ["zeta", "alpha", "mu"]

        for key, name in [("C-n", "alpha"), ("Down", "mu"), ("Down", "zeta"), ("C-p", "mu"), ("Up", "alpha")]:
            editor.terminal.press(key)
            until(lambda name=name: selected(editor) == name)


def test_an_older_question_is_cancelled_and_its_answer_ignored(neovim: Opener) -> None:
    with neovim() as editor:
        scripted(editor, "{ debounce = 0 }")
        editor.terminal.type("a")
        editor.wait_for("answers.a")
        editor.terminal.type("b")
        editor.wait_for("answers.ab")
        assert "a" in editor.lua("return cancelled")
        editor.lua("answer('ab', { 'newer' })")
        assert names_listed(editor) == ["newer"]


def test_who_is_faster_than_the_answer_goes_to_what_was_typed(neovim: Opener) -> None:
    with neovim() as editor:
        scripted(editor, "{ debounce = 5000 }")
        editor.wait_for("answers['']")
        editor.lua("answer('', { 'stale' })")
        editor.terminal.type("q")
        editor.terminal.press("Enter")
        editor.wait_for("answers.q")
        assert editor.floats() > 0
        editor.lua("answer('q', { 'fresh', 'other' })")
        until(lambda: editor.place()[0] == Path("/fresh"))


def test_an_answer_after_the_end_harms_nothing(neovim: Opener) -> None:
    with neovim() as editor:
        scripted(editor)
        editor.terminal.type("late")
        editor.wait_for("answers.late")
        editor.terminal.press("Escape")
        until(lambda: editor.floats() == 0)
        editor.lua("answer('late', { 'x' })")
        assert editor.lua("return vim.v.errmsg") == ""
        assert editor.floats() == 0


def test_a_partial_answer_says_so_and_is_replaced_until_one_begins_to_choose(neovim: Opener) -> None:
    part = "{ complete = false, indexedFiles = 2, totalFiles = 9 }"
    changed = "answers.q = nil require('conexus.state').index_changed(1, { generation = 2, folders = {} })"
    with neovim() as editor:
        scripted(editor)
        editor.terminal.type("q")
        editor.wait_for("answers.q")
        editor.lua(f"answer('q', {{ 'one', 'two' }}, {part})")
        editor.terminal.wait_for("2 of 9 files so far")
        editor.lua(f"{changed} answer('q', {{ 'better', 'two' }}, {part})")
        assert names_listed(editor) == ["better", "two"]
        editor.terminal.press("C-n")
        until(lambda: selected(editor) == "two")
        editor.lua(changed)
        assert editor.lua("return answers.q == nil")
        assert (names_listed(editor), selected(editor)) == (["better", "two"], "two")


def test_a_whole_answer_settles_in_a_moment(neovim: Opener) -> None:
    """What was typed in a file just now may still come; what has been shown for a while stays."""
    changed = "answers.q = nil require('conexus.state').index_changed(1, { generation = 2, folders = {} })"
    with neovim() as editor:
        scripted(editor)
        editor.terminal.type("q")
        editor.wait_for("answers.q")
        editor.lua(f"answer('q', {{ 'one', 'two' }}) {changed} answer('q', {{ 'better', 'one' }})")
        assert names_listed(editor) == ["better", "one"]
        editor.lua("shown = vim.uv.now()")
        editor.wait_for("vim.uv.now() - shown > 1100")
        editor.lua(changed)
        assert editor.lua("return answers.q == nil")
        assert names_listed(editor) == ["better", "one"]


def test_a_degraded_answer_says_so(neovim: Opener) -> None:
    with neovim() as editor:
        scripted(editor)
        editor.terminal.type("q")
        editor.wait_for("answers.q")
        index = "{ complete = true, indexedFiles = 1, totalFiles = 1, degraded = 'The model is busy' }"
        editor.lua(f"answer('q', {{ 'one' }}, {index})")
        editor.terminal.wait_for("The model is busy")


def test_an_unfinished_operator_takes_nothing_away(neovim: Opener, sample: Sample) -> None:
    with neovim("shop/retry.py") as editor:
        editor.wait_until_indexed()
        with picker_open(editor, f"Conexus search {sample.QUERY}"):
            wait_for_first(editor, sample.ANSWER)
            editor.terminal.press("End")
            editor.terminal.type(" kind:fun")
            editor.terminal.wait_for("there is no kind `fun`")
            assert sample.ANSWER in listed(editor)[0]
            # It is completed.
            editor.terminal.press("Tab")
            editor.terminal.wait_for("kind:function")
            editor.terminal.wait_for(lambda screen: "there is no kind" not in screen)
            assert sample.ANSWER in listed(editor)[0]
            # Where there is a choice, the keys that move and open are the menu's.
            editor.terminal.type(" lang:p")
            for key, language in [("Tab", "php"), ("C-n", "python"), ("C-p", "php"), ("Tab", "python")]:
                editor.terminal.press(key)
                editor.terminal.wait_for(f"kind:function lang:{language} ")
            editor.terminal.press("Enter")
            editor.wait_for("vim.fn.pumvisible() == 0")
            until(lambda: sample.ANSWER in listed(editor)[0] and editor.floats() > 0)


def test_operators_filter(neovim: Opener, sample: Sample) -> None:
    with neovim("shop/retry.py") as editor:
        editor.wait_until_indexed()
        with picker_open(editor, f"Conexus search {sample.QUERY} test:only"):
            rows = wait_for_first(editor, "tests/test_retry.py")
            assert all("tests/" in row for row in rows)


def test_the_code_is_shown_with_its_lines_and_words_marked(neovim: Opener, sample: Sample) -> None:
    with neovim("README.md") as editor:
        editor.wait_until_indexed()
        with picker_open(editor, f"Conexus search {sample.QUERY}"):
            wait_for_first(editor, sample.ANSWER)
            marks = editor.lua("""
                local namespace = vim.api.nvim_get_namespaces()['conexus.preview']
                for _, window in ipairs(vim.api.nvim_list_wins()) do
                  local buffer = vim.api.nvim_win_get_buf(window)
                  local found = vim.api.nvim_buf_get_extmarks(buffer, namespace, 0, -1, { details = true })
                  if #found > 0 then
                    return vim.tbl_map(function(mark)
                      local rows, details = {}, mark[4]
                      local text = vim.api.nvim_buf_get_text(
                        buffer, mark[2], mark[3], details.end_row, details.end_col, {})
                      return { details.hl_group, mark[2], text[1] }
                    end, found)
                  end
                end
            """)
            place = sample.place_of(f"def {sample.ANSWER}", sample.root / "shop/retry.py")
            assert next(row for group, row, _ in marks if group == "ConexusHit") == place.line
            assert {"again", "growing", "delays"} <= {text for group, _, text in marks if group == "ConexusHitMatch"}
            # What the editor knows it has drawn a moment later.
            until(lambda: editor.terminal.screen.count("for attempt in range(attempts)") == 1)


def test_unsaved_text_is_shown(neovim: Opener, sample: Sample) -> None:
    with neovim("shop/retry.py") as editor:
        editor.wait_until_indexed()
        editor.terminal.type("ggO" + sample.NEW_CODE)
        editor.terminal.press("Escape")
        editor.command("enew")
        with picker_open(editor, f"Conexus search {sample.NEW_QUERY}"):
            wait_for_first(editor, sample.NEW_ANSWER)
            editor.terminal.wait_for(re.compile(rf"1 {re.escape(sample.NEW_CODE[:30])}"))


def test_the_last_query_is_kept_and_typing_replaces_it(neovim: Opener, sample: Sample) -> None:
    with neovim("shop/retry.py") as editor:
        editor.wait_until_indexed()
        with picker_open(editor):
            editor.terminal.wait_for("Say what the code does")
            editor.terminal.type(sample.QUERY)
            wait_for_first(editor, sample.ANSWER)
        with picker_open(editor):
            wait_for_first(editor, sample.ANSWER)
            editor.terminal.wait_for(f"> {sample.QUERY}")
            # A move keeps it, and what is typed then is added.
            editor.terminal.press("C-n")
            editor.terminal.type(" lang:go")
            editor.terminal.wait_for(f"> {sample.QUERY} lang:go")
        with picker_open(editor):
            wait_for_first(editor, "mail/sender.go")
            editor.terminal.type(sample.EMOJI_QUERY)
            wait_for_first(editor, sample.EMOJI_ANSWER)
            editor.terminal.wait_for(lambda screen: f"> {sample.EMOJI_QUERY} " in screen)


def test_a_query_is_kept_that_was_not_asked_yet(neovim: Opener, sample: Sample) -> None:
    with neovim("shop/retry.py") as editor:
        editor.wait_until_indexed()
        editor.lua("vim.g.conexus = { debounce = 5000 }")
        with picker_open(editor):
            editor.terminal.type(sample.QUERY)
            editor.terminal.wait_for(f"> {sample.QUERY}")
        with picker_open(editor):
            wait_for_first(editor, sample.ANSWER)


@pytest.mark.parametrize(
    ("key", "windows", "tabs"), [("Enter", 1, 1), ("C-x", 2, 1), ("C-v", 2, 1), ("C-t", 1, 2)], ids=str
)
def test_a_result_is_opened_where_the_key_says(
    neovim: Opener, sample: Sample, key: str, windows: int, tabs: int
) -> None:
    with neovim("README.md") as editor:
        editor.wait_until_indexed()
        with picker_open(editor, f"Conexus search {sample.QUERY}"):
            wait_for_first(editor, sample.ANSWER)
            editor.terminal.press(key)
            until(lambda: editor.floats() == 0)
        place = sample.place_of(sample.ANSWER, sample.root / "shop/retry.py")
        assert editor.place() == (place.path, place.line, place.column("utf-8"))
        assert editor.lua("return { vim.fn.winnr('$'), vim.fn.tabpagenr('$') }") == [windows, tabs]
        if (windows, tabs) == (1, 1):
            # And back, as from any jump.
            editor.terminal.press("C-o")
            until(lambda: editor.place()[0].name == "README.md")


def test_results_go_to_the_quickfix_list(neovim: Opener, sample: Sample) -> None:
    with neovim("README.md") as editor:
        editor.wait_until_indexed()
        with picker_open(editor, f"Conexus search {sample.QUERY}"):
            rows = wait_for_first(editor, sample.ANSWER)
            editor.terminal.press("C-q")
            until(lambda: editor.floats() == 0)
        editor.terminal.wait_for(f"[Quickfix List] Conexus: {sample.QUERY}")
        entries = editor.lua("return vim.fn.getqflist()")
        assert len(entries) == len(rows)
        assert f"def {sample.ANSWER}" in entries[0]["text"]


def test_closing_leaves_everything_as_it_was(neovim: Opener) -> None:
    with neovim("shop/retry.py") as editor:
        editor.wait_until_indexed()
        editor.terminal.type("7G9|")
        until(lambda: editor.place()[1:] == (6, 8))
        before = editor.lua("return { vim.api.nvim_win_get_cursor(0), vim.api.nvim_list_bufs(), vim.fn.mode() }")
        for key in ["Escape", "C-c"]:
            with picker_open(editor):
                editor.terminal.type("retry")
                wait_for_first(editor, "retry")
                editor.terminal.press(key)
                until(lambda: editor.floats() == 0)
            after = editor.lua("return { vim.api.nvim_win_get_cursor(0), vim.api.nvim_list_bufs(), vim.fn.mode() }")
            assert after == before
        assert editor.lua("return vim.v.errmsg") == ""


@pytest.mark.parametrize(("columns", "rows"), [(200, 60), (80, 24), (60, 12), (30, 8)], ids=str)
def test_it_works_on_a_screen_of_any_size(neovim: Opener, sample: Sample, columns: int, rows: int) -> None:
    with neovim("README.md", columns=columns, rows=rows) as editor:
        editor.wait_until_indexed()
        with picker_open(editor):
            editor.terminal.type("retry with backoff")
            wait_for_first(editor, "retry_with")
            assert editor.floats() == (3 if rows >= 20 else 2)
            editor.terminal.press("C-n", "C-p", "Enter")
            until(lambda: editor.floats() == 0)
        assert editor.place()[0].name == "retry.py"
        assert editor.lua("return vim.v.errmsg") == ""


def test_it_fits_itself_to_a_screen_that_changes(neovim: Opener, sample: Sample) -> None:
    with neovim("README.md", columns=160, rows=48) as editor:
        editor.wait_until_indexed()
        with picker_open(editor, f"Conexus search {sample.QUERY}"):
            rows = wait_for_first(editor, sample.ANSWER)
            for columns, lines, windows in [(70, 14, 2), (90, 40, 3), (160, 48, 3)]:
                editor.lua("vim.o.columns, vim.o.lines = ...", columns, lines)
                until(lambda windows=windows: editor.floats() == windows)
                boxes = editor.lua("""
                    return vim.tbl_map(function(window)
                      local at, config = vim.api.nvim_win_get_position(window), vim.api.nvim_win_get_config(window)
                      return { at[1] + config.height + 2, at[2] + config.width + 2, config.relative }
                    end, vim.api.nvim_list_wins())
                """)
                for bottom, right, relative in boxes:
                    assert not relative or (bottom <= lines and right <= columns)
                assert [row.split()[0] for row in listed(editor)] == [row.split()[0] for row in rows]
        assert editor.lua("return vim.v.errmsg") == ""


def test_the_code_scrolls(neovim: Opener, sample: Sample) -> None:
    (sample.root / "long.py").write_text("def unending():\n" + "".join(f"    step({n})\n" for n in range(200)))
    with neovim("README.md") as editor:
        editor.wait_until_indexed()
        with picker_open(editor, "Conexus search unending"):
            wait_for_first(editor, "unending")
            editor.terminal.wait_for("step(5)")
            editor.terminal.press("C-f", "C-f")
            editor.terminal.wait_for(lambda screen: "step(30)" in screen and "step(5)" not in screen)
            editor.terminal.press("C-b", "C-b")
            editor.terminal.wait_for("step(5)")


def test_keys_are_an_option(neovim: Opener, sample: Sample) -> None:
    init = f"vim.g.conexus = {{ keys = {{ open = '<C-y>', close = {{ '<C-g>' }} }} }}\n{INIT}"
    with neovim("README.md", init=init) as editor:
        editor.wait_until_indexed()
        with picker_open(editor):
            editor.terminal.press("C-g")
            until(lambda: editor.floats() == 0)
        with picker_open(editor, f"Conexus search {sample.QUERY}"):
            wait_for_first(editor, sample.ANSWER)
            editor.terminal.press("C-y")
            until(lambda: editor.floats() == 0)
        assert editor.place()[0].name == "retry.py"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_pictures(neovim: Opener, sample: Sample, picture_of: Callable[..., None], theme: str) -> None:
    init = f"vim.o.termguicolors, vim.o.background, vim.o.number = true, '{theme}', true\n{INIT}"
    colours = picture.LIGHT if theme == "light" else picture.DARK
    with neovim("shop/checkout.py", init=init, columns=124, rows=32) as editor:
        editor.wait_until_indexed()
        with picker_open(editor):
            editor.terminal.type("try again while the bank does not answer")
            wait_for_first(editor, "pay")
            editor.terminal.press("C-n")
            editor.terminal.wait_for("def retry_with_backoff(action, attempts: int = 5)")
            editor.terminal.wait_for("results")
            editor.settle()
            picture_of(editor.terminal, f"neovim-search-{theme}", colours)
        editor.command("edit shop/retry.py | 8")
        until(lambda: editor.place()[0].name == "retry.py")
        with picker_open(editor, "Conexus related"):
            editor.terminal.wait_for("4 results")
            editor.settle()
            picture_of(editor.terminal, f"neovim-related-{theme}", colours)


# --- the command and the mappings ---


def test_a_selection_is_a_query_or_a_place(neovim: Opener, sample: Sample) -> None:
    init = f"""
        vim.keymap.set('x', 'gs', '<Plug>(conexus-search-selection)')
        vim.keymap.set({{ 'n', 'x' }}, 'gr', '<Plug>(conexus-related)')
        vim.keymap.set('n', 'gs', '<Plug>(conexus-search)')
        {INIT}
    """
    with neovim("shop/retry.py", init=init) as editor:
        editor.wait_until_indexed()
        editor.terminal.type("/Call an action")
        editor.terminal.press("Enter")
        editor.terminal.type("v$gs")
        until(lambda: editor.floats() > 0)
        editor.terminal.wait_for("> Call an action again with growing")
        wait_for_first(editor, sample.ANSWER)
        editor.terminal.press("Escape")
        until(lambda: editor.floats() == 0)
        assert editor.lua("return vim.fn.mode()") == "n"

        editor.terminal.type("gs")
        editor.terminal.wait_for("> Call an action again with growing")
        editor.terminal.press("Escape")
        until(lambda: editor.floats() == 0)

        editor.terminal.type("V")
        with picker_open(editor, "Conexus search"):
            editor.terminal.wait_for('> """Call an action')

        for keys in ["gr", "Vgr"]:
            editor.terminal.type(keys)
            until(lambda: any(row.startswith("caller") for row in listed(editor)))
            editor.terminal.press("Escape")
            until(lambda: editor.floats() == 0)
        assert editor.lua("return vim.v.errmsg") == ""


def test_bang_fills_the_quickfix_list(neovim: Opener, sample: Sample) -> None:
    with neovim("shop/retry.py") as editor:
        editor.wait_until_indexed()
        editor.command(f"Conexus! search {sample.QUERY} lang:python")
        editor.terminal.wait_for(f"Conexus: {sample.QUERY} lang:python")
        names = [Path(editor.lua("return vim.fn.bufname(...)", entry["bufnr"])) for entry in quickfix(editor)]
        assert {name.suffix for name in names} == {".py"}
        editor.command("cclose | edit shop/retry.py | /def retry")
        editor.command("Conexus! related caller test")
        editor.terminal.wait_for("Conexus: Related to retry.py")
        assert {entry["text"].split()[0] for entry in quickfix(editor)} == {"[caller]", "[test]"}
        editor.command("Conexus! search kind:nonsense x")
        editor.terminal.wait_for("there is no kind `nonsense`")


def quickfix(editor: Neovim) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = editor.lua("return vim.fn.getqflist()")
    return entries


def test_status_pause_resume_and_reindex(neovim: Opener, sample: Sample) -> None:
    with neovim("shop/retry.py") as editor:
        editor.wait_until_indexed()
        editor.command("Conexus status")
        editor.terminal.wait_for(re.compile(r"Conexus: \d+ files, \d+ chunks; idle"))
        editor.terminal.press("Enter")

        editor.command("Conexus pause")
        until(lambda: (editor.status() or {})["paused"])
        (sample.root / "new.py").write_text(sample.NEW_CODE + "\n")
        editor.command("Conexus resume")
        until(lambda: first_answer(editor, sample.NEW_QUERY) == sample.NEW_ANSWER)

        for command in ("Conexus reindex %", "Conexus reindex"):
            before = editor.wait_until_indexed()["generation"]
            editor.command(command)
            until(lambda before=before: editor.wait_until_indexed()["generation"] > before)

        editor.command("Conexus nonsense")
        editor.terminal.wait_for("there is no `:Conexus nonsense`, only log, pause, reindex")


def test_the_command_line_completes(neovim: Opener) -> None:
    with neovim("shop/retry.py") as editor:
        complete = "return vim.fn.getcompletion(..., 'cmdline')"
        assert editor.lua(complete, "Conexus s") == ["search", "status"]
        assert editor.lua(complete, "'<,'>Conexus! related cal") == ["caller", "callee"]
        assert editor.lua(complete, "Conexus search retry lang:py") == ["lang:python"]
        assert editor.lua(complete, "Conexus reindex sh") == ["shop/"]


# --- the server ---


def test_nothing_is_loaded_until_it_is_used(neovim: Opener, sample: Sample) -> None:
    with neovim(init="") as editor:
        assert editor.lua("return vim.fn.exists(':Conexus')") == 2
        loaded = editor.lua("return vim.tbl_keys(package.loaded)")
        assert not [name for name in loaded if name.startswith("conexus")]


def test_what_is_told_to_the_server_is_files(neovim: Opener, sample: Sample) -> None:
    (sample.root / "CODEOWNERS_OF_OLD").write_text("nobody in particular\n")
    with neovim("CODEOWNERS_OF_OLD") as editor:
        # A file without a filetype.
        assert editor.lua("return vim.bo.filetype") == ""
        editor.wait_until_indexed()
        attached = "return #vim.lsp.get_clients({ name = 'conexus', bufnr = 0 })"
        editor.command("edit shop/retry.py")
        until(lambda: editor.place()[0].name == "retry.py")
        editor.wait_for("#vim.lsp.get_clients({ name = 'conexus', bufnr = 0 }) == 1")
        for command in (
            "help lsp",
            "enew",
            "enew | setlocal buftype=nofile filetype=python",
            "new fake://x.py | setf python",
        ):
            editor.command(command)
            until(lambda: editor.place()[0].name != "retry.py")
            assert editor.lua(attached) == 0, command
            editor.command("only | edit shop/retry.py")
            until(lambda: editor.place()[0].name == "retry.py")
        assert editor.lua("return #vim.lsp.get_clients({ name = 'conexus' })") == 1


def test_a_file_outside_joins_the_project_that_is_open(neovim: Opener, sample: Sample, tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text(sample.NEW_CODE + "\n")
    with neovim("shop/retry.py") as editor:
        editor.wait_until_indexed()
        editor.command(f"edit {outside}")
        until(lambda: editor.place()[0] == outside)
        editor.wait_for("#vim.lsp.get_clients({ name = 'conexus', bufnr = 0 }) == 1")
        assert editor.lua("return #vim.lsp.get_clients({ name = 'conexus' })") == 1
        until(lambda: first_answer(editor, sample.NEW_QUERY) == sample.NEW_ANSWER)


def test_a_search_without_any_file_starts_the_server(neovim: Opener, sample: Sample) -> None:
    with neovim() as editor:
        assert editor.lua("return #vim.lsp.get_clients()") == 0
        with picker_open(editor):
            editor.terminal.type(sample.QUERY)
            editor.wait_for("#vim.lsp.get_clients({ name = 'conexus' }) == 1")
            wait_for_first(editor, sample.ANSWER)
            editor.terminal.press("Enter")
            until(lambda: editor.floats() == 0)
        assert editor.place()[0].name == "retry.py"
        # The file goes to that same server.
        editor.wait_for("#vim.lsp.get_clients({ name = 'conexus', bufnr = 0 }) == 1")
        assert editor.lua("return #vim.lsp.get_clients({ name = 'conexus' })") == 1


def test_the_statusline_tells_of_the_server(neovim: Opener) -> None:
    init = f"vim.o.statusline = \"%f [%{{v:lua.require'conexus'.statusline()}}]\"\n{INIT}"
    with neovim("shop/retry.py", init=init) as editor:
        editor.terminal.wait_for("shop/retry.py [Conexus]")
        editor.lua("""
            local client = vim.lsp.get_clients({ name = 'conexus' })[1]
            local function tell(method, params)
              vim.lsp.handlers[method](nil, params, { client_id = client.id, method = method })
            end
            tell('$/progress', { token = 't', value = { kind = 'begin', title = 'Indexing', percentage = 40 } })
        """)
        editor.terminal.wait_for("[Conexus 40%]")


def test_a_missing_program_is_told_of_once_and_by_checkhealth(neovim: Opener) -> None:
    init = f"vim.lsp.config('conexus', {{ cmd = {{ 'no-such-conexus', 'serve' }} }})\n{INIT}"
    with neovim("shop/retry.py", init=init) as editor:
        screen = editor.terminal.wait_for("the program `no-such-conexus` was not found. Install it with")
        assert f"`uv tool install {ROOT}`" in screen.replace("\n", "")
        editor.terminal.press("Enter")
        editor.command("edit shop/prices.py")
        until(lambda: editor.place()[0].name == "prices.py")
        messages = editor.lua("return vim.fn.execute('messages')")
        assert messages.count("no-such-conexus") == 1
        with picker_open(editor, "Conexus search x"):
            editor.terminal.wait_for("The program `no-such-conexus` was not found.")
        assert "ERROR The program `no-such-conexus` was not found" in health(editor)


def test_another_program_of_that_name_is_refused(neovim: Opener) -> None:
    init = f"vim.lsp.config('conexus', {{ cmd = {{ '{sys.executable}', '-m', 'pylsp' }} }})\n{INIT}"
    with neovim("shop/retry.py", init=init) as editor:
        with picker_open(editor, "Conexus search x"):
            editor.terminal.wait_for("server of this plugin")
        assert "is not the server of this plugin" in health(editor)


def test_another_program_of_that_name_is_known_by_its_version(
    neovim: Opener, environment: dict[str, str], tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign/conexus"
    foreign.parent.mkdir()
    foreign.write_text('#!/bin/sh\ntest "$1" = --version && echo "conexus 7.87.1"\n')
    foreign.chmod(0o755)
    environment["PATH"] = f"{foreign.parent}:{environment['PATH']}"
    with neovim() as editor:
        report = health(editor)
        assert f"ERROR {foreign} is another program of that name, not the server of this plugin" in report
        assert f"uv tool install {ROOT}" in report


def test_names_of_files_and_symbols_break_nothing(neovim: Opener, sample: Sample) -> None:
    nasty = sample.root / "two\nlines %{execute('qall!')} \x1b[31m.py"
    nasty.write_text(sample.NEW_CODE + "\n")
    with neovim("shop/retry.py", columns=200) as editor:
        editor.wait_until_indexed()
        with picker_open(editor, f"Conexus search {sample.NEW_QUERY}"):
            (first, *_) = wait_for_first(editor, sample.NEW_ANSWER)
            assert "two lines %{execute('qall!')}" in first
            editor.terminal.press("C-n", "C-p", "C-q")
            until(lambda: editor.floats() == 0)
        assert Path(editor.lua("return vim.fn.bufname(vim.fn.getqflist()[1].bufnr)")).name == nasty.name
        editor.command("cc 1")
        until(lambda: editor.place()[0] == nasty)
        with picker_open(editor, "Conexus related"):
            editor.terminal.wait_for("Related to two lines")
        assert editor.lua("return vim.v.errmsg") == ""


def test_code_of_the_workspace_is_not_run(
    every_neovim: Path, environment: dict[str, str], planted: tuple[Path, Path], no_process_left: None
) -> None:
    folder, mark = planted
    with Neovim(every_neovim, environment, folder, "greeting.py") as editor:
        editor.wait_until_indexed()
        with picker_open(editor, "Conexus search say hello to one person"):
            wait_for_first(editor, "greet")
        with picker_open(editor, "Conexus related caller"):
            wait_for_first(editor, "greet_everybody")
        assert "conexus" in health(editor)
        assert editor.quit() == 0
    assert not mark.exists(), mark.read_text()


def test_a_server_that_is_not_enabled_is_told_of(neovim: Opener) -> None:
    with neovim("shop/retry.py", init="") as editor:
        with picker_open(editor, "Conexus search x"):
            editor.terminal.wait_for("The server is not enabled")
        assert "ERROR The server is not enabled" in health(editor)


def test_checkhealth(neovim: Opener, server_program: Path) -> None:
    with neovim("shop/retry.py", init=f"vim.g.conexus = {{ limt = 3 }}\n{INIT}") as editor:
        editor.wait_until_indexed()
        report = health(editor)
        assert "ERROR vim.g.conexus: `limt` is not an option; options are" in report
        assert re.search(rf"OK {re.escape(str(server_program))}: conexus \d+\.\d+", report)
        assert re.search(r"Client \d+: .*, 1 buffer", report)
        assert re.search(r"Conexus: \d+ files, \d+ chunks; idle", report)
        assert "Columns count utf-8" in report
        assert "builtin: built in, chosen" in report
        assert "telescope: not installed" in report


def health(editor: Neovim) -> str:
    editor.lua("vim.cmd('checkhealth conexus')")
    report: str = editor.lua("return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\\n')")
    return re.sub("[✅❌⚠️]+ ", "", report)


def test_the_server_ends_with_neovim(neovim: Opener, data_directory: Path) -> None:
    with neovim("shop/retry.py") as editor:
        editor.wait_until_indexed()
        assert processes_of(data_directory)
        assert editor.quit() == 0


def test_an_old_neovim_gets_one_clear_message(editor: EditorFinder, open_with: Callable[[Path], Opener]) -> None:
    with open_with(editor("neovim-old"))("shop/retry.py", init="") as old:
        old.terminal.wait_for("Conexus needs Neovim 0.11 or newer; this is 0.10")
        messages: str = old.lua("return vim.fn.execute('messages')")
        assert messages.strip().startswith("Conexus needs")
        assert len(messages.strip().splitlines()) == 1
        assert "ERROR Neovim 0.11 or newer is needed" in health(old)


# --- set-up, as the guide says ---


def guide_code(part: str, repository: str) -> str:
    """The block of the guide that a text is part of, with the repository's address in it."""
    (code,) = [block for block in configuration("neovim", "lua") if part in block]
    return code.replace("REPOSITORY", repository)


@pytest.fixture
def repository(tmp_path: Path) -> str:
    """The address of a repository with the plugin where it is in ours."""
    folder = tmp_path / "repository"
    shutil.copytree(PLUGIN, folder / "editors/neovim")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder, "The plugin")
    return folder.as_uri()


def finds_something(editor: Neovim, sample: Sample) -> None:
    editor.wait_until_indexed()
    with picker_open(editor, f"Conexus search {sample.QUERY}"):
        wait_for_first(editor, sample.ANSWER)


def test_set_up_by_vim_pack(editor: EditorFinder, bare: Opener, sample: Sample, repository: str) -> None:
    # Nobody is there to be asked for permission.
    init = guide_code("vim.pack.add", repository).replace("  load =", "  confirm = false,\n  load =")
    with bare(editor("neovim"), "shop/checkout.py", init=init) as neovim:
        finds_something(neovim, sample)


def test_set_up_by_lazy(editor: EditorFinder, bare: Opener, sample: Sample, repository: str) -> None:
    lazy = install.folder_of_editors() / "neovim-plugins/lazy.nvim"
    if not lazy.is_dir():
        pytest.skip(f"lazy.nvim is not below {lazy.parent}: put a checkout there")
    init = f"""
        vim.opt.runtimepath:prepend('{lazy}')
        require('lazy').setup({{ {guide_code("url =", repository)} }})
    """
    with bare(editor("neovim"), "shop/checkout.py", init=init) as neovim:
        neovim.wait_for("vim.fn.exists(':Conexus') == 2")
        neovim.command("quit")
        finds_something(neovim, sample)


def test_set_up_by_hand(editor: EditorFinder, bare: Opener, sample: Sample) -> None:
    init = guide_code("/path/to/the/checkout", "").replace("/path/to/the/checkout/editors/neovim", str(PLUGIN))
    with bare(editor("neovim"), "shop/checkout.py", init=init) as neovim:
        finds_something(neovim, sample)


# --- other pickers ---


@pytest.mark.parametrize("picker", PICKERS)
def test_other_pickers_show_the_same(picker: str, neovim: Opener, sample: Sample) -> None:
    folders = [install.folder_of_editors() / "neovim-plugins" / name for name in PICKERS[picker]]
    if missing := [folder.name for folder in folders if not folder.is_dir()]:
        pytest.skip(f"{', '.join(missing)} is not below {folders[0].parent}: put a checkout there")
    init = f"vim.g.conexus = {{ picker = '{picker}' }}\n{INIT}"
    place = sample.place_of(sample.EMOJI_ANSWER, sample.emoji_file)
    with neovim("shop/checkout.py", init=init, plugins=folders, columns=200) as editor:
        editor.wait_until_indexed()
        editor.command("Conexus search")
        editor.terminal.wait_for("Search by meaning")
        editor.terminal.type(sample.EMOJI_QUERY)
        editor.terminal.wait_for("defines la")
        # In the server's order, from the prompt on: downwards, or upwards.
        names = server_order(editor, sample.EMOJI_QUERY)[:5]
        rows = editor.terminal.wait_for(lambda screen: all(name in screen for name in names)).splitlines()
        found = [min(number for number, row in enumerate(rows) if f"{name} " in row) for name in names]
        assert found in (sorted(found), sorted(found, reverse=True))
        editor.terminal.press("Enter")
        until(lambda: editor.place() == (sample.emoji_file, place.line, place.column("utf-8")))

        editor.command("edit shop/retry.py | /def retry")
        until(lambda: editor.place()[0].name == "retry.py")
        editor.command("Conexus related")
        editor.terminal.wait_for(re.compile("tests retry_with|test_retry_with_backoff_gives"))
        editor.terminal.press("Enter")
        until(lambda: editor.place()[0].name == "test_retry.py")
        assert editor.lua("return vim.v.errmsg") == ""
        assert "installed, chosen" in health(editor)


def server_order(editor: Neovim, query: str) -> list[str]:
    """The names that are found, best first."""
    names: list[str] = editor.lua(
        """
        local client = vim.lsp.get_clients({ name = 'conexus' })[1]
        local answer = client:request_sync('conexus/search', { query = ... }, 10000)
        local names = vim.tbl_map(function(hit) return hit.symbol or false end, answer.result.hits)
        return vim.tbl_filter(function(name) return name end, names)
        """,
        query,
    )
    return names


def test_telescope_has_an_extension(neovim: Opener, sample: Sample) -> None:
    folders = [install.folder_of_editors() / "neovim-plugins" / name for name in PICKERS["telescope"]]
    if not all(folder.is_dir() for folder in folders):
        pytest.skip(f"telescope.nvim is not below {folders[0].parent}: put a checkout there")
    with neovim("shop/checkout.py", plugins=folders) as editor:
        editor.wait_until_indexed()
        editor.command("Telescope conexus")
        editor.terminal.wait_for("Search by meaning")
        editor.terminal.type(sample.EMOJI_QUERY)
        editor.terminal.wait_for("launchFireworks")


def test_a_picker_that_is_not_there_is_replaced_and_told_of(neovim: Opener, sample: Sample) -> None:
    with neovim("shop/checkout.py", init=f"vim.g.conexus = {{ picker = 'snacks' }}\n{INIT}") as editor:
        editor.wait_until_indexed()
        editor.command(f"Conexus search {sample.QUERY}")
        editor.wait_for("vim.fn.execute('messages'):find('`snacks` is not installed', 1, true)")
        wait_for_first(editor, sample.ANSWER)


# --- the code itself ---


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_units(every_neovim: Path, file: Path) -> None:
    done = subprocess.run(
        [every_neovim, "--clean", "--headless", "-l", UNIT / "run.lua", PLUGIN, file],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok " in done.stdout


def test_the_code_is_formatted(editor: EditorFinder) -> None:
    done = subprocess.run(
        [editor("stylua"), "--check", "--config-path", PLUGIN / "stylua.toml", PLUGIN, UNIT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_code_is_free_of_what_luacheck_finds(editor: EditorFinder) -> None:
    done = subprocess.run(
        [editor("luacheck"), "--config", PLUGIN / ".luacheckrc", PLUGIN], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_help_has_its_tags(editor: EditorFinder, tmp_path: Path) -> None:
    """Every tag is found, none twice, and what the help refers to is there."""
    folder = tmp_path / "doc"
    folder.mkdir()
    (folder / "conexus.txt").write_text((PLUGIN / "doc/conexus.txt").read_text())
    done = subprocess.run(
        [editor("neovim"), "--clean", "--headless", f"+helptags {folder}", "+qall"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr.strip() == ""
    tags = {line.split("\t")[0] for line in (folder / "tags").read_text().splitlines()}
    text = (folder / "conexus.txt").read_text()
    referred = {name for name in re.findall(r"\|([^|\s]+)\|", text) if "conexus" in name.lower()}
    assert referred <= tags
    assert {"conexus", "conexus.txt", ":Conexus", "conexus-options", "conexus-api"} <= tags
