local expect = dofile(debug.getinfo(1, 'S').source:match('^@(.*/)') .. 'expect.lua')
local rows = require('conexus.picker.rows')

local function item(changes)
  return vim.tbl_deep_extend('force', {
    hit = { reasons = { 'meaning', 'words: retry' }, symbol = 'retry_with_backoff' },
    short = 'shop/retry.py',
    lnum = 6,
    label = 'retry_with_backoff',
    marks = { { 0, 5 } },
  }, changes or {})
end

-- The texts that a row's marks of a group cover.
local function marked(row, group)
  local texts = {}
  for _, mark in ipairs(row.marks) do
    if mark.group == group then
      table.insert(texts, row.text:sub(mark.first + 1, mark.last))
    end
  end
  return texts
end

return {
  ['a row has the name, the place and the reasons'] = function()
    local row = rows.rows({ item() }, 100)[1]
    expect.equal(row.text, ' retry_with_backoff  shop/retry.py:6  meaning · words: retry')
    expect.equal(marked(row, 'ConexusMatch'), { 'retry' })
    expect.equal(marked(row, 'ConexusPath'), { 'shop/retry.py:6' })
  end,
  ['rows are aligned'] = function()
    local drawn = rows.rows({ item(), item({ label = 'x', short = 'a.py' }) }, 100)
    expect.equal(drawn[1].text:find('shop', 1, true), drawn[2].text:find('a.py', 1, true))
  end,
  ['relations come first'] = function()
    local drawn =
      rows.rows({ item({ hit = { relation = 'caller' } }), item({ hit = { relation = 'test' } }) }, 100)
    expect.matches(drawn[1].text, '^ caller  retry')
    expect.matches(drawn[2].text, '^ test    retry')
    expect.equal(vim.trim(marked(drawn[2], 'ConexusRelation')[1]), 'test')
  end,
  ['no row is wider than the window'] = function()
    local wide = item({
      label = ('乾杯🎉'):rep(40),
      short = ('ä/'):rep(60) .. 'x.py',
      hit = { relation = 'definition' },
    })
    for width = 3, 120 do
      for _, row in ipairs(rows.rows({ wide, item() }, width)) do
        expect.truthy(
          vim.api.nvim_strwidth(row.text) <= math.max(width, 20),
          ('%d: %s'):format(width, row.text)
        )
      end
    end
  end,
  ['marks never lie beyond their row'] = function()
    for width = 3, 60 do
      for _, row in ipairs(rows.rows({ item({ marks = { { 0, 5 }, { 11, 18 } } }) }, width)) do
        for _, mark in ipairs(row.marks) do
          expect.truthy(mark.first <= mark.last and mark.last <= #row.text)
        end
      end
    end
  end,
  ['a cut path keeps its end'] = function()
    local row = rows.rows({ item({ short = ('very/'):rep(20) .. 'deep.py' }) }, 40)[1]
    expect.matches(row.text, '…[%w/]*deep%.py:6')
  end,
  ['cut keeps what fits'] = function()
    expect.equal(rows.cut('abc', 3), 'abc')
    expect.equal(rows.cut('abcd', 3), 'ab…')
    expect.equal(rows.cut('乾杯乾杯', 5), '乾杯…')
    expect.equal(rows.cut('abc', 0), '')
  end,
  ['the summary says what is missing'] = function()
    local whole = { complete = true, indexedFiles = 9, totalFiles = 9 }
    local function summary(index, count)
      return { rows.summary({ items = vim.fn['repeat']({ item() }, count), index = index, took = 3.21 }) }
    end
    expect.equal(summary(whole, 2), { '2 results · 3.2 ms', false })
    expect.equal(summary(whole, 1), { '1 result · 3.2 ms', false })
    local part = { complete = false, indexedFiles = 4, totalFiles = 9 }
    expect.equal(summary(part, 2), { '2 results · 4 of 9 files so far', true })
    local degraded = vim.tbl_extend('force', whole, { degraded = 'The model is loading' })
    expect.equal(summary(degraded, 2), { '2 results · 3.2 ms · The model is loading', true })
  end,
}
