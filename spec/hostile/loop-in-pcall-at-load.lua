-- kind: a loop in pcall while the file is loaded
-- when: load
-- expect: limit

while true do
  pcall(function() while true do end end)
end
