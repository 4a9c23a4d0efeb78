-- Where the picker's windows are, for a screen of any size. Pure.

local M = {}

---@class conexus.Box what is inside the border
---@field row integer of the border's upper left corner, from 0
---@field col integer
---@field width integer
---@field height integer

---@class conexus.Layout
---@field prompt conexus.Box
---@field list conexus.Box
---@field preview? conexus.Box where there is room

-- From these on the code is shown beside the list, or below it.
local COLUMNS_BESIDE = 110
local LINES_BELOW = 20
-- What a border adds.
local FRAME = 2
local PROMPT_LINES = 1

---@param columns integer
---@param lines integer
---@param wants_preview boolean
---@return conexus.Layout
function M.compute(columns, lines, wants_preview)
  local roomy = columns >= COLUMNS_BESIDE and lines >= LINES_BELOW + 10
  local width = math.max(1, math.min(200, roomy and math.floor(columns * 0.88) or columns) - FRAME)
  local height = roomy and math.floor(lines * 0.84) or lines
  local row = math.max(0, math.floor((lines - height) / 2))
  local col = math.max(0, math.floor((columns - width - FRAME) / 2))
  local below_prompt = row + PROMPT_LINES + FRAME
  local list_height = math.max(1, height - PROMPT_LINES - 2 * FRAME)

  if wants_preview and columns >= COLUMNS_BESIDE then
    local list_width = math.floor((width - FRAME) * 0.5)
    return {
      prompt = { row = row, col = col, width = list_width, height = PROMPT_LINES },
      list = { row = below_prompt, col = col, width = list_width, height = list_height },
      preview = {
        row = row,
        col = col + list_width + FRAME,
        width = width - list_width - FRAME,
        height = math.max(1, height - FRAME),
      },
    }
  end
  local layout = {
    prompt = { row = row, col = col, width = width, height = PROMPT_LINES },
    list = { row = below_prompt, col = col, width = width, height = list_height },
  }
  if wants_preview and lines >= LINES_BELOW then
    layout.list.height = math.max(4, math.floor((list_height - FRAME) * 0.45))
    layout.preview = {
      row = below_prompt + layout.list.height + FRAME,
      col = col,
      width = width,
      height = list_height - layout.list.height - FRAME,
    }
  end
  return layout
end

return M
