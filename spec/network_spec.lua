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
  it("has ranges as the API server wants them: no bits beyond the prefix", function()
    for _, list in ipairs({ network.NOT_PUBLIC_V4, network.NOT_PUBLIC_V6 }) do
      for _, range in ipairs(list) do
        local bits, length = bits_of(range)
        assert.is_nil(bits:sub(length + 1):find("1"), range)
        assert.is_nil(range:find("::ffff:", 1, true), range)
      end
    end
  end)

  it("takes private, link-local and metadata addresses for not public", function()
    for _, address in ipairs({
      "10.1.2.3/32", "172.31.255.1/32", "192.168.0.1/32", "169.254.169.254/32",
      "100.100.100.200/32", "127.0.0.1/32",
      "198.18.0.1/32", "224.0.0.1/32", "255.255.255.255/32", "0.0.0.0/32",
    }) do
      assert.is_true(covered(address, network.NOT_PUBLIC_V4), address)
    end
    for _, address in ipairs({
      "fd00:ec2::254/128", "fe80::1/128", "::1/128", "::/128", "ff02::1/128", "fd12:3456::1/128",
      "64:ff9b::a9fe:a9fe/128", "64:ff9b::a01:203/128", "64:ff9b::c0a8:1/128",
      "64:ff9b::ac1f:1/128", "64:ff9b::6464:64c8/128", "64:ff9b:1::1/128",
    }) do
      assert.is_true(covered(address, network.NOT_PUBLIC_V6), address)
    end
  end)

  it("takes the rest for public", function()
    for _, address in ipairs({ "1.1.1.1/32", "172.32.0.1/32", "100.63.0.1/32", "192.167.1.1/32" })
    do
      assert.is_false(covered(address, network.NOT_PUBLIC_V4), address)
    end
    for _, address in ipairs({ "2606:4700:4700::1111/128", "64:ff9b::101:101/128" }) do
      assert.is_false(covered(address, network.NOT_PUBLIC_V6), address)
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
    local rule = network.to_internet({ "34.1.2.3/32", "2600::1/128" })
    local v4, v6 = rule.to[1].ipBlock, rule.to[2].ipBlock
    assert.equal("34.1.2.3/32", v4.except[#v4.except])
    assert.equal("2600::1/128", v6.except[#v6.except])
    assert.equal(#v4.except, #network.NOT_PUBLIC_V4 + 1)
    assert.equal(#network.to_internet().to[1].ipBlock.except, #network.NOT_PUBLIC_V4)
  end)
end)
