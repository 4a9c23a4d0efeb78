-- What the user has selected: its text, and where it begins and ends.

local M = {}

---@class conexus.Selection
---@field text string
---@field first [integer, integer] line from 1 and byte from 0, as marks are
---@field last [integer, integer] its last byte

---@param from [integer, integer, integer, integer] as of `getpos`
---@param to [integer, integer, integer, integer]
---@param mode string as of `mode()`
---@return conexus.Selection
local function between(from, to, mode)
  if from[2] > to[2] or (from[2] == to[2] and from[3] > to[3]) then
    from, to = to, from
  end
  local selection = {
    text = table.concat(vim.fn.getregion(from, to, { type = mode }), '\n'),
    first = { from[2], from[3] - 1 },
    last = { to[2], math.max(0, math.min(to[3], #vim.fn.getline(to[2])) - 1) },
  }
  if mode == 'V' then
    selection.first[2] = 0
    selection.last[2] = math.max(0, #vim.fn.getline(to[2]) - 1)
  end
  return selection
end

-- The selection of visual mode, which ends.
---@return conexus.Selection
function M.leave()
  local selection = between(vim.fn.getpos('v'), vim.fn.getpos('.'), vim.fn.mode())
  vim.api.nvim_feedkeys(vim.keycode('<Esc>'), 'nx', false)
  return selection
end

-- The lines of a command's range; where they are those of the last selection, just what was selected.
---@param line1 integer
---@param line2 integer
---@return conexus.Selection
function M.of_range(line1, line2)
  local from, to = vim.fn.getpos("'<"), vim.fn.getpos("'>")
  if from[2] == line1 and to[2] == line2 then
    return between(from, to, vim.fn.visualmode())
  end
  return between({ 0, line1, 1, 0 }, { 0, line2, 1, 0 }, 'V')
end

return M
