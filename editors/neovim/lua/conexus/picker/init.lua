-- The built-in picker: a prompt, the results, and the code of the chosen one.

local Live = require('conexus.live')
local Windows = require('conexus.picker.windows')
local hits = require('conexus.hits')
local preview = require('conexus.picker.preview')
local rows = require('conexus.picker.rows')

local namespace = vim.api.nvim_create_namespace('conexus.list')

-- How long a whole answer may still be replaced by a better one: what was typed in a file just now takes a moment to be
-- searchable.
local SETTLING_MS = 1000

local HINT = {
  'Say what the code does, or give its name.',
  '',
  'lang:python  path:src  kind:function  test:only',
  'restrict the search; a minus in front excludes.',
}

---@class conexus.Picker
---@field job conexus.Job
---@field windows conexus.Windows
---@field preview conexus.Preview
---@field live conexus.Live
---@field from integer the window that it was opened from
---@field query string what was asked for last
---@field answered_query? string what the answer is to
---@field answer? conexus.Answer
---@field awaiting? conexus.How how to go to the first result of the query, once it is known
---@field selected integer from 1
---@field settled number until when what is shown may be replaced by a better answer, of `vim.uv.now`
---@field closed boolean
local Picker = {}
Picker.__index = Picker

---@return string
function Picker:typed()
  return table.concat(vim.api.nvim_buf_get_lines(self.windows.prompt_buffer, 0, -1, false), ' ')
end

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

---@param items conexus.Item[]
function Picker:draw_list(items)
  local buffer = self.windows.list_buffer
  local drawn = rows.rows(items, self.windows:list_width())
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

function Picker:draw()
  local answer = self.answer
  if not answer then
    return
  elseif #answer.items > 0 then
    self:draw_list(answer.items)
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
---@param number integer from 1; after the last one it starts again with the first
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

---@param answer conexus.Answer
function Picker:answered(answer)
  if answer.index.complete then
    self.settled = math.min(self.settled, vim.uv.now() + SETTLING_MS)
  end
  self.answer = answer
  self.answered_query = self.query
  self.selected = 1
  self:draw()
  if self.awaiting then
    self:open(self.awaiting)
  end
end

---@param problem? string
function Picker:failed(problem)
  problem = problem or 'no answer'
  self.awaiting = nil
  -- A word that is not finished, such as `kind:f`, is no reason to take away what is shown.
  if self.answer and #self.answer.items > 0 then
    self.windows:footer(problem, 'ConexusWarning')
  else
    self:say({ problem }, 'ConexusWarning')
  end
end

function Picker:changed()
  local query = self:typed()
  if query ~= self.query then
    self.query = query
    self.awaiting = nil
    self.settled = math.huge
    if self.job.keep then
      self.job.keep(query)
    end
    if self.job.live then
      self.live:set(query)
    else
      self.live:now(query)
    end
  end
end

-- A better answer replaces what is shown, until the user has begun to choose.
function Picker:index_changed()
  local answer = self.answer
  if self.job.live and answer and (vim.uv.now() < self.settled or #answer.items == 0) then
    self.live:now(self.query)
  end
end

-- Goes to the chosen result. Who is faster than the answer goes to the first one of what was typed.
---@param how conexus.How
function Picker:open(how)
  if self.query ~= self.answered_query then
    self.awaiting = how
    return self.live:now(self.query)
  end
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

-- The user has begun to choose: from now on, nothing that is shown moves by itself.
function Picker:touch()
  -- Neovim sends no event for text that was typed just before a key.
  self:changed()
  self.settled = 0
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
    query = '',
    selected = 1,
    settled = math.huge,
    closed = false,
  }, Picker)
  self.live = Live.new(job.ask, settings.debounce, function(answer)
    self:answered(answer)
  end, function(problem)
    self:failed(problem)
  end)
  require('conexus.picker.keys').map(self, self.windows.prompt_buffer, settings.keys)
  self:watch()
  self:say({ 'Asking the server …' }, 'ConexusReason')
  self:begin(job.query)
end

return M
