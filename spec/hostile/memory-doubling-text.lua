-- kind: a text that doubles
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local text = "x"
    while true do text = text .. text end
  end,
}
