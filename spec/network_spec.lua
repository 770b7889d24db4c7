local network = require "lunexec.network"

--- An IPv6 address as eight numbers.
local function groups_of(address)
  local head, tail = address:match("^(.-)::(.-)$")
  local function numbers(text)
    local list = {}
    for digits in (text or ""):gmatch("%x+") do
      list[#list + 1] = tonumber(digits, 16)
    end
    return list
  end
  local groups, ending = numbers(head or address), numbers(tail)
  while #groups + #ending < 8 do
    groups[#groups + 1] = 0
  end
  return table.move(ending, 1, #ending, #groups + 1, groups)
end

--- The bits of an address as text, and how long its prefix is.
local function bits_of(cidr)
  local address, length = cidr:match("^(.+)/(%d+)$")
  local parts, width = {}, 16
  if address:find(":") then
    parts = groups_of(address)
  else
    width = 8
    for digits in address:gmatch("%d+") do
      parts[#parts + 1] = tonumber(digits)
    end
  end
  local bits = {}
  for _, part in ipairs(parts) do
    for bit = width - 1, 0, -1 do
      bits[#bits + 1] = (part >> bit) & 1
    end
  end
  return table.concat(bits), tonumber(length)
end

local function covered(address, ranges)
  local bits = bits_of(address)
  for _, range in ipairs(ranges) do
    local prefix, length = bits_of(range)
    if bits:sub(1, length) == prefix:sub(1, length) then
      return true
    end
  end
  return false
end

describe("lunexec.network", function()
  local function allowed(address)
    for _, rule in ipairs(network.to_internet()) do
      local block = rule.to[1].ipBlock
      local same_family = (address:find(":") == nil) == (block.cidr:find(":") == nil)
      if same_family and covered(address, { block.cidr }) and not covered(address, block.except)
      then
        return true
      end
    end
    return false
  end

  it("has ranges as the API server wants them: no bits beyond the prefix, within their block",
    function()
      for _, rule in ipairs(network.to_internet({ "34.1.2.3/32", "2600::1/128" })) do
        local block = rule.to[1].ipBlock
        for _, range in ipairs(block.except) do
          local bits, length = bits_of(range)
          assert.is_nil(bits:sub(length + 1):find("1"), range)
          assert.is_nil(range:find("::ffff:", 1, true), range)
          assert.is_true(covered(range, { block.cidr }), range)
        end
      end
    end)

  it("takes private, link-local and metadata addresses for not public", function()
    for _, address in ipairs({
      "10.1.2.3/32", "172.31.255.1/32", "192.168.0.1/32", "169.254.169.254/32",
      "100.100.100.200/32", "127.0.0.1/32", "168.63.129.16/32",
      "198.18.0.1/32", "224.0.0.1/32", "255.255.255.255/32", "0.0.0.0/32",
      "fd00:ec2::254/128", "fe80::1/128", "::1/128", "::/128", "ff02::1/128", "fd12:3456::1/128",
      "64:ff9b::a9fe:a9fe/128", "64:ff9b::a01:203/128", "64:ff9b::c0a8:1/128",
      "64:ff9b::ac1f:1/128", "64:ff9b::6464:64c8/128", "64:ff9b:1::1/128", "fec0::1/128",
      "2002:a00:1::1/128", "2001:0:1::1/128", "64:ff9b::1/128", "64:ff9b::e000:1/128",
    }) do
      assert.is_false(allowed(address), address)
    end
  end)

  it("takes the rest for public", function()
    for _, address in ipairs({
      "1.1.1.1/32", "172.32.0.1/32", "100.63.0.1/32", "192.167.1.1/32", "168.63.129.17/32",
      "2606:4700:4700::1111/128", "64:ff9b::101:101/128", "2003::1/128",
    }) do
      assert.is_true(allowed(address), address)
    end
  end)

  it("knows the addresses behind NAT64", function()
    assert.equal("64:ff9b::a00:0/104", network.nat64("10.0.0.0/8"))
    assert.equal("64:ff9b::/104", network.nat64("0.0.0.0/8"))
    assert.equal("64:ff9b::1/128", network.nat64("0.0.0.1/32"))
    assert.has_error(function() network.nat64("fe80::/10") end,
      '"fe80::/10" is no range of IPv4 addresses')
  end)

  it("takes one address, or pods, and ports for a service", function()
    assert.same({ { protocol = "TCP", port = 3080 } },
      network.to_service({ cidrs = { "10.9.9.9/32", "fd00::9/128" }, ports = { 3080 } }).ports)
    assert.has_error(function() network.to_service({ pod_labels = { app = "x" } }) end,
      "a service needs its ports, as its pods listen on them")
    for _, cidr in ipairs({ "10.9.9.0/24", "10.9.9.9", "fd00::/64" }) do
      assert.has_error(function() network.to_service({ cidrs = { cidr }, ports = { 1 } }) end,
        ('"%s" is not one address: a service is at /32, or /128 with IPv6'):format(cidr))
    end
  end)

  it("lets traffic out to pods and addresses, on ports", function()
    assert.same({
      to = {
        {
          namespaceSelector = { matchLabels = { ["kubernetes.io/metadata.name"] = "sg" } },
          podSelector = { matchLabels = { app = "frontend" } },
        },
        { ipBlock = { cidr = "10.0.0.1/32" } },
      },
      ports = { { protocol = "TCP", port = 3080 } },
    }, network.to({
      namespace = "sg",
      pod_labels = { app = "frontend" },
      cidrs = { "10.0.0.1/32" },
      ports = { 3080 },
    }))
    assert.same({ to = { { podSelector = { matchLabels = { app = "x" } } } } },
      network.to({ pod_labels = { app = "x" } }))
  end)

  it("does not make a rule that would allow everything", function()
    assert.has_error(function() network.to({ ports = { 53 } }) end,
      "a network peer needs pod_labels or cidrs: an empty rule would allow everything")
    assert.has_error(function() network.to({ namespace = "kube-system" }) end)
  end)

  it("blocks further addresses by their family and keeps its lists", function()
    local function excepted(rules)
      local lists = {}
      for index, rule in ipairs(rules) do
        lists[index] = rule.to[1].ipBlock.except
      end
      return table.unpack(lists)
    end
    local v4, v6, nat64 = excepted(network.to_internet({ "34.1.2.3/32", "2600::1/128" }))
    assert.equal("34.1.2.3/32", v4[#v4])
    assert.equal("2600::1/128", v6[#v6])
    assert.equal("64:ff9b::2201:203/128", nat64[#nat64])
    v4, v6 = excepted(network.to_internet())
    assert.equal(#network.NOT_PUBLIC_V4, #v4)
    assert.equal(#network.NOT_PUBLIC_V6, #v6)
  end)
end)
