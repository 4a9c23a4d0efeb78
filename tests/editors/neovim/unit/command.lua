local expect = dofile(debug.getinfo(1, 'S').source:match('^@(.*/)') .. 'expect.lua')
local complete = require('conexus.command').complete

return {
  ['subcommands are completed'] = function()
    expect.equal(complete('Conexus '), { 'log', 'pause', 'reindex', 'related', 'resume', 'search', 'status' })
    expect.equal(complete('Conexus re'), { 'reindex', 'related', 'resume' })
    expect.equal(complete("'<,'>Conexus se"), { 'search' })
    expect.equal(complete('Conexus! s'), { 'search', 'status' })
  end,
  ['operators and their values are completed'] = function()
    expect.equal(complete('Conexus search retries la'), { 'lang:' })
    expect.equal(complete('Conexus search retries lang:py'), { 'lang:python' })
  end,
  ['relations are completed'] = function()
    expect.equal(complete('Conexus related c'), { 'caller', 'callee' })
    expect.equal(complete('Conexus related caller te'), { 'test', 'tested' })
  end,
  ['what takes nothing is completed by nothing'] = function()
    expect.equal(complete('Conexus status '), {})
    expect.equal(complete('Conexus nonsense '), {})
  end,
}
