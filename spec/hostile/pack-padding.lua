-- kind: string.pack that pads to two gigabytes
-- when: call
-- expect: limit error

return {
  api = 1,
  job = function(task, settings)
    return string.pack("c2000000000", "x")
  end,
}
