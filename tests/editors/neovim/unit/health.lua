local expect = dofile(debug.getinfo(1, 'S').source:match('^@(.*/)') .. 'expect.lua')

-- What `:checkhealth conexus` reports, by kind, where a command writes this when it is asked for its version.
local function reports(cmd, answer)
  local asked
  local system, executable, report = vim.system, vim.fn.executable, vim.health
  vim.lsp.config('conexus', { cmd = cmd })
  vim.fn.executable = function()
    return 1
  end
  vim.system = function(command)
    asked = command
    return {
      wait = function()
        return answer
      end,
    }
  end
  local found = { ok = {}, warn = {}, error = {}, info = {} }
  vim.health = { start = function() end }
  for kind, list in pairs(found) do
    vim.health[kind] = function(text, advice)
      table.insert(list, text)
      table.insert(list, advice and advice[1])
    end
  end
  package.loaded['conexus.health'] = nil
  local ok, problem = pcall(require('conexus.health').check)
  vim.system, vim.fn.executable, vim.health = system, executable, report
  expect.truthy(ok, problem)
  return found, asked
end

local CMD = { 'conexus', 'serve' }

return {
  ['the server is known by what it says of itself'] = function()
    local found, asked =
      reports(CMD, { code = 0, stdout = 'a warning\nconexus 1.2.3 (Conexus language server)\n' })
    expect.equal(asked, { 'conexus', '--version' })
    expect.matches(table.concat(found.ok, '\n'), 'conexus 1%.2%.3 %(Conexus language server%)')
  end,
  ['another program of that name is an error, with how to get the server'] = function()
    for _, version in ipairs({ 'conexus 7.87.1', 'conexus 1.2.3 (Conexus language server) of ours', '' }) do
      local problems = table.concat(reports(CMD, { code = 0, stdout = version .. '\27\n' }).error, '\n')
      expect.matches(problems, 'another program of that name, not the server of this plugin')
      expect.matches(problems, 'Install it')
      expect.truthy(not problems:find('\27'), problems)
    end
  end,
  ['a program that fails or takes too long is an error'] = function()
    local failed = reports(CMD, { code = 2, stdout = '' }).error
    expect.matches(table.concat(failed, '\n'), 'does not say which program it is')
    local late = reports(CMD, { code = 124, stdout = '' }).error
    expect.matches(table.concat(late, '\n'), 'did not say within 20 seconds which program it is')
  end,
  ['a program that the user has named is doubted, not refused'] = function()
    local found, asked = reports(
      { 'python', '-m', 'conexus', 'serve', '--stdio' },
      { code = 0, stdout = 'mine' }
    )
    expect.equal(asked, { 'python', '-m', 'conexus', '--version' })
    expect.matches(table.concat(found.warn, '\n'), 'another program of that name')
  end,
  ['a command of another form is not asked'] = function()
    local _, asked = reports({ 'python', '-m', 'pylsp' }, { code = 0, stdout = '' })
    expect.equal(asked, nil)
  end,
}
