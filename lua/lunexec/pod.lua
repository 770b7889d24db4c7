--- Finding things in a Job manifest and adding to it. The manifest is changed in place: use these
--- on the Job that a policy builds, not on its inputs.

local json = require "lunexec.json"
local quantity = require "lunexec.quantity"

local M = {}

--- The pod's spec inside a Job.
---@param job table
---@return table
function M.spec(job)
  return job.spec.template.spec
end

--- All containers in the order in which they run: init containers, then the others.
---@param job table
---@return table[]
function M.containers(job)
  local spec = M.spec(job)
  local all = {}
  for _, list in ipairs({ spec.initContainers or {}, spec.containers or {} }) do
    for _, container in ipairs(list) do
      all[#all + 1] = container
    end
  end
  return all
end

--- The container of a name, or nil.
---@param job table
---@param name string
---@return table?
function M.find(job, name)
  for _, container in ipairs(M.containers(job)) do
    if container.name == name then
      return container
    end
  end
  return nil
end

--- The containers that serve a purpose, as the task tells it.
---@param job table
---@param task lunexec.Task
---@param purpose "setup"|"step"|"main"
---@return table[]
function M.with_purpose(job, task, purpose)
  local found = {}
  for _, entry in ipairs(task.containers) do
    if entry.purpose == purpose then
      found[#found + 1] = M.find(job, entry.name)
    end
  end
  return found
end

--- Appends to a list, or takes the place of the item that agrees in `field`.
local function put(list, field, item)
  list = list or json.array()
  for index, present in ipairs(list) do
    if present[field] == item[field] then
      list[index] = item
      return list
    end
  end
  list[#list + 1] = item
  return list
end

--- Sets an environment variable of a container.
---@param container table
---@param name string
---@param value string|table text, or a `valueFrom` such as {fieldRef = {fieldPath = "..."}}
function M.set_env(container, name, value)
  local item = { name = name }
  item[type(value) == "table" and "valueFrom" or "value"] = value
  container.env = put(container.env, "name", item)
end

--- Adds a volume to the pod; one of the same name is replaced.
---@param job table
---@param volume table
function M.add_volume(job, volume)
  local spec = M.spec(job)
  spec.volumes = put(spec.volumes, "name", volume)
end

--- Mounts a volume in a container; a mount at the same path is replaced.
---@param container table
---@param mount table such as {name = "cache", mountPath = "/cache"}
function M.add_mount(container, mount)
  container.volumeMounts = put(container.volumeMounts, "mountPath", mount)
end

--- Adds a toleration to the pod.
---@param job table
---@param toleration table
function M.add_toleration(job, toleration)
  local spec = M.spec(job)
  spec.tolerations = spec.tolerations or json.array()
  spec.tolerations[#spec.tolerations + 1] = toleration
end

local function set_metadata(object, field, key, value)
  object.metadata = object.metadata or {}
  object.metadata[field] = object.metadata[field] or {}
  object.metadata[field][key] = value
end

--- Sets a label on the Job and on its pod.
---@param job table
---@param key string
---@param value string see lunexec.names.label
function M.set_label(job, key, value)
  set_metadata(job, "labels", key, value)
  set_metadata(job.spec.template, "labels", key, value)
end

--- Sets an annotation on the pod.
---@param job table
---@param key string
---@param value string
function M.set_annotation(job, key, value)
  set_metadata(job.spec.template, "annotations", key, value)
end

--- A container's request; a limit without a request counts as one, as Kubernetes has it.
local function request(container, resource)
  local resources = container.resources or {}
  return resources.requests and resources.requests[resource]
    or resources.limits and resources.limits[resource]
    or "0"
end

--- What the scheduler sets aside for the pod of one resource: init containers run one after the
--- other, so only the largest counts, beside those that stay (restartPolicy Always) and come before
--- it; the others run together with all that stay. An error for text that is no quantity.
---@param job table
---@param resource string "cpu", "memory", "ephemeral-storage", ...
---@return string
function M.effective_request(job, resource)
  local spec = M.spec(job)
  local staying, peak = "0", "0"
  for _, container in ipairs(spec.initContainers or {}) do
    local together = quantity.add(staying, request(container, resource))
    peak = quantity.max(peak, together)
    if container.restartPolicy == "Always" then
      staying = together
    end
  end
  local running = staying
  for _, container in ipairs(spec.containers or {}) do
    running = quantity.add(running, request(container, resource))
  end
  local overhead = spec.overhead and spec.overhead[resource] or "0"
  return quantity.add(quantity.max(peak, running), overhead)
end

--- CPU and memory that the scheduler sets aside for the pod, as `effective_request`.
---@param job table
---@return {cpu: string, memory: string}
function M.requests(job)
  return { cpu = M.effective_request(job, "cpu"), memory = M.effective_request(job, "memory") }
end

return M
