-- The two questions, as a picker asks them.

local client = require('conexus.client')
local hits = require('conexus.hits')
local plain = require('conexus.plain')

local M = {}

---@class conexus.Answer
---@field items conexus.Item[] best first
---@field index conexus.IndexState
---@field took number milliseconds inside the server

---@alias conexus.Ask fun(query: string, callback: fun(answer?: conexus.Answer, problem?: string)): fun()

---@class conexus.Job
---@field title string
---@field query string what the picker begins with
---@field live boolean whether every query is a new question; otherwise it narrows down one answer
---@field ask conexus.Ask returns a function that cancels
---@field keep? fun(query: string) for the next search to begin with, even if it was not asked for yet

-- The query of the last search, for the next one to begin with.
local last_query = ''

-- Asks the server of a buffer, which may have to be started first.
---@param bufnr integer
---@param method string
---@param params_for fun(client: vim.lsp.Client): table
---@param callback fun(answer?: conexus.Answer, problem?: string)
---@return fun() cancel
local function ask(bufnr, method, params_for, callback)
  local cancelled = false
  local cancel_request
  client.with(bufnr, function(own, problem)
    if cancelled then
      return
    elseif not own then
      return callback(nil, problem)
    end
    cancel_request = client.request(own, method, params_for(own), function(result, failure)
      if not result then
        return callback(nil, failure)
      end
      callback({
        items = hits.items(result, own.offset_encoding),
        index = result.index,
        took = result.tookMs,
      })
    end)
  end)
  return function()
    cancelled = true
    if cancel_request then
      cancel_request()
    end
  end
end

-- An answer to no question.
---@return conexus.Answer
local function nothing()
  return { items = {}, index = { complete = true, indexedFiles = 0, totalFiles = 0 }, took = 0 }
end

-- An empty query is none to begin with.
---@param query string
local function keep(query)
  if vim.trim(query) ~= '' then
    last_query = query
  end
end

---@class conexus.SearchOptions
---@field query? string what to begin with; the last query if it is absent
---@field filters? conexus.Filters beside the operators of the query
---@field limit? integer
---@field quickfix? boolean fill the quickfix list instead of opening a picker
---@field picker? string instead of that of `vim.g.conexus`

---@param options conexus.SearchOptions
---@param settings conexus.Settings
---@return conexus.Job
function M.search(options, settings)
  local bufnr, window = vim.api.nvim_get_current_buf(), vim.api.nvim_get_current_win()
  local is_file = require('conexus.root').is_file(bufnr)
  local cursor = is_file and vim.api.nvim_win_get_cursor(window)
  local function params_for(query)
    return function(own)
      local near
      if cursor and vim.api.nvim_buf_is_loaded(bufnr) then
        local place = vim.lsp.util.make_given_range_params(cursor, cursor, bufnr, own.offset_encoding)
        near = { textDocument = place.textDocument, position = place.range.start }
      end
      return {
        query = query,
        limit = options.limit or settings.limit,
        filters = options.filters,
        near = near,
      }
    end
  end
  return {
    title = 'Search by meaning',
    query = options.query or last_query,
    live = true,
    ask = function(query, callback)
      if vim.trim(query) == '' then
        callback(nothing())
        return function() end
      end
      keep(query)
      return ask(bufnr, 'conexus/search', params_for(query), callback)
    end,
    keep = keep,
  }
end

-- Whether a result has all these words in its relation, name or path.
---@param item conexus.Item
---@param words string[]
---@return boolean
local function has_words(item, words)
  local text =
    table.concat({ item.hit.relation or '', item.label, item.short, item.hit.kind or '' }, ' '):lower()
  for _, word in ipairs(words) do
    if not text:find(word, 1, true) then
      return false
    end
  end
  return true
end

-- The answer with those results only that have all words of a query.
---@param whole conexus.Answer
---@param query string
---@return conexus.Answer
local function narrowed(whole, query)
  local words = vim.split(query:lower(), '%s+', { trimempty = true })
  local items = vim.tbl_filter(function(item)
    return has_words(item, words)
  end, whole.items)
  return { items = items, index = whole.index, took = whole.took }
end

---@class conexus.RelatedOptions
---@field selection? conexus.Selection instead of the definition at the cursor
---@field relations? string[] only these
---@field filters? conexus.Filters
---@field limit? integer
---@field quickfix? boolean fill the quickfix list instead of opening a picker
---@field picker? string instead of that of `vim.g.conexus`

---@param options conexus.RelatedOptions
---@param settings conexus.Settings
---@return conexus.Job
function M.related(options, settings)
  local bufnr = vim.api.nvim_get_current_buf()
  local cursor = vim.api.nvim_win_get_cursor(0)
  local selection = options.selection
  local function params_for(own)
    local first, last = cursor, cursor
    if selection then
      first, last = selection.first, selection.last
    end
    local place = vim.lsp.util.make_given_range_params(first, last, bufnr, own.offset_encoding)
    return {
      textDocument = place.textDocument,
      range = selection and place.range or nil,
      position = not selection and place.range.start or nil,
      relations = options.relations,
      limit = options.limit or settings.limit,
      filters = options.filters,
    }
  end
  local name = plain.line(vim.fn.fnamemodify(vim.api.nvim_buf_get_name(bufnr), ':t'))
  ---@type conexus.Answer?
  local whole
  return {
    title = ('Related to %s:%d'):format(name, (selection and selection.first or cursor)[1]),
    query = '',
    live = false,
    ask = function(query, callback)
      if whole then
        callback(narrowed(whole, query))
        return function() end
      end
      return ask(bufnr, 'conexus/related', params_for, function(answer, problem)
        whole = answer
        callback(answer and narrowed(answer, query), problem)
      end)
    end,
  }
end

return M
