-- kind: pieces of text, joined
-- when: call
-- expect: limit

return {
  api = 1,
  job = function(task, settings)
    local t = {}
    for i = 1, 400000 do t[i] = ("x"):rep(200) end
    return #table.concat(t)
  end,
}
