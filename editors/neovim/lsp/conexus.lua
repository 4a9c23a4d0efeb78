-- What `vim.lsp.enable('conexus')` starts. `vim.lsp.config('conexus', {…})` changes any of it.
--
-- There is no list of filetypes: every file is searched, and its unsaved edits with it.

---@type vim.lsp.Config
return {
  -- By its path, because Neovim would also look for a name in relative folders of the PATH.
  cmd = { require('conexus.server').find('conexus') or 'conexus', 'serve' },
  root_markers = { 'conexus.toml', '.git', '.hg', '.jj' },
  root_dir = function(bufnr, on_dir)
    require('conexus.root').of_buffer(bufnr, on_dir)
  end,
  capabilities = {
    experimental = {
      serverStatusNotification = true,
      conexus = { indexChanged = true },
    },
  },
  handlers = {
    ['experimental/serverStatus'] = function(_, params, context)
      require('conexus.state').server_status(context.client_id, params)
    end,
    ['conexus/indexChanged'] = function(_, params, context)
      require('conexus.state').index_changed(context.client_id, params)
    end,
  },
}
