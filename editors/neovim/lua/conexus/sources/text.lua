-- A result in one line, for pickers that show lines.

local hits = require('conexus.hits')

local M = {}

-- What is said of a result beside its place.
---@param item conexus.Item
---@return string
function M.of(item)
  local parts = { item.hit.relation or false, item.label, hits.why(item) }
  local said = vim.tbl_filter(function(part)
    return part and part ~= ''
  end, parts)
  return table.concat(said, '  ')
end

-- Where a result is.
---@param item conexus.Item
---@return string
function M.place(item)
  return ('%s:%d'):format(item.short, item.lnum)
end

return M
