--- The default policy: the functions that the executor calls. Each is in the file that its topic
--- names:
---
---   template.lua   what a Job looks like
---   resources.lua  CPU and memory of its containers, and what it costs to run
---   placement.lua  which nodes it may run on: tolerations, selectors, affinity
---   firewall.lua   what its containers may do on the node
---   network.lua    whom they may talk to
---   retry.lua      which failures of the cluster are tried again

local network = require "network"
local resources = require "resources"
local retry = require "retry"
local template = require "template"

return {
  api = 1,
  job = template.job,
  admit = resources.admit,
  retry = retry.decide,
  network = network.policies,
}
