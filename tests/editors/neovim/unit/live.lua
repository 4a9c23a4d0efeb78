local expect = dofile(debug.getinfo(1, 'S').source:match('^@(.*/)') .. 'expect.lua')
local Live = require('conexus.live')

-- A server that answers when it is told to, and knows what was asked and cancelled.
local function server()
  local self = { asked = {}, cancelled = {}, answers = {} }
  function self.ask(query, callback)
    table.insert(self.asked, query)
    self.answers[query] = callback
    return function()
      table.insert(self.cancelled, query)
    end
  end
  return self
end

local function waits_for(condition)
  expect.truthy(vim.wait(5000, condition, 1), 'it did not come to that')
end

return {
  ['what is typed fast is asked once'] = function()
    local own = server()
    local live = Live.new(own.ask, 20, function() end, error)
    for _, query in ipairs({ 'r', 're', 'ret' }) do
      live:set(query)
    end
    waits_for(function()
      return #own.asked > 0
    end)
    expect.equal(own.asked, { 'ret' })
    live:close()
  end,
  ['the next question cancels the last one'] = function()
    local own = server()
    local live = Live.new(own.ask, 0, function() end, error)
    live:now('one')
    live:now('two')
    expect.equal(own.cancelled, { 'one' })
    live:close()
    expect.equal(own.cancelled, { 'one', 'two' })
  end,
  ['answers and problems are passed on'] = function()
    local own, got = server(), {}
    local function keep(value)
      table.insert(got, value)
    end
    local live = Live.new(own.ask, 0, keep, keep)
    live:now('one')
    own.answers.one('answer')
    live:now('two')
    own.answers.two(nil, 'problem')
    expect.equal(got, { 'answer', 'problem' })
    live:close()
  end,
  ['nothing is passed on after the end'] = function()
    local own = server()
    local live = Live.new(own.ask, 0, error, error)
    live:now('one')
    live:close()
    own.answers.one('answer')
    live:now('two')
    live:close()
    expect.equal(own.asked, { 'one' })
  end,
}
