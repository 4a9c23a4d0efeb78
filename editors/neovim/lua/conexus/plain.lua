-- Text that others wrote (names of files and symbols, what a server says), made fit for one line.

local M = {}

-- The text without line ends, which a line of a buffer and the title of a window do not take, and without other
-- control characters, which are shown wider than they are counted. Each becomes a space, so that columns stay right.
---@param text string
---@return string
function M.line(text)
  return (text:gsub('%c', ' '))
end

return M
