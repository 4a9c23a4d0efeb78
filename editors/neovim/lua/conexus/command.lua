-- `:Conexus`: its subcommands and how they are completed.

local M = {}

---@class conexus.Subcommand
---@field run fun(rest: string, arguments: table)
---@field complete? fun(word: string): string[] of each argument

M.relations = {
  'definition',
  'caller',
  'callee',
  'test',
  'tested',
  'similar',
  'sibling',
}

---@param arguments table
---@return conexus.Selection?
local function selected(arguments)
  return arguments.range > 0 and require('conexus.selection').of_range(arguments.line1, arguments.line2)
    or nil
end

---@param status conexus.StatusResult
local function show_status(status)
  vim.api.nvim_echo(
    vim.tbl_map(function(line)
      return { line .. '\n' }
    end, require('conexus.status').lines(status)),
    false,
    {}
  )
end

---@type table<string, conexus.Subcommand>
M.subcommands = {
  search = {
    run = function(rest, arguments)
      local selection = selected(arguments)
      local query = rest ~= '' and rest or selection and selection.text or nil
      require('conexus').search({ query = query, quickfix = arguments.bang })
    end,
    complete = function(word)
      return require('conexus.query').complete(word)
    end,
  },
  related = {
    run = function(rest, arguments)
      require('conexus').related({
        selection = selected(arguments),
        relations = rest ~= '' and vim.split(rest, '%s+') or nil,
        quickfix = arguments.bang,
      })
    end,
    complete = function(word)
      return vim.tbl_filter(function(relation)
        return vim.startswith(relation, word)
      end, M.relations)
    end,
  },
  status = {
    run = function()
      require('conexus').status(show_status)
    end,
  },
  reindex = {
    run = function(rest)
      require('conexus').reindex(rest ~= '' and { vim.fn.expandcmd(rest) } or {})
    end,
    complete = function(word)
      return vim.fn.getcompletion(word, 'file')
    end,
  },
  pause = {
    run = function()
      require('conexus').pause()
    end,
  },
  resume = {
    run = function()
      require('conexus').resume()
    end,
  },
  log = {
    run = function()
      vim.cmd.tabedit(vim.fn.fnameescape(vim.lsp.log.get_filename()))
    end,
  },
}

---@return string[]
local function names()
  local all = vim.tbl_keys(M.subcommands)
  table.sort(all)
  return all
end

-- Runs what `nvim_create_user_command` gives.
---@param arguments table
function M.run(arguments)
  local name, rest = arguments.args:match('^(%S*)%s*(.-)%s*$')
  local subcommand = M.subcommands[name == '' and 'search' or name] ---@type conexus.Subcommand?
  if subcommand then
    return subcommand.run(rest, arguments)
  end
  require('conexus.client').tell(
    ('there is no `:Conexus %s`, only %s'):format(name, table.concat(names(), ', '))
  )
end

-- How the command line up to the cursor may go on.
---@param line string
---@return string[]
function M.complete(line)
  local rest = line:match('Conexus!?%s+(.*)$') or ''
  local name, arguments = rest:match('^(%S+)%s+(.*)$')
  if not name or not arguments then
    return vim.tbl_filter(function(each)
      return vim.startswith(each, rest)
    end, names())
  end
  local complete = (M.subcommands[name] or {}).complete
  return complete and complete(arguments:match('%S*$') or '') or {}
end

return M
