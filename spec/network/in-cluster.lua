--- A cluster with IPv4 and IPv6 in which Sourcegraph itself runs: the frontend is excepted by the
--- labels that its Service selects.

local PRIVATE = "private addresses"
local NEITHER = "neither DNS nor the frontend"

return {
  settings = {
    namespace = "executors",
    network_frontend = {
      namespace = "sourcegraph", pod_labels = { app = "sourcegraph-frontend" }, ports = { 3080 },
    },
    network_listed = {
      { cidrs = { "203.0.113.0/24", "2001:db8:5::/48" }, ports = { 443 } },
      { namespace = "ci", pod_labels = { app = "registry" }, ports = { 5000 } },
    },
    network_blocked = { "34.118.10.4/32", "2600:1900::44/128" },
  },

  --- Pods of the cluster. An address that is no pod's is outside of it.
  pods = {
    ["10.0.0.10"] = { namespace = "kube-system", labels = { ["k8s-app"] = "kube-dns" } },
    ["fd00:10::10"] = { namespace = "kube-system", labels = { ["k8s-app"] = "kube-dns" } },
    ["10.0.0.11"] = { namespace = "kube-system", labels = { ["k8s-app"] = "metrics-server" } },
    ["10.0.1.1"] = { namespace = "sourcegraph", labels = { app = "sourcegraph-frontend" } },
    ["fd00:10::101"] = { namespace = "sourcegraph", labels = { app = "sourcegraph-frontend" } },
    ["10.0.1.2"] = { namespace = "sourcegraph", labels = { app = "gitserver" } },
    ["10.0.1.3"] = { namespace = "other", labels = { app = "sourcegraph-frontend" } },
    ["10.0.1.4"] = { namespace = "ci", labels = { app = "registry" } },
    ["8.34.0.9"] = { namespace = "other", labels = { app = "pod-with-a-public-address" } },
    ["10.0.2.1"] = { job = "internet" },
    ["fd00:10::201"] = { job = "internet" },
    ["10.0.2.2"] = { job = "listed" },
    ["10.0.2.3"] = { job = "frontend-only" },
    ["8.34.0.8"] = { job = "internet" },
    ["10.0.2.9"] = { namespace = "executors", labels = { app = "executor" } },
  },

  --- From: a job of a profile, or an address. To: an address. Verdict. What it shows.
  rows = {
    -- DNS and the frontend, for every profile
    { "internet", "10.0.0.10", "UDP/53", "allow", "DNS" },
    { "internet", "10.0.0.10", "TCP/53", "allow", "DNS over TCP" },
    { "internet", "fd00:10::10", "UDP/53", "allow", "DNS, IPv6" },
    { "listed", "10.0.0.10", "UDP/53", "allow", "DNS" },
    { "frontend-only", "10.0.0.10", "UDP/53", "allow", "DNS" },
    { "frontend-only", "fd00:10::10", "TCP/53", "allow", "DNS over TCP, IPv6" },
    { "internet", "10.0.0.10", "TCP/9153", "deny", "another port of DNS" },
    { "internet", "10.0.0.11", "UDP/53", "deny", "another pod of kube-system" },
    { "internet", "10.0.1.1", "TCP/3080", "allow", "frontend" },
    { "internet", "fd00:10::101", "TCP/3080", "allow", "frontend, IPv6" },
    { "listed", "10.0.1.1", "TCP/3080", "allow", "frontend" },
    { "frontend-only", "10.0.1.1", "TCP/3080", "allow", "frontend" },
    { "internet", "10.0.1.1", "TCP/3090", "deny", "the frontend's internal port" },
    { "frontend-only", "10.0.1.1", "TCP/6060", "deny", "the frontend's debug port" },
    { "internet", "10.0.1.1", "UDP/3080", "deny", "the frontend over another protocol" },
    { "internet", "10.0.1.2", "TCP/3178", "deny", "another pod of Sourcegraph" },
    { "internet", "10.0.1.3", "TCP/3080", "deny", "the frontend's labels elsewhere" },

    -- the public internet
    { "internet", "140.82.112.3", "TCP/443", "allow", "public" },
    { "internet", "140.82.112.3", "TCP/22", "allow", "public, any port" },
    { "internet", "8.8.8.8", "UDP/53", "allow", "public resolver" },
    { "internet", "2606:50c0:8000::153", "TCP/443", "allow", "public, IPv6" },
    { "internet", "2a00:1450:4001::200e", "UDP/443", "allow", "public, IPv6" },
    { "internet", "64:ff9b::8c52:7003", "TCP/443", "allow", "public behind NAT64" },
    { "listed", "140.82.112.3", "TCP/443", "deny", "public, not listed" },
    { "listed", "2606:50c0:8000::153", "TCP/443", "deny", "public, not listed, IPv6" },
    { "frontend-only", "140.82.112.3", "TCP/443", "deny", NEITHER },
    { "frontend-only", "2606:50c0:8000::153", "TCP/443", "deny", NEITHER },
    { "frontend-only", "8.8.8.8", "UDP/53", "deny", "DNS elsewhere" },

    -- what the settings list
    { "listed", "203.0.113.7", "TCP/443", "allow", "listed" },
    { "listed", "2001:db8:5::7", "TCP/443", "allow", "listed, IPv6" },
    { "listed", "203.0.113.7", "TCP/80", "deny", "listed, another port" },
    { "listed", "203.0.114.7", "TCP/443", "deny", "beside the list" },
    { "listed", "10.0.1.4", "TCP/5000", "allow", "listed pods" },
    { "listed", "10.0.1.4", "TCP/443", "deny", "listed pods, a port of other addresses" },
    { "frontend-only", "203.0.113.7", "TCP/443", "deny", "listed for others" },
    { "internet", "10.0.1.4", "TCP/5000", "deny", "listed for others" },

    -- metadata services
    { "internet", "169.254.169.254", "TCP/80", "deny", "metadata of most clouds" },
    { "internet", "169.254.170.2", "TCP/80", "deny", "credentials of AWS tasks" },
    { "internet", "169.254.170.23", "TCP/80", "deny", "EKS Pod Identity" },
    { "internet", "fd00:ec2::254", "TCP/80", "deny", "metadata of AWS, IPv6" },
    { "internet", "fd00:ec2::23", "TCP/80", "deny", "EKS Pod Identity, IPv6" },
    { "internet", "fd20:ce::254", "TCP/80", "deny", "metadata of Google, IPv6" },
    { "internet", "100.100.100.200", "TCP/80", "deny", "metadata of Alibaba" },
    { "internet", "192.0.0.192", "TCP/80", "deny", "metadata of Oracle" },
    { "internet", "168.63.129.16", "TCP/80", "deny", "host services of Azure" },
    { "internet", "64:ff9b::a9fe:a9fe", "TCP/80", "deny", "metadata behind NAT64" },
    { "listed", "169.254.169.254", "TCP/80", "deny", "metadata" },
    { "frontend-only", "169.254.169.254", "TCP/80", "deny", "metadata" },

    -- private and other addresses that are not public
    { "internet", "10.96.0.50", "TCP/443", "deny", PRIVATE },
    { "internet", "172.16.0.1", "TCP/443", "deny", PRIVATE },
    { "internet", "172.31.255.254", "TCP/443", "deny", PRIVATE },
    { "internet", "172.32.0.1", "TCP/443", "allow", "right behind private addresses" },
    { "internet", "192.168.1.1", "TCP/443", "deny", PRIVATE },
    { "internet", "100.64.0.1", "TCP/443", "deny", "shared address space" },
    { "internet", "100.128.0.1", "TCP/443", "allow", "right behind shared address space" },
    { "internet", "127.0.0.1", "TCP/443", "deny", "loopback" },
    { "internet", "0.0.0.0", "TCP/443", "deny", "this host" },
    { "internet", "224.0.0.251", "UDP/5353", "deny", "multicast" },
    { "internet", "255.255.255.255", "UDP/67", "deny", "broadcast" },
    { "internet", "fd12:3456:789a::1", "TCP/443", "deny", "unique local" },
    { "internet", "fc00::1", "TCP/443", "deny", "unique local" },
    { "internet", "fe80::1", "TCP/443", "deny", "link-local" },
    { "internet", "febf::1", "TCP/443", "deny", "link-local, the last of them" },
    { "internet", "fec0::1", "TCP/443", "deny", "site-local" },
    { "internet", "::1", "TCP/443", "deny", "loopback" },
    { "internet", "ff02::fb", "UDP/5353", "deny", "multicast" },
    { "internet", "64:ff9b::a00:1", "TCP/443", "deny", "private behind NAT64" },
    { "internet", "64:ff9b:1::a00:1", "TCP/443", "deny", "NAT64 of local use" },
    { "internet", "2002:a00:1::1", "TCP/443", "deny", "private inside 6to4" },

    -- the API server: its service, its address on the nodes' network, a public one
    { "internet", "10.96.0.1", "TCP/443", "deny", "API server's service" },
    { "internet", "fd00:96::1", "TCP/443", "deny", "API server's service, IPv6" },
    { "internet", "192.168.49.2", "TCP/6443", "deny", "API server's node" },
    { "internet", "192.168.49.2", "TCP/10250", "deny", "kubelet" },
    { "internet", "34.118.10.4", "TCP/443", "deny", "API server at a public address" },
    { "internet", "2600:1900::44", "TCP/443", "deny", "API server at a public address, IPv6" },
    { "internet", "64:ff9b::2276:a04", "TCP/443", "deny", "API server behind NAT64" },
    { "frontend-only", "34.118.10.4", "TCP/443", "deny", "API server" },
    { "listed", "10.96.0.1", "TCP/443", "deny", "API server's service" },

    -- each other, and from elsewhere
    { "internet", "10.0.2.1", "TCP/8080", "deny", "another job" },
    { "internet", "fd00:10::201", "TCP/8080", "deny", "another job, IPv6" },
    { "internet", "8.34.0.8", "TCP/8080", "deny", "another job, at a public address" },
    { "listed", "10.0.2.2", "TCP/443", "deny", "another job" },
    { "frontend-only", "10.0.2.3", "TCP/3080", "deny", "another job" },
    { "8.34.0.9", "10.0.2.1", "TCP/22", "deny", "a pod to a job" },
    { "10.0.2.9", "10.0.2.1", "TCP/22", "deny", "the executor to a job" },
    { "140.82.112.3", "10.0.2.1", "TCP/22", "deny", "the internet to a job" },
    { "2606:50c0:8000::153", "fd00:10::201", "TCP/22", "deny", "the internet to a job, IPv6" },
    { "10.0.1.1", "10.0.2.3", "TCP/80", "deny", "the frontend to a job" },

    -- everybody else is as free as before
    { "10.0.2.9", "10.96.0.1", "TCP/443", "allow", "the executor to the API server" },
    { "10.0.1.3", "10.0.1.2", "TCP/80", "allow", "pods that are no jobs" },
  },
}
