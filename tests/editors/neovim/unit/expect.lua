-- What tests say of values.

local M = {}

function M.equal(actual, expected)
  if not vim.deep_equal(actual, expected) then
    error(('expected %s\n     got %s'):format(vim.inspect(expected), vim.inspect(actual)), 2)
  end
end

function M.truthy(value, what)
  if not value then
    error(what or 'expected something true', 2)
  end
end

function M.matches(text, pattern)
  if not tostring(text):find(pattern) then
    error(('expected %s to match %s'):format(vim.inspect(text), vim.inspect(pattern)), 2)
  end
end

return M
