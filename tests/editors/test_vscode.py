"""The extension in a real VS Code, over the real server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.editors.sample import Sample
from tests.faults import kill, processes_of, until

pytest.importorskip("playwright", reason="playwright is not installed: make test-editors")

from playwright.sync_api import Error as PlaywrightError

from tests.editors.vscode import extension
from tests.editors.vscode.extension import wait_until_indexed
from tests.editors.vscode.workbench import CHROMIUM, Workbench

pytestmark = pytest.mark.usefixtures("no_process_left")

#: Opens the window of a VS Code with the extension in it; further arguments are those of `Workbench`.
Start = Callable[..., Workbench]

#: The title of a search, which its filters follow.
SEARCH = "Search Code by Meaning"


@pytest.fixture(scope="session")
def vsix() -> Path:
    return extension.package()


@pytest.fixture
def start(editor: Callable[[str], Path], vsix: Path, environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Nothing in a window that it opens may go wrong without anybody noticing."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not there: apt-get install chromium")
    with ExitStack() as stack:
        windows: list[Workbench] = []

        def begin(version: str = "vscode", **options: object) -> Workbench:
            arguments = {"environment": environment, "extension": vsix, **options}
            state = tmp_path / f"vscode-{len(windows)}"
            windows.append(stack.enter_context(Workbench(editor(version), state, **arguments)))  # type: ignore[arg-type]
            return windows[-1]

        yield begin
        for window in windows:
            assert not window.thrown, window.thrown
            assert not window.unhandled(), window.unhandled()


@pytest.fixture
def window(start: Start, sample: Sample) -> Workbench:
    """A window on the sample, all of which is indexed."""
    opened = start()
    opened.open(folder=sample.root)
    wait_until_indexed(opened)
    return opened


# --- what a user does ---


def search(window: Workbench, query: str) -> None:
    """Begin a search, however often the key must be pressed while the window is still being made."""

    def begun() -> bool:
        if not window.quick_title.startswith(SEARCH):
            window.press("Shift+Alt+S")
        with suppress(PlaywrightError):  # a list that is closing takes nothing any more
            window.input.fill(query, timeout=3000)
        return window.quick_title.startswith(SEARCH) and window.quick_text == query

    until(begun)


def title_is(window: Workbench, title: str) -> None:
    until(lambda: window.quick_title == title, lambda: window.quick_title)


def first_is(window: Workbench, name: str) -> None:
    until(lambda: window.quick_labels[:1] == [name], lambda: window.quick_labels)


def find(window: Workbench, query: str, name: str) -> None:
    search(window, query)
    first_is(window, name)


# --- search ---


def test_search_finds_moves_and_opens_the_right_place(window: Workbench, sample: Sample) -> None:
    window.open_file("session.ts")
    find(window, sample.QUERY, sample.ANSWER)
    assert "shop/retry.py:6" in window.quick_rows.first.inner_text()
    assert "words: " in window.quick_rows.first.inner_text()
    assert window.active_tab == "session.ts"  # the first row came by itself: nobody has moved

    window.press("ArrowDown")
    window.press("ArrowUp")
    until(lambda: window.active_tab == "retry.py", lambda: window.tabs)
    window.press("Escape")
    until(lambda: window.tabs == ["session.ts"], lambda: window.tabs)
    assert window.active_tab == "session.ts"

    search(window, sample.EMOJI_QUERY)
    first_is(window, sample.EMOJI_ANSWER)
    window.press("Enter")
    until(lambda: window.active_tab == "party.ts", lambda: window.tabs)
    place = sample.place_of(sample.EMOJI_ANSWER, sample.emoji_file)
    until(lambda: window.cursor == (place.line + 1, place.column("utf-32") + 1), lambda: window.cursor)


def test_the_order_is_the_server_s_whatever_the_names_are(
    start: Start, sample: Sample, server_command: list[str]
) -> None:
    query = "checkout"
    asked = [server_command[0], "search", str(sample.root), query, "--limit", "30", "--json"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    expected = [hit.get("symbol") for hit in json.loads(done.stdout)["hits"]]
    window = start()
    window.open(folder=sample.root)
    window.command("Conexus: Show Status and Actions")
    window.press("Escape")
    find(window, query, expected[0])
    # Rows that are out of sight are not on the page.
    shown = window.quick_labels
    named = [(row, name) for row, name in zip(shown, expected, strict=False) if name is not None]
    assert len(named) > 3
    assert [row.rpartition(" › ")[2] for row, _ in named] == [name for _, name in named]


def test_the_query_is_kept_and_a_selection_is_one(window: Workbench, sample: Sample) -> None:
    find(window, sample.QUERY, sample.ANSWER)
    window.press("Enter")
    until(lambda: window.active_tab == "retry.py", lambda: window.tabs)
    window.press("Shift+Alt+S")
    until(lambda: window.quick_text == sample.QUERY, lambda: window.quick_text)
    first_is(window, sample.ANSWER)
    window.press("Escape")
    window.press("Control+D")  # the word at the cursor
    window.command("Conexus: Search for Selection by Meaning")
    until(lambda: window.quick_text == sample.ANSWER, lambda: window.quick_text)
    first_is(window, sample.ANSWER)
    window.press("Control+Enter")
    until(lambda: window.groups == 2, lambda: window.groups)
    assert window.active_tab == "retry.py"


def test_filters_restrict_a_search_and_are_seen(window: Workbench, sample: Sample) -> None:
    test = "test_retry_with_backoff_gives_the_result"
    find(window, test, test)
    window.page.get_by_label("Tests (with)").click()
    title_is(window, f"{SEARCH} — without tests")
    first_is(window, sample.ANSWER)
    window.page.get_by_label("Languages (all)").click()
    title_is(window, "Languages to Search")
    window.input.fill("Go")
    until(lambda: window.quick_labels == ["Go"], lambda: window.quick_labels)
    window.quick_rows.first.click()
    window.press("Enter")
    title_is(window, f"{SEARCH} — Go · without tests")
    until(
        lambda: (
            window.quick_labels
            and all("Newsletter" in row or "Receipt" in row or "package" in row for row in window.quick_labels)
        ),
        lambda: window.quick_labels,
    )
    window.input.fill("lang:python " + sample.QUERY)
    first_is(window, "Nothing found")


def test_an_edit_is_found_before_it_is_saved(window: Workbench, sample: Sample) -> None:
    before = (sample.root / "shop/retry.py").read_text()
    lines = len(before.splitlines())
    window.open_file("retry.py")

    def at_end() -> bool:
        # The text has the keyboard a moment after it is shown.
        window.press("Control+End")
        return window.cursor == (lines + 1, 1)

    until(at_end, lambda: window.cursor)
    window.type(sample.NEW_CODE)
    find(window, sample.NEW_QUERY, sample.NEW_ANSWER)
    window.press("Enter")
    until(lambda: window.cursor == (lines + 1, 5), lambda: window.cursor)
    assert (sample.root / "shop/retry.py").read_text() == before


def test_another_branch_has_another_answer(window: Workbench, sample: Sample) -> None:
    find(window, sample.RATES_QUERY, sample.rates_answer())
    window.press("Escape")
    sample.switch(sample.OTHER)

    def found() -> bool:
        search(window, sample.RATES_QUERY)
        until(lambda: len(window.quick_labels) > 1, lambda: window.quick_labels)
        answer = window.quick_labels[0]
        window.press("Escape")
        return answer == sample.rates_answer()

    until(found)


# --- views ---


def test_results_stay_where_they_are(window: Workbench, sample: Sample) -> None:
    find(window, sample.QUERY, sample.ANSWER)
    window.press("Alt+Enter")
    view = window.view("Results")
    view.get_by_text(f"results for “{sample.QUERY}”").wait_for()
    view.get_by_text(sample.ANSWER).wait_for()
    rows = window.rows_of("Results")
    assert rows[0] == "retry.py shop"
    assert rows[1].startswith(f"{sample.ANSWER} :6")

    window.command("Conexus: Go to Next Result")
    until(lambda: window.active_tab == "retry.py" and window.cursor == (6, 5), lambda: (window.tabs, window.cursor))
    window.press("Control+Home")
    window.press("Enter")
    until(lambda: f"{sample.ANSWER} :7" in window.rows_of("Results")[1], lambda: window.rows_of("Results"))
    names = [re.sub(r":\d+.*", "", row) for row in window.rows_of("Results")]
    assert names == [re.sub(r":\d+.*", "", row) for row in rows]

    window.command("Conexus: Go to Previous Result")
    until(lambda: window.active_tab != "retry.py", lambda: window.tabs)
    window.command("Conexus: Go to Next Result")
    until(lambda: window.active_tab == "retry.py" and window.cursor == (7, 5), lambda: (window.tabs, window.cursor))
    window.command("Conexus: Show Results as List")
    until(
        lambda: window.rows_of("Results")[0].startswith(f"{sample.ANSWER} shop/retry.py:7"),
        lambda: window.rows_of("Results"),
    )
    assert not view.get_by_text("outdated").count()  # the code has moved; the same is found

    window.press("Control+Home")
    window.type(f"{sample.QUERY.replace(' ', '_')} = 1\n")
    view.get_by_text("outdated").wait_for()
    assert window.rows_of("Results")[0].startswith(sample.ANSWER)
    window.command("Conexus: Search Again")
    view.get_by_text("outdated").wait_for(state="detached")
    view.locator(".monaco-list-row", has_text=sample.ANSWER).first.locator(".monaco-tl-twistie").click()
    view.get_by_text("Call an action again with growing delays").wait_for()
    assert view.locator(".monaco-highlighted-label .highlight", has_text="growing").count() > 0
    window.command("Conexus: Clear Results")
    view.get_by_text("Say what the code does").wait_for()


def test_related_code_is_grouped_peeked_and_offered(window: Workbench, sample: Sample) -> None:
    find(window, sample.QUERY, sample.ANSWER)
    window.press("Enter")
    until(lambda: window.cursor == (6, 5), lambda: window.cursor)
    window.command("Conexus: Find Related Code")
    view = window.view("Related Code")
    view.get_by_text("Related to retry.py:6").wait_for()
    until(lambda: len(window.rows_of("Related Code")) > 3, lambda: window.rows_of("Related Code"))
    rows = window.rows_of("Related Code")
    assert rows[0].startswith("Callers "), rows
    assert any(row.startswith("Checkout › pay shop/checkout.py:19") for row in rows), rows
    assert any(row.startswith("Tests ") for row in rows), rows

    window.open_file("prices.py")
    view.get_by_text("Related to retry.py:6").wait_for()
    window.command("Conexus: Follow the Cursor")
    view.get_by_text("Related to prices.py").wait_for()
    window.command("Conexus: Stop Following the Cursor")

    window.open_file("retry.py")
    window.command("Conexus: Peek Related Code")
    window.page.locator(".peekview-widget", has_text="checkout.py").wait_for()
    window.press("Escape")
    window.page.locator(".peekview-widget").wait_for(state="detached")
    window.press("Control+.")
    window.page.locator(".action-widget").get_by_text("Find related code").wait_for()
    window.press("Escape")


# --- the server's life ---


def test_pausing_reindexing_and_a_server_that_dies(window: Workbench, sample: Sample, data_directory: Path) -> None:
    window.command("Conexus: Pause Indexing")
    window.command("Conexus: Show Status and Actions")
    until(lambda: window.quick_placeholder.startswith("Paused: "), lambda: window.quick_placeholder)
    window.quick_rows.filter(has_text="Resume Indexing").click()
    window.command("Conexus: Read All Files Again")
    wait_until_indexed(window)
    window.open_file("README.md")
    window.page.locator(".statusbar [id='status.languageStatus']").click()
    window.page.get_by_text("Conexus: 11 files indexed").wait_for()
    window.press("Escape")

    servers = [pid for pid in processes_of(data_directory) if _is_server(pid)]
    assert len(servers) == 1
    kill(servers[0])
    find(window, sample.QUERY, sample.ANSWER)
    assert "will be restarted" in window.log
    assert servers != [pid for pid in processes_of(data_directory) if _is_server(pid)]


@pytest.fixture
def tools(environment: dict[str, str], server_program: Path, tmp_path: Path) -> Path:
    """A folder for the PATH, with a program named uv that stands in for the real one, which would download 150 MB; it
    looks at what it is given."""
    installed = Path(environment["HOME"]) / ".local/bin/conexus"
    write_program(
        tmp_path / "tools/uv",
        'test "$1 $2" = "tool install" && python3 -m zipfile -t "$3" || exit 2\n'
        f"mkdir -p '{installed.parent}' && cp '{server_program}' '{installed}'\n",
    )
    return tmp_path / "tools"


def write_program(path: Path, script: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)
    return path


def test_without_a_server_one_click_installs_it(
    start: Start, sample: Sample, environment: dict[str, str], tools: Path
) -> None:
    window = start(environment={**environment, "PATH": f"{tools}:/usr/bin:/bin"})
    window.open(folder=sample.root)
    window.page.get_by_text("The Conexus server is not installed.").first.wait_for()
    search(window, sample.QUERY)
    first_is(window, "The Conexus server is not installed.")
    window.press("Escape")
    window.page.get_by_role("button", name="Install with uv").click()
    wait_until_indexed(window)
    find(window, sample.QUERY, sample.ANSWER)


#: Another product's program.
_FOREIGN = 'test "$1" = --version && echo "conexus 7.87.1" && exit\nexec sleep 600\n'


def test_other_programs_of_that_name_are_passed_over(
    start: Start, sample: Sample, environment: dict[str, str], tmp_path: Path
) -> None:
    foreign = write_program(tmp_path / "foreign/conexus", _FOREIGN)
    hanging = write_program(tmp_path / "hanging/conexus", "exec sleep 600\n")
    path = f"{foreign.parent}:{hanging.parent}:{environment['PATH']}"
    window = start(environment={**environment, "PATH": path})
    window.open(folder=sample.root)
    wait_until_indexed(window)
    find(window, sample.QUERY, sample.ANSWER)
    assert f"Skipped: {foreign} is another program of that name, not the server of this extension" in window.log
    assert f"Skipped: {hanging} does not say which program it is" in window.log


def test_where_there_is_only_another_program_of_that_name_the_server_is_installed(
    start: Start, sample: Sample, environment: dict[str, str], tools: Path
) -> None:
    foreign = write_program(tools / "conexus", _FOREIGN)
    window = start(environment={**environment, "PATH": f"{tools}:/usr/bin:/bin"})
    window.open(folder=sample.root)
    words = f"{foreign} is another program of that name, not the server of this extension."
    window.messages.filter(has_text=words).wait_for()
    search(window, sample.QUERY)
    until(lambda: words in "".join(window.quick_labels), lambda: window.quick_labels)
    window.press("Escape")
    window.page.get_by_role("button", name="Install with uv").click()
    wait_until_indexed(window)
    find(window, sample.QUERY, sample.ANSWER)


#: Answers `initialize` as a server that knows nothing of us.
_STRANGER = """
import sys
sys.stdin.readline()
body = b'{"jsonrpc":"2.0","id":0,"result":{"capabilities":{}}}'
sys.stdout.buffer.write(b"Content-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
sys.stdout.buffer.flush()
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("program", "words"),
    [
        pytest.param(None, "there is no such program", id="nothing"),
        pytest.param("raise SystemExit(3)", "The server did not start: it ended at once", id="no server"),
        pytest.param(_STRANGER, "is not the server of this extension", id="another server"),
        pytest.param("import time\ntime.sleep(600)", "did not answer within 30 seconds", id="silent"),
    ],
)
def test_what_is_no_server_of_ours_is_said_to_be_none(
    start: Start, sample: Sample, tmp_path: Path, program: str | None, words: str
) -> None:
    path = tmp_path / "stranger"
    if program is not None:
        path.write_text(f"#!{sys.executable}\n{program}")
        path.chmod(0o755)
    settings = sample.root / ".vscode/settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"conexus.path": str(path)}))
    window = start()
    window.open(folder=sample.root)
    window.page.locator(".notifications-toasts").get_by_text(words).wait_for()
    search(window, sample.QUERY)
    until(lambda: words in "".join(window.quick_labels), lambda: window.quick_labels)


