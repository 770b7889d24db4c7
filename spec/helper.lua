--- Line coverage of lua/ and scripts/, recorded with a line hook while the specs run.
---
--- On with LUNEXEC_COVERAGE=1, which spec/run sets: at the end it prints what share of the lines
--- that luac has instructions for was executed, with the lines that were not, and ends the run with
--- an error when any file's tree stays below LOWEST.

local busted = require "busted"

local LOWEST = 95
local TREES = { "lua/lunexec", "lua/check", "scripts" }

local executed = {}

local function record(_, line)
  local source = debug.getinfo(2, "S").source
  local lines = executed[source]
  if not lines then
    lines = {}
    executed[source] = lines
  end
  lines[line] = true
end

local function is_no_statement(text)
  return text:find("^%s*end[%s,;)]*$") or text:find("^%s*[})]+[,;]?%s*$") or text:find("^%-%-")
end

--- Lines of a file that hold instructions, those of a mere `end` or of a comment aside.
local function executable_lines(path)
  local texts = {}
  for text in io.lines(path) do
    texts[#texts + 1] = text
  end
  local lines = {}
  local listing = assert(io.popen("luac5.4 -p -l -l " .. path))
  for row in listing:lines() do
    local number = tonumber(row:match("^%s*%d+%s+%[(%d+)%]"))
    if number and number > 0 and texts[number] and not is_no_statement(texts[number]) then
      lines[number] = true
    end
  end
  assert(listing:close(), "luac5.4 cannot list " .. path)
  return lines
end

local function files_below(tree)
  local paths = {}
  for name in require("lfs").dir(tree) do
    if name:find("%.lua$") then
      paths[#paths + 1] = tree .. "/" .. name
    end
  end
  table.sort(paths)
  return paths
end

local function report_file(path)
  local seen = executed["@" .. path] or {}
  local covered, missed = 0, {}
  for line in pairs(executable_lines(path)) do
    if seen[line] then
      covered = covered + 1
    else
      missed[#missed + 1] = line
    end
  end
  table.sort(missed)
  if #missed > 0 then
    io.write(("# %s: not executed: %s\n"):format(path, table.concat(missed, " ")))
  end
  return covered, covered + #missed
end

local function report()
  debug.sethook()
  local enough = true
  for _, tree in ipairs(TREES) do
    local covered, all = 0, 0
    for _, path in ipairs(files_below(tree)) do
      local file_covered, file_all = report_file(path)
      covered, all = covered + file_covered, all + file_all
    end
    local share = 100 * covered / all
    io.write(("# line coverage of %s: %.1f %%\n"):format(tree, share))
    enough = enough and share >= LOWEST
  end
  if not enough then
    io.write(("# line coverage is below %d %%\n"):format(LOWEST))
    io.flush()
    os.exit(1)
  end
end

if os.getenv("LUNEXEC_COVERAGE") == "1" then
  busted.subscribe({ "exit" }, report)
  debug.sethook(record, "l")
end
