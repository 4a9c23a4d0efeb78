-- Going to a result.

local M = {}

---@alias conexus.How 'open'|'split'|'vsplit'|'tab'

---@type table<conexus.How, string?>
local window_of = {
  split = 'split',
  vsplit = 'vsplit',
  tab = 'tab split',
}

-- Goes to a result from the current window, with an entry in the jump list and the tag stack.
---@param item conexus.Item
---@param how conexus.How
function M.item(item, how)
  local command = window_of[how]
  if command then
    vim.cmd(command)
  end
  -- A buffer that is made with a relative name is shown with it.
  vim.fn.bufadd(vim.fn.fnamemodify(item.path, ':.'))
  local hit = item.hit
  vim.lsp.util.show_document(
    { uri = hit.location.uri, range = hit.nameRange or hit.location.range },
    item.encoding,
    { focus = true }
  )
end

return M
