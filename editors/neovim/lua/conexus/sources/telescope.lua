-- Results in Telescope, in the server's order.

local entry_display = require('telescope.pickers.entry_display')
local hits = require('conexus.hits')
local text = require('conexus.sources.text')

local M = {}

local NAME_WIDTH = 28
local PLACE_WIDTH = 26

local function entry_maker()
  local displayer = entry_display.create({
    separator = '  ',
    items = { { width = NAME_WIDTH }, { width = PLACE_WIDTH }, { remaining = true } },
  })
  ---@param item conexus.Item
  return function(item)
    return {
      value = item,
      ordinal = text.of(item) .. ' ' .. item.short,
      filename = item.path,
      lnum = item.lnum,
      lnend = item.end_lnum,
      col = item.col + 1,
      text = item.code,
      display = function()
        local relation = item.hit.relation
        return displayer({
          { item.label, 'Function' },
          { text.place(item), 'Directory' },
          { (relation and relation .. ' · ' or '') .. hits.why(item), 'Comment' },
        })
      end,
    }
  end
end

-- What Telescope calls for every query.
---@param job conexus.Job
local function finder(job)
  local make = entry_maker()
  local cancel = function() end
  return setmetatable({
    close = function()
      cancel()
    end,
  }, {
    __call = function(_, query, add, done)
      cancel()
      cancel = job.ask(query, function(answer, problem)
        if problem then
          require('conexus.client').hint(problem)
        end
        for number, item in ipairs(answer and answer.items or {}) do
          local entry = make(item)
          entry.index = number
          if add(entry) then
            return
          end
        end
        done()
      end)
    end,
  })
end

---@param job conexus.Job
---@param settings conexus.Settings
---@param options? table of Telescope
function M.open(job, settings, options)
  options = options or {}
  local conf = require('telescope.config').values
  require('telescope.pickers')
    .new(options, {
      prompt_title = job.title,
      default_text = job.query,
      debounce = settings.debounce,
      finder = finder(job),
      previewer = conf.grep_previewer(options),
      sorter = require('telescope.sorters').empty(),
    })
    :find()
end

return M
