-- Decides which files are sent to the server, and which folder the server indexes for them.

local M = {}

-- Whether a buffer shows a file of this computer: no scratch buffer, no picker's prompt, nothing with a scheme.
---@param bufnr integer
---@return boolean
function M.is_file(bufnr)
  local name = vim.api.nvim_buf_get_name(bufnr)
  return vim.bo[bufnr].buftype == '' and name ~= '' and not name:match('^%a[%w+.-]+:')
end

---@param path string
---@return boolean
local function is_project(path)
  local home = vim.uv.os_homedir()
  return vim.fs.dirname(path) ~= path and path ~= (home and vim.fs.normalize(home))
end

-- The folder of a file: the nearest with a root marker; else that of the project that is open already, so that a
-- file beside it is searched with it; else the current directory, unless that holds everything.
---@param path string
---@return string?
function M.of_path(path)
  local root = vim.fs.root(path, vim.lsp.config['conexus'].root_markers or {})
  if root then
    return root
  end
  local client = vim.lsp.get_clients({ name = 'conexus' })[1]
  if client then
    return client.root_dir
  end
  local current = vim.fs.normalize(vim.fn.getcwd())
  local inside = path == current or vim.startswith(path, current .. '/')
  return inside and is_project(current) and current or nil
end

-- Calls back with the folder of a buffer if the server should know the buffer.
---@param bufnr integer
---@param on_dir fun(root?: string)
function M.of_buffer(bufnr, on_dir)
  if M.is_file(bufnr) and require('conexus.server').found() then
    on_dir(M.of_path(vim.fs.normalize(vim.api.nvim_buf_get_name(bufnr))))
  end
end

local looked_for_server = false

-- Does what `vim.lsp.enable` leaves out: it goes by filetype, and so never meets a file that has none, and it does not
-- say that a program is missing.
---@param bufnr integer
function M.opened(bufnr)
  local server = require('conexus.server')
  if not server.enabled() then
    return
  end
  if not looked_for_server then
    looked_for_server = true
    server.found()
  end
  if vim.bo[bufnr].filetype == '' then
    M.of_buffer(bufnr, function(root)
      local config = server.config()
      config.root_dir = root
      vim.lsp.start(config, { bufnr = bufnr, reuse_client = config.reuse_client })
    end)
  end
end

return M
