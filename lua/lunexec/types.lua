---@meta
--- What goes into a policy and what comes out, for editors with lua-language-server. Fields with a
--- question mark are absent when unset. Names in this file are snake_case because they are ours;
--- names in a Job are Kubernetes' own.

---@class lunexec.Policy what policy.lua returns; a function that is missing is the default's
---@field api 1
---@field job fun(task: lunexec.Task, settings: lunexec.Settings): table
---@field admit? fun(job: lunexec.Job, settings: lunexec.Settings): lunexec.Admission|false, string?
---@field retry? fun(failure: lunexec.Failure, task: lunexec.Task, settings: lunexec.Settings): lunexec.Retry?
---@field network? fun(settings: lunexec.Settings): table[]

---@class lunexec.Task one Job to be made
---@field api 1
---@field queue "batches"|"codeintel"
---@field id integer of the record in the queue
---@field attempt integer 1 at first
---@field resources lunexec.RetryResources? what retry() asked for; absent at first
---@field layout "single-pod"|"shared-volume"
---@field repository string such as "github.com/acme/widgets"
---@field commit string
---@field names lunexec.Names
---@field containers lunexec.TaskContainer[] in the order in which they run
---@field workspace lunexec.Workspace
---@field deadline_seconds integer? how long the pod may be active; 0 is no limit
---@field facts lunexec.Facts

---@class lunexec.Names what the objects of a task are called
---@field job string
---@field secret string
---@field volume string

---@class lunexec.TaskContainer
---@field name string
---@field purpose "setup"|"step"|"main" setup clones the repository, main ends a single pod
---@field key string? of the step, such as "step.0.pre"
---@field image string
---@field working_dir string
---@field env_names string[]? names of the environment that the job sets; the executor adds it

---@class lunexec.Workspace the volume on which the repository is
---@field mount_path string
---@field volume string
---@field type "emptyDir"|"pvc"|"claim" pvc: a claim of the task's own, claim: one that is shared
---@field size string? a quantity
---@field claim string? name of the PersistentVolumeClaim
---@field sub_path string? directory of the task on a shared claim

---@class lunexec.Job a job as it comes from the queue, without secrets
---@field api 1
---@field queue "batches"|"codeintel"
---@field id integer
---@field repository string
---@field commit string
---@field attempt integer 1 at first
---@field steps {key: string, image: string, dir: string}[]
---@field files {path: string, size: integer?}[]
---@field facts lunexec.Facts

---@class lunexec.Facts of the moment in which a policy is asked, as this executor knows them
---@field time integer seconds since 1970-01-01T00:00:00Z
---@field running {total: integer, queue: integer, repository: integer} other jobs that run here: all, those of the same queue, those of the same repository
---@field max_jobs integer EXECUTOR_MAXIMUM_NUM_JOBS
---@field history lunexec.PastJob[] the last jobs of the same queue and repository, the newest first, at most five; empty after a restart

---@class lunexec.PastJob
---@field finished_at integer seconds since 1970-01-01T00:00:00Z
---@field seconds integer from dequeue to mark
---@field outcome string "succeeded", or the class of failure (docs/failures.md)
---@field cost {cpu: string?, memory: string?}? what admit() said it counts for

