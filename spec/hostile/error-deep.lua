-- kind: an error far down
-- when: call
-- expect: error limit

return {
  api = 1,
  job = function(task, settings)
    local function deeper(n)
      if n == 0 then error("bottom") end
      return 1 + deeper(n - 1)
    end
    return deeper(100000)
  end,
}
