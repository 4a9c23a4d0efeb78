-- The code of a result, as it is now: an open buffer's text if there is one, else the file's.

local hits = require('conexus.hits')

local M = {}

local namespace = vim.api.nvim_create_namespace('conexus.preview')
-- A longer file is shown as the piece of it that was found.
local MOST_BYTES = 1000000
-- A longer text is not parsed for its colours.
local MOST_COLOURED_BYTES = 300000

---@class conexus.Preview
---@field buffer integer
---@field shown? string what is in the buffer

---@return conexus.Preview
function M.new()
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.bo[buffer].bufhidden = 'wipe'
  return { buffer = buffer }
end

-- The lines of an item's file, and the number of the first of them, from 0.
---@param item conexus.Item
---@return string[] lines
---@return integer first
local function read(item)
  local buffer = vim.fn.bufnr(item.path)
  if buffer > 0 and vim.api.nvim_buf_get_name(buffer) == item.path and vim.api.nvim_buf_is_loaded(buffer) then
    return vim.api.nvim_buf_get_lines(buffer, 0, -1, false), 0
  end
  local stat = vim.uv.fs_stat(item.path)
  if stat and stat.size <= MOST_BYTES then
    local file = io.open(item.path, 'rb')
    if file then
      local text = file:read('*a')
      file:close()
      return vim.split(text:gsub('\r\n', '\n'):gsub('%z', ' '), '\n'), 0
    end
  end
  return vim.split(item.hit.preview, '\r?\n'), item.hit.location.range.start.line
end

---@param buffer integer
---@param item conexus.Item
---@param lines string[]
local function colour(buffer, item, lines)
  local size = 0
  for _, line in ipairs(lines) do
    size = size + #line
  end
  vim.treesitter.stop(buffer)
  vim.bo[buffer].syntax = ''
  local filetype = vim.filetype.match({ filename = item.path, contents = lines })
  if not filetype or size > MOST_COLOURED_BYTES then
    return
  end
  local language = vim.treesitter.language.get_lang(filetype)
  if not (language and pcall(vim.treesitter.start, buffer, language)) then
    vim.bo[buffer].syntax = filetype
  end
end

---@param buffer integer
---@param item conexus.Item
---@param lines string[]
---@param first integer
local function mark(buffer, item, lines, first)
  vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
  local range = item.hit.location.range
  local last = math.min(hits.last_line(range) - first, #lines)
  for line = range.start.line - first, last - 1 do
    vim.api.nvim_buf_set_extmark(buffer, namespace, line, 0, {
      end_row = line + 1,
      hl_group = 'ConexusHit',
      hl_eol = true,
      priority = 10,
      strict = false,
    })
  end
  for _, match in ipairs(item.hit.matches or {}) do
    local line = lines[match.start.line - first + 1]
    if line and match['end'].line == match.start.line then
      vim.api.nvim_buf_set_extmark(
        buffer,
        namespace,
        match.start.line - first,
        vim.str_byteindex(line, item.encoding, match.start.character, false),
        {
          end_col = vim.str_byteindex(line, item.encoding, match['end'].character, false),
          hl_group = 'ConexusHitMatch',
          priority = 200,
        }
      )
    end
  end
end

-- Shows an item in a window that has the preview's buffer.
---@param preview conexus.Preview
---@param window integer
---@param item conexus.Item
function M.show(preview, window, item)
  local lines, first = read(item)
  local key = item.path .. '\0' .. first
  vim.bo[preview.buffer].modifiable = true
  vim.api.nvim_buf_set_lines(preview.buffer, 0, -1, false, lines)
  vim.bo[preview.buffer].modifiable = false
  if preview.shown ~= key then
    preview.shown = key
    colour(preview.buffer, item, lines)
  end
  mark(preview.buffer, item, lines, first)
  vim.wo[window].statuscolumn = (' %%#LineNr#%%=%%{v:lnum + %d} '):format(first)
  local range = item.hit.location.range
  local top = math.max(1, math.min(range.start.line - first + 1, #lines))
  vim.api.nvim_win_call(window, function()
    vim.fn.winrestview({ lnum = top, col = 0, topline = math.max(1, top - 2), leftcol = 0 })
  end)
end

---@param preview conexus.Preview
function M.clear(preview)
  preview.shown = nil
  vim.treesitter.stop(preview.buffer)
  vim.bo[preview.buffer].modifiable = true
  vim.api.nvim_buf_set_lines(preview.buffer, 0, -1, false, {})
  vim.bo[preview.buffer].modifiable = false
end

return M
