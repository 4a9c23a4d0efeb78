-- `:checkhealth conexus`

local health = vim.health

local M = {}

local ANSWER_MS = 5000
local VERSION_MS = 20000

local function check_options()
  health.start('Options')
  local _, problems = require('conexus.config').read()
  if #problems == 0 then
    health.ok('vim.g.conexus is right' .. (vim.g.conexus == nil and ' (it is not set)' or ''))
  end
  for _, problem in ipairs(problems) do
    health.error(problem, ':help conexus-options')
  end
end

-- What the server's program says of itself, where it is, or that it is not there.
---@param program string
local function check_program(program)
  if vim.fn.executable(program) == 0 then
    health.error(('The program `%s` was not found'):format(program), {
      require('conexus.server').how_to_install(),
      "Or name it: vim.lsp.config('conexus', { cmd = { '/path/to/conexus', 'serve' } })",
    })
    return
  end
  local path = vim.fn.exepath(program)
  local ok, answer = pcall(function()
    return vim.system({ program, '--version' }, { text = true, timeout = VERSION_MS }):wait()
  end)
  local version = ok and answer.code == 0 and vim.trim(answer.stdout or '')
  health.ok(version and ('%s: %s'):format(path, version) or path)
end

local function check_server()
  health.start('Server')
  local program = require('conexus.server').program()
  if program then
    check_program(program)
  else
    health.info('The command of the server is a function')
  end
  if vim.lsp.is_enabled('conexus') then
    health.ok('It is enabled')
  else
    health.error('It is not enabled', "Put vim.lsp.enable('conexus') into your init.lua")
  end
end

---@param client vim.lsp.Client
local function check_client(client)
  local buffers = vim.tbl_count(client.attached_buffers)
  health.ok(('Client %d: %s, %d buffers'):format(client.id, client.root_dir or 'no folder', buffers))
  local misfit = require('conexus.client').misfit(client)
  if misfit then
    health.error(misfit)
    return
  end
  health.info('Columns count ' .. client.offset_encoding)
  local answer = client:request_sync('conexus/status', vim.empty_dict(), ANSWER_MS)
  if not answer or answer.err then
    health.error(
      'The server does not answer: ' .. (answer and answer.err and answer.err.message or 'it took too long'),
      ':Conexus log'
    )
    return
  end
  local status = answer.result --[[@as conexus.StatusResult]]
  local report = ({ ok = health.ok, warning = health.warn, error = health.error })[status.health]
    or health.warn
  report(table.concat(require('conexus.status').lines(status), '\n'))
end

local function check_clients()
  health.start('Clients')
  local clients = require('conexus.client').all()
  if #clients == 0 then
    health.warn(
      'No server is running',
      'It starts with the first file that you open, or with :Conexus search'
    )
  end
  for _, client in ipairs(clients) do
    check_client(client)
  end
end

local function check_pickers()
  health.start('Pickers')
  local config = require('conexus.config')
  local chosen = config.read().picker
  for _, name in ipairs(config.pickers) do
    local installed = require('conexus.sources').installed(name)
    local here = name == 'builtin' and 'always there' or installed and 'installed' or 'not installed'
    local line = ('%s: %s%s'):format(name, here, name == chosen and ', chosen' or '')
    if name == chosen and not installed then
      health.warn(line, 'The built-in picker is used')
    else
      health.info(line)
    end
  end
end

function M.check()
  if vim.fn.has('nvim-0.11') == 0 then
    health.start('Neovim')
    health.error(('Neovim 0.11 or newer is needed; this is %s'):format(tostring(vim.version())))
    return
  end
  check_options()
  check_server()
  check_clients()
  check_pickers()
end

return M
