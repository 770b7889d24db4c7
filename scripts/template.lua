--- What a Job looks like. The executor adds the rest to what this returns: each container's
--- command, arguments and the job's own environment, and the labels by which it finds its objects.

local firewall = require "firewall"
local json = require "lunexec.json"
local merge = require "lunexec.merge"
local network = require "network"
local placement = require "placement"
local resources = require "resources"

local M = {}

local NONE = {}

--- How long a finished Job may stay. The executor deletes its Jobs itself; this is for those that
--- an executor which never came back left behind. A day is long enough for one that was down over
--- night to come back and still find how its jobs ended.
local DAY = 24 * 60 * 60

local function seconds_to_live(settings)
  if settings.keep_jobs then
    return nil
  end
  return settings.job_ttl_seconds or DAY
end

--- Seconds that the pod may be active; Kubernetes has no 0, here it means no limit.
local function deadline(task)
  return task.deadline_seconds ~= 0 and task.deadline_seconds or nil
end

local function pull_secrets(settings)
  local secrets = json.array()
  for _, name in ipairs(settings.image_pull_secrets or {}) do
    secrets[#secrets + 1] = { name = name }
  end
  return merge.given(secrets)
end

--- The volume that holds the workspace: node-local, or a claim.
local function workspace_volume(workspace)
  if workspace.type == "emptyDir" then
    return { name = workspace.volume, emptyDir = { sizeLimit = workspace.size } }
  end
  return { name = workspace.volume, persistentVolumeClaim = { claimName = workspace.claim } }
end

local function volumes(task, settings)
  local list = json.array({ workspace_volume(task.workspace) })
  for _, volume in ipairs(settings.additional_volumes or {}) do
    list[#list + 1] = merge.copy(volume)
  end
  for _, volume in ipairs(firewall.volumes(task, settings)) do
    list[#list + 1] = volume
  end
  return list
end

local function mounts(entry, task, settings)
  local workspace = task.workspace
  local list = json.array({
    { name = workspace.volume, mountPath = workspace.mount_path, subPath = workspace.sub_path },
  })
  for _, mount in ipairs(settings.additional_volume_mounts or NONE) do
    list[#list + 1] = merge.copy(mount)
  end
  for _, mount in ipairs(firewall.mounts(entry, task, settings)) do
    list[#list + 1] = mount
  end
  return list
end

local function container(entry, task, settings)
  return {
    name = entry.name,
    image = entry.image,
    imagePullPolicy = settings.image_pull_policy or "IfNotPresent",
    workingDir = entry.working_dir,
    env = firewall.env(entry, task, settings),
    resources = resources.container(entry, task, settings),
    volumeMounts = mounts(entry, task, settings),
    securityContext = firewall.container(entry, task, settings),
  }
end

--- In a single pod all containers but the last run one after the other, as init containers. On a
--- shared volume each step is a Job with one container.
local function containers(task, settings)
  local init, main = json.array(), json.array()
  local last = #task.containers
  for index, entry in ipairs(task.containers) do
    local list = task.layout == "single-pod" and index < last and init or main
    list[#list + 1] = container(entry, task, settings)
  end
  return init[1] and init, main
end

local function pod(task, settings)
  local init, main = containers(task, settings)
  return {
    restartPolicy = "Never",
    activeDeadlineSeconds = deadline(task),

    nodeName = settings.node_name,
    nodeSelector = placement.node_selector(task, settings),
    affinity = placement.affinity(task, settings),
    tolerations = placement.tolerations(task, settings),

    securityContext = firewall.pod(task, settings),
    automountServiceAccountToken = false,
    enableServiceLinks = false,
    hostNetwork = settings.host_network or nil,
    hostUsers = firewall.host_users(task, settings),

    imagePullSecrets = pull_secrets(settings),
    initContainers = init,
    containers = main,
    volumes = volumes(task, settings),
  }
end

--- The Job of a task.
---@param task lunexec.Task
---@param settings lunexec.Settings
---@return table job a batch/v1 Job
function M.job(task, settings)
  return {
    apiVersion = "batch/v1",
    kind = "Job",
    metadata = {
      name = task.names.job,
      annotations = merge.given(settings.job_annotations),
    },
    spec = {
      backoffLimit = 0,
      ttlSecondsAfterFinished = seconds_to_live(settings),
      template = {
        metadata = {
          labels = network.labels(task, settings),
          annotations = merge.given(settings.job_pod_annotations),
        },
        spec = pod(task, settings),
      },
    },
  }
end

return M
