-- kind: string.format with a width of a million
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return ("%1000000d"):format(1)
  end,
}
