-- Results in the picker of snacks.nvim, in the server's order.

local hits = require('conexus.hits')
local text = require('conexus.sources.text')

local M = {}

---@param item conexus.Item
local function entry(item)
  return {
    text = text.of(item) .. ' ' .. item.short,
    file = item.path,
    pos = { item.lnum, item.col },
    item = item,
  }
end

local function format(entry_)
  local item = entry_.item
  local parts = {}
  if item.hit.relation then
    table.insert(parts, { item.hit.relation .. '  ', 'Identifier' })
  end
  table.insert(parts, { item.label .. '  ', 'Function' })
  table.insert(parts, { text.place(item) .. '  ', 'SnacksPickerDir' })
  table.insert(parts, { hits.why(item), 'SnacksPickerComment' })
  return parts
end

---@param job conexus.Job
local function finder(job)
  return function(_, context)
    local query = context.filter.search
    return function(add)
      local task = context.async
      local answer, problem
      local over = false
      vim.schedule(function()
        if task:aborted() then
          return
        end
        local cancel = job.ask(query, function(...)
          answer, problem = ...
          over = true
          task:resume()
        end)
        task:on('abort', vim.schedule_wrap(cancel))
      end)
      while not over do
        task:suspend()
      end
      if problem then
        vim.schedule(function()
          require('conexus.client').hint(problem)
        end)
      end
      for _, item in ipairs(answer and answer.items or {}) do
        add(entry(item))
      end
    end
  end
end

---@param job conexus.Job
function M.open(job)
  require('snacks').picker.pick({
    source = 'conexus',
    title = job.title,
    finder = finder(job),
    format = format,
    live = job.live,
    supports_live = job.live,
    search = job.live and job.query or nil,
    preview = 'file',
    sort = { fields = { 'idx' } },
    show_empty = true,
  })
end

return M
