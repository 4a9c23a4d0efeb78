-- Text that others wrote breaks nothing that shows it.

local expect = dofile(debug.getinfo(1, 'S').source:match('^@(.*/)') .. 'expect.lua')
local client = require('conexus.client')
local hits = require('conexus.hits')

local NASTY = 'a\nb\r\27[31m\tc'

local function range(line)
  return { start = { line = line, character = 0 }, ['end'] = { line = line + 1, character = 0 } }
end

local function nasty_hit(changes)
  return vim.tbl_extend('force', {
    location = { uri = 'file:///shop/a%0Ab%1B.py', range = range(0) },
    folder = 'file:///shop',
    language = 'python',
    score = 1,
    reasons = { NASTY },
    relation = NASTY,
    preview = 'x\27 = 1\n',
    symbol = NASTY,
  }, changes or {})
end

local function set_lines(lines)
  vim.api.nvim_buf_set_lines(vim.api.nvim_create_buf(false, true), 0, -1, false, lines)
end

local function one_line(text)
  expect.truthy(not text:find('%c'), vim.inspect(text))
end

return {
  ['every text of a result is one line, and its path is what it was'] = function()
    local item = hits.item(nasty_hit(), 'utf-8')
    for _, text in ipairs({ item.short, item.label, item.code, item.hit.relation, hits.why(item) }) do
      one_line(text)
    end
    one_line(hits.item(nasty_hit({ preview = 'a\tb' }), 'utf-8').code)
    expect.equal(item.path, '/shop/a\nb\27.py')
  end,
  ['a result is a row of a buffer and a line of any picker'] = function()
    local item = hits.item(nasty_hit(), 'utf-8')
    local row = require('conexus.picker.rows').rows({ item }, 100)[1]
    set_lines({ row.text })
    local text = require('conexus.sources.text')
    one_line(text.of(item))
    one_line(text.place(item))
  end,
  ['a result is an entry of the quickfix list'] = function()
    require('conexus.quickfix').show(NASTY, { hits.item(nasty_hit(), 'utf-8') })
    one_line(vim.fn.getqflist({ title = true }).title)
    one_line(vim.fn.getqflist()[1].text)
    expect.equal(vim.fn.bufname(vim.fn.getqflist()[1].bufnr), '/shop/a\nb\27.py')
  end,
  ['the title of what is related to a file is one line'] = function()
    vim.cmd.enew()
    vim.api.nvim_buf_set_name(0, '/shop/a\nb.py')
    one_line(require('conexus.jobs').related({}, {}).title)
  end,
  ['what a server refuses with is one line'] = function()
    local told
    client.request(
      {
        request = function(_, _, _, answer)
          answer({ message = NASTY })
          return true, 1
        end,
      },
      'conexus/search',
      {},
      function(_, problem)
        told = problem
      end
    )
    one_line(told)
  end,
  ['the version that another server offers is one line'] = function()
    one_line(
      client.misfit({ server_capabilities = { experimental = { conexus = { protocolVersion = NASTY } } } })
    )
  end,
  ['what an answer lacks is said in one line'] = function()
    local index = { complete = true, indexedFiles = 1, totalFiles = 1, degraded = NASTY }
    one_line((require('conexus.picker.rows').summary({ items = {}, index = index, took = 1 })))
  end,
  ['the status is lines'] = function()
    local lines = require('conexus.status').lines({
      files = 1,
      chunks = 1,
      phase = NASTY,
      message = NASTY,
      health = 'warning',
      pending = 0,
      memoryBytes = 1,
      indexBytes = 1,
      role = 'writer',
      model = { name = NASTY },
      folders = { { uri = 'file:///a%0Ab', files = 1, chunks = 1, complete = true, skipped = {} } },
    })
    set_lines(lines)
    vim.tbl_map(one_line, lines)
  end,
  ['a statusline gets words of this plugin alone'] = function()
    local text = require('conexus.state').text
    expect.equal(text({ health = 'warning', bars = {} }), 'Conexus: warning')
    expect.equal(text({ health = '%{execute("quit")}', bars = {} }), 'Conexus: error')
  end,
}
