-- The built-in picker: a prompt, the results, and the code of the chosen one.

local Live = require('conexus.live')
local Windows = require('conexus.picker.windows')
local hits = require('conexus.hits')
local preview = require('conexus.picker.preview')
local rows = require('conexus.picker.rows')

local namespace = vim.api.nvim_create_namespace('conexus.list')

-- How long after its first answer a query may be answered anew: what was typed in a file just now takes a moment to be
-- searchable, and so does a small project that was just opened.
local SETTLING_MS = 1000

local HINT = {
  'Say what the code does, or give its name.',
  '',
  'lang:python  path:src  kind:function  test:only',
  'narrow it down; a minus in front leaves out.',
}

---@class conexus.Picker
---@field private job conexus.Job
---@field private windows conexus.Windows
---@field private preview conexus.Preview
---@field private live conexus.Live
---@field private from integer the window that it was opened from
---@field private query? string what was asked for last
---@field private answer? conexus.Answer
---@field private selected integer from 1
---@field private settled number until when what is shown may be replaced by itself, of `vim.uv.now`
---@field private closed boolean
local Picker = {}
Picker.__index = Picker

---@return string
function Picker:typed()
  return table.concat(vim.api.nvim_buf_get_lines(self.windows.prompt_buffer, 0, -1, false), ' ')
end

---@private
---@param lines string[]
---@param group string
function Picker:say(lines, group)
  local buffer = self.windows.list_buffer
  vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  vim.wo[self.windows.list].cursorline = false
  vim.wo[self.windows.list].wrap = true
  for number in ipairs(lines) do
    vim.api.nvim_buf_set_extmark(buffer, namespace, number - 1, 0, { line_hl_group = group })
  end
  self.windows:preview_title('', '')
  preview.clear(self.preview)
end

---@private
function Picker:draw_list()
  local buffer = self.windows.list_buffer
  local drawn = rows.rows(self.answer.items, self.windows:list_width())
  vim.api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
  vim.api.nvim_buf_set_lines(
    buffer,
    0,
    -1,
    false,
    vim.tbl_map(function(row)
      return row.text
    end, drawn)
  )
  for number, row in ipairs(drawn) do
    for order, mark in ipairs(row.marks) do
      vim.api.nvim_buf_set_extmark(buffer, namespace, number - 1, mark.first, {
        end_col = mark.last,
        hl_group = mark.group,
        priority = 100 + order,
      })
    end
  end
  vim.wo[self.windows.list].wrap = false
  vim.wo[self.windows.list].cursorline = true
end

---@private
function Picker:draw()
  local answer = self.answer
  if not answer then
    return
  elseif #answer.items > 0 then
    self:draw_list()
    self:select(self.selected)
  elseif self:typed():find('%S') or not self.job.live then
    self:say({ 'Nothing was found.' }, 'ConexusReason')
  else
    self:say(HINT, 'ConexusReason')
  end
  local text, uncertain = rows.summary(answer)
  local asked = self:typed():find('%S') or not self.job.live
  self.windows:footer(asked and text or '', uncertain and 'ConexusWarning' or 'ConexusSummary')
end

-- Chooses a result, and shows its code.
---@param number integer
function Picker:select(number)
  local items = self.answer and self.answer.items or {}
  if #items == 0 then
    return
  end
  self.selected = (number - 1) % #items + 1
  vim.api.nvim_win_set_cursor(self.windows.list, { self.selected, 0 })
  local item = items[self.selected]
  if self.windows.preview then
    preview.show(self.preview, self.windows.preview, item)
    self.windows:preview_title(('%s:%d'):format(item.short, item.lnum), hits.why(item))
  end
end

---@private
---@param answer conexus.Answer
function Picker:answered(answer)
  self.settled = math.min(self.settled, vim.uv.now() + SETTLING_MS)
  self.answer = answer
  self.selected = 1
  self:draw()
end

---@private
---@param problem string
function Picker:failed(problem)
  -- A word that is not finished, such as `kind:f`, is no reason to take away what is shown.
  if self.answer and #self.answer.items > 0 then
    self.windows:footer(problem, 'ConexusWarning')
  else
    self:say({ problem }, 'ConexusWarning')
  end
end

---@private
function Picker:changed()
  local query = self:typed()
  if query ~= self.query then
    self.query = query
    self.settled = math.huge
    if self.job.live then
      self.live:set(query)
    else
      self.live:now(query)
    end
  end
end

