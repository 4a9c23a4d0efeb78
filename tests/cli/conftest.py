"""The real command on a small real workspace, with a data directory of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

from conexus.cli.main import main

_OF_THE_SHELL = ("NO_COLOR", "FORCE_COLOR", "CONEXUS_DEBUG")


class Result(NamedTuple):
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


class Conexus(Protocol):
    def __call__(
        self, *arguments: str | Path, expect: int | None = 0, cwd: Path | None = None, **extra: str
    ) -> Result: ...


FILES = {
    "shop/basket.py": '''"""The basket of a customer."""


class Basket:
    """What a customer wants to buy."""

    def add(self, article, count=1):
        """Put an article into the basket."""
        self.articles.append((article, count))

    def total_price(self):
        """The sum of all prices, with taxes."""
        return sum(article.price * count for article, count in self.articles)
''',
    "shop/checkout.py": '''from shop.basket import Basket


def pay(basket, card):
    """Charge the credit card with the total of the basket."""
    return card.charge(basket.total_price())
''',
    "shop/mail.js": """/** Sends a confirmation by electronic mail. */
export function sendConfirmation(address, order) {
  return transport.send({ to: address, subject: `Order ${order.id}` });
}
""",
    "tests/test_basket.py": """from shop.basket import Basket


def test_total_price_of_an_empty_basket():
    assert Basket().total_price() == 0
""",
    "README.md": "# Shop\n\nA small shop that sells tea.\n",
    ".gitignore": "build/\n",
    "build/generated.py": "def add_everything():\n    pass\n",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A workspace of a few files in three languages; one is ignored."""
    folder = tmp_path / "shop project"
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which indexes go to a folder of this test, and nothing of the user's shell shows."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_THE_SHELL}
    return {**kept, "CONEXUS_DATA_DIR": str(tmp_path / "data"), "TERM": "xterm-256color"}


@pytest.fixture
def conexus(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Conexus:
    """Runs ``conexus`` in this process, which spares the import of lancedb; ``expect`` is the exit status it must have.

    Standard output is no terminal here, as in a pipe.
    """

    def run(*arguments: str | Path, expect: int | None = 0, cwd: Path | None = None, **extra: str) -> Result:
        with monkeypatch.context() as here:
            for name in _OF_THE_SHELL:
                here.delenv(name, raising=False)
            for name, value in {**environment, **extra}.items():
                here.setenv(name, value)
            if cwd is not None:
                here.chdir(cwd)
            capsys.readouterr()
            mask = os.umask(0o022)
            try:
                status = main([str(argument) for argument in arguments])
            except SystemExit as error:
                status = int(error.code or 0)
            finally:
                os.umask(mask)
        output, errors = capsys.readouterr()
        if expect is not None:
            assert status == expect, f"conexus {arguments}\n{output}\n{errors}"
        assert "Traceback" not in errors
        return Result(int(status), output, errors)

    return run
