local image = require "lunexec.image"
local json = require "lunexec.json"
local pod = require "lunexec.pod"
local testing = require "lunexec.testing"

local policy = testing.load("scripts")

local function job_of(settings, task)
  return testing.call(policy, "job", testing.task(task), testing.settings(settings))
end

local function env_of(container)
  local values = {}
  for _, item in ipairs(container.env or {}) do
    values[item.name] = item.value
  end
  return values
end

describe("scripts/policy.lua", function()
  it("has the functions of version 1", function()
    assert.equal(1, policy.api)
    for _, name in ipairs({ "job", "admit", "retry", "network" }) do
      assert.is_function(policy[name])
    end
  end)

  it("is made of files that one can read at a sitting", function()
    for name in require("lfs").dir("scripts") do
      if name:find("%.lua$") then
        local _, lines = testing.read("scripts/" .. name):gsub("\n", "")
        assert.is_true(lines < 150, name)
      end
    end
  end)
end)

describe("scripts/template.lua", function()
  it("leaves command and arguments to the executor", function()
    for _, container in ipairs(pod.containers(job_of())) do
      assert.is_nil(container.command)
      assert.is_nil(container.args)
      assert.is_nil(container.env)
    end
  end)

  it("keeps the order of containers, the last one as the main one", function()
    local spec = pod.spec(job_of())
    assert.equal(4, #spec.initContainers)
    assert.equal("setup-workspace", spec.initContainers[1].name)
    assert.equal("main", spec.containers[1].name)
    assert.is_nil(spec.containers[2])
  end)

  it("lets a finished Job stay for a day, for another time, or for ever", function()
    assert.equal(86400, job_of().spec.ttlSecondsAfterFinished)
    assert.equal(60, job_of({ job_ttl_seconds = 60 }).spec.ttlSecondsAfterFinished)
    assert.is_nil(job_of({ keep_jobs = true }).spec.ttlSecondsAfterFinished)
  end)

  it("passes the deadline on, 0 being none", function()
    assert.equal(1200, pod.spec(job_of()).activeDeadlineSeconds)
    assert.is_nil(pod.spec(job_of({}, { deadline_seconds = 0 })).activeDeadlineSeconds)
    assert.is_nil(pod.spec(job_of({}, { deadline_seconds = json.null })).activeDeadlineSeconds)
  end)

  it("never tries a Job again by itself and gives its pod no identity", function()
    local job = job_of()
    assert.equal(0, job.spec.backoffLimit)
    assert.equal("Never", pod.spec(job).restartPolicy)
    assert.is_false(pod.spec(job).automountServiceAccountToken)
    assert.is_false(pod.spec(job).enableServiceLinks)
    assert.is_nil(pod.spec(job).hostNetwork)
    assert.is_true(pod.spec(job_of({ host_network = true })).hostNetwork)
  end)

  it("mounts the workspace and the additional volumes everywhere", function()
    local settings = { additional_volume_mounts = { { name = "ca", mountPath = "/ca" } } }
    for _, container in ipairs(pod.containers(job_of(settings))) do
      assert.same({
        { name = "job-data", mountPath = "/job" },
        { name = "ca", mountPath = "/ca" },
      }, container.volumeMounts)
    end
  end)

  it("uses images as the job names them", function()
    for _, container in ipairs(pod.containers(job_of())) do
      assert.is_not_nil(image.parse(container.image))
      assert.equal("IfNotPresent", container.imagePullPolicy)
    end
  end)
end)

describe("scripts/resources.lua", function()
  local function resources_of(settings)
    return pod.find(job_of(settings), "main").resources
  end

  it("always names memory, and CPU only when it is set", function()
    local unset = { resource_limit_memory = json.null, resource_request_memory = json.null }
    assert.same({ limits = { memory = "12Gi" }, requests = { memory = "12Gi" } },
      resources_of(unset))
    assert.same({ limits = { memory = "12Gi" }, requests = { memory = "12Gi" } },
      resources_of({ resource_limit_cpu = "0", resource_request_cpu = "0m" }))
    assert.same(
      { limits = { cpu = "2", memory = "12Gi" }, requests = { cpu = "500m", memory = "12Gi" } },
      resources_of({ resource_limit_cpu = "2", resource_request_cpu = "500m" }))
  end)

  it("lowers a request to the limit", function()
    assert.same({ cpu = "1", memory = "4Gi" }, resources_of({
      resource_limit_memory = "4Gi", resource_limit_cpu = "1", resource_request_cpu = "1500m",
    }).requests)
  end)

  it("names the setting that is no quantity", function()
    assert.has_error(function() job_of({ resource_limit_cpu = "two" }) end,
      'setting resource_limit_cpu: "two" is not a quantity')
  end)

  it("counts a job as one of its containers", function()
    local function cost_of(settings)
      local job = { queue = "batches", repository = "github.com/acme/widgets" }
      return testing.call(policy, "admit", job, testing.settings(settings)).cost
    end
    assert.same({ cpu = "0", memory = "12Gi" }, cost_of())
    assert.same({ cpu = "2", memory = "1Gi" },
      cost_of({ resource_limit_cpu = "2", resource_request_memory = "1Gi" }))
    local settings = {
      resource_limit_cpu = "2", resource_request_cpu = "1", resource_request_memory = "3Gi",
    }
    assert.same(pod.requests(job_of(settings)), cost_of(settings))
  end)
end)

describe("scripts/placement.lua", function()
  it("says nothing about nodes unless told", function()
    local spec = pod.spec(job_of())
    assert.is_nil(spec.nodeName)
    assert.is_nil(spec.nodeSelector)
    assert.is_nil(spec.affinity)
    assert.is_nil(spec.tolerations)
  end)

  it("makes no empty affinity terms", function()
    local terms = { { key = "arch", operator = "In", values = { "amd64" } } }
    local affinity = pod.spec(job_of({ node_required_affinity_match_fields = terms })).affinity
    assert.same({
      nodeAffinity = {
        requiredDuringSchedulingIgnoredDuringExecution = {
          nodeSelectorTerms = { { matchFields = terms } },
        },
      },
    }, affinity)
  end)

  it("has one place to add a toleration and a node label", function()
    local dir = os.tmpname()
    os.remove(dir)
    assert(require("lfs").mkdir(dir))
    local text = testing.read("scripts/placement.lua")
    local changed, count = text:gsub("\n  %-%- ", "\n  ")
    assert.equal(2, count)
    local file = assert(io.open(dir .. "/placement.lua", "wb"))
    file:write(changed)
    file:close()
    local placement = testing.load(dir, "placement")
    os.remove(dir .. "/placement.lua")
    os.remove(dir)
    local added = {
      key = "dedicated", operator = "Equal", value = "executors", effect = "NoSchedule",
    }
    local settings = testing.read_only({
      tolerations = { { key = "spot", operator = "Exists" } }, node_selector = { disk = "ssd" },
    })
    assert.same({ { key = "spot", operator = "Exists" }, added },
      placement.tolerations({}, settings))
    assert.same({ added }, placement.tolerations({}, {}))
    assert.same({ disk = "ssd", ["node-pool"] = "executors" },
      placement.node_selector({}, settings))
  end)
end)

describe("scripts/firewall.lua", function()
  it("drops raw sockets, and leaves root and sudo", function()
    local job = job_of()
    assert.same({ fsGroup = 1000, seccompProfile = { type = "RuntimeDefault" } },
      pod.spec(job).securityContext)
    for _, container in ipairs(pod.containers(job)) do
      assert.same({ capabilities = { drop = { "NET_RAW" } } }, container.securityContext)
    end
  end)

  it("takes 0 for a user as it takes any other", function()
    local context = pod.spec(job_of({ run_as_user = 0, run_as_group = 0 })).securityContext
    assert.equal(0, context.runAsUser)
    assert.equal(0, context.runAsGroup)
  end)

  it("meets Pod Security restricted when hardened", function()
    local job = job_of({ firewall_profile = "hardened", fs_group = json.null })
    local spec = pod.spec(job)
    assert.same({
      runAsNonRoot = true, runAsUser = 1000, runAsGroup = 1000, fsGroup = 1000,
      seccompProfile = { type = "RuntimeDefault" },
    }, spec.securityContext)
    for _, container in ipairs(pod.containers(job)) do
      assert.same({ "ALL" }, container.securityContext.capabilities.drop)
      assert.is_false(container.securityContext.allowPrivilegeEscalation)
      assert.equal(container.name ~= "setup-workspace",
        container.securityContext.readOnlyRootFilesystem)
    end
  end)

  it("gives hardened jobs a /tmp, unless they have one", function()
    local job = job_of({ firewall_profile = "hardened" })
    assert.same({ name = "lunexec-tmp", emptyDir = {} }, pod.spec(job).volumes[2])
    assert.same({ name = "lunexec-tmp", mountPath = "/tmp" }, pod.find(job, "main").volumeMounts[2])
    local own = job_of({
      firewall_profile = "hardened",
      additional_volumes = { { name = "big", emptyDir = {} } },
      additional_volume_mounts = { { name = "other", mountPath = "/o" },
        { name = "big", mountPath = "/tmp" } },
    })
    assert.equal(2, #pod.spec(own).volumes)
    assert.equal(3, #pod.find(own, "main").volumeMounts)
  end)

  it("keeps the user of the settings when hardened, unless it is root", function()
    local context = pod.spec(job_of({
      firewall_profile = "hardened", run_as_user = 65532, run_as_group = 65532,
    })).securityContext
    assert.equal(65532, context.runAsUser)
    assert.equal(65532, context.runAsGroup)
    for _, settings in ipairs({ { run_as_user = 0 }, { host_network = true } }) do
      settings.firewall_profile = "hardened"
      assert.has_error(function() job_of(settings) end,
        "firewall profile hardened allows neither user 0 nor the host's network")
    end
  end)

  it("refuses a profile that it does not know", function()
    assert.has_error(function() job_of({ firewall_profile = "open" }) end,
      'firewall profile "open" is neither compatible nor hardened')
  end)

  it("lets the settings' security context win, field by field", function()
    local own = { privileged = true, capabilities = { add = { "SYS_PTRACE" } } }
    assert.same(own, pod.find(job_of({ container_security_context = own }), "main").securityContext)
    local hardened = job_of({
      firewall_profile = "hardened",
      container_security_context = { readOnlyRootFilesystem = false },
    })
    local context = pod.find(hardened, "main").securityContext
    assert.is_false(context.readOnlyRootFilesystem)
    assert.is_false(context.allowPrivilegeEscalation)
  end)

  it("lets git work where another user than root finds root's directory", function()
    local expected = {
      GIT_CONFIG_COUNT = "1", GIT_CONFIG_KEY_0 = "safe.directory", GIT_CONFIG_VALUE_0 = "*",
    }
    for _, settings in ipairs({
      { run_as_user = 1000 },
      { container_security_context = { runAsUser = 1000 } },
      { container_security_context = { runAsNonRoot = true } },
    }) do
      assert.same(expected, env_of(pod.find(job_of(settings), "setup-workspace")))
    end
    for _, settings in ipairs({
      {},
      { run_as_user = 0 },
      { run_as_user = 1000, container_security_context = { runAsUser = 0 } },
    }) do
      assert.is_nil(pod.find(job_of(settings), "setup-workspace").env)
    end
  end)

  it("leaves environment alone that the job itself sets", function()
    local task = testing.task()
    task.containers[2].env_names = { "HOME", "GIT_CONFIG_COUNT" }
    task.containers[3].env_names = { "HOME" }
    local settings = testing.settings({ firewall_profile = "hardened" })
    local job = testing.call(policy, "job", task, settings)
    assert.same({}, env_of(pod.find(job, task.containers[2].name)))
    assert.is_nil(env_of(pod.find(job, task.containers[3].name)).HOME)
    assert.equal("1", env_of(pod.find(job, task.containers[3].name)).GIT_CONFIG_COUNT)
    assert.equal("/tmp", env_of(pod.find(job, task.containers[4].name)).HOME)
  end)

  it("gives pods a user namespace where the settings say so", function()
    assert.is_nil(pod.spec(job_of({ firewall_profile = "hardened" })).hostUsers)
    for _, profile in ipairs({ "hardened", "compatible" }) do
      local settings = { firewall_profile = profile, user_namespaces = true }
      assert.is_false(pod.spec(job_of(settings)).hostUsers)
    end
    assert.has_error(function() job_of({ host_network = true, user_namespaces = true }) end,
      "a pod in the host's network cannot have a user namespace")
  end)
end)

describe("scripts/network.lua", function()
  it("labels pods for the network policies", function()
    local function label_of(settings)
      return job_of(settings).spec.template.metadata.labels["lunexec.dev/network"]
    end
    assert.equal("internet", label_of())
    assert.equal("frontend-only", label_of({ network_profile = "frontend-only" }))
    assert.has_error(function() label_of({ network_profile = "open" }) end,
      'network profile "open" is none of internet, listed, frontend-only')
  end)

  local function policies(settings)
    local by_name = {}
    for _, item in ipairs(testing.call(policy, "network", testing.settings(settings))) do
      by_name[item.metadata.name] = item
    end
    return by_name
  end

  it("let nothing in, and out to DNS only, for every job", function()
    local fence = policies({ namespace = "executors" })["lunexec-jobs"]
    assert.equal("executors", fence.metadata.namespace)
    assert.same({ "Ingress", "Egress" }, fence.spec.policyTypes)
    assert.is_nil(fence.spec.ingress)
    assert.same({ { key = "lunexec.dev/network", operator = "Exists" } },
      fence.spec.podSelector.matchExpressions)
    assert.equal(1, #fence.spec.egress)
    assert.same({ { protocol = "UDP", port = 53 }, { protocol = "TCP", port = 53 } },
      fence.spec.egress[1].ports)
  end)

  it("let jobs reach a frontend in the cluster by its pods or its address", function()
    local by_pods = policies({
      network_frontend = {
        namespace = "sg", pod_labels = { app = "sourcegraph-frontend" }, ports = { 3080 },
      },
    })["lunexec-jobs"].spec.egress[2]
    assert.equal("sourcegraph-frontend", by_pods.to[1].podSelector.matchLabels.app)
    assert.same({ { protocol = "TCP", port = 3080 } }, by_pods.ports)
    local by_address = policies({
      network_frontend = { cidrs = { "10.96.7.7/32" }, ports = { 30080 } },
    })["lunexec-jobs"].spec.egress[2]
    assert.same({ { ipBlock = { cidr = "10.96.7.7/32" } } }, by_address.to)
  end)

  it("open the internet to jobs of that label only", function()
    local internet = policies({ network_blocked = { "34.1.2.3/32" } })["lunexec-jobs-internet"]
    assert.same({ ["lunexec.dev/network"] = "internet" }, internet.spec.podSelector.matchLabels)
    local block = internet.spec.egress[1].to[1].ipBlock
    assert.equal("0.0.0.0/0", block.cidr)
    assert.equal("34.1.2.3/32", block.except[#block.except])
  end)

  it("open listed addresses to jobs of that label", function()
    assert.is_nil(policies()["lunexec-jobs-listed"])
    local listed = policies({
      network_listed = { { cidrs = { "203.0.113.0/24" }, ports = { 443 } } },
      network_dns = { cidrs = { "169.254.20.10/32" }, ports = { 53 } },
    })
    local rule = listed["lunexec-jobs-listed"].spec.egress[1]
    assert.same({ { ipBlock = { cidr = "203.0.113.0/24" } } }, rule.to)
    assert.equal("169.254.20.10/32", listed["lunexec-jobs"].spec.egress[1].to[1].ipBlock.cidr)
  end)
end)

describe("scripts/retry.lua", function()
  local function retry(class, attempt, message)
    local failure = { class = class, attempt = attempt, message = message }
    return testing.call(policy, "retry", failure, testing.task(), testing.settings())
  end

  it("tries failures of the cluster twice more, later each time", function()
    for _, class in ipairs({
      "evicted", "preempted", "node-lost", "node-refused", "pod-deleted", "api-unavailable",
    }) do
      assert.same({ delay = 10 }, retry(class, 1))
      assert.same({ delay = 20 }, retry(class, 2))
      assert.is_nil(retry(class, 3))
    end
  end)

  it("lets failures of the job stand", function()
    for _, class in ipairs({
      "exit-code", "out-of-memory", "deadline", "unschedulable", "no-pod", "pod-setup",
      "image-name", "image-not-found", "image-unauthorized", "image-pull", "container-create",
      "admission", "quota", "forbidden", "policy", "cancelled",
    }) do
      assert.is_nil(retry(class, 1))
    end
    assert.is_nil(retry(nil, 1))
  end)

  it("lets an eviction stand that the job brought about", function()
    local usage = 'Usage of EmptyDir volume "job-data" exceeds the limit "5Gi".'
    assert.is_nil(retry("evicted", 1, usage))
    assert.same({ delay = 10 }, retry("evicted", 1, "The node was low on resource: memory."))
  end)
end)

describe("what retry() asks for", function()
  local function resources(wanted, settings)
    local task = testing.task({ attempt = 2, resources = wanted })
    local job = testing.call(policy, "job", task, testing.settings(settings))
    return pod.spec(job).initContainers[1].resources
  end

  it("is memory that is requested too", function()
    local is = resources({ memory = "24Gi" })
    assert.equal("24Gi", is.limits.memory)
    assert.equal("24Gi", is.requests.memory)
  end)

  it("is CPU that is allowed", function()
    local is = resources({ cpu = "4" }, { resource_request_cpu = "1" })
    assert.equal("4", is.limits.cpu)
    assert.equal("1", is.requests.cpu)
    assert.equal("12Gi", is.limits.memory)
  end)
end)
