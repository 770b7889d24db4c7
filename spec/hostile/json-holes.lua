-- kind: a list with a billion holes, as JSON text
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return require("cjson").encode({ [1] = 1, [1000000000] = 2 })
  end,
}
