-- The operators that a query may hold, and how they go on.

local M = {}

M.languages = {
  'bash',
  'c',
  'cpp',
  'csharp',
  'elixir',
  'go',
  'haskell',
  'java',
  'javascript',
  'kotlin',
  'lua',
  'markdown',
  'php',
  'python',
  'ruby',
  'rust',
  'scala',
  'swift',
  'tsx',
  'typescript',
  'zig',
}
M.kinds = {
  'text',
  'function',
  'method',
  'class',
  'struct',
  'interface',
  'trait',
  'enum',
  'module',
  'type',
  'constant',
  'variable',
  'macro',
  'property',
  'section',
  'test',
}
M.tests = { 'only', 'exclude', 'include' }
M.operators = { 'lang:', 'path:', 'kind:', 'test:' }

---@param begun string
---@return string[]
local function paths(begun)
  return vim.fn.getcompletion(begun, 'file')
end

---@param values string[]
local function among(values)
  return function(begun)
    return vim.tbl_filter(function(value)
      return vim.startswith(value, begun)
    end, values)
  end
end

local values_of = {
  ['lang:'] = among(M.languages),
  ['path:'] = paths,
  ['kind:'] = among(M.kinds),
  ['test:'] = among(M.tests),
}

-- How the last word of a query may go on: whole words, each in place of that one.
---@param word string
---@return string[]
function M.complete(word)
  local minus, name, begun = word:match('^(%-?)(%a+:)(.*)$')
  if name and values_of[name] then
    return vim.tbl_map(function(value)
      return minus .. name .. value
    end, values_of[name](begun))
  end
  minus, name = word:match('^(%-?)(%a*)$')
  if not name then
    return {}
  end
  return vim.tbl_map(function(operator)
    return minus .. operator
  end, among(M.operators)(name))
end

return M
