--- A job that ran out of memory is tried again with twice as much, up to a most.

local quantity = require "lunexec.quantity"
local policy = require "default"

local MOST = "48Gi"
local ATTEMPTS = 4

local retry = policy.retry

function policy.retry(failure, task, settings)
  if failure.class ~= "out-of-memory" then
    return retry(failure, task, settings)
  end
  local had = failure.limit or settings.resource_limit_memory
  if failure.attempt >= ATTEMPTS or quantity.compare(had, MOST) >= 0 then
    return nil
  end
  return { delay = 0, resources = { memory = quantity.min(quantity.scale(had, 2), MOST) } }
end

return policy
