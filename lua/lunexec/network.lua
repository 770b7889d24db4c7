--- Parts of NetworkPolicies: address ranges, and rules that let traffic out.

local json = require "lunexec.json"
local merge = require "lunexec.merge"

local M = {}

--- IPv4 ranges that are not the public internet.
M.NOT_PUBLIC_V4 = {
  "0.0.0.0/8", -- this host
  "10.0.0.0/8", -- private
  "100.64.0.0/10", -- shared address space of carriers; nodes and pods of some clouds
  "127.0.0.0/8", -- loopback
  "169.254.0.0/16", -- link-local: metadata services
  "172.16.0.0/12", -- private
  "192.0.0.0/24", -- protocol assignments
  "192.168.0.0/16", -- private
  "198.18.0.0/15", -- benchmarking, and some metadata services
  "224.0.0.0/4", -- multicast
  "240.0.0.0/4", -- reserved
}

--- IPv6 ranges that are not the public internet, private IPv4 behind NAT64 among them.
M.NOT_PUBLIC_V6 = {
  "::/127", -- unspecified, loopback
  "64:ff9b::/104", -- NAT64 of 0.0.0.0/8
  "64:ff9b::a00:0/104", -- NAT64 of 10.0.0.0/8
  "64:ff9b::6440:0/106", -- NAT64 of 100.64.0.0/10
  "64:ff9b::7f00:0/104", -- NAT64 of 127.0.0.0/8
  "64:ff9b::a9fe:0/112", -- NAT64 of 169.254.0.0/16
  "64:ff9b::ac10:0/108", -- NAT64 of 172.16.0.0/12
  "64:ff9b::c0a8:0/112", -- NAT64 of 192.168.0.0/16
  "64:ff9b:1::/48", -- NAT64 of local use
  "fc00::/7", -- unique local: fd00:ec2::254, most pods and services
  "fe80::/10", -- link-local
  "ff00::/8", -- multicast
}

---@class lunexec.Peer where traffic may go; either pods or addresses
---@field namespace string? name of the pods' namespace
---@field pod_labels table<string, string>? labels of the pods
---@field cidrs string[]? addresses
---@field ports integer[]? TCP ports as the pods listen on them; any when absent

local function ports(numbers, protocols)
  if not numbers then
    return nil
  end
  local result = json.array()
  for _, number in ipairs(numbers) do
    for _, protocol in ipairs(protocols) do
      result[#result + 1] = { protocol = protocol, port = number }
    end
  end
  return result
end

--- An egress rule to a peer.
---@param peer lunexec.Peer
---@param protocols string[]? default {"TCP"}
---@return table
function M.to(peer, protocols)
  local targets = json.array()
  if peer.pod_labels then
    targets[1] = {
      namespaceSelector = peer.namespace and {
        matchLabels = { ["kubernetes.io/metadata.name"] = peer.namespace },
      },
      podSelector = { matchLabels = merge.copy(peer.pod_labels) },
    }
  end
  for _, cidr in ipairs(peer.cidrs or {}) do
    targets[#targets + 1] = { ipBlock = { cidr = cidr } }
  end
  if #targets == 0 then
    error("a network peer needs pod_labels or cidrs: an empty rule would allow everything", 0)
  end
  return { to = targets, ports = ports(peer.ports, protocols or { "TCP" }) }
end

local function is_v6(cidr)
  return cidr:find(":", 1, true) ~= nil
end

--- An egress rule to the public internet, less the given addresses.
---@param blocked string[]? such as the address of a public API server
---@return table
function M.to_internet(blocked)
  local v4 = json.array(merge.copy(M.NOT_PUBLIC_V4))
  local v6 = json.array(merge.copy(M.NOT_PUBLIC_V6))
  for _, cidr in ipairs(blocked or {}) do
    local list = is_v6(cidr) and v6 or v4
    list[#list + 1] = cidr
  end
  return {
    to = json.array({
      { ipBlock = { cidr = "0.0.0.0/0", except = v4 } },
      { ipBlock = { cidr = "::/0", except = v6 } },
    }),
  }
end

--- A NetworkPolicy that lets nothing in, and out what the rules say.
---@param name string
---@param namespace string?
---@param pod_selector table
---@param egress table[]
---@return table
function M.policy(name, namespace, pod_selector, egress)
  return {
    apiVersion = "networking.k8s.io/v1",
    kind = "NetworkPolicy",
    metadata = { name = name, namespace = namespace },
    spec = {
      podSelector = pod_selector,
      policyTypes = json.array({ "Ingress", "Egress" }),
      egress = json.array(egress),
    },
  }
end

return M
