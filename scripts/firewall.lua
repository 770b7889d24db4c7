--- What the containers of a job may do, and whom they may talk to. There are two profiles:
---
---   compatible  the default: nothing that ran before breaks. Raw sockets are gone, and so are
---               unusual system calls (RuntimeDefault). Root and sudo still work.
---   hardened    Pod Security "restricted": not root, no capabilities, no way to gain any, and a
---               read-only root file system with a /tmp to write to.
---
--- What the settings say about users, groups and security contexts wins over the profile.

local json = require "lunexec.json"
local merge = require "lunexec.merge"
local network = require "lunexec.network"

local M = {}

local NETWORK_LABEL = "lunexec.dev/network"
local NOBODY_IN_PARTICULAR = 1000
local SCRATCH = "lunexec-tmp"

--- The profile of a job. To harden some jobs only, look at `task` here.
local function is_hardened(task, settings)
  local profile = settings.firewall_profile or "compatible"
  if profile ~= "compatible" and profile ~= "hardened" then
    error(("firewall profile %q is neither compatible nor hardened"):format(profile), 0)
  end
  return profile == "hardened"
end

--- The pod's security context.
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return table
function M.pod(task, settings)
  local context = {
    runAsUser = settings.run_as_user,
    runAsGroup = settings.run_as_group,
    fsGroup = settings.fs_group,
    seccompProfile = { type = "RuntimeDefault" },
  }
  if is_hardened(task, settings) then
    if settings.run_as_user == 0 or settings.host_network then
      error("firewall profile hardened allows neither user 0 nor the host's network", 0)
    end
    context.runAsNonRoot = true
    context.runAsUser = settings.run_as_user or NOBODY_IN_PARTICULAR
    context.runAsGroup = settings.run_as_group or NOBODY_IN_PARTICULAR
    context.fsGroup = settings.fs_group or NOBODY_IN_PARTICULAR
  end
  return context
end

--- A container's security context; a field that the settings have is taken from there.
---@param entry lunexec.TaskContainer
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return table
function M.container(entry, task, settings)
  local context = { capabilities = { drop = json.array({ "NET_RAW" }) } }
  if is_hardened(task, settings) then
    context.capabilities.drop = json.array({ "ALL" })
    context.allowPrivilegeEscalation = false
    context.readOnlyRootFilesystem = entry.purpose ~= "setup"
  end
  for field, value in pairs(settings.container_security_context or {}) do
    context[field] = merge.copy(value)
  end
  return context
end

local function needs_scratch(task, settings)
  if not is_hardened(task, settings) then
    return false
  end
  for _, mount in ipairs(settings.additional_volume_mounts or {}) do
    if mount.mountPath == "/tmp" then
      return false
    end
  end
  return true
end

--- Volumes, and where they are mounted, that the profile needs.
function M.volumes(task, settings)
  return needs_scratch(task, settings) and { { name = SCRATCH, emptyDir = {} } } or {}
end

function M.mounts(entry, task, settings)
  return needs_scratch(task, settings) and { { name = SCRATCH, mountPath = "/tmp" } } or {}
end

--- Whether the settings or the profile make a container run as somebody else than root.
local function is_another_user(entry, task, settings)
  local pod, container = M.pod(task, settings), M.container(entry, task, settings)
  return container.runAsNonRoot or (container.runAsUser or pod.runAsUser or 0) ~= 0
end

--- Environment for users other than root. The workspace's mount point belongs to root, and git
--- refuses to work in a directory of somebody else's. What the job itself sets stays.
---@return table[]? env
function M.env(entry, task, settings)
  local own = {}
  for _, name in ipairs(entry.env_names or {}) do
    own[name] = true
  end
  local env = json.array()
  if is_another_user(entry, task, settings) and not own.GIT_CONFIG_COUNT then
    env[1] = { name = "GIT_CONFIG_COUNT", value = "1" }
    env[2] = { name = "GIT_CONFIG_KEY_0", value = "safe.directory" }
    env[3] = { name = "GIT_CONFIG_VALUE_0", value = "*" }
  end
  if is_hardened(task, settings) and not own.HOME then
    env[#env + 1] = { name = "HOME", value = "/tmp" }
  end
  return merge.given(env)
end

--- The label by which the policies below choose their pods: internet, listed or frontend-only.
---@return table<string, string>
function M.labels(task, settings)
  return { [NETWORK_LABEL] = settings.network_profile or "internet" }
end

--- The NetworkPolicies of the namespace. Nothing reaches a job; a job reaches DNS and the frontend,
--- and by its label the internet or the listed addresses besides.
---@param settings lunexec.Settings
---@return table[]
function M.network(settings)
  local function fence(name, selector, egress)
    return network.policy(name, settings.namespace, selector, egress)
  end
  local dns = settings.network_dns
    or { namespace = "kube-system", pod_labels = { ["k8s-app"] = "kube-dns" }, ports = { 53 } }
  local always = { network.to(dns, { "UDP", "TCP" }) }
  if settings.network_frontend then
    always[2] = network.to(settings.network_frontend)
  end
  local any = { matchExpressions = json.array({ { key = NETWORK_LABEL, operator = "Exists" } }) }
  local internet = { matchLabels = { [NETWORK_LABEL] = "internet" } }
  local listed = { matchLabels = { [NETWORK_LABEL] = "listed" } }
  return json.array({
    fence("lunexec-jobs", any, always),
    fence("lunexec-jobs-internet", internet, { network.to_internet(settings.network_blocked) }),
    settings.network_listed
      and fence("lunexec-jobs-listed", listed, { network.to(settings.network_listed) }),
  })
end

return M