def test_a_folder_that_is_not_trusted_does_not_say_what_is_started(
    start: Start, sample: Sample, tmp_path: Path
) -> None:
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch '{tmp_path / 'harm'}'\n")
    evil.chmod(0o755)
    settings = sample.root / ".vscode/settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"conexus.path": str(evil)}))
    window = start(
        settings={"security.workspace.trust.enabled": True, "security.workspace.trust.startupPrompt": "never"}
    )
    window.open(folder=sample.root)
    window.page.get_by_text("Restricted Mode").first.wait_for()
    wait_until_indexed(window)
    find(window, sample.QUERY, sample.ANSWER)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("trusted", [True, False])
def test_a_folder_lifts_limits_only_if_it_is_trusted(start: Start, sample: Sample, trusted: bool) -> None:
    (sample.root / "large.py").write_text(f"{sample.NEW_CODE}\n" * 20_000)
    assert (sample.root / "large.py").stat().st_size > 1_000_000
    settings = sample.root / ".vscode/settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"conexus.maxFileBytes": 2**40, "conexus.maxFiles": 2**40}))
    # Without the feature every folder is trusted.
    window = start(
        settings={"security.workspace.trust.enabled": not trusted, "security.workspace.trust.startupPrompt": "never"}
    )
    window.open(folder=sample.root)
    if not trusted:
        window.page.get_by_text("Restricted Mode").first.wait_for()
    wait_until_indexed(window)
    search(window, sample.NEW_QUERY)
    until(lambda: len(window.quick_labels) > 1, lambda: window.quick_labels)
    assert (sample.NEW_ANSWER in window.quick_labels) == trusted


