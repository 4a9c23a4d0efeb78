-- `:Telescope conexus` and `:Telescope conexus related`.

local function search(options)
  local settings = require('conexus.config').get()
  local job = require('conexus.jobs').search({ query = options.default_text }, settings)
  require('conexus.sources.telescope').open(job, settings, options)
end

local function related(options)
  local settings = require('conexus.config').get()
  local job = require('conexus.jobs').related({}, settings)
  require('conexus.sources.telescope').open(job, settings, options)
end

return require('telescope').register_extension({
  exports = { conexus = search, search = search, related = related },
})
