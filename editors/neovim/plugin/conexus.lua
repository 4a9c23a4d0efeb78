-- Names only: the command and the mappings. What they do is loaded when they are used.

if vim.g.loaded_conexus then
  return
end
vim.g.loaded_conexus = true

if vim.fn.has('nvim-0.11') == 0 then
  local message = ('Conexus needs Neovim 0.11 or newer; this is %s.'):format(tostring(vim.version()))
  vim.api.nvim_echo({ { message, 'WarningMsg' } }, true, {})
  return
end

vim.api.nvim_create_user_command('Conexus', function(arguments)
  require('conexus.command').run(arguments)
end, {
  nargs = '*',
  bang = true,
  range = true,
  desc = 'Find code by meaning',
  complete = function(_, line, position)
    return require('conexus.command').complete(line:sub(1, position))
  end,
})

vim.keymap.set('n', '<Plug>(conexus-search)', function()
  require('conexus').search()
end, { desc = 'Find code by meaning' })
vim.keymap.set('x', '<Plug>(conexus-search-selection)', function()
  require('conexus').search({ query = require('conexus.selection').leave().text })
end, { desc = 'Find code like the selection' })
vim.keymap.set('n', '<Plug>(conexus-related)', function()
  require('conexus').related()
end, { desc = 'Find code related to the definition here' })
vim.keymap.set('x', '<Plug>(conexus-related)', function()
  require('conexus').related({ selection = require('conexus.selection').leave() })
end, { desc = 'Find code related to the selection' })

-- `vim.lsp.enable` goes by filetype, and so never meets a file that has none. Nor does it say that a program is missing.
local looked_for_server = false
vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile' }, {
  group = vim.api.nvim_create_augroup('conexus.plugin', {}),
  desc = 'Have files without a filetype searched too, and tell if the server is missing',
  callback = function(event)
    if not vim.lsp.is_enabled('conexus') then
      return
    end
    if not looked_for_server then
      looked_for_server = true
      require('conexus.server').found()
    end
    if vim.bo[event.buf].filetype == '' then
      require('conexus.root').attach(event.buf)
    end
  end,
})
