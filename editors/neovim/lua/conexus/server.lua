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

-- Whether the user has enabled it. The first releases of Neovim 0.11 have no function that says so.
---@return boolean
function M.enabled()
  if vim.lsp.is_enabled then
    return vim.lsp.is_enabled('conexus')
  end
  return vim.lsp._enabled_configs['conexus'] ~= nil
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

---@param path string
---@param folder string
local function is_below(path, folder)
  return path == folder or vim.startswith(path, (folder:gsub('/$', '')) .. '/')
end

---@param path string
local function real(path)
  return vim.fs.normalize(vim.uv.fs_realpath(path) or path)
end

-- The absolute path of a program on the PATH; nothing if there is none. Skipped are relative folders, and folders of
-- the current directory unless the home directory is below it: anybody may have put a program of this name there.
---@param name string
---@return string?
function M.find(name)
  local windows = vim.fn.has('win32') == 1
  local here, home = real(vim.fn.getcwd()), real(vim.uv.os_homedir() or '/')
  local is_project = not is_below(home, here)
  for _, folder in ipairs(vim.split(vim.env.PATH or '', windows and ';' or ':', { plain = true })) do
    local absolute = folder:match(windows and '^%a:[/\\]' or '^/')
    if absolute and not (is_project and is_below(real(folder), here)) then
      local program = vim.fs.normalize(folder) .. '/' .. name
      if vim.fn.executable(program) == 1 then
        return vim.fn.exepath(program)
      end
    end
  end
end

-- Whether the server can be started. If not, the user is told once, and not for every file.
---@return boolean
function M.found()
  local program = M.program()
  local is_there = program and (program == 'conexus' and M.find(program) or vim.fn.executable(program) == 1)
  if not program or is_there then
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
