local expect = dofile(debug.getinfo(1, 'S').source:match('^@(.*/)') .. 'expect.lua')
local config = require('conexus.config')

local function with(options)
  vim.g.conexus = options
  local settings, problems = config.read()
  vim.g.conexus = nil
  return settings, problems
end

return {
  ['there are defaults'] = function()
    local settings, problems = with(nil)
    expect.equal(problems, {})
    expect.equal({ settings.picker, settings.limit, settings.border }, { 'builtin', 50, 'rounded' })
  end,
  ['options are taken'] = function()
    local settings, problems = with({ limit = 7, keys = { split = '<C-s>', tab = false } })
    expect.equal(problems, {})
    expect.equal({ settings.limit, settings.keys.split, settings.keys.tab }, { 7, '<C-s>', false })
    expect.equal(settings.keys.open, { '<CR>' })
  end,
  ['a function gives options'] = function()
    local settings, problems = with(function()
      return { picker = 'telescope' }
    end)
    expect.equal({ settings.picker, problems }, { 'telescope', {} })
  end,
  ["the user's border for all windows is taken"] = function()
    vim.o.winborder = 'double'
    local settings = with(nil)
    vim.o.winborder = ''
    expect.equal(settings.border, 'double')
  end,
  ['every wrong option is told of in words, and its default holds'] = function()
    local settings, problems = with({
      picker = 'fzf',
      limit = 201,
      debounce = 'soon',
      preview = 1,
      border = 3,
      keys = { opne = '<CR>' },
      limt = 3,
    })
    expect.equal(settings, (with(nil)))
    expect.equal(problems, {
      'vim.g.conexus: `border` must be the name of a border or a list of its parts',
      'vim.g.conexus: `debounce` must be a whole number from 0 to 5000',
      'vim.g.conexus: `keys` has no action `opne`; actions are close, complete, next, open, previous, quickfix, '
        .. 'scroll_down, scroll_up, split, tab, vsplit',
      'vim.g.conexus: `limit` must be a whole number from 1 to 200',
      'vim.g.conexus: `limt` is not an option; options are border, debounce, keys, limit, picker, preview',
      'vim.g.conexus: `picker` must be one of builtin, telescope, fzf-lua, snacks, mini.pick',
      'vim.g.conexus: `preview` must be true or false',
    })
  end,
  ['a key of a wrong type is told of'] = function()
    local _, problems = with({ keys = { open = 3 } })
    expect.matches(problems[1], 'gives `open` a number')
  end,
  ['options of a wrong type are told of'] = function()
    local settings, problems = with('telescope')
    expect.matches(problems[1], 'vim.g.conexus is a string')
    expect.equal(settings.picker, 'builtin')
  end,
  ['a function that fails is told of'] = function()
    local _, problems = with(function()
      error('no such thing')
    end)
    expect.matches(problems[1], 'failed: .*no such thing')
  end,
}
