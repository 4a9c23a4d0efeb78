-- The server's program: whether it is there, and what to say if it is not.

local M = {}

M.how_to_install = 'Install it with `uv tool install conexus` or `pipx install conexus`.'

-- The first word of the command, or nothing if the command is a function.
---@return string?
function M.program()
  local cmd = vim.lsp.config.conexus.cmd
  return type(cmd) == 'table' and cmd[1] or nil
end

-- Whether the server can be started. If not, the user is told once, and not for every file.
---@return boolean
function M.found()
  local program = M.program()
  if not program or vim.fn.executable(program) == 1 then
    return true
  end
  local message = ('Conexus: the program `%s` was not found. %s'):format(program, M.how_to_install)
  -- Later: opening a file, which is when this is asked, ends with a message of its own.
  vim.schedule(function()
    vim.notify_once(message, vim.log.levels.WARN)
  end)
  return false
end

return M
