"""The command line as a whole: start-up, help, errors, interruption, the documentation."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conexus import __version__
from conexus.cli.clean import INDEX_AGE_DAYS, MAX_DATA_MIB
from conexus.cli.exit_code import ExitCode
from conexus.cli.main import command_line
from conexus.config import Settings
from tests.cli.conftest import Conexus
from tests.faults import processes_of

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "cli.md"
#: Their import takes longer than a command line may take to answer.
HEAVY = (
    "dataclasses",
    "numpy",
    "lancedb",
    "pyarrow",
    "tree_sitter",
    "tokenizers",
    "pygls",
    "asyncio",
    "conexus.engine",
)


def subcommands() -> dict[str, argparse.ArgumentParser]:
    (commands,) = (action for action in command_line()._actions if isinstance(action, argparse._SubParsersAction))
    return dict(commands.choices)


def options(parser: argparse.ArgumentParser) -> set[str]:
    own = {name for action in parser._actions for name in action.option_strings} - {"-h", "--help"}
    actions = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return own.union(*(options(each) for action in actions for each in action.choices.values()))


def test_version(conexus: Conexus) -> None:
    assert conexus("--version").stdout == f"conexus {__version__} (Conexus language server)\n"


def test_help_names_every_command_and_exit_status(conexus: Conexus) -> None:
    output = conexus("--help").stdout
    for command in subcommands():
        assert re.search(rf"^ +{command} ", output, re.MULTILINE)
    for code in ExitCode:
        assert re.search(rf"^ +{code.value} ", output, re.MULTILINE)


def test_cleaning_has_the_defaults_of_the_settings() -> None:
    assert (Settings().max_data_mib, Settings().index_age_days) == (MAX_DATA_MIB, INDEX_AGE_DAYS)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["search", "--help"], ["serve", "--help"]])
def test_nothing_heavy_is_imported_to_answer_for_itself(arguments: list[str]) -> None:
    code = (
        # What measures coverage has imported some already.
        "import sys\nbefore = set(sys.modules)\nfrom conexus.cli.main import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules and name not in before])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["find"],
        ["search"],
        ["search", "."],
        ["search", ".", "tea", "--limit", "0"],
        ["search", ".", "tea", "--limit", "201"],
        ["search", ".", "tea", "--limit", "٣"],
        ["search", ".", "tea", "--tests", "maybe"],
        ["search", ".", "tea", "--lang", ","],
        ["search", ".", "tea", "--colour"],
        ["serve", "--clientProcessId", "-1"],
        ["serve", "--clientProcessId=editor"],
        ["doctor", "nowhere"],
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_status_2(conexus: Conexus, shop: Path, arguments: list[str]) -> None:
    result = conexus(*arguments, cwd=shop, expect=2)
    assert result.stdout == ""
    assert re.fullmatch(r"conexus( \w+)?: .+ \(see conexus( \w+)? --help\)\n", result.stderr)


def _interruptible() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("delay", [0.0, 0.3], ids=["while processes start", "while they work"])
def test_interruption_is_status_130(shop: Path, environment: dict[str, str], delay: float) -> None:
    for number in range(1000):
        (shop / f"part_{number}.py").write_text(f"def basket_{number}():\n    work()\n" * 20, encoding="utf-8")
    command = [sys.executable, "-m", "conexus", "index", str(shop)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        start_new_session=True,
        # A shell starts background jobs, and so perhaps these tests, with interrupts ignored; a terminal does not.
        preexec_fn=_interruptible,  # noqa: PLW1509
    ) as process:
        while process.poll() is None and len(processes_of(Path(environment["CONEXUS_DATA_DIR"]))) < 3:
            time.sleep(0.005)
        time.sleep(delay)
        # As a terminal does: to the whole group.
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert output == ""
    assert errors == ""


def test_debug_shows_the_traceback(shop: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "conexus", "related", f"{shop}/README.md:4711"]
    result = subprocess.run(
        command, capture_output=True, text=True, env={**environment, "CONEXUS_DEBUG": "1"}, check=False
    )
    assert "Traceback" in result.stderr


# --- docs/cli.md says what there is, and no more ---


def sections() -> dict[str, str]:
    """The text of each section of the documentation, by command."""
    text = DOCUMENTATION.read_text(encoding="utf-8")
    parts = re.split(r"^## conexus (\w+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_is_documented_and_no_other() -> None:
    assert set(sections()) == set(subcommands())


@pytest.mark.parametrize("command", sorted(subcommands()))
def test_every_option_is_documented_and_no_other(command: str) -> None:
    documented = set(re.findall(r"^\| `(--\w[\w-]*)", sections()[command], re.MULTILINE))
    assert documented == options(subcommands()[command])


def test_every_exit_status_is_documented_and_no_other() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    documented = {(int(code), meaning) for code, meaning in re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE)}
    assert {(code, meaning.replace("`", "")) for code, meaning in documented} == {
        (code.value, code.meaning) for code in ExitCode
    }
