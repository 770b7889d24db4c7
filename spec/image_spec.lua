local image = require "lunexec.image"

local DIGEST = "sha256:" .. ("0123456789abcdef"):rep(4)

describe("lunexec.image.parse", function()
  for reference, full in pairs({
    ["alpine"] = "docker.io/library/alpine",
    ["alpine:3"] = "docker.io/library/alpine:3",
    ["acme/tool"] = "docker.io/acme/tool",
    ["index.docker.io/acme/tool"] = "docker.io/acme/tool",
    ["ghcr.io/acme/team/tool:v1"] = "ghcr.io/acme/team/tool:v1",
    ["localhost/tool"] = "localhost/tool",
    ["registry:5000/tool"] = "registry:5000/tool",
    ["registry:5000/tool:1"] = "registry:5000/tool:1",
    ["alpine@" .. DIGEST] = "docker.io/library/alpine@" .. DIGEST,
    ["alpine:3@" .. DIGEST] = "docker.io/library/alpine:3@" .. DIGEST,
  }) do
    it(("reads %s as %s"):format(reference:sub(1, 30), full:sub(1, 30)), function()
      assert.equal(full, image.text(assert(image.parse(reference))))
    end)
  end

  for _, reference in ipairs({
    "", "Alpine", "alpine:", "a//b", "/alpine", "alpine/", "alpine:a b", "alpine:-x", "-a",
    "ghcr.io/", "alpine@latest", "alpine@" .. DIGEST .. "x",
  }) do
    it(("refuses %q"):format(reference:sub(1, 20)), function()
      local parsed, message = image.parse(reference)
      assert.is_nil(parsed)
      assert.matches("malformed", message)
    end)
  end
end)

describe("lunexec.image.allowed", function()
  it("knows exact images, tags, digests and folders", function()
    local patterns = { "alpine", "ghcr.io/acme/*", "node:20", "busybox@" .. DIGEST }
    for _, reference in ipairs({
      "alpine", "alpine:3", "docker.io/library/alpine", "ghcr.io/acme/tool:v1", "ghcr.io/acme/a/b",
      "node:20", "busybox@" .. DIGEST,
    }) do
      assert.is_true(image.allowed(reference, patterns))
    end
    for _, reference in ipairs({
      "acme/alpine", "ghcr.io/acme-evil/tool", "ghcr.io.evil.example/acme/tool", "node", "node:18",
      "busybox", "evil.example/library/alpine", "not an image", "ghcr.io/Acme/tool", "EVIL/alpine",
    }) do
      assert.is_false(image.allowed(reference, patterns))
    end
  end)

  it("takes a folder without a registry as one of docker.io", function()
    for _, pattern in ipairs({ "acme/*", "docker.io/acme/*", "index.docker.io/acme/*" }) do
      assert.is_true(image.allowed("acme/tool:1", { pattern }))
      assert.is_true(image.allowed("docker.io/acme/tool/x", { pattern }))
      assert.is_false(image.allowed("acme.example/tool", { pattern }))
      assert.is_false(image.allowed("ghcr.io/acme/tool", { pattern }))
      assert.is_false(image.allowed("ACME/tool", { pattern }))
    end
    assert.is_true(image.allowed("registry:5000/x", { "registry:5000/*" }))
    assert.is_true(image.allowed("alpine", { "docker.io/*", "library/*" }))
  end)

  it("allows everything by a star and nothing by an empty list", function()
    assert.is_true(image.allowed("evil.example/x", { "*" }))
    assert.is_false(image.allowed("alpine", {}))
    assert.is_false(image.allowed("not an image", { "*" }))
  end)

  it("refuses a malformed pattern rather than ignore it", function()
    assert.has_error(function() image.allowed("alpine", { "Alpine" }) end)
  end)
end)

describe("lunexec.image.mirror", function()
  local mirrors = {
    ["docker.io"] = "mirror.example.com/hub",
    ["docker.io/acme"] = "mirror.example.com/acme",
    ["ghcr.io"] = "mirror.example.com/ghcr",
  }

  it("takes the longest match and keeps tag and digest", function()
    assert.equal("mirror.example.com/hub/library/alpine:3", image.mirror("alpine:3", mirrors))
    assert.equal("mirror.example.com/acme/tool", image.mirror("acme/tool", mirrors))
    assert.equal("mirror.example.com/hub/acme2/tool", image.mirror("acme2/tool", mirrors))
    assert.equal("mirror.example.com/ghcr/a/b:1@" .. DIGEST,
      image.mirror("ghcr.io/a/b:1@" .. DIGEST, mirrors))
  end)

  it("leaves others as they are written", function()
    assert.equal("quay.io/a/b", image.mirror("quay.io/a/b", mirrors))
    assert.equal("alpine", image.mirror("alpine", {}))
    assert.has_error(function() image.mirror("Bad", mirrors) end,
      'image "Bad" has a malformed name')
  end)
end)
