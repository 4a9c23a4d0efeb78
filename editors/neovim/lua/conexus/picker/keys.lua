-- What keys do in the picker's prompt.

local M = {}

---@type table<conexus.Action, fun(picker: conexus.Picker)>
local actions = {
  next = function(picker)
    picker:select(picker.selected + 1)
  end,
  previous = function(picker)
    picker:select(picker.selected - 1)
  end,
  open = function(picker)
    picker:open('open')
  end,
  split = function(picker)
    picker:open('split')
  end,
  vsplit = function(picker)
    picker:open('vsplit')
  end,
  tab = function(picker)
    picker:open('tab')
  end,
  quickfix = function(picker)
    picker:quickfix()
  end,
  close = function(picker)
    picker:close()
  end,
  scroll_down = function(picker)
    picker:scroll(picker:half_page())
  end,
  scroll_up = function(picker)
    picker:scroll(-picker:half_page())
  end,
  complete = function(picker)
    picker:complete()
  end,
}

-- What keys do while completions are offered.
---@type table<conexus.Action, string?>
local in_menu = { next = '<C-n>', previous = '<C-p>', complete = '<C-n>', open = '<C-y>' }

-- Keeps the query that was selected for replacing: Neovim would select it again after a mapping.
local function deselect()
  if vim.fn.mode():find('[vVsS\22\19]') then
    vim.cmd('normal! \27')
    vim.cmd.startinsert({ bang = true })
  end
end

-- What moves in the query, and so keeps it.
local moves = {
  ['<Left>'] = '<Esc>I',
  ['<Home>'] = '<Esc>I',
  ['<Right>'] = '<Esc>A',
  ['<End>'] = '<Esc>A',
}

---@param picker conexus.Picker
---@param buffer integer the prompt's
---@param keys table<conexus.Action, string|string[]|false>
function M.map(picker, buffer, keys)
  for key, keeps in pairs(moves) do
    vim.keymap.set('s', key, keeps, { buffer = buffer })
  end
  for action, lhs in pairs(keys) do
    for _, key in ipairs(type(lhs) == 'table' and lhs or { lhs or nil }) do
      vim.keymap.set({ 'i', 'n', 's' }, key, function()
        if in_menu[action] and vim.fn.pumvisible() == 1 then
          return vim.api.nvim_feedkeys(vim.keycode(in_menu[action]), 'n', false)
        end
        picker:touch()
        deselect()
        actions[action](picker)
      end, { buffer = buffer, nowait = true, desc = 'Conexus: ' .. action })
    end
  end
end

return M
