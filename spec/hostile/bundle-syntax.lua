-- kind: a policy that is no Lua
-- when: load
-- expect: error

return {