#: A link that VS Code makes a command of.
_LINK = "[Fix this setting](command:workbench.action.tasks.build)"


def test_what_a_folder_says_makes_no_command(start: Start, sample: Sample) -> None:
    """Names of settings that there are not; the second one would steer a terminal."""
    hostile = f'"{_LINK}" = 1\n' r'"\u001b]0;owned\u0007\u001b[31mred\u001b[0m\u202e" = 2' "\n"
    (sample.root / "conexus.toml").write_text(hostile)
    window = start()
    window.open(folder=sample.root)
    message = window.messages.filter(has_text="Fix this setting")
    message.wait_for()
    assert message.locator("a").count() == 0
    window.messages.filter(has_text=r"\x1b]0;owned\x07\x1b[31mred\x1b[0m\u202e").wait_for()


def test_what_a_folder_says_makes_no_command_in_the_status(start: Start, sample: Sample) -> None:
    settings = sample.root / ".vscode/settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"conexus.path": f"/{_LINK} $(flame)"}))
    window = start()
    window.open(folder=sample.root)
    message = window.messages.filter(has_text="Fix this setting")
    message.wait_for()
    assert message.locator("a").count() == 0

    window.open_file("README.md")
    window.page.locator(".statusbar [id='status.languageStatus']").click()
    status = window.page.locator(".hover-language-status", has_text="Fix this setting")
    status.wait_for()
    assert status.locator("a", has_text="Fix this setting").count() == 0
    assert "$(flame)" in status.inner_text()


