--- Whom the containers of a job may talk to. A label on the pod names one of three profiles:
---
---   internet       the default: DNS, the frontend, and public addresses
---   listed         DNS, the frontend, and what the settings list
---   frontend-only  DNS and the frontend
---
--- Nothing reaches a job, whatever its profile. Private, link-local and metadata addresses, the API
--- server and other jobs are in no profile.

local json = require "lunexec.json"

local M = {}

local LABEL = "lunexec.dev/network"
local PROFILES = { internet = true, listed = true, ["frontend-only"] = true }
local KUBE_DNS = {
  namespace = "kube-system", pod_labels = { ["k8s-app"] = "kube-dns" }, ports = { 53 },
}

--- The profile of a job. To choose another one for some jobs, look at `task` here.
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return "internet"|"listed"|"frontend-only"
function M.profile(task, settings)
  return settings.network_profile or "internet"
end

--- The label by which the policies below choose their pods; an error for an unknown profile.
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return table<string, string>
function M.labels(task, settings)
  local profile = M.profile(task, settings)
  if not PROFILES[profile] then
    error(("network profile %q is none of internet, listed, frontend-only"):format(profile), 0)
  end
  return { [LABEL] = profile }
end

--- The NetworkPolicies of the namespace. What several policies allow a pod adds up.
---@param settings lunexec.Settings
---@return table[]
function M.policies(settings)
  local network = require "lunexec.network" -- not for job(), which is called far more often
  local function fence(name, selector, egress)
    return network.policy(name, settings.namespace, selector, egress)
  end
  local function with_profile(profile)
    return { matchLabels = { [LABEL] = profile } }
  end

  local always = { network.to(settings.network_dns or KUBE_DNS, { "UDP", "TCP" }) }
  if settings.network_frontend then
    always[2] = network.to_service(settings.network_frontend)
  end
  local any = { matchExpressions = json.array({ { key = LABEL, operator = "Exists" } }) }
  local policies = json.array({
    fence("lunexec-jobs", any, always),
    fence("lunexec-jobs-internet", with_profile("internet"),
      network.to_internet(settings.network_blocked)),
  })

  local listed = {}
  for _, peer in ipairs(settings.network_listed or {}) do
    listed[#listed + 1] = network.to(peer)
  end
  if #listed > 0 then
    policies[3] = fence("lunexec-jobs-listed", with_profile("listed"), listed)
  end
  return policies
end

return M
