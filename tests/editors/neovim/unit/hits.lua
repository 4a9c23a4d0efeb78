local expect = dofile(debug.getinfo(1, 'S').source:match('^@(.*/)') .. 'expect.lua')
local hits = require('conexus.hits')

local LINE = '/* 🎉🎊 乾杯 */ export function launchFireworks(rockets: number) {'
-- What stands left of the name, in each encoding.
local COLUMNS = { ['utf-8'] = 38, ['utf-16'] = 30, ['utf-32'] = 28 }

local function range(first, from, last, to)
  return { start = { line = first, character = from }, ['end'] = { line = last, character = to } }
end

local function hit(encoding)
  local column = COLUMNS[encoding]
  return {
    location = { uri = 'file:///shop/party.ts', range = range(2, 0, 5, 0) },
    folder = 'file:///shop',
    language = 'typescript',
    score = 1,
    reasons = { 'meaning', 'words: launch' },
    preview = LINE .. '\n  return 1;\n}\n',
    symbol = 'launchFireworks',
    kind = 'function',
    nameRange = range(2, column, 2, column + 15),
    matches = { range(2, column, 2, column + 6), range(3, 2, 3, 8) },
  }
end

local tests = {
  ['a hit without a name is called by its first words'] = function()
    local unnamed = hit('utf-8')
    unnamed.symbol, unnamed.nameRange = nil, nil
    unnamed.preview = '\n   ' .. unnamed.preview
    unnamed.location.range.start.line = 1
    unnamed.matches = { range(2, 3, 2, 5) }
    local item = hits.item(unnamed, 'utf-8')
    expect.equal({ item.label, item.lnum, item.col, item.marks }, { LINE, 2, 0, { { 0, 2 } } })
  end,
  ['an empty hit has an empty label'] = function()
    local empty = hit('utf-8')
    empty.symbol, empty.nameRange, empty.preview, empty.matches = nil, nil, '', nil
    expect.equal(hits.item(empty, 'utf-8').label, '')
  end,
  ['a name beyond the preview is looked up in the file'] = function()
    local path = vim.fn.tempname() .. '.ts'
    vim.fn.writefile({ '// one', '// two', LINE }, path)
    local cut = hit('utf-16')
    cut.location.uri = vim.uri_from_fname(path)
    cut.location.range = range(0, 0, 3, 0)
    cut.preview = '// one\n'
    expect.equal(hits.item(cut, 'utf-16').col, 38)
  end,
  ['lines that end in a carriage return are no different'] = function()
    local dos = hit('utf-16')
    dos.preview = dos.preview:gsub('\n', '\r\n')
    expect.equal(hits.item(dos, 'utf-16').code, LINE)
  end,
  ['the last line is that of whole lines'] = function()
    expect.equal(hits.last_line(range(2, 0, 5, 0)), 5)
    expect.equal(hits.last_line(range(2, 0, 4, 7)), 5)
    expect.equal(hits.last_line(range(2, 0, 2, 0)), 3)
  end,
  ['a document that is no file keeps its name'] = function()
    local buffer = hit('utf-8')
    buffer.location.uri = 'untitled:Untitled-1'
    expect.equal(hits.item(buffer, 'utf-8').path, 'untitled:Untitled-1')
  end,
}

for encoding in pairs(COLUMNS) do
  tests['columns are bytes, whatever the server counts: ' .. encoding] = function()
    local item = hits.item(hit(encoding), encoding)
    expect.equal({ item.lnum, item.col, item.end_lnum }, { 3, 38, 5 })
    expect.equal({ item.label, item.marks }, { 'launchFireworks', { { 0, 6 } } })
    expect.equal(item.path, '/shop/party.ts')
    expect.equal(hits.why(item), 'meaning · words: launch')
  end
end

return tests
