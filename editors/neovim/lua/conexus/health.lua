-- `:checkhealth conexus`

local plain = require('conexus.plain')

local health = vim.health

local M = {}

local ANSWER_MS = 5000
local VERSION_MS = 20000

-- What the server says of itself. A program of another product has its name.
local IDENTITY = '^conexus %S+ %(Conexus language server%)$'

local function check_options()
  health.start('Options')
  local _, problems = require('conexus.config').read()
  if #problems == 0 then
    health.ok('vim.g.conexus is valid' .. (vim.g.conexus == nil and ' (it is not set)' or ''))
  end
  for _, problem in ipairs(problems) do
    health.error(problem, ':help conexus-options')
  end
end

-- The command that asks the server which program it is; nothing if the user starts it in a way of his own.
---@param cmd string[]
---@return string[]?
local function asking(cmd)
  for number, word in ipairs(cmd) do
    if number > 1 and word == 'serve' then
      return vim.list_extend(vim.list_slice(cmd, 1, number - 1), { '--version' })
    end
  end
end

-- What the program says of itself, and what is wrong with that, if so.
---@param command string[]
---@return string version
---@return string? problem
local function version_of(command)
  local ok, answer = pcall(function()
    return vim.system(command, { text = true, timeout = VERSION_MS }):wait()
  end)
  if ok and answer.code == 124 then
    return '', ('did not say within %d seconds which program it is'):format(VERSION_MS / 1000)
  elseif not ok or answer.code ~= 0 then
    return '', 'does not say which program it is'
  end
  local lines = vim.split(vim.trim(answer.stdout or ''), '\n')
  for _, line in ipairs(lines) do
    if line:find(IDENTITY) then
      return line
    end
  end
  local first = plain.line(lines[1])
  return first, ('is another program of that name, not the server of this plugin: it is `%s`'):format(first)
end

-- What the server's program says of itself, where it is, or that it is not there.
---@param cmd string[]
local function check_program(cmd)
  local program = cmd[1]
  local advice = {
    require('conexus.server').how_to_install(),
    "Or name it: vim.lsp.config('conexus', { cmd = { '/path/to/conexus', 'serve' } })",
  }
  if vim.fn.executable(program) == 0 then
    health.error(('The program `%s` was not found'):format(program), advice)
    return
  end
  local path = vim.fn.exepath(program)
  local command = asking(cmd)
  if not command then
    health.info(path)
    return
  end
  local version, problem = version_of(command)
  if problem then
    -- What the user has named may be a script of his own.
    local is_default = program == 'conexus' or program == require('conexus.server').find('conexus')
    local report = is_default and health.error or health.warn
    report(('%s %s'):format(path, problem), advice)
  else
    health.ok(('%s: %s'):format(path, version))
  end
end

local function check_server()
  health.start('Server')
  local cmd = require('conexus.server').config().cmd
  if type(cmd) == 'table' then
    check_program(cmd)
  else
    health.info('The command of the server is a function')
  end
  if require('conexus.server').enabled() then
    health.ok('The server is enabled')
  else
    health.error('The server is not enabled', "Put vim.lsp.enable('conexus') into your init.lua")
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
    local here = name == 'builtin' and 'built in' or installed and 'installed' or 'not installed'
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
