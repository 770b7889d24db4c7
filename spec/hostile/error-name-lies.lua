-- kind: an error whose __name is no text
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    error(setmetatable({}, { __name = {} }))
  end,
}
