"""A container with an unknown user id and no HOME: every request is answered all the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lsp.raw import RawClient, raw_client, server_environment

#: A process in a user namespace of its own has a user id that no passwd entry names.
NOBODY = ["unshare", "--user", "--map-user=54321"]


def needs_a_namespace() -> None:
    """Skip the test where processes may not have a user namespace."""
    can = shutil.which("unshare") is not None
    if not can or subprocess.run([*NOBODY, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets no process have a user namespace")


@pytest.fixture
def nobody(tmp_path: Path) -> Iterator[RawClient]:
    needs_a_namespace()
    environment = {"HOME": "", "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": ""}
    # An empty HOME is a directory; it must not be there at all.
    command = [*NOBODY, "env", *(f"--unset={name}" for name in environment), sys.executable, "-P", "-m", "conexus"]
    with raw_client(tmp_path / "data", "serve", command=command) as client:
        yield client


def test_every_request_is_answered(nobody: RawClient, workspace: Path) -> None:
    (workspace / "conexus.toml").write_text("bad = 1\n")
    nobody.initialize(workspace)
    nobody.wait_until_quiescent()
    assert nobody.answer(nobody.ask("conexus/search", {"query": 5}))["error"]["code"] == -32602
    assert nobody.answer(nobody.ask("conexus/related", {"textDocument": {"uri": "x:y"}}))["error"]["code"] == -32602
    assert nobody.answer(nobody.ask("no/method"))["error"]["code"] == -32601
    assert nobody.answer(nobody.ask("workspace/executeCommand", {"command": "x"}))["error"]["code"] == -32602
    assert nobody.request("conexus/search", {"query": "retry_with_backoff"})["hits"]
    page = nobody.request("workspace/executeCommand", {"command": "conexus.server.showResults", "arguments": ["retry"]})
    assert page["uri"].startswith("file://")
    for method in ("window/showMessage", "window/logMessage", "window/showMessage"):  # the setting, and the page
        nobody.notification(method)
    assert nobody.shut_down() == 0
    assert "Traceback" not in nobody.stderr


def test_a_model_of_the_hub_is_looked_for_in_no_folder_of_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conexus.embedding.embedder import EmbeddingError
    from conexus.embedding.transformer.model_files import locate

    for name in ("HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("os.path.expanduser", str)  # as where no home directory can be found
    monkeypatch.chdir(tmp_path)
    snapshot = tmp_path / "~/.cache/huggingface/hub/models--some--model/snapshots/0a"
    snapshot.mkdir(parents=True)
    (snapshot / "modules.json").write_text("[]")
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("0a")
    with pytest.raises(EmbeddingError, match="not in the local cache"):
        locate("some/model")
    with pytest.raises(EmbeddingError, match="there is no model"):
        locate("~/model")


def test_without_a_place_for_the_index_one_sentence_says_so(tmp_path: Path) -> None:
    environment = {name: value for name, value in server_environment(tmp_path).items() if name != "CONEXUS_DATA_DIR"}
    needs_a_namespace()
    command = [*NOBODY, "env", "--unset=HOME", "--unset=XDG_DATA_HOME", sys.executable, "-P", "-m", "conexus", "serve"]
    result = subprocess.run(command, env=environment, input="", capture_output=True, text=True, check=False)
    assert result.returncode == 3
    assert result.stderr.count("\n") == 1
    assert "CONEXUS_DATA_DIR" in result.stderr
