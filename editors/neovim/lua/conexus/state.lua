-- The latest reports of the servers, for the statusline and for pickers.

local M = {}

---@class conexus.State
---@field health conexus.Health
---@field quiescent boolean
---@field message? string
---@field ready boolean whether everything was searchable once
---@field bars table<lsp.ProgressToken, integer|false> work that is going on, and its percentage if that is known

---@type table<integer, conexus.State>
local of_client = {}

---@param id integer
---@return conexus.State
local function state(id)
  of_client[id] = of_client[id] or { health = 'ok', quiescent = false, ready = false, bars = {} }
  return of_client[id]
end

local function redraw()
  vim.cmd.redrawstatus({ bang = true })
end

---@param id integer
---@param params conexus.ServerStatusParams
function M.server_status(id, params)
  local own = state(id)
  own.health, own.quiescent, own.message = params.health, params.quiescent, params.message
  own.ready = own.ready or params.quiescent
  redraw()
end

---@param id integer
---@param params conexus.IndexChangedParams
function M.index_changed(id, params)
  vim.api.nvim_exec_autocmds('User', {
    pattern = 'ConexusIndexChanged',
    modeline = false,
    data = { client_id = id, generation = params.generation },
  })
end

---@param id integer
---@param params lsp.ProgressParams
local function progress(id, params)
  local value = params.value
  if value.kind == 'end' then
    state(id).bars[params.token] = nil
  else
    state(id).bars[params.token] = value.percentage or state(id).bars[params.token] or false
  end
  redraw()
end

local group = vim.api.nvim_create_augroup('conexus.state', {})
vim.api.nvim_create_autocmd('LspProgress', {
  group = group,
  desc = 'Follow the progress of indexing',
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if client and client.name == 'conexus' then
      progress(client.id, event.data.params)
    end
  end,
})

-- What is known of the server of a buffer, or of any other.
---@param bufnr integer
---@return conexus.State?
function M.of_buffer(bufnr)
  local any
  for id, own in pairs(of_client) do
    local client = vim.lsp.get_client_by_id(id)
    if not client then
      of_client[id] = nil
    elseif client.attached_buffers[bufnr] then
      return own
    else
      any = own
    end
  end
  return any
end

-- One short piece of text; empty while there is no server.
---@param own? conexus.State
---@return string
function M.text(own)
  if not own then
    return ''
  elseif own.health ~= 'ok' then
    return own.health == 'warning' and 'Conexus: warning' or 'Conexus: error'
  end
  local token, percentage = next(own.bars)
  if percentage then
    return ('Conexus %d%%'):format(percentage)
  end
  return own.ready and not token and 'Conexus' or 'Conexus …'
end

return M
