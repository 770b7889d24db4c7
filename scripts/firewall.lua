--- What the containers of a job may do on their node. There are two profiles:
---
---   compatible  the default: nothing that ran before breaks. Raw sockets are gone, and so are
---               unusual system calls (RuntimeDefault). Root and sudo still work, unless a user is
---               given (KUBERNETES_RUN_AS_USER): Pod Security "restricted" then takes the pods.
---   hardened    Pod Security "restricted": not root, no capabilities, no way to gain any, and a
---               read-only root file system with a /tmp to write to.
---
--- What the settings say about users, groups and security contexts wins over the profile.

local json = require "lunexec.json"
local merge = require "lunexec.merge"

local M = {}

local NOBODY_IN_PARTICULAR = 1000
local SCRATCH, NONE = "lunexec-tmp", {}

--- The profile of a job. To harden some jobs only, look at `task` here.
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return "compatible"|"hardened"
function M.profile(task, settings)
  return settings.firewall_profile or "compatible"
end

--- Read once in a call, since every container asks. An error for an unknown profile.
local known = {}
local function is_hardened(task, settings)
  if known.task ~= task or known.settings ~= settings then
    local profile = M.profile(task, settings)
    assert(profile == "compatible" or profile == "hardened",
      ("firewall profile %q is neither compatible nor hardened"):format(profile))
    known = { task = task, settings = settings, hardened = profile == "hardened" }
  end
  return known.hardened
end

--- Whether the settings name a user other than root, who then needs no way to become root.
local function has_user(settings)
  return (settings.run_as_user or 0) > 0
end

--- The pod's security context; an error for what "hardened" does not allow.
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return table
function M.pod(task, settings)
  local context = {
    runAsUser = settings.run_as_user,
    runAsGroup = settings.run_as_group,
    fsGroup = settings.fs_group,
    seccompProfile = { type = "RuntimeDefault" },
    runAsNonRoot = has_user(settings) or is_hardened(task, settings) or nil,
  }
  if is_hardened(task, settings) then
    if settings.run_as_user == 0 or settings.host_network then
      error("firewall profile hardened allows neither user 0 nor the host's network", 0)
    end
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
  if is_hardened(task, settings) or has_user(settings) then
    context.capabilities.drop = json.array({ "ALL" })
    context.allowPrivilegeEscalation = false
  end
  if is_hardened(task, settings) then context.readOnlyRootFilesystem = entry.purpose ~= "setup" end
  for field, value in pairs(settings.container_security_context or NONE) do
    context[field] = merge.copy(value)
  end
  return context
end

local function needs_scratch(task, settings)
  if not is_hardened(task, settings) then return false end
  for _, mount in ipairs(settings.additional_volume_mounts or NONE) do
    if mount.mountPath == "/tmp" then return false end
  end
  return true
end

--- Volumes that the profile needs.
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return table[]
function M.volumes(task, settings)
  return needs_scratch(task, settings) and { { name = SCRATCH, emptyDir = {} } } or NONE
end

--- Where a container mounts them.
---@param entry lunexec.TaskContainer
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return table[]
function M.mounts(entry, task, settings)
  return needs_scratch(task, settings) and { { name = SCRATCH, mountPath = "/tmp" } } or NONE
end

--- Whether the settings or the profile make containers run as somebody else than root.
local function is_another_user(task, settings)
  local own = settings.container_security_context or NONE
  local user = own.runAsUser or settings.run_as_user
  return own.runAsNonRoot or (user or 0) ~= 0 or (user == nil and is_hardened(task, settings))
end

--- Environment for users other than root. The workspace's mount point belongs to root, and git
--- refuses to work in a directory of somebody else's. What the job itself sets stays.
---@param entry lunexec.TaskContainer
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return table[]? env
function M.env(entry, task, settings)
  local moved, hardened = is_another_user(task, settings), is_hardened(task, settings)
  if not (moved or hardened) then return nil end
  local env, own = json.array(), {}
  for _, name in ipairs(entry.env_names or NONE) do own[name] = true end
  if moved and not own.GIT_CONFIG_COUNT then
    env[1] = { name = "GIT_CONFIG_COUNT", value = "1" }
    env[2] = { name = "GIT_CONFIG_KEY_0", value = "safe.directory" }
    env[3] = { name = "GIT_CONFIG_VALUE_0", value = "*" }
  end
  if hardened and not own.HOME then env[#env + 1] = { name = "HOME", value = "/tmp" } end
  return env[1] and env
end

--- Whether root in a container is root on the node: false, the pod has a user namespace (Linux 6.3,
--- Kubernetes 1.33), nil, as the cluster has it. An error for a pod in the host's network.
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return boolean?
function M.host_users(task, settings)
  if not settings.user_namespaces then return nil end
  assert(not settings.host_network, "a pod in the host's network cannot have a user namespace")
  return false
end

return M
