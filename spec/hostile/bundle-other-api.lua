-- kind: a policy for another version
-- when: load
-- expect: error

return { api = 2, job = function() end }
