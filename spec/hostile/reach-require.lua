-- kind: requires standard libraries and files
-- when: call
-- expect: contained

return {
  api = 1,
  job = function(task, settings)
    for _, name in ipairs({
      "os", "io", "debug", "package", "coroutine", "_G", "ffi", "socket", "posix", "lfs", "/etc/passwd",
      "../policy", "./policy", "lunexec/json", "lunexec..json", "", ".", "..", "policy.lua",
      "lunexec.testing",
    }) do
      if pcall(require, name) then
        return { verdict = "escaped", how = "require " .. name }
      end
    end
    return { verdict = "contained" }
  end,
}
