-- Finding the server that answers for a buffer, and asking it.

local plain = require('conexus.plain')

local M = {}

-- The version of the protocol that this plugin speaks.
local PROTOCOL_VERSION = 1
-- How long a server may take to start.
local PATIENCE_MS = 20000
local LOOK_AGAIN_MS = 20

---@return vim.lsp.Client[]
function M.all()
  return vim.lsp.get_clients({ name = 'conexus' })
end

-- The running client that answers for a buffer: its own; else that of the folder that contains it; else any.
---@param bufnr integer
---@return vim.lsp.Client?
function M.of_buffer(bufnr)
  local own = vim.lsp.get_clients({ name = 'conexus', bufnr = bufnr })[1]
  if own then
    return own
  end
  local clients = M.all()
  local root = require('conexus.root')
  local path = root.is_file(bufnr) and vim.api.nvim_buf_get_name(bufnr) or vim.fn.getcwd()
  for _, client in ipairs(clients) do
    if client.root_dir and vim.startswith(vim.fs.normalize(path) .. '/', client.root_dir .. '/') then
      return client
    end
  end
  return clients[1]
end

-- Why a server that runs is none for this plugin, if so: other programs may have its name.
---@param client vim.lsp.Client
---@return string?
function M.misfit(client)
  local offered = vim.tbl_get(client.server_capabilities or {}, 'experimental', 'conexus', 'protocolVersion')
  if not offered then
    return ('The program `%s` is not the server of this plugin. %s'):format(
      require('conexus.server').program(),
      require('conexus.server').how_to_install()
    )
  elseif offered ~= PROTOCOL_VERSION then
    return ('The server uses version %s of the protocol, and this plugin version %d: update the older one.'):format(
      plain.line(tostring(offered)),
      PROTOCOL_VERSION
    )
  end
end

-- Starts the server for a buffer, or for the current directory where the buffer is no file.
---@param bufnr integer
---@return integer? id
local function start(bufnr)
  local root = require('conexus.root')
  local config = require('conexus.server').config()
  local name = root.is_file(bufnr) and vim.api.nvim_buf_get_name(bufnr) or vim.fn.getcwd()
  config.root_dir = root.of_path(vim.fs.normalize(name))
  return vim.lsp.start(config, { attach = false, reuse_client = config.reuse_client })
end

---@param client vim.lsp.Client
---@param callback fun(client?: vim.lsp.Client, problem?: string)
local function pass_on(client, callback)
  local problem = M.misfit(client)
  callback(not problem and client or nil, problem)
end

---@param id integer
---@param callback fun(client?: vim.lsp.Client, problem?: string)
---@param left_ms integer
local function await(id, callback, left_ms)
  local client = vim.lsp.get_client_by_id(id)
  if client and client.initialized then
    pass_on(client, callback)
  elseif not client or left_ms <= 0 then
    callback(nil, 'The server did not start; :Conexus log and :checkhealth conexus say more.')
  else
    vim.defer_fn(function()
      await(id, callback, left_ms - LOOK_AGAIN_MS)
    end, LOOK_AGAIN_MS)
  end
end

-- Calls back with the client for a buffer, started if need be, or with what is in the way.
---@param bufnr integer
---@param callback fun(client?: vim.lsp.Client, problem?: string)
function M.with(bufnr, callback)
  local client = M.of_buffer(bufnr)
  if client then
    return pass_on(client, callback)
  end
  local server = require('conexus.server')
  if not server.found() then
    return callback(
      nil,
      ('The program `%s` was not found. %s'):format(server.program(), server.how_to_install())
    )
  end
  if not server.enabled() then
    return callback(nil, "The server is not enabled: put `vim.lsp.enable('conexus')` into your init.lua.")
  end
  local id = start(bufnr)
  if not id then
    return callback(nil, 'The server could not be started; :checkhealth conexus says more.')
  end
  await(id, callback, PATIENCE_MS)
end

-- Asks, and returns a function that cancels. After that, nothing is called back.
---@param client vim.lsp.Client
---@param method string
---@param params table
---@param callback fun(result?: table, problem?: string)
---@return fun() cancel
function M.request(client, method, params, callback)
  local over = false
  -- No buffer: the edits of all of them are sent first.
  local sent, id = client:request(method, params, function(failure, result)
    if over then
      return
    end
    over = true
    if failure then
      callback(nil, plain.line(failure.message))
    else
      callback(result)
    end
  end)
  if not sent then
    over = true
    callback(nil, 'The server has stopped.')
  end
  return function()
    if not over then
      over = true
      if id then
        client:cancel_request(id)
      end
    end
  end
end

-- Asks the server of a buffer, which is started if need be, for something that cannot be cancelled.
---@param bufnr integer
---@param method string
---@param params table
---@param callback fun(result: table)
function M.ask(bufnr, method, params, callback)
  M.with(bufnr, function(client, problem)
    if not client then
      return M.tell(problem)
    end
    M.request(client, method, params, function(result, failure)
      if not result then
        return M.tell(failure)
      end
      callback(result)
    end)
  end)
end

-- Tells the user what went wrong.
---@param problem? string
function M.tell(problem)
  vim.notify('Conexus: ' .. (problem or 'no answer'), vim.log.levels.WARN)
end

-- Tells it while the user types, in one line, so that there is nothing to confirm.
---@param problem? string
function M.hint(problem)
  local line = vim.fn.strcharpart('Conexus: ' .. (problem or 'no answer'), 0, vim.o.columns - 12)
  vim.api.nvim_echo({ { line, 'WarningMsg' } }, false, {})
end

return M
