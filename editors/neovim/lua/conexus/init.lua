-- What other code may use. Everything else in this plugin may change.

local M = {}

---@param job conexus.Job
---@param options conexus.SearchOptions|conexus.RelatedOptions
---@param settings conexus.Settings
local function present(job, options, settings)
  if options.quickfix then
    require('conexus.quickfix').fill(job)
  else
    require('conexus.sources').open(job, settings, options.picker)
  end
end

-- Finds code by meaning, as you type.
---@param options? conexus.SearchOptions
function M.search(options)
  options = options or {}
  local settings = require('conexus.config').get()
  present(require('conexus.jobs').search(options, settings), options, settings)
end

-- Finds code that has to do with the definition at the cursor, or with a selection.
---@param options? conexus.RelatedOptions
function M.related(options)
  options = options or {}
  if not require('conexus.root').is_file(vim.api.nvim_get_current_buf()) then
    return require('conexus.client').tell('this window has no file for which related code can be found')
  end
  local settings = require('conexus.config').get()
  present(require('conexus.jobs').related(options, settings), options, settings)
end

-- What the server does, for a statusline: cheap, and empty while there is no server.
---@param bufnr? integer
---@return string
function M.statusline(bufnr)
  local state = package.loaded['conexus.state']
  return state and state.text(state.of_buffer(bufnr or vim.api.nvim_get_current_buf())) or ''
end

-- Calls back with what is indexed.
---@param callback fun(status: conexus.StatusResult)
function M.status(callback)
  require('conexus.client').ask(0, 'conexus/status', vim.empty_dict(), callback)
end

-- Has files read again from scratch: all, or these files and folders.
---@param paths? string[]
function M.reindex(paths)
  local absolute = vim.tbl_map(function(path)
    return vim.fn.fnamemodify(path, ':p')
  end, paths or {})
  require('conexus.client').ask(0, 'conexus/reindex', { paths = absolute }, function() end)
end

---@param command string
local function execute(command)
  require('conexus.client').ask(
    0,
    'workspace/executeCommand',
    { command = command, arguments = {} },
    function() end
  )
end

-- Stops indexing until `resume`. What is indexed keeps answering.
function M.pause()
  execute('conexus.server.pause')
end

function M.resume()
  execute('conexus.server.resume')
end

return M
