--- Evaluates the tables beside this file with cyclonus, an evaluator of NetworkPolicies:
---
---     lua5.4 spec/network/evaluate.lua CYCLONUS WORK_DIR in-cluster outside
---
--- in the project's folder. The policies are those that the default scripts return; jobs have the
--- labels and the namespace that they give. Closes with "N passed, N failed".

package.path = "lua/?.lua;" .. package.path

local jsontext = require "lunexec.jsontext"
local testing = require "lunexec.testing"

local cyclonus, work = arg[1], arg[2]
local policy = testing.load("scripts")

local function write(path, value)
  local file = assert(io.open(path, "wb"))
  file:write(assert(jsontext.encode(value)))
  file:close()
end

--- Where a job of a profile is, as the evaluator has it.
local function job_pod(case, profile)
  local settings = testing.settings(case.settings)
  settings.network_profile = profile
  local job = testing.call(policy, "job", testing.task(), settings)
  return { namespace = settings.namespace, labels = job.spec.template.metadata.labels }
end

local function peer(case, address, pod)
  if pod and pod.job then
    pod = job_pod(case, pod.job)
  end
  return {
    IP = address,
    Internal = pod and {
      Namespace = pod.namespace,
      NamespaceLabels = { ["kubernetes.io/metadata.name"] = pod.namespace },
      PodLabels = pod.labels,
    },
  }
end

local function traffic(case, row)
  local from, to = row[1], row[2]
  local protocol, port = row[3]:match("^(%u+)/(%d+)$")
  local is_address = from:find("[.:]")
  local address = is_address and from or (to:find(":") and "fd00:10::2ff" or "10.0.2.250")
  local pod = is_address and case.pods[from] or { job = from }
  if is_address and not case.pods[from] then
    pod = nil
  end
  return {
    Source = peer(case, address, pod),
    Destination = peer(case, to, case.pods[to]),
    Protocol = protocol,
    ResolvedPort = math.tointeger(tonumber(port)),
  }
end

--- The verdict on each row, in order: "allow" or "deny".
local function verdicts(name, case)
  local policies, queries = {}, {}
  for index, item in ipairs(testing.call(policy, "network", testing.settings(case.settings))) do
    policies[index] = item
  end
  for index, row in ipairs(case.rows) do
    queries[index] = traffic(case, row)
  end
  local path = work .. "/" .. name
  write(path .. ".policies.json", {
    apiVersion = "networking.k8s.io/v1", kind = "NetworkPolicyList", items = policies,
  })
  write(path .. ".traffic.json", queries)
  local command = ("'%s' analyze --mode query-traffic --policy-path '%s' --traffic-path '%s'")
    :format(cyclonus, path .. ".policies.json", path .. ".traffic.json")
  local answer, found = assert(io.popen(command)), {}
  for line in answer:lines() do
    local allowed = line:match("IS ALLOWED%?%s*|%s*(%u+)")
    if allowed then
      found[#found + 1] = allowed == "TRUE" and "allow" or "deny"
    end
  end
  assert(answer:close(), "cyclonus failed")
  assert(#found == #queries, "cyclonus did not answer every row")
  return found
end

local passed, failed = 0, 0
for index = 3, #arg do
  local name = arg[index]
  local case = dofile("spec/network/" .. name .. ".lua")
  local found = verdicts(name, case)
  for number, row in ipairs(case.rows) do
    local right = found[number] == row[4]
    passed, failed = passed + (right and 1 or 0), failed + (right and 0 or 1)
    print(("%s %s: %s %s -> %s %s (%s)"):format(right and "ok" or "not ok", name, found[number],
      row[1], row[2], row[3], row[5]))
  end
end
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and passed > 0)
