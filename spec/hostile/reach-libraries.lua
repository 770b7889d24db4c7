-- kind: looks for what a policy shall not have
-- when: call
-- expect: contained

return {
  api = 1,
  job = function(task, settings)
    for _, name in ipairs({
      "os", "io", "debug", "package", "coroutine", "load", "loadstring", "loadfile", "dofile",
      "xpcall", "collectgarbage", "warn", "print", "ffi", "jit",
    }) do
      if _ENV[name] ~= nil then
        return { verdict = "escaped", how = name }
      end
    end
    return { verdict = "contained" }
  end,
}
