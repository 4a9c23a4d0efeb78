-- From hits, as the server counts lines and columns, to items, as Neovim does.

local plain = require('conexus.plain')

local M = {}

---@class conexus.Item a result, ready to be shown and gone to: every text of it that is shown is one line
---@field hit conexus.Hit
---@field encoding conexus.Encoding what the columns in `hit` count
---@field path string absolute; a URI where it is no file of this computer
---@field short string relative to the current directory where it is below it
---@field lnum integer from 1: where to go
---@field col integer bytes, from 0
---@field end_lnum integer the last line of the code
---@field label string the defined name, or the first words of the code
---@field marks [integer, integer][] where words of the query stand in the label: bytes, from 0, without the last
---@field code string the line to go to

---@param lines string[] of the preview
---@param first integer line of the file that the preview begins with, from 0
---@param position lsp.Position
---@param encoding conexus.Encoding
---@return integer? bytes nothing where the preview has not got that line
local function byte_in(lines, first, position, encoding)
  local line = lines[position.line - first + 1]
  return line and vim.str_byteindex(line, encoding, position.character, false)
end

-- The byte column of a position beyond the preview, which is cut after 2 KiB.
---@param uri string
---@param position lsp.Position
---@param encoding conexus.Encoding
---@return integer
local function byte_in_file(uri, position, encoding)
  local range = { start = position, ['end'] = position }
  local item = vim.lsp.util.locations_to_items({ { uri = uri, range = range } }, encoding)[1]
  return item and item.col and item.col - 1 or 0
end

---@param hit conexus.Hit
---@param lines string[]
---@param encoding conexus.Encoding
---@return string label
---@return integer line from 1, of those of the preview: where the label stands
---@return integer column bytes, from 0
local function label_of(hit, lines, encoding)
  local first = hit.location.range.start.line
  if hit.symbol then
    local start = hit.nameRange and hit.nameRange.start
    local column = start and byte_in(lines, first, start, encoding)
    return hit.symbol, start and start.line - first + 1 or 0, column or 0
  end
  for number, line in ipairs(lines) do
    local indent, text = line:match('^(%s*)(%S.*)$')
    if text then
      return text, number, #indent
    end
  end
  return '', 0, 0
end

---@param hit conexus.Hit
---@param lines string[]
---@param encoding conexus.Encoding
---@return string label
---@return [integer, integer][] marks
local function marked_label(hit, lines, encoding)
  local label, number, column = label_of(hit, lines, encoding)
  local first = hit.location.range.start.line
  local marks = {}
  for _, match in ipairs(hit.matches or {}) do
    if match.start.line == first + number - 1 and match['end'].line == match.start.line then
      local from = (byte_in(lines, first, match.start, encoding) or 0) - column
      local to = (byte_in(lines, first, match['end'], encoding) or 0) - column
      if from >= 0 and to <= #label and from < to then
        table.insert(marks, { from, to })
      end
    end
  end
  return label, marks
end

---@param hit conexus.Hit
---@param encoding conexus.Encoding
---@return conexus.Item
function M.item(hit, encoding)
  local uri = hit.location.uri
  local range = hit.location.range
  local lines = vim.split(hit.preview, '\r?\n')
  local target = (hit.nameRange or range).start
  local path = vim.startswith(uri, 'file:') and vim.uri_to_fname(uri) or uri
  local label, marks = marked_label(hit, lines, encoding)
  local shown = vim.tbl_extend('force', hit, {
    reasons = vim.tbl_map(plain.line, hit.reasons),
    relation = hit.relation and plain.line(hit.relation),
  })
  return {
    hit = shown,
    encoding = encoding,
    path = path,
    short = plain.line(vim.fn.fnamemodify(path, ':~:.')),
    lnum = target.line + 1,
    col = byte_in(lines, range.start.line, target, encoding) or byte_in_file(uri, target, encoding),
    end_lnum = M.last_line(range),
    label = plain.line(label),
    marks = marks,
    code = vim.trim(plain.line(lines[target.line - range.start.line + 1] or label)),
  }
end

---@param result conexus.SearchResult
---@param encoding conexus.Encoding
---@return conexus.Item[]
function M.items(result, encoding)
  return vim.tbl_map(function(hit)
    return M.item(hit, encoding)
  end, result.hits)
end

-- The last line of whole lines, from 1.
---@param range lsp.Range
---@return integer
function M.last_line(range)
  local last = range['end']
  return math.max(range.start.line + 1, last.character == 0 and last.line or last.line + 1)
end

-- Why it was found, in a line.
---@param item conexus.Item
---@return string
function M.why(item)
  return table.concat(item.hit.reasons, ' · ')
end

return M
