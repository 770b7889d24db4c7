-- kind: goes on after memory was refused
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local t = {}
    while true do
      pcall(function() t[#t + 1] = ("x"):rep(1000000) end)
    end
  end,
}
