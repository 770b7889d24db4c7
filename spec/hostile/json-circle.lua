-- kind: a circle, as JSON text
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    local t = {}
    t.t = t
    return require("cjson").encode(t)
  end,
}
