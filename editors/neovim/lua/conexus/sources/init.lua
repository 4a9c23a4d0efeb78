-- Which picker shows the results.

local M = {}

-- The modules, and what each needs to be installed.
---@type table<string, {module: string, needs?: string}>
M.known = {
  builtin = { module = 'conexus.picker' },
  telescope = { module = 'conexus.sources.telescope', needs = 'telescope' },
  ['fzf-lua'] = { module = 'conexus.sources.fzf_lua', needs = 'fzf-lua' },
  snacks = { module = 'conexus.sources.snacks', needs = 'snacks' },
  ['mini.pick'] = { module = 'conexus.sources.mini_pick', needs = 'mini.pick' },
}

-- Whether what a picker needs is on the runtimepath.
---@param name string
---@return boolean
function M.installed(name)
  local needs = M.known[name].needs
  return not needs or package.loaded[needs] ~= nil or #vim.loader.find(needs) > 0
end

---@param job conexus.Job
---@param settings conexus.Settings
---@param name? string instead of that of the settings
function M.open(job, settings, name)
  name = name or settings.picker
  if not M.known[name] then
    error(
      ('conexus: there is no picker `%s`; pickers are %s'):format(
        name,
        table.concat(require('conexus.config').pickers, ', ')
      )
    )
  end
  if not M.installed(name) then
    require('conexus.client').tell(
      ('the picker `%s` is not installed; the built-in one is used'):format(name)
    )
    name = 'builtin'
  end
  require(M.known[name].module).open(job, settings)
end

return M
