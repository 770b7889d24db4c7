--- Which nodes a job may run on.

local json = require "lunexec.json"
local merge = require "lunexec.merge"

local M = {}

--- Taints that job pods tolerate, beside those in the settings. Add yours here.
local TOLERATIONS = {
  -- { key = "dedicated", operator = "Equal", value = "executors", effect = "NoSchedule" },
}

--- Labels that a node must have, beside those in the settings. Add yours here.
local NODE_SELECTOR = {
  -- ["node-pool"] = "executors",
}

--- The taints that the pod tolerates: those in the settings, and TOLERATIONS.
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return table[]? tolerations
function M.tolerations(task, settings)
  local tolerations = json.array(merge.copy(settings.tolerations or {}))
  for _, toleration in ipairs(TOLERATIONS) do
    tolerations[#tolerations + 1] = toleration
  end
  return tolerations[1] and tolerations
end

--- The labels that its node must have: those in the settings, and NODE_SELECTOR, which wins.
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return table<string, string>? node_selector
function M.node_selector(task, settings)
  local selector = merge.json(settings.node_selector or {}, NODE_SELECTOR)
  return next(selector) and selector
end

local function node_affinity(settings)
  local term = {
    matchExpressions = merge.given(settings.node_required_affinity_match_expressions),
    matchFields = merge.given(settings.node_required_affinity_match_fields),
  }
  if next(term) == nil then
    return nil
  end
  return {
    requiredDuringSchedulingIgnoredDuringExecution = { nodeSelectorTerms = json.array({ term }) },
  }
end

local function pod_affinity(terms)
  local required = merge.given(terms)
  return required and { requiredDuringSchedulingIgnoredDuringExecution = required }
end

--- Its affinity to nodes and other pods, as the settings have it.
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return table? affinity
function M.affinity(task, settings)
  local affinity = {
    nodeAffinity = node_affinity(settings),
    podAffinity = pod_affinity(settings.pod_affinity),
    podAntiAffinity = pod_affinity(settings.pod_anti_affinity),
  }
  return next(affinity) and affinity
end

return M
