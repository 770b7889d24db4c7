-- kind: an array that lies about its length
-- when: call
-- expect: contained error

return {
  api = 1,
  job = function(task, settings)
    local t = setmetatable({ "x" }, { __len = function() return 1 << 40 end })
    return { verdict = "contained", list = t }
  end,
}
