-- The server's program: whether it is there, and what to say if it is not.

local M = {}

-- What the user has to do to get it. It comes with the plugin: what registries have under its name is a stranger's.
---@return string
function M.how_to_install()
  local own = vim.fs.normalize(debug.getinfo(1, 'S').source:sub(2))
  local repository = vim.fs.root(own, 'pyproject.toml')
  if not repository then
    return 'Install it from a clone of the repository: `uv tool install .` or `pipx install .`'
  end
  return ('Install it with `uv tool install %s` or `pipx install %s`.'):format(repository, repository)
end

-- How it is started: lsp/conexus.lua, and what the user has changed of it.
---@return vim.lsp.Config a copy
function M.config()
  return vim.deepcopy(vim.lsp.config['conexus']) --[[@as vim.lsp.Config]]
end

-- The first word of the command, or nothing if the command is a function.
---@return string?
function M.program()
  local cmd = vim.lsp.config['conexus'].cmd
  return type(cmd) == 'table' and cmd[1] or nil
end

-- Whether the server can be started. If not, the user is told once, and not for every file.
---@return boolean
function M.found()
  local program = M.program()
  if not program or vim.fn.executable(program) == 1 then
    return true
  end
  local message = ('Conexus: the program `%s` was not found. %s'):format(program, M.how_to_install())
  -- Later: opening a file, which is when this is asked, ends with a message of its own.
  vim.schedule(function()
    vim.notify_once(message, vim.log.levels.WARN)
  end)
  return false
end

return M
