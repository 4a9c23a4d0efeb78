-- The colours of the built-in picker, which a colour scheme or the user may change.

local M = {}

-- Most are those of another group by default.
---@type table<string, vim.api.keyset.highlight|string>
M.groups = {
  ConexusNormal = 'NormalFloat',
  ConexusBorder = 'FloatBorder',
  ConexusTitle = 'FloatTitle',
  ConexusPrompt = 'Title',
  ConexusName = { bold = true },
  ConexusCode = 'NormalFloat',
  ConexusMatch = 'Special',
  ConexusPath = 'Directory',
  ConexusRelation = 'Identifier',
  ConexusReason = 'Comment',
  ConexusSummary = 'Comment',
  ConexusWarning = 'DiagnosticWarn',
  ConexusSelected = 'Visual',
  ConexusHit = 'CursorLine',
  ConexusHitMatch = 'Search',
}

-- These stand on a border, where Neovim puts the ground of ordinary windows behind a group that has none of its own.
local on_border = { 'ConexusTitle', 'ConexusReason', 'ConexusSummary', 'ConexusWarning' }

function M.define()
  for group, like in pairs(M.groups) do
    local definition = type(like) == 'table' and like or { link = like }
    vim.api.nvim_set_hl(0, group, vim.tbl_extend('force', definition, { default = true }))
  end
  local ground = vim.api.nvim_get_hl(0, { name = 'NormalFloat', link = false })
  for _, group in ipairs(on_border) do
    local colours = vim.api.nvim_get_hl(0, { name = group, link = false })
    colours.bg, colours.ctermbg = colours.bg or ground.bg, colours.ctermbg or ground.ctermbg
    vim.api.nvim_set_hl(0, group .. 'OnBorder', colours --[[@as vim.api.keyset.highlight]])
  end
end

return M
