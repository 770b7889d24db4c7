-- kind: an error in __close while another passes
-- when: call
-- expect: error

return {
  api = 1,
  job = function(task, settings)
    local a <close> = setmetatable({}, { __close = function(_, e) error({ e }) end })
    local b <close> = setmetatable({}, { __close = function(_, e) error({ e }) end })
    error({ a, b })
  end,
}