def test_code_of_the_workspace_is_not_run(
    start: Start, planted: tuple[Path, Path], environment: dict[str, str], server_program: Path
) -> None:
    folder, mark = planted
    window = start(started_in=folder, environment={**environment, "PATH": f"{server_program.parent}:/usr/bin:/bin"})
    window.open(folder=folder)
    wait_until_indexed(window)
    find(window, "say hello to one person", "greet")
    window.press("Enter")
    until(lambda: window.active_tab == "greeting.py", lambda: window.tabs)
    window.command("Conexus: Find Related Code")
    until(
        lambda: any("greet_everybody" in row for row in window.rows_of("Related Code")),
        lambda: window.rows_of("Related Code"),
    )
    assert not mark.exists(), mark.read_text()


def test_several_folders_have_one_server(start: Start, sample: Sample, tmp_path: Path, data_directory: Path) -> None:
    other = tmp_path / "garden"
    other.mkdir()
    (other / "plants.py").write_text(f"{sample.NEW_CODE}\n")
    workspace = tmp_path / "both.code-workspace"
    workspace.write_text(json.dumps({"folders": [{"path": str(sample.root)}, {"path": str(other)}]}))
    window = start()
    window.open(workspace=workspace)
    wait_until_indexed(window)
    find(window, sample.NEW_QUERY, sample.NEW_ANSWER)
    assert "garden/plants.py:1" in window.quick_rows.first.inner_text()
    window.input.fill(sample.QUERY)
    first_is(window, sample.ANSWER)
    assert "shop/shop/retry.py:6" in window.quick_rows.first.inner_text()
    assert sum(map(_is_server, processes_of(data_directory))) == 1


