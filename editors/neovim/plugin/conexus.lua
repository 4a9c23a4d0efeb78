-- The command, the mappings and an event. What they do is loaded when they are used.

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
end, { desc = 'Search for the selected text' })
vim.keymap.set('n', '<Plug>(conexus-related)', function()
  require('conexus').related()
end, { desc = 'Find code related to the definition at the cursor' })
vim.keymap.set('x', '<Plug>(conexus-related)', function()
  require('conexus').related({ selection = require('conexus.selection').leave() })
end, { desc = 'Find code related to the selection' })

vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile' }, {
  group = vim.api.nvim_create_augroup('conexus.plugin', {}),
  desc = 'Search files without a filetype too, and say if the server is missing',
  callback = function(event)
    require('conexus.root').opened(event.buf)
  end,
})
