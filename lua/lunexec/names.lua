--- Names and label values that Kubernetes accepts.

local M = {}

local LONGEST_LABEL = 63

--- The container name of a step key: dots become dashes.
---@param key string such as "step.kubernetes.step.0.pre"
---@return string
function M.container(key)
  return (key:gsub("%.", "-"))
end

--- Whether text is a DNS label (RFC 1123): what container and volume names must be.
---@param text string
---@return boolean
function M.is_dns_label(text)
  return #text <= LONGEST_LABEL
    and text:find("^[a-z0-9][a-z0-9-]*$") ~= nil
    and not text:find("-$")
end

--- Whether text is a DNS subdomain: what names of Jobs and Secrets must be.
---@param text string
---@return boolean
function M.is_dns_name(text)
  if #text == 0 or #text > 253 or text:find("%.$") then
    return false
  end
  for part in (text .. "."):gmatch("([^.]*)%.") do
    if not M.is_dns_label(part) then
      return false
    end
  end
  return true
end

--- Eight hexadecimal digits that depend on every byte of the text (FNV-1a, 32 bits).
---@param text string
---@return string
function M.digest(text)
  local hash = 0x811c9dc5
  for i = 1, #text do
    hash = ((hash ~ text:byte(i)) * 0x01000193) & 0xffffffff
  end
  return ("%08x"):format(hash)
end

--- A label value for any text: what a label may not hold becomes a dash, and a digest at the end
--- keeps changed or shortened texts apart. Text that already is a label value stays as it is.
---@param text string such as "github.com/acme/widgets"
---@return string such as "github.com-acme-widgets-6f3b2c1d"
function M.label(text)
  local value = text:gsub("[^A-Za-z0-9._-]", "-"):gsub("^[._-]+", ""):gsub("[._-]+$", "")
  if value == text and #value <= LONGEST_LABEL then
    return value
  end
  local kept = value:sub(1, LONGEST_LABEL - 9):gsub("[._-]+$", "")
  return kept == "" and M.digest(text) or kept .. "-" .. M.digest(text)
end

return M
