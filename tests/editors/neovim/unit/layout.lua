local compute = require('conexus.picker.layout').compute

-- Every window lies on the screen with its border, none over another, on every screen that can hold any.
local function check(columns, lines, wants_preview)
  local layout = compute(columns, lines, wants_preview)
  local taken = {}
  for name, box in pairs(layout) do
    local where = ('%s at %dx%d'):format(name, columns, lines)
    assert(box.width >= 1 and box.height >= 1, where .. ' is too small')
    assert(box.row >= 0 and box.col >= 0, where .. ' is off the screen')
    assert(box.row + box.height + 2 <= lines, where .. ' is below the screen')
    assert(box.col + box.width + 2 <= columns, where .. ' is beyond the screen')
    for row = box.row, box.row + box.height + 1 do
      for _, col in ipairs({ box.col, box.col + box.width + 1 }) do
        local key = row .. ',' .. col
        assert(not taken[key], where .. ' is over ' .. tostring(taken[key]))
        taken[key] = name
      end
    end
  end
  return layout
end

return {
  ['windows fit on every screen'] = function()
    for columns = 3, 300, 7 do
      for lines = 6, 100 do
        check(columns, lines, true)
        check(columns, lines, false)
      end
    end
  end,
  ['the code is beside the list on a wide screen'] = function()
    local layout = check(160, 50, true)
    assert(layout.preview.col > layout.list.col + layout.list.width)
  end,
  ['the code is below the list on a narrow screen'] = function()
    local layout = check(80, 24, true)
    assert(layout.preview.row > layout.list.row + layout.list.height)
  end,
  ['there is no code on a small screen'] = function()
    assert(check(60, 14, true).preview == nil)
  end,
  ['there is no code if the user wants none'] = function()
    assert(check(160, 50, false).preview == nil)
  end,
}
