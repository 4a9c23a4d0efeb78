-- Asking while the user types: after a pause, one question at a time, and never an answer to an old one.

---@class conexus.Live
---@field private ask conexus.Ask
---@field private answered fun(answer: conexus.Answer)
---@field private failed fun(problem?: string)
---@field private pause integer
---@field private timer uv.uv_timer_t
---@field private cancel? fun()
---@field private closed boolean
local Live = {}
Live.__index = Live

---@param ask conexus.Ask
---@param pause integer milliseconds
---@param answered fun(answer: conexus.Answer)
---@param failed fun(problem?: string)
---@return conexus.Live
function Live.new(ask, pause, answered, failed)
  return setmetatable({
    ask = ask,
    answered = answered,
    failed = failed,
    pause = pause,
    timer = assert(vim.uv.new_timer()),
    closed = false,
  }, Live)
end

-- Ask this once there was a pause. What was asked before is cancelled.
---@param query string
function Live:set(query)
  self:drop()
  self.timer:start(
    self.pause,
    0,
    vim.schedule_wrap(function()
      self:now(query)
    end)
  )
end

-- Ask this at once.
---@param query string
function Live:now(query)
  self:drop()
  if self.closed then
    return
  end
  self.cancel = self.ask(query, function(answer, problem)
    if self.closed then
      return
    elseif answer then
      self.answered(answer)
    else
      self.failed(problem)
    end
  end)
end

-- Ask nothing more for the time being.
function Live:drop()
  if not self.closed then
    self.timer:stop()
  end
  if self.cancel then
    self.cancel()
    self.cancel = nil
  end
end

function Live:close()
  if not self.closed then
    self:drop()
    self.closed = true
    self.timer:close()
  end
end

return Live
