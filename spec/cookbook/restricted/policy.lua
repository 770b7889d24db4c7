--- Pod Security "restricted" for every job but those of a few repositories, whose steps need root.
--- LUNEXEC_FIREWALL_PROFILE=hardened does the same for all of them without a script.

local firewall = require "firewall"
local policy = require "default"

local NEED_ROOT = { ["github.com/acme/packages"] = true }

function firewall.profile(task, settings)
  return NEED_ROOT[task.repository] and "compatible" or "hardened"
end

return policy
