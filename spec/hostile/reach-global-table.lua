-- kind: looks for them through _G
-- when: call
-- expect: contained

return {
  api = 1,
  job = function(task, settings)
    local all = _G
    if all and (all.os or all.io or all.debug or all.load or all.package) then
      return { verdict = "escaped", how = "_G" }
    end
    return { verdict = "contained" }
  end,
}
