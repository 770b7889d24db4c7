-- kind: closures that hold each other
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local f = function() end
    while true do
      local inner = f
      f = function() return inner end
    end
  end,
}
