std = 'luajit'
max_line_length = 140
-- Options and variables are set through these.
globals = { 'vim.g', 'vim.b', 'vim.bo', 'vim.wo', 'vim.o' }
read_globals = { 'vim' }
