-- kind: a list of small tables
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local list
    while true do list = { list } end
  end,
}
