-- kind: hands functions what they do not expect
-- when: call
-- expect: contained

return {
  api = 1,
  job = function(task, settings)
    for _, f in pairs({
      string.rep, string.find, string.format, table.concat, table.move, table.unpack, setmetatable,
      rawlen, rawget, select, math.tointeger, utf8.char, require,
    }) do
      for _, value in ipairs({ -1, 1.5, "x", true, print or false, {} }) do
        pcall(f, value)
        pcall(f, value, value)
        pcall(f, value, value, value, value)
      end
    end
    return { verdict = "contained" }
  end,
}
