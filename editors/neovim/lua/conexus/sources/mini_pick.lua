-- Results in mini.pick, in the server's order.

local text = require('conexus.sources.text')

local M = {}

---@param item conexus.Item
local function entry(item)
  return {
    text = ('%s  %s'):format(text.place(item), text.of(item)),
    path = item.path,
    lnum = item.lnum,
    col = item.col + 1,
  }
end

---@param job conexus.Job
---@param settings conexus.Settings
function M.open(job, settings)
  local pick = require('mini.pick')
  if not _G.MiniPick then
    pick.setup()
  end

  local live = require('conexus.live')
  local tick
  local asking = live.new(job.ask, settings.debounce, function(answer)
    pick.set_picker_items(vim.tbl_map(entry, answer.items), { do_match = not job.live, querytick = tick })
  end, require('conexus.client').hint)

  local source = {
    name = job.title,
    items = {},
    show = job.live and function(buffer, items)
      pick.default_show(buffer, items, {})
    end or nil,
    match = job.live and function(_, _, query)
      if tick ~= pick.get_querytick() then
        tick = pick.get_querytick()
        asking:set(table.concat(query))
      end
    end or nil,
  }
  vim.api.nvim_create_autocmd('User', {
    pattern = 'MiniPickStart',
    once = true,
    callback = function()
      if job.live then
        pick.set_picker_query(vim.fn.split(job.query, '\\zs'))
      else
        asking:now('')
      end
    end,
  })
  -- It comes back when the user is done.
  pick.start({ source = source })
  asking:close()
end

return M
