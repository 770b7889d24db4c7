-- kind: JSON text with a million brackets
-- when: call
-- expect: error limit

return {
  api = 1,
  job = function(task, settings)
    return require("cjson").decode(("["):rep(1000000))
  end,
}