-- Asks again where an answer was not whole. What was shown for a while stays where it is; what is new comes below it.
---@private
function Picker:index_changed()
  local old = self.answer
  if self.job.live and old and vim.uv.now() < self.settled then
    return self.live:now(self.query)
  end
  if not self.job.live or not old or (old.index.complete and #old.items > 0) then
    return
  end
  local query = self.query
  self.job.ask(query, function(new)
    if self.closed or not new or self.answer ~= old or self.query ~= query then
      return
    end
    local seen = {}
    local items = vim.list_slice(old.items)
    for _, item in ipairs(items) do
      seen[hits.identity(item)] = true
    end
    for _, item in ipairs(new.items) do
      if not seen[hits.identity(item)] then
        table.insert(items, item)
      end
    end
    new.items = items
    self.answer = new
    self:draw()
  end)
end

-- Goes to the chosen result.
---@param how conexus.How
function Picker:open(how)
  local item = self.answer and self.answer.items[self.selected]
  if item then
    self:close(function()
      require('conexus.open').item(item, how)
    end)
  end
end

function Picker:quickfix()
  local answer = self.answer
  if answer and #answer.items > 0 then
    local title = self.job.live and self:typed() or self.job.title
    self:close(function()
      require('conexus.quickfix').show(title, answer.items)
    end)
  end
end

---@param lines integer
function Picker:scroll(lines)
  if self.windows.preview then
    vim.api.nvim_win_call(self.windows.preview, function()
      local view = vim.fn.winsaveview()
      local last = vim.api.nvim_buf_line_count(0)
      view.topline = math.max(1, math.min(last, view.topline + lines))
      view.lnum = view.topline
      vim.fn.winrestview(view)
    end)
  end
end

---@return integer
function Picker:half_page()
  return self.windows.preview and math.ceil(vim.api.nvim_win_get_height(self.windows.preview) / 2) or 0
end

-- Offers how the operator before the cursor may go on.
function Picker:complete()
  local before = self:typed():sub(1, vim.fn.col('.') - 1)
  local word = before:match('%S*$')
  local choices = word ~= '' and require('conexus.query').complete(word) or {}
  if #choices > 0 then
    vim.fn.complete(#before - #word + 1, choices)
  end
end

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

---@private
---@param keys table<conexus.Action, string|string[]|false>
function Picker:map(keys)
  for key, keeps in pairs(moves) do
    vim.keymap.set('s', key, keeps, { buffer = self.windows.prompt_buffer })
  end
  for action, lhs in pairs(keys) do
    for _, key in ipairs(type(lhs) == 'table' and lhs or { lhs or nil }) do
      vim.keymap.set({ 'i', 'n', 's' }, key, function()
        self.settled = 0
        deselect()
        actions[action](self)
      end, { buffer = self.windows.prompt_buffer, nowait = true, desc = 'Conexus: ' .. action })
    end
  end
end

---@private
function Picker:watch()
  local group = vim.api.nvim_create_augroup('conexus.picker', {})
  local function on(events, callback, more)
    vim.api.nvim_create_autocmd(
      events,
      vim.tbl_extend(
        'force',
        { group = group, callback = callback },
        more or { buffer = self.windows.prompt_buffer }
      )
    )
  end
  on({ 'TextChanged', 'TextChangedI', 'TextChangedP' }, function()
    self:changed()
  end)
  on({ 'WinLeave', 'BufWipeout' }, function()
    self:close()
  end)
  on('VimResized', function()
    self.windows:fit()
    self:draw()
  end, {})
  on('User', function()
    self:index_changed()
  end, { pattern = 'ConexusIndexChanged' })
end

-- Ends insert mode, then closes the windows, and then goes on. Were insert mode to end in another window, it would
-- move the cursor there.
---@param and_then? fun()
function Picker:close(and_then)
  if self.closed then
    return
  end
  self.closed = true
  self.live:close()
  vim.api.nvim_del_augroup_by_name('conexus.picker')
  vim.cmd.stopinsert()
  vim.schedule(function()
    local leaves = vim.api.nvim_get_current_win() == self.windows.prompt
    self.windows:close()
    if leaves and vim.api.nvim_win_is_valid(self.from) then
      vim.api.nvim_set_current_win(self.from)
    end
    if and_then then
      and_then()
    end
  end)
end

-- Puts the query into the prompt, selected, so that typing replaces it.
---@private
---@param query string
function Picker:begin(query)
  query = vim.trim(query:gsub('%s+', ' '))
  vim.api.nvim_buf_set_lines(self.windows.prompt_buffer, 0, -1, false, { query })
  if query == '' then
    vim.cmd.startinsert()
  else
    -- The cursor is at its beginning, which is what should be seen of a long one.
    vim.cmd('normal! $v0\7')
  end
  self.query = query
  self.live:now(query)
end

local M = {}

---@param job conexus.Job
---@param settings conexus.Settings
function M.open(job, settings)
  local code = preview.new()
  local self = setmetatable({
    job = job,
    from = vim.api.nvim_get_current_win(),
    preview = code,
    windows = Windows.open(job.title, code.buffer, settings),
    selected = 1,
    settled = math.huge,
    closed = false,
  }, Picker)
  self.live = Live.new(job.ask, settings.debounce, function(answer)
    self:answered(answer)
  end, function(problem)
    self:failed(problem)
  end)
  self:map(settings.keys)
  self:watch()
  self:say({ 'Asking the server …' }, 'ConexusReason')
  self:begin(job.query)
end

return M
