--- Copying and merging of manifests. Nothing here changes its arguments.

local json = require "lunexec.json"

local M = {}

--- The lists that Kubernetes merges item by item, and the field that tells items apart.
--- Lists that are not here, such as `tolerations` or `args`, are replaced as a whole.
M.LIST_KEYS = {
  containers = "name",
  initContainers = "name",
  env = "name",
  volumes = "name",
  imagePullSecrets = "name",
  resourceClaims = "name",
  volumeMounts = "mountPath",
  volumeDevices = "devicePath",
  ports = "containerPort",
  hostAliases = "ip",
  topologySpreadConstraints = "topologyKey",
  ownerReferences = "uid",
}

local function deep_copy(value)
  if type(value) ~= "table" or value == json.null then
    return value
  end
  local result = {}
  for key, item in pairs(value) do
    result[key] = type(item) == "table" and deep_copy(item) or item
  end
  return json.is_array(value) and json.array(result) or result
end

--- A deep copy. Inputs of a policy may be read-only; copies are not.
---@generic T
---@param value T
---@return T
function M.copy(value)
  return deep_copy(value)
end

--- A deep copy, or nil when the value is absent or an empty table: for fields to be left out then.
---@generic T
---@param value T?
---@return T?
function M.given(value)
  if value == json.null then
    return nil
  end
  local copy = M.copy(value)
  if type(copy) == "table" and next(copy) == nil then
    return nil
  end
  return copy
end

local function is_list(value)
  return json.is_array(value) or (type(value) == "table" and #value > 0)
end

local function is_object(value)
  return type(value) == "table" and value ~= json.null and not is_list(value)
end

--- JSON merge patch (RFC 7386): objects merge, everything else is replaced, `null` removes.
---@param base any
---@param patch any
---@return any
function M.json(base, patch)
  if not is_object(patch) then
    return M.copy(patch)
  end
  local result = is_object(base) and M.copy(base) or {}
  for key, value in pairs(patch) do
    if value == json.null then
      result[key] = nil
    else
      result[key] = M.json(result[key], value)
    end
  end
  return result
end

local merge_objects

local function position(list, field, wanted)
  for index, item in ipairs(list) do
    if type(item) == "table" and item[field] == wanted then
      return index
    end
  end
  return nil
end

local function merge_list(base, patch, field)
  local result = is_list(base) and M.copy(base) or {}
  for index, item in ipairs(patch) do
    local name = type(item) == "table" and item[field]
    if not name then
      error(("item %d of the patched list has no %q to merge by"):format(index, field), 0)
    end
    local at = position(result, field, name)
    if item["$patch"] == "delete" then
      if at then
        table.remove(result, at)
      end
    elseif at then
      result[at] = merge_objects(result[at], item)
    else
      result[#result + 1] = merge_objects({}, item)
    end
  end
  return json.array(result)
end

local function merge_value(key, base, value)
  if is_list(value) and M.LIST_KEYS[key] then
    return merge_list(base, value, M.LIST_KEYS[key])
  elseif is_object(value) then
    return merge_objects(base, value)
  end
  return M.copy(value)
end

function merge_objects(base, patch)
  local replaces = patch["$patch"] == "replace"
  local result = (is_object(base) and not replaces) and M.copy(base) or {}
  for key, value in pairs(patch) do
    if value == json.null then
      result[key] = nil
    elseif key ~= "$patch" then
      result[key] = merge_value(key, result[key], value)
    end
  end
  return result
end

--- Strategic merge, as `kubectl patch` does: like `json`, but the lists in LIST_KEYS merge item by
--- item, and an object may carry `["$patch"] = "replace"`, a list item `["$patch"] = "delete"`. An
--- error for an item of such a list without the field that tells it apart.
---@param base table
---@param patch table
---@return table
function M.strategic(base, patch)
  return merge_objects(base, patch)
end

return M
