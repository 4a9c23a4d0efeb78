local expect = dofile(debug.getinfo(1, 'S').source:match('^@(.*/)') .. 'expect.lua')

local find = require('conexus.server').find

-- Calls back with a folder that has a repository and a folder of programs, each with `conexus`; the repository is the
-- current directory.
---@param act fun(folder: string)
local function in_repository(act)
  local folder = vim.uv.fs_realpath(vim.fn.tempname():match('^(.*)/')) .. '/' .. vim.uv.hrtime()
  for _, place in ipairs({ 'repository', 'repository/bin', 'programs' }) do
    vim.fn.mkdir(folder .. '/' .. place, 'p')
    local program = folder .. '/' .. place .. '/conexus'
    vim.fn.writefile({ '#!/bin/sh' }, program)
    vim.uv.fs_chmod(program, 493)
  end
  local path, before = vim.env.PATH, vim.fn.getcwd()
  vim.cmd.cd(folder .. '/repository')
  local ok, problem = pcall(act, folder)
  vim.cmd.cd(before)
  vim.env.PATH = path
  vim.fn.delete(folder, 'rf')
  expect.truthy(ok, problem)
end

return {
  ['the server is no program of the repository'] = function()
    in_repository(function(folder)
      local inside = { '', '.', 'bin', folder .. '/repository', folder .. '/programs/../repository/bin' }
      vim.env.PATH = table.concat(inside, ':')
      expect.equal(find('conexus'), nil)
      vim.env.PATH = vim.env.PATH .. ':' .. folder .. '/programs'
      expect.equal(find('conexus'), folder .. '/programs/conexus')
    end)
  end,

  ['the server is a program of the home directory although Neovim was started there'] = function()
    in_repository(function(folder)
      local home = vim.env.HOME
      vim.env.HOME = folder .. '/repository'
      vim.env.PATH = folder .. '/repository/bin'
      local found = find('conexus')
      vim.env.HOME = home
      expect.equal(found, folder .. '/repository/bin/conexus')
    end)
  end,

  ['the command that is started names the program by its path'] = function()
    in_repository(function(folder)
      vim.env.PATH = '.:' .. folder .. '/programs'
      local own = vim.fs.normalize(vim.api.nvim_get_runtime_file('lsp/conexus.lua', false)[1])
      expect.equal(dofile(own).cmd, { folder .. '/programs/conexus', 'serve' })
    end)
  end,
}
