-- kind: memory while the file is loaded
-- when: load
-- expect: limit

local t = {}
while true do t[#t + 1] = ("x"):rep(1000000) end
