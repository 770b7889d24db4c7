local json = require "lunexec.json"
local pod = require "lunexec.pod"
local testing = require "lunexec.testing"

local function new_job(spec)
  return { metadata = { name = "j" }, spec = { template = { spec = spec or {} } } }
end

local function asks(memory, cpu)
  return { resources = { requests = { memory = memory, cpu = cpu } } }
end

describe("lunexec.pod", function()
  local job, task

  before_each(function()
    task = testing.task()
    job = testing.call(testing.load("scripts"), "job", task, testing.settings())
  end)

  it("lists containers in the order in which they run", function()
    local names = {}
    for index, container in ipairs(pod.containers(job)) do
      names[index] = container.name
    end
    assert.same({
      "setup-workspace", "step-kubernetes-step-0-pre", "step-kubernetes-step-0-run",
      "step-kubernetes-step-0-post", "main",
    }, names)
    assert.same({}, pod.containers(new_job()))
  end)

  it("finds containers by name and purpose", function()
    assert.equal("alpine:3", pod.find(job, "step-kubernetes-step-0-run").image)
    assert.is_nil(pod.find(job, "absent"))
    assert.equal(3, #pod.with_purpose(job, task, "step"))
    assert.equal("setup-workspace", pod.with_purpose(job, task, "setup")[1].name)
    assert.same({}, pod.with_purpose(job, task, "other"))
  end)

  it("sets environment, once a name", function()
    local container = {}
    pod.set_env(container, "A", "1")
    pod.set_env(container, "B", { fieldRef = { fieldPath = "spec.nodeName" } })
    pod.set_env(container, "A", "2")
    assert.same({
      { name = "A", value = "2" },
      { name = "B", valueFrom = { fieldRef = { fieldPath = "spec.nodeName" } } },
    }, container.env)
    assert.is_true(json.is_array(container.env))
  end)

  it("adds volumes, mounts and tolerations", function()
    local empty = new_job()
    pod.add_volume(empty, { name = "a", emptyDir = {} })
    pod.add_volume(empty, { name = "a", emptyDir = { medium = "Memory" } })
    pod.add_toleration(empty, { key = "gpu", operator = "Exists" })
    pod.add_toleration(empty, { key = "gpu", operator = "Exists" })
    assert.same({
      volumes = { { name = "a", emptyDir = { medium = "Memory" } } },
      tolerations = { { key = "gpu", operator = "Exists" }, { key = "gpu", operator = "Exists" } },
    }, pod.spec(empty))
    local container = {}
    pod.add_mount(container, { name = "a", mountPath = "/a" })
    pod.add_mount(container, { name = "b", mountPath = "/b" })
    pod.add_mount(container, { name = "c", mountPath = "/a" })
    assert.same({ { name = "c", mountPath = "/a" }, { name = "b", mountPath = "/b" } },
      container.volumeMounts)
  end)

  it("labels Job and pod, annotates the pod", function()
    local empty = new_job()
    pod.set_label(empty, "team", "search")
    pod.set_annotation(empty, "note", "hello")
    assert.same({ name = "j", labels = { team = "search" } }, empty.metadata)
    assert.same({ labels = { team = "search" }, annotations = { note = "hello" } },
      empty.spec.template.metadata)
    pod.set_label(job, "team", "search")
    assert.same({ team = "search", ["lunexec.dev/network"] = "internet" },
      job.spec.template.metadata.labels)
  end)

  it("counts the largest init container or the sum of the others", function()
    assert.same({ cpu = "0", memory = "12Gi" }, pod.requests(job))
    assert.same({ cpu = "2", memory = "3Gi" }, pod.requests(new_job({
      initContainers = { asks("1Gi", "2"), asks("3Gi", "1") },
      containers = { asks("1Gi", "500m"), asks("1Gi", "500m") },
    })))
    assert.equal("4Gi", pod.effective_request(new_job({
      initContainers = { asks("3Gi") },
      containers = { asks("2Gi"), asks("2048Mi") },
    }), "memory"))
    assert.same({ cpu = "0", memory = "0" }, pod.requests(new_job()))
  end)

  it("counts containers that stay, overhead, and limits without a request", function()
    local sidecar = asks("1Gi")
    sidecar.restartPolicy = "Always"
    local with_sidecar = new_job({
      initContainers = { asks("2Gi"), sidecar, asks("2Gi") },
      containers = { { resources = { limits = { memory = "1Gi" } } } },
      overhead = { memory = "100Mi" },
    })
    assert.equal("3172Mi", pod.effective_request(with_sidecar, "memory"))
  end)
end)
