-- Results in fzf-lua, in the server's order.

local text = require('conexus.sources.text')

local M = {}

---@param job conexus.Job
---@param settings conexus.Settings
function M.open(job, settings)
  local fzf = require('fzf-lua')
  local make_entry = require('fzf-lua.make_entry')
  local cancel = function() end

  -- Writes the results of a query as fzf-lua writes places, so that its actions and its previewer know them.
  local function write(query, options, line)
    cancel()
    cancel = job.ask(query, function(answer, problem)
      if problem then
        require('conexus.client').hint(problem)
      end
      for _, item in ipairs(answer and answer.items or {}) do
        local place = { filename = item.short, lnum = item.lnum, col = item.col + 1, text = text.of(item) }
        line(make_entry.file(make_entry.lcol(place, options), options))
      end
      line(nil)
    end)
  end

  local options = {
    prompt = '> ',
    query = job.query,
    query_delay = settings.debounce,
    previewer = 'builtin',
    actions = fzf.defaults.actions.files,
    file_icons = false,
    fzf_opts = { ['--no-sort'] = true, ['--tiebreak'] = 'index' },
    winopts = { title = (' %s '):format(job.title) },
  }
  if job.live then
    fzf.fzf_live(function(arguments, live_options)
      return function(line)
        write(arguments[1] or '', live_options, vim.schedule_wrap(line))
      end
    end, options)
  else
    fzf.fzf_exec(function(line)
      write('', options, line)
    end, options)
  end
end

return M
