-- Runs files of tests inside Neovim: nvim --clean --headless -l run.lua PLUGIN FILE
-- A file returns a table of named functions; what one raises is its failure.

local plugin, file = arg[1], arg[2]
vim.opt.runtimepath:prepend(plugin)

local failures = 0
for name, test in vim.spairs(dofile(file)) do
  local ok, trace = xpcall(test, debug.traceback)
  io.stdout:write(('%s %s\n'):format(ok and 'ok' or 'FAILED', name))
  if not ok then
    failures = failures + 1
    io.stdout:write(tostring(trace), '\n')
  end
end
os.exit(failures == 0 and 0 or 1)
