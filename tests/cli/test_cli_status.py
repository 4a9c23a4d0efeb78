"""``conexus status`` and ``doctor`` know every index that a command has made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Conexus


@pytest.mark.parametrize("command", [["search", "basket"], ["related"], ["index"]])
def test_an_index_that_a_command_made_is_known(conexus: Conexus, shop: Path, command: list[str]) -> None:
    assert "there is no index" in conexus("status", shop, expect=1).stderr
    assert "was not indexed yet" in conexus("doctor", shop).stdout
    name, *words = command
    if name == "related":
        conexus("related", f"{shop}/shop/basket.py:8", "--root", shop)
    else:
        conexus(name, shop, *words)
    assert "6 files" in conexus("status", shop).stdout
    (line,) = (line for line in conexus("doctor", shop).stdout.splitlines() if " index " in line)
    assert line.startswith("OK")
    assert str(shop.name.replace(" ", "-")) in line
