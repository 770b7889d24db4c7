-- kind: a policy that raises while it is loaded
-- when: load
-- expect: error

error("not today")
