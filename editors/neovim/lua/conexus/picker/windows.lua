-- The picker's buffers and windows: opened, moved when the screen changes, and closed together.

local highlights = require('conexus.picker.highlights')
local layout = require('conexus.picker.layout')

---@class conexus.Windows
---@field prompt integer window
---@field list integer window
---@field preview? integer window
---@field prompt_buffer integer
---@field list_buffer integer
---@field private preview_buffer integer
---@field private title string
---@field private settings conexus.Settings
local Windows = {}
Windows.__index = Windows

local COLOURS = 'Normal:ConexusNormal,FloatBorder:ConexusBorder,FloatTitle:ConexusTitleOnBorder'

---@return integer
local function scratch()
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.bo[buffer].bufhidden = 'wipe'
  return buffer
end

---@param settings conexus.Settings
---@return conexus.Layout
local function current_layout(settings)
  return layout.compute(vim.o.columns, vim.o.lines - vim.o.cmdheight, settings.preview)
end

---@param box conexus.Box
---@param border conexus.Border
---@return vim.api.keyset.win_config
local function placed(box, border)
  return {
    relative = 'editor',
    row = box.row,
    col = box.col,
    width = box.width,
    height = box.height,
    border = border,
  }
end

---@param buffer integer
---@param box conexus.Box
---@param border conexus.Border
---@param more vim.api.keyset.win_config
---@return integer
local function open(buffer, box, border, more)
  local config = vim.tbl_extend('force', placed(box, border), { style = 'minimal', focusable = false }, more)
  local window = vim.api.nvim_open_win(buffer, config.focusable, config)
  vim.wo[window].winhighlight = COLOURS
  vim.wo[window].wrap = false
  vim.wo[window].linebreak = true
  vim.wo[window].foldenable = false
  return window
end

---@param title string
---@param preview_buffer integer
---@param settings conexus.Settings
---@return conexus.Windows
function Windows.open(title, preview_buffer, settings)
  highlights.define()
  local self = setmetatable({
    prompt_buffer = scratch(),
    list_buffer = scratch(),
    preview_buffer = preview_buffer,
    title = (' %s '):format(title),
    settings = settings,
  }, Windows)
  local boxes = current_layout(settings)
  self.list = open(self.list_buffer, boxes.list, settings.border, {})
  vim.wo[self.list].winhighlight = COLOURS .. ',CursorLine:ConexusSelected'
  self:show_preview(boxes)
  self.prompt = open(self.prompt_buffer, boxes.prompt, settings.border, {
    focusable = true,
    title = self.title,
    title_pos = 'center',
  })
  vim.wo[self.prompt].statuscolumn = '%#ConexusPrompt# > '
  vim.wo[self.prompt].sidescrolloff = 3
  vim.bo[self.prompt_buffer].filetype = 'conexus-prompt'
  vim.bo[self.list_buffer].filetype = 'conexus-list'
  -- Completion plugins are of no use here, nor is Neovim's own.
  vim.b[self.prompt_buffer].completion = false
  if vim.fn.exists('&autocomplete') == 1 then
    vim.bo[self.prompt_buffer].autocomplete = false
  end
  return self
end

---@private
---@param boxes conexus.Layout
function Windows:show_preview(boxes)
  if boxes.preview and not self.preview then
    -- Its buffer goes with its last window, unless it is to come back.
    vim.bo[self.preview_buffer].bufhidden = 'hide'
    self.preview = open(self.preview_buffer, boxes.preview, self.settings.border, {})
  elseif not boxes.preview and self.preview then
    vim.api.nvim_win_close(self.preview, true)
    self.preview = nil
  end
end

-- Fits the windows to the screen.
function Windows:fit()
  local boxes = current_layout(self.settings)
  local border = self.settings.border
  vim.api.nvim_win_set_config(self.prompt, placed(boxes.prompt, border))
  vim.api.nvim_win_set_config(self.list, placed(boxes.list, border))
  self:show_preview(boxes)
  if self.preview and boxes.preview then
    vim.api.nvim_win_set_config(self.preview, placed(boxes.preview, border))
  end
end

---@return integer
function Windows:list_width()
  return vim.api.nvim_win_get_width(self.list)
end

---@param text string
---@param group string
function Windows:footer(text, group)
  text = require('conexus.picker.rows').cut(text, self:list_width() - 2)
  vim.api.nvim_win_set_config(self.list, {
    footer = text ~= '' and { { (' %s '):format(text), group .. 'OnBorder' } } or '',
    footer_pos = 'right',
  })
end

---@param text string
---@param below string
function Windows:preview_title(text, below)
  if self.preview then
    local rows = require('conexus.picker.rows')
    local width = vim.api.nvim_win_get_width(self.preview) - 2
    vim.api.nvim_win_set_config(self.preview, {
      title = text ~= '' and (' %s '):format(rows.cut(text, width)) or '',
      title_pos = 'center',
      footer = below ~= '' and { { (' %s '):format(rows.cut(below, width)), 'ConexusReasonOnBorder' } } or '',
      footer_pos = 'left',
    })
  end
end

function Windows:close()
  for _, window in ipairs({ self.preview or false, self.list, self.prompt }) do
    if window and vim.api.nvim_win_is_valid(window) then
      vim.api.nvim_win_close(window, true)
    end
  end
  if vim.api.nvim_buf_is_valid(self.preview_buffer) then
    vim.api.nvim_buf_delete(self.preview_buffer, { force = true })
  end
end

return Windows