---@class lunexec.Settings read from the executor's environment
---@field namespace string EXECUTOR_KUBERNETES_NAMESPACE
---@field node_name string? EXECUTOR_KUBERNETES_NODE_NAME
---@field node_selector table<string, string>? EXECUTOR_KUBERNETES_NODE_SELECTOR
---@field node_required_affinity_match_expressions table[]? EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_EXPRESSIONS
---@field node_required_affinity_match_fields table[]? EXECUTOR_KUBERNETES_NODE_REQUIRED_AFFINITY_MATCH_FIELDS
---@field pod_affinity table[]? EXECUTOR_KUBERNETES_POD_AFFINITY
---@field pod_anti_affinity table[]? EXECUTOR_KUBERNETES_POD_ANTI_AFFINITY
---@field tolerations table[]? EXECUTOR_KUBERNETES_NODE_TOLERATIONS
---@field resource_limit_cpu string? EXECUTOR_KUBERNETES_RESOURCE_LIMIT_CPU
---@field resource_limit_memory string? EXECUTOR_KUBERNETES_RESOURCE_LIMIT_MEMORY
---@field resource_request_cpu string? EXECUTOR_KUBERNETES_RESOURCE_REQUEST_CPU
---@field resource_request_memory string? EXECUTOR_KUBERNETES_RESOURCE_REQUEST_MEMORY
---@field run_as_user integer? KUBERNETES_RUN_AS_USER; 0 is root
---@field run_as_group integer? KUBERNETES_RUN_AS_GROUP
---@field fs_group integer? KUBERNETES_FS_GROUP
---@field job_annotations table<string, string>? KUBERNETES_JOB_ANNOTATIONS
---@field job_pod_annotations table<string, string>? KUBERNETES_JOB_POD_ANNOTATIONS
---@field image_pull_secrets string[]? KUBERNETES_IMAGE_PULL_SECRETS
---@field image_pull_policy ("Always"|"IfNotPresent"|"Never")? KUBERNETES_IMAGE_PULL_POLICY
---@field host_network boolean? KUBERNETES_JOB_HOST_NETWORK
---@field container_security_context table? KUBERNETES_EXECUTOR_CONTAINER_SECURITY_CONTEXT
---@field additional_volumes table[]? KUBERNETES_ADDITIONAL_JOB_VOLUMES
---@field additional_volume_mounts table[]? KUBERNETES_ADDITIONAL_JOB_VOLUME_MOUNTS
---@field firewall_profile ("compatible"|"hardened")? LUNEXEC_FIREWALL_PROFILE
---@field user_namespaces boolean? LUNEXEC_USER_NAMESPACES; pods get user namespaces of their own
---@field keep_jobs boolean? KUBERNETES_KEEP_JOBS
---@field job_ttl_seconds integer? LUNEXEC_JOB_TTL; how long a finished Job that nobody deleted stays
---@field network_profile ("internet"|"listed"|"frontend-only")? LUNEXEC_NETWORK_PROFILE; whom jobs may talk to
---@field network_dns lunexec.Peer? LUNEXEC_NETWORK_DNS; where DNS is; kube-dns in kube-system when absent
---@field network_frontend lunexec.Peer? LUNEXEC_NETWORK_FRONTEND; a frontend in the cluster or at a private address
---@field network_listed lunexec.Peer[]? LUNEXEC_NETWORK_LISTED; what jobs of the profile "listed" may reach
---@field network_blocked string[]? LUNEXEC_NETWORK_BLOCKED; public addresses that no job may reach

---@class lunexec.Admission how a job shares this executor with the others
---@field cost {cpu: (string|number)?, memory: (string|number)?}? what the job counts for while it runs, against LUNEXEC_MAXIMUM_CPU and LUNEXEC_MAXIMUM_MEMORY
---@field key string? jobs of one key share `limit`, and take turns with those of other keys
---@field limit integer? how many jobs of that key may run at once
---@field weight integer? share of turns beside other keys, 1 when absent

---@alias lunexec.FailureClass "exit-code"|"out-of-memory"|"evicted"|"preempted"|"node-lost"|"node-refused"|"pod-deleted"|"unschedulable"|"no-pod"|"pod-setup"|"image-name"|"image-not-found"|"image-unauthorized"|"image-pull"|"container-create"|"admission"|"quota"|"forbidden"|"api-unavailable"|"deadline"

---@class lunexec.Failure an attempt that ended otherwise than well; docs/failures.md says of which classes retry() is asked
---@field class lunexec.FailureClass
---@field message string as the job's record would show it
---@field reason string? in Kubernetes' own word: "Evicted", "OOMKilled", "ImagePullBackOff", ...
---@field step string? key of the step, such as "step.0.run"; of another container: "setup.workspace", "main"
---@field exit_code integer? of that container, where one was observed
---@field limit string? the memory limit that was exceeded, such as "12Gi"
---@field attempt integer which attempt failed, from 1

---@class lunexec.Retry
---@field delay integer? seconds to wait, 0 to 3600
---@field resources lunexec.RetryResources? for the containers of the next attempt: it gets them as task.resources

---@class lunexec.RetryResources
---@field memory string?
---@field cpu string?

---@class lunexec.JobOptions what job() may return beside the Job
---@field grace table<lunexec.FailureClass, integer>? how many seconds its pod may wait for what may never come
