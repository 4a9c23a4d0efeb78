"""A Neovim in a terminal, set up as a user does it: typed at through the terminal, asked through its RPC socket."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pynvim

from tests.editors.terminal import PATIENCE, Terminal

PLUGIN = Path(__file__).parents[3] / "editors/neovim"

#: What README and docs/editors/neovim.md have a user write.
INIT = "vim.lsp.enable('conexus')"


class Neovim:
    """Leaving the `with` block ends it."""

    def __init__(
        self,
        program: Path,
        environment: Mapping[str, str],
        folder: Path,
        *arguments: str,
        init: str = INIT,
        plugin: Path | None = PLUGIN,
        plugins: Sequence[Path] = (),
        columns: int = 120,
        rows: int = 36,
    ) -> None:
        home = Path(environment["HOME"])
        config = home / ".config/nvim/init.lua"
        config.parent.mkdir(parents=True, exist_ok=True)
        folders = [*plugins, *([plugin] if plugin else [])]
        paths = "".join(f"vim.opt.runtimepath:prepend('{folder}')\n" for folder in folders)
        config.write_text(f"{paths}{init}\n")
        self._socket = home / "nvim.sock"
        self._socket.unlink(missing_ok=True)
        self.terminal = Terminal(
            [str(program), "-i", "NONE", "-n", "--listen", str(self._socket), *arguments],
            environment=environment,
            folder=folder,
            columns=columns,
            rows=rows,
        )
        self._rpc: pynvim.Nvim | None = None

    def __enter__(self) -> Self:
        self.terminal.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rpc is not None:
            self._rpc.close()
        self.terminal.__exit__(kind, error, trace)

    # --- asking ---

    @property
    def rpc(self) -> pynvim.Nvim:
        """The RPC session. Neovim listens before it has read its configuration: that is waited for."""
        deadline = time.monotonic() + PATIENCE
        while self._rpc is None:
            with suppress(OSError):
                session = pynvim.attach("socket", path=str(self._socket))
                while not session.api.get_mode()["blocking"] and not session.api.get_vvar("vim_did_enter"):
                    assert time.monotonic() < deadline, "Neovim does not start"
                    time.sleep(0.01)
                self._rpc = session
            assert time.monotonic() < deadline, "Neovim does not listen"
        return self._rpc

    def lua(self, code: str, *arguments: Any) -> Any:
        """What a chunk of Lua returns; its arguments are `...`."""
        deadline = time.monotonic() + PATIENCE
        # While it waits for a key, such as after a long message, it answers nothing else.
        while self.rpc.api.get_mode()["blocking"]:
            assert time.monotonic() < deadline, "Neovim waits for a key"
            time.sleep(0.02)
        return self.rpc.exec_lua(code, *arguments)

    def wait_for(self, condition: str, *arguments: Any) -> None:
        """Wait until an expression of Lua is neither false nor nil."""
        deadline = time.monotonic() + PATIENCE
        while not self.lua(f"return not not ({condition})", *arguments):
            assert time.monotonic() < deadline, f"did not become true within {PATIENCE:.0f} s: {condition}"
            time.sleep(0.02)

    def status(self) -> dict[str, Any] | None:
        """The server's status; None while there is no server for this buffer."""
        answer: dict[str, Any] | None = self.lua("""
            local client = vim.lsp.get_clients({ name = 'conexus', bufnr = 0 })[1]
            local answer = client and client:request_sync('conexus/status', vim.empty_dict(), 10000)
            return answer and answer.result
        """)
        return answer

    def wait_until_indexed(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while not ((status := self.status()) and status["quiescent"]):
            assert time.monotonic() < deadline, f"not indexed within {PATIENCE:.0f} s: {status}"
            time.sleep(0.02)
        return status

    def settle(self) -> None:
        """Wait until the terminal shows what Neovim means to show."""
        deadline = time.monotonic() + PATIENCE
        while self.terminal.screen != self._meant():
            assert time.monotonic() < deadline, "the screen is not as Neovim means it"
            time.sleep(0.02)

    def _meant(self) -> str:
        rows: list[str] = self.lua("""
            vim.cmd.redraw()
            local rows = {}
            for row = 1, vim.o.lines do
              local cells = {}
              for column = 1, vim.o.columns do
                cells[column] = vim.fn.screenstring(row, column)
              end
              rows[row] = table.concat(cells)
            end
            return rows
        """)
        return "\n".join(row.rstrip() for row in rows)

    # --- typing ---

    def command(self, text: str) -> None:
        """Type a command, as a user does."""
        self.terminal.type(f":{text}")
        self.terminal.press("Enter")

    def quit(self) -> int:
        """Quit without saving; the exit status."""
        self.terminal.press("Escape")
        self.command("qall!")
        return self.terminal.wait_for_end()

    # --- looking ---

    def place(self) -> tuple[Path, int, int]:
        """The file in the current window, and the cursor's line and byte column, both from 0."""
        name, line, column = self.lua("return { vim.api.nvim_buf_get_name(0), unpack(vim.api.nvim_win_get_cursor(0)) }")
        return Path(name), line - 1, column

    def floats(self) -> int:
        """How many floating windows there are."""
        count: int = self.lua("""
            return #vim.tbl_filter(function(window)
              return vim.api.nvim_win_get_config(window).relative ~= ''
            end, vim.api.nvim_list_wins())
        """)
        return count
