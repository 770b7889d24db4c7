-- kind: a loop while the file is loaded
-- when: load
-- expect: limit

while true do end
