local expect = dofile(debug.getinfo(1, 'S').source:match('^@(.*/)') .. 'expect.lua')
local text = require('conexus.state').text

local function state(changes)
  return vim.tbl_extend('force', { health = 'ok', quiescent = true, ready = true, bars = {} }, changes or {})
end

return {
  ['nothing is said without a server'] = function()
    expect.equal(text(nil), '')
    expect.equal(require('conexus').statusline(), '')
  end,
  ['it is said how far indexing has come'] = function()
    expect.equal(text(state()), 'Conexus')
    expect.equal(text(state({ ready = false })), 'Conexus …')
    expect.equal(text(state({ bars = { token = 45 } })), 'Conexus 45%')
    expect.equal(text(state({ bars = { token = false } })), 'Conexus …')
  end,
  ['an edit is no news'] = function()
    expect.equal(text(state({ quiescent = false })), 'Conexus')
  end,
  ['trouble comes first'] = function()
    expect.equal(text(state({ health = 'warning', bars = { token = 45 } })), 'Conexus: warning')
  end,
}
