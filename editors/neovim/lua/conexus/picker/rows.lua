-- How results look as rows: what they are called, where they are, and why they were found. Pure.

local plain = require('conexus.plain')

local M = {}

---@class conexus.Mark
---@field first integer bytes, from 0
---@field last integer without it
---@field group string

---@class conexus.Row
---@field text string
---@field marks conexus.Mark[]

-- A place gets at most this part of a row. Names come next, and reasons get what is left.
local PLACE_SHARE = 0.5
local GAP = '  '
-- The least room for reasons that is worth it.
local LEAST_REASON = 12

---@param text string
---@param width integer
---@return string cut and filled to just that width
local function fit(text, width)
  local shown = M.cut(text, width)
  return shown .. (' '):rep(width - vim.api.nvim_strwidth(shown))
end

-- The text, with … for what is beyond a width.
---@param text string
---@param width integer
---@return string
function M.cut(text, width)
  if vim.api.nvim_strwidth(text) <= width then
    return text
  end
  local shown = vim.fn.strcharpart(text, 0, width)
  while shown ~= '' and vim.api.nvim_strwidth(shown) > width - 1 do
    shown = vim.fn.strcharpart(shown, 0, vim.fn.strchars(shown) - 1)
  end
  return width > 0 and shown .. '…' or ''
end

-- A path, with … for what is beyond a width, in front: its end says most.
---@param path string
---@param width integer
---@return string
local function cut_front(path, width)
  local excess = vim.api.nvim_strwidth(path) - width
  return excess <= 0 and path or '…' .. vim.fn.strcharpart(path, excess + 1)
end

---@param item conexus.Item
---@return string
local function place(item)
  return ('%s:%d'):format(item.short, item.lnum)
end

---@param items conexus.Item[]
---@param text fun(item: conexus.Item): string
---@param most integer
---@return integer
local function widest(items, text, most)
  local width = 0
  for _, item in ipairs(items) do
    width = math.max(width, vim.api.nvim_strwidth(text(item)))
  end
  return math.min(width, most)
end

---@param item conexus.Item
---@return string
local function relation(item)
  return item.hit.relation or ''
end

---@param item conexus.Item
---@return string
local function label(item)
  return item.label
end

---@param items conexus.Item[]
---@param width integer of the window
---@return conexus.Row[]
function M.rows(items, width)
  local relations = widest(items, relation, 13)
  local room = width - 2 - (relations > 0 and relations + #GAP or 0)
  local places = widest(items, place, math.floor(room * PLACE_SHARE))
  local names = widest(items, label, math.max(0, room - places - #GAP))
  local reasons = room - names - places - 2 * #GAP

  return vim.tbl_map(function(item)
    local row = { text = ' ', marks = {} }
    local function add(text, group)
      local first = #row.text
      row.text = row.text .. text
      table.insert(row.marks, { first = first, last = #row.text, group = group })
      return first
    end
    if relations > 0 then
      add(fit(relation(item), relations), 'ConexusRelation')
      row.text = row.text .. GAP
    end
    local shown = fit(label(item), names)
    local start = add(shown, item.hit.symbol and 'ConexusName' or 'ConexusCode')
    for _, mark in ipairs(item.marks) do
      if mark[2] <= #shown then
        table.insert(row.marks, { first = start + mark[1], last = start + mark[2], group = 'ConexusMatch' })
      end
    end
    row.text = row.text .. GAP
    add(fit(cut_front(place(item), places), places), 'ConexusPath')
    if reasons >= LEAST_REASON then
      row.text = row.text .. GAP
      add(M.cut(table.concat(item.hit.reasons, ' · '), reasons), 'ConexusReason')
    end
    return row
  end, items)
end

-- What is said below the list.
---@param answer conexus.Answer
---@return string text
---@return boolean uncertain whether something is missing
function M.summary(answer)
  local index = answer.index
  local found = #answer.items == 1 and '1 result' or ('%d results'):format(#answer.items)
  local text = ('%s · %.1f ms'):format(found, answer.took)
  if not index.complete then
    text = ('%s · %d of %d files so far'):format(found, index.indexedFiles, index.totalFiles)
  end
  if index.degraded then
    text = ('%s · %s'):format(text, plain.line(index.degraded))
  end
  return text, not index.complete or index.degraded ~= nil
end

return M
