-- The status in words.

local plain = require('conexus.plain')

local M = {}

---@param bytes integer
---@return string
local function mebibytes(bytes)
  return ('%.1f MiB'):format(bytes / 2 ^ 20)
end

---@param folder conexus.FolderStatus
---@return string
local function folder_line(folder)
  local left_out = 0
  for _, count in pairs(folder.skipped) do
    left_out = left_out + count
  end
  return ('%s: %d files, %d chunks%s%s'):format(
    vim.fn.fnamemodify(vim.uri_to_fname(folder.uri), ':~'),
    folder.files,
    folder.chunks,
    folder.complete and '' or ', not complete yet',
    left_out > 0 and (', %d files left out'):format(left_out) or ''
  )
end

-- A few lines that say what is indexed and whether all is well.
---@param status conexus.StatusResult
---@return string[]
function M.lines(status)
  local lines = {
    ('Conexus: %d files, %d chunks; %s%s'):format(
      status.files,
      status.chunks,
      status.phase,
      status.paused and ', paused' or ''
    ),
  }
  if status.message ~= '' then
    table.insert(lines, ('%s: %s'):format(status.health, status.message))
  end
  if status.pending > 0 then
    table.insert(lines, ('%d files wait to be searchable'):format(status.pending))
  end
  vim.list_extend(lines, vim.tbl_map(folder_line, status.folders))
  table.insert(
    lines,
    ('model %s, %s of memory, %s on disk, %s of the index'):format(
      status.model.name,
      mebibytes(status.memoryBytes),
      mebibytes(status.indexBytes),
      status.role
    )
  )
  return vim.tbl_map(plain.line, lines)
end

return M