def test_the_oldest_version_that_is_supported(start: Start, sample: Sample) -> None:
    window = start("vscode-min")
    window.open(folder=sample.root)
    wait_until_indexed(window)
    find(window, sample.EMOJI_QUERY, sample.EMOJI_ANSWER)
    window.press("Enter")
    until(lambda: window.active_tab == "party.ts", lambda: window.tabs)
    window.command("Conexus: Find Related Code")
    window.view("Related Code").get_by_text("Related to party.ts:3").wait_for()


# --- what the extension takes ---


def test_what_starting_and_resting_takes(window: Workbench, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, not judged: a machine that is busy would fail it."""
    written = re.search(r"Loaded in \d+ ms, activated in \d+ ms", window.log)
    assert written
    window.command("Developer: Show Running Extensions")
    row = window.page.locator(".runtime-extensions-editor .extension", has_text="Conexus")
    row.wait_for()
    of_vscode = row.locator(".activation-time").inner_text().replace("\n", " ")
    idle = window.extension_host_seconds(over=5.0)
    with capsys.disabled():
        print(f"\n{written[0]}; VS Code: {of_vscode}; at rest: {idle * 1000:.0f} ms in 5 s")  # noqa: T201


_AGENTS = {
    "Linux": None,
    "macOS": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
    "Windows": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
}


@pytest.mark.parametrize("system", _AGENTS)
def test_the_key_is_nobody_else_s(start: Start, system: str) -> None:
    """VS Code's own keys are other ones on each system. Those of its desktop alone are not in this list."""
    window = start(extension=None, user_agent=_AGENTS[system])
    window.open()
    window.command("Preferences: Open Default Keyboard Shortcuts (JSON)")
    text = window.text_of_editor()
    keys = set(re.findall(r'"key":\s*"([^"]+)"', text))
    assert len(keys) > 200
    ours = json.loads((extension.FOLDER / "package.json").read_text())["contributes"]["keybindings"]
    everywhere = [each["key"] for each in ours if "when" not in each]
    assert everywhere
    for key in everywhere:
        taken = {each for each in keys if set(each.split()[0].split("+")) == set(key.split("+"))}
        assert not taken


def _is_server(pid: int) -> bool:
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return command[0].decode() == sys.executable and b"serve" in command
