-- kind: ever new short texts
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local seen, i = {}, 0
    while true do
      i = i + 1
      seen["k" .. i] = true
    end
  end,
}
