local expect = dofile(debug.getinfo(1, 'S').source:match('^@(.*/)') .. 'expect.lua')
local complete = require('conexus.query').complete

return {
  ['operators are offered'] = function()
    expect.equal(complete(''), { 'lang:', 'path:', 'kind:', 'test:' })
    expect.equal(complete('k'), { 'kind:' })
    expect.equal(complete('-l'), { '-lang:' })
    expect.equal(complete('retry'), {})
  end,
  ['values are offered'] = function()
    expect.equal(complete('lang:ty'), { 'lang:typescript' })
    expect.equal(complete('-test:'), { '-test:only', '-test:exclude', '-test:include' })
    expect.equal(complete('kind:m'), { 'kind:method', 'kind:module', 'kind:macro' })
    expect.equal(complete('lang:klingon'), {})
    expect.equal(complete('http:x'), {})
  end,
  ['paths are offered'] = function()
    local folder = vim.fn.tempname()
    vim.fn.mkdir(folder .. '/src', 'p')
    vim.cmd.cd(folder)
    expect.equal(complete('path:s'), { 'path:src/' })
  end,
}
