-- kind: a policy whose version comes from a metatable
-- when: load
-- expect: error

return setmetatable({}, { __index = { api = 1 } })
