--- Node pools by repository size: jobs of large repositories go to nodes with fast, large disks.

local placement = require "placement"
local policy = require "default"

--- The first pattern that matches a repository's name counts.
local POOLS = {
  { repository = "^github%.com/acme/monorepo$", pool = "xlarge" },
  { repository = "^github%.com/acme/android%-", pool = "large" },
}
local OTHERS = "small"

local function pool_of(task)
  for _, row in ipairs(POOLS) do
    if task.repository:find(row.repository) then
      return row.pool
    end
  end
  return OTHERS
end

local node_selector = placement.node_selector

function placement.node_selector(task, settings)
  local selector = node_selector(task, settings) or {}
  selector["example.com/pool"] = pool_of(task)
  return selector
end

return policy
