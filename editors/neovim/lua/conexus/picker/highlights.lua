-- The colours of the built-in picker, each a link that a colour scheme or the user may change.

local M = {}

---@type table<string, string>
M.links = {
  ConexusNormal = 'NormalFloat',
  ConexusBorder = 'FloatBorder',
  ConexusTitle = 'FloatTitle',
  ConexusPrompt = 'Title',
  ConexusName = 'Function',
  ConexusCode = 'NormalFloat',
  ConexusPath = 'Directory',
  ConexusRelation = 'Type',
  ConexusReason = 'Comment',
  ConexusSummary = 'Comment',
  ConexusWarning = 'DiagnosticWarn',
  ConexusSelected = 'Visual',
  ConexusMatch = 'Search',
  ConexusHit = 'CursorLine',
}

function M.define()
  for group, link in pairs(M.links) do
    vim.api.nvim_set_hl(0, group, { link = link, default = true })
  end
end

return M
