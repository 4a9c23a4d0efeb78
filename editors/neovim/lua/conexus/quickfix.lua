-- Results in the quickfix list.

local plain = require('conexus.plain')

local M = {}

---@param item conexus.Item
---@return vim.quickfix.entry
local function entry(item)
  local relation = item.hit.relation
  return {
    filename = item.path,
    lnum = item.lnum,
    col = item.col + 1,
    end_lnum = item.end_lnum,
    text = relation and ('[%s] %s'):format(relation, item.code) or item.code,
    user_data = { conexus = item.hit },
  }
end

-- Makes a new quickfix list, best first, and opens it.
---@param title string
---@param items conexus.Item[]
function M.show(title, items)
  vim.fn.setqflist(
    {},
    ' ',
    { title = 'Conexus: ' .. plain.line(title), items = vim.tbl_map(entry, items), nr = '$' }
  )
  vim.cmd('botright copen')
end

-- Asks what the job begins with, and shows the answer.
---@param job conexus.Job
function M.fill(job)
  local tell = require('conexus.client').tell
  if job.live and vim.trim(job.query) == '' then
    return tell('a query is needed to fill the quickfix list')
  end
  job.ask(job.query, function(answer, problem)
    if not answer then
      tell(problem)
    elseif #answer.items == 0 then
      tell('nothing was found')
    else
      M.show(job.live and job.query or job.title, answer.items)
    end
  end)
end

return M
