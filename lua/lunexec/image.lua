--- Image references: parsing, allow-lists, mirrors.

local M = {}

---@class lunexec.Image
---@field registry string "docker.io" when the reference names none
---@field repository string "library/alpine" for a bare "alpine" of docker.io
---@field tag string? absent when the reference names none
---@field digest string? "sha256:..."

local DEFAULT_REGISTRY = "docker.io"

--- Registry and path; a first part is a registry if it could be no folder of docker.io.
local function split_registry(name)
  local first, rest = name:match("^([^/]+)/(.+)$")
  if first and (first:find("[.:%u]") or first == "localhost") then
    return first == "index.docker.io" and DEFAULT_REGISTRY or first, rest
  end
  return DEFAULT_REGISTRY, name
end

local function is_repository(text)
  for part in (text .. "/"):gmatch("([^/]*)/") do
    if not part:find("^[a-z0-9][a-z0-9._-]*$") or part:find("[._-]$") then
      return false
    end
  end
  return true
end

--- Takes a reference apart, filling in what Docker's short forms leave out.
---@param reference string
---@return lunexec.Image? image nil when it is no reference
---@return string? message why not
function M.parse(reference)
  local name, digest = reference:match("^([^@]+)@(.+)$")
  name = name or reference
  if digest and not digest:find("^[a-z0-9]+:%x+$") then
    return nil, ("image %q has a malformed digest"):format(reference)
  end
  local untagged, tag = name:match("^(.+):([^:/]+)$")
  if untagged and not tag:find("^[%w_][%w_.-]*$") then
    return nil, ("image %q has a malformed tag"):format(reference)
  end
  local registry, repository = split_registry(untagged or name)
  if not is_repository(repository) then
    return nil, ("image %q has a malformed name"):format(reference)
  end
  if registry == DEFAULT_REGISTRY and not repository:find("/") then
    repository = "library/" .. repository
  end
  return { registry = registry, repository = repository, tag = tag, digest = digest }
end

--- Puts a reference together again, in its full form.
---@param image lunexec.Image
---@return string
function M.text(image)
  return image.registry .. "/" .. image.repository
    .. (image.tag and ":" .. image.tag or "")
    .. (image.digest and "@" .. image.digest or "")
end

local function need(reference)
  local image, message = M.parse(reference)
  if not image then
    error(message, 0)
  end
  return image
end

local function matches(image, pattern)
  local name = image.registry .. "/" .. image.repository
  if pattern == "*" then
    return true
  elseif pattern:find("/%*$") then
    local registry, path = split_registry(pattern)
    local folder = registry .. "/" .. path:sub(1, -2)
    return name:sub(1, #folder) == folder
  end
  local wanted = need(pattern)
  return name == wanted.registry .. "/" .. wanted.repository
    and (not wanted.tag or wanted.tag == image.tag)
    and (not wanted.digest or wanted.digest == image.digest)
end

--- Whether an image is on an allow-list. A pattern is a reference ("alpine", any tag; "alpine:3",
--- that tag), everything below a path ("registry.example.com/team/*", "sourcegraph/*" of
--- docker.io), or "*". Text that is no reference is never allowed; such a pattern is an error.
---@param reference string
---@param patterns string[]
---@return boolean
function M.allowed(reference, patterns)
  local image = M.parse(reference)
  if not image then
    return false
  end
  for _, pattern in ipairs(patterns) do
    if matches(image, pattern) then
      return true
    end
  end
  return false
end

--- The same image from a mirror. `mirrors` maps a registry, or a path below it, to where its
--- images are found instead; the longest match counts, tag and digest stay. An error for text that
--- is no reference.
---@param reference string
---@param mirrors table<string, string> such as {["docker.io"] = "mirror.example.com/hub"}
---@return string
function M.mirror(reference, mirrors)
  local image = need(reference)
  local name = image.registry .. "/" .. image.repository
  local best
  for from in pairs(mirrors) do
    if (name .. "/"):sub(1, #from + 1) == from .. "/" and (not best or #from > #best) then
      best = from
    end
  end
  if not best then
    return reference
  end
  local full = M.text(image)
  return mirrors[best] .. full:sub(#best + 1)
end

return M
