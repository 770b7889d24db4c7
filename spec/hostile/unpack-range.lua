-- kind: table.unpack of a hundred million items
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    return table.unpack({}, 1, 100000000)
  end,
}
