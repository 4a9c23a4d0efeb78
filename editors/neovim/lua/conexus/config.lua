-- The options of `vim.g.conexus`. Each has a default. An invalid option is reported and ignored.

local M = {}

---@class conexus.Options
---@field picker? 'builtin'|'telescope'|'fzf-lua'|'snacks'|'mini.pick' where results are shown
---@field limit? integer how many results at most, 1 to 200
---@field debounce? integer milliseconds without a key before a search begins
---@field preview? boolean whether the built-in picker shows the code of a result
---@field border? conexus.Border of the built-in picker's windows, as of `nvim_open_win`
---@field keys? table<conexus.Action, string|string[]|false> of the built-in picker

---@alias conexus.Border 'none'|'single'|'double'|'rounded'|'solid'|'shadow'|string[]

---@alias conexus.Action
---| 'next'
---| 'previous'
---| 'open'
---| 'split'
---| 'vsplit'
---| 'tab'
---| 'quickfix'
---| 'close'
---| 'scroll_down'
---| 'scroll_up'
---| 'complete'

---@class conexus.Settings
---@field picker 'builtin'|'telescope'|'fzf-lua'|'snacks'|'mini.pick'
---@field limit integer
---@field debounce integer
---@field preview boolean
---@field border conexus.Border
---@field keys table<conexus.Action, string|string[]|false>

M.pickers = { 'builtin', 'telescope', 'fzf-lua', 'snacks', 'mini.pick' }

---@type table<conexus.Action, string[]>
M.keys = {
  next = { '<C-n>', '<Down>' },
  previous = { '<C-p>', '<Up>' },
  open = { '<CR>' },
  split = { '<C-x>' },
  vsplit = { '<C-v>' },
  tab = { '<C-t>' },
  quickfix = { '<C-q>' },
  close = { '<Esc>', '<C-c>' },
  scroll_down = { '<C-f>' },
  scroll_up = { '<C-b>' },
  complete = { '<Tab>' },
}

---@return conexus.Settings
local function defaults()
  local winborder = vim.o.winborder
  return {
    picker = 'builtin',
    limit = 50,
    debounce = 60,
    preview = true,
    border = winborder ~= '' and not winborder:find(',') and winborder or 'rounded',
    keys = M.keys,
  }
end

---@param least integer
---@param most integer
local function whole_number(least, most)
  return function(value)
    local right = type(value) == 'number' and value % 1 == 0 and value >= least and value <= most
    return not right and ('must be a whole number from %d to %d'):format(least, most) or nil
  end
end

-- What is wrong with a key, in words.
---@param action any
---@param keys any
---@return string?
local function key_problem(action, keys)
  if not M.keys[action] then
    local known = vim.tbl_keys(M.keys)
    table.sort(known)
    return ('has no action `%s`; actions are %s'):format(action, table.concat(known, ', '))
  end
  local list = type(keys) == 'table' and vim.islist(keys) and keys or { keys }
  for _, key in ipairs(list) do
    if type(key) ~= 'string' and keys ~= false then
      return ('gives `%s` a %s; it takes a key, a list of keys, or false'):format(action, type(key))
    end
  end
end

-- For each option what is wrong with a value, in words, or nothing.
---@type table<string, fun(value: any): string?>
local problem_of = {
  picker = function(value)
    return not vim.list_contains(M.pickers, value)
        and ('must be one of %s'):format(table.concat(M.pickers, ', '))
      or nil
  end,
  limit = whole_number(1, 200),
  debounce = whole_number(0, 5000),
  preview = function(value)
    return type(value) ~= 'boolean' and 'must be true or false' or nil
  end,
  border = function(value)
    return type(value) ~= 'string'
        and type(value) ~= 'table'
        and 'must be the name of a border or a list of its parts'
      or nil
  end,
  keys = function(value)
    if type(value) ~= 'table' then
      return 'must be a table of actions and their keys'
    end
    for action, keys in pairs(value) do
      local problem = key_problem(action, keys)
      if problem then
        return problem
      end
    end
  end,
}

-- What the user has set, and what cannot be made of it.
---@return table options
---@return string[] problems
local function given()
  local options = vim.g.conexus
  if type(options) == 'function' then
    local ok, answer = pcall(options)
    if not ok then
      return {}, { 'vim.g.conexus, a function, failed: ' .. answer }
    end
    options = answer
  end
  if options == nil or options == vim.NIL then
    return {}, {}
  end
  if type(options) ~= 'table' then
    return {}, {
      ('vim.g.conexus is a %s; it must be a table, or a function that returns one'):format(type(options)),
    }
  end
  return options, {}
end

-- The options in force, and what is wrong with those that the user has set.
---@return conexus.Settings
---@return string[] problems sentences
function M.read()
  local options, problems = given()
  local settings = defaults()
  for name, value in vim.spairs(options) do
    local check = problem_of[name]
    local problem = not check and ('is not an option; options are %s'):format(table.concat(M.names(), ', '))
      or check and check(value)
    if problem then
      table.insert(problems, ('vim.g.conexus: `%s` %s'):format(name, problem))
    elseif name == 'keys' then
      settings.keys = vim.tbl_extend('force', settings.keys, value)
    else
      settings[name] = value
    end
  end
  return settings, problems
end

---@return string[]
function M.names()
  local names = vim.tbl_keys(problem_of)
  table.sort(names)
  return names
end

-- The options in force. What is wrong is said once.
---@return conexus.Settings
function M.get()
  local settings, problems = M.read()
  if #problems > 0 then
    local message = table.concat(problems, '\n') .. '\n:checkhealth conexus lists this again.'
    vim.notify_once(message, vim.log.levels.WARN)
  end
  return settings
end

return M
