-- kind: an error of control characters
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    error("\0\27[2J\r\n\255\254 level=error msg=forged")
  end,
}
