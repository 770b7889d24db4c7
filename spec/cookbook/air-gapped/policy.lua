--- No way to the internet: every image comes from the registry at hand, packages from its proxies,
--- and jobs reach nothing but DNS, the frontend and what LUNEXEC_NETWORK_LISTED names.

local image = require "lunexec.image"
local network = require "network"
local pod = require "lunexec.pod"
local policy = require "default"

local REGISTRY = "registry.internal:5000"
local PULL_SECRET = "registry-internal"
local PROXIES = {
  GOPROXY = "https://registry.internal/go",
  NPM_CONFIG_REGISTRY = "https://registry.internal/npm/",
  PIP_INDEX_URL = "https://registry.internal/pypi/simple",
}

function network.profile(task, settings)
  return "listed"
end

local function moved(reference)
  local parsed, message = image.parse(reference)
  if not parsed then
    error(message, 0)
  elseif parsed.registry == REGISTRY then
    return reference
  end
  return image.mirror(reference, { [parsed.registry] = REGISTRY .. "/" .. parsed.registry })
end

--- What a step sets itself stays as it is.
local function set_proxies(container, own_names)
  local own = {}
  for _, name in ipairs(own_names or {}) do
    own[name] = true
  end
  for name, value in pairs(PROXIES) do
    if not own[name] then
      pod.set_env(container, name, value)
    end
  end
end

local job_of = policy.job

function policy.job(task, settings)
  local job = job_of(task, settings)
  for index, container in ipairs(pod.containers(job)) do
    container.image = moved(container.image)
    set_proxies(container, task.containers[index].env_names)
  end
  local spec = pod.spec(job)
  spec.imagePullSecrets = spec.imagePullSecrets or {}
  spec.imagePullSecrets[#spec.imagePullSecrets + 1] = { name = PULL_SECRET }
  return job
end

return policy
