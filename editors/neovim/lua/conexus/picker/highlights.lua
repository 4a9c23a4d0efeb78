-- The colours of the built-in picker, which a colour scheme or the user may change.

local M = {}

---@type table<string, vim.api.keyset.highlight>
M.groups = {
  ConexusNormal = { link = 'NormalFloat' },
  ConexusBorder = { link = 'FloatBorder' },
  ConexusTitle = { link = 'FloatTitle' },
  ConexusPrompt = { link = 'Title' },
  ConexusName = { bold = true },
  ConexusCode = { link = 'NormalFloat' },
  ConexusMatch = { link = 'Special' },
  ConexusPath = { link = 'Directory' },
  ConexusRelation = { link = 'Identifier' },
  ConexusReason = { link = 'Comment' },
  ConexusSummary = { link = 'Comment' },
  ConexusWarning = { link = 'DiagnosticWarn' },
  ConexusSelected = { link = 'Visual' },
  ConexusHit = { link = 'CursorLine' },
  ConexusHitMatch = { link = 'Search' },
}

function M.define()
  for name, definition in pairs(M.groups) do
    vim.api.nvim_set_hl(0, name, vim.tbl_extend('force', { default = true }, definition))
  end
end

return M
