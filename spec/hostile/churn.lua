-- kind: garbage of four megabytes at a time
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    while true do
      local text = ("x"):rep(4000000)
      if #text == 0 then break end
    end
  end,
}
