-- kind: a policy without a version
-- when: load
-- expect: error

return { job = function() end }
