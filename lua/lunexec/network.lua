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
  "168.63.129.16/32", -- services of Azure's hosts
  "169.254.0.0/16", -- link-local: metadata services
  "172.16.0.0/12", -- private
  "192.0.0.0/24", -- protocol assignments
  "192.168.0.0/16", -- private
  "198.18.0.0/15", -- benchmarking, and some metadata services
  "224.0.0.0/4", -- multicast
  "240.0.0.0/4", -- reserved
}

--- All public IPv6 addresses are in here: unique local (fd00:ec2::254, most pods and services),
--- link-local, site-local, loopback and multicast addresses are not.
M.GLOBAL_V6 = "2000::/3"

--- IPv6 ranges in GLOBAL_V6 that are not the public internet.
M.NOT_PUBLIC_V6 = {
  "2001::/32", -- Teredo, IPv4 in disguise
  "2001:db8::/32", -- documentation
  "2002::/16", -- 6to4, IPv4 in disguise
  "3fff::/20", -- documentation
}

--- IPv4 addresses behind NAT64, which a cluster with nothing but IPv6 may have.
M.NAT64 = "64:ff9b::/96"

--- The addresses behind NAT64 of an IPv4 range; an error for other text.
---@param cidr string such as "10.0.0.0/8"
---@return string such as "64:ff9b::a00:0/104"
function M.nat64(cidr)
  local a, b, c, d, length = cidr:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)/(%d+)$")
  if not a then
    error(("%q is no range of IPv4 addresses"):format(cidr), 0)
  end
  local high, low = tonumber(a) << 8 | tonumber(b), tonumber(c) << 8 | tonumber(d)
  if high == 0 then
    return ("64:ff9b::%s/%d"):format(low == 0 and "" or ("%x"):format(low), tonumber(length) + 96)
  end
  return ("64:ff9b::%x:%x/%d"):format(high, low, tonumber(length) + 96)
end

---@class lunexec.Peer where traffic may go: pods, addresses, or both
---@field namespace string? name of the pods' namespace
---@field pod_labels table<string, string>? labels of the pods
---@field cidrs string[]? addresses
---@field ports integer[]? TCP ports as the pods listen on them; any when absent

local function is_v6(cidr)
  return cidr:find(":", 1, true) ~= nil
end

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

--- An egress rule to a peer; an error for one without pod_labels and cidrs, which would be all.
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

--- An egress rule to one service: pods by their labels, or exact addresses, and always its ports;
--- an error for any other peer.
---@param peer lunexec.Peer
---@return table
function M.to_service(peer)
  if not peer.ports then
    error("a service needs its ports, as its pods listen on them", 0)
  end
  for _, cidr in ipairs(peer.cidrs or {}) do
    local length = cidr:match("/(%d+)$")
    if length ~= (is_v6(cidr) and "128" or "32") then
      error(("%q is not one address: a service is at /32, or /128 with IPv6"):format(cidr), 0)
    end
  end
  return M.to(peer)
end

--- Egress rules to the public internet, less the given ranges; an error for text without a colon
--- that is no range of IPv4 addresses.
---@param blocked string[]? such as the address of a public API server
---@return table[]
function M.to_internet(blocked)
  local v4 = json.array(merge.copy(M.NOT_PUBLIC_V4))
  local v6 = json.array(merge.copy(M.NOT_PUBLIC_V6))
  for _, cidr in ipairs(blocked or {}) do
    local list = is_v6(cidr) and v6 or v4
    list[#list + 1] = cidr
  end
  local behind_nat64 = json.array()
  for index, cidr in ipairs(v4) do
    behind_nat64[index] = M.nat64(cidr)
  end
  local function except(cidr, ranges)
    return { to = json.array({ { ipBlock = { cidr = cidr, except = ranges } } }) }
  end
  return {
    except("0.0.0.0/0", v4), except(M.GLOBAL_V6, v6), except(M.NAT64, behind_nat64),
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
