-- kind: a policy that is a number
-- when: load
-- expect: error

return 1
