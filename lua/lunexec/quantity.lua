--- Kubernetes quantities ("500m", "12Gi", "1e3"), exactly: no floating point anywhere.
---
--- Functions take quantities as Kubernetes does, a string or a number, and give strings. `parse`
--- returns nil and a message for text that is no quantity; the others raise it as an error.
--- Magnitudes go up to 2^63-1; what is larger is an error. What is finer than one part in 10^9 is
--- rounded away from zero, as the API server does.

local M = {}

---@class lunexec.Amount
---@field units integer whole units, rounded towards minus infinity
---@field nanos integer billionths above `units`, 0 to 999999999
---@field binary boolean written with a binary suffix (Ki, Mi, ...)

local NANOS = 1000000000
local LONGEST = 64
local DECIMAL = {
  n = -9, u = -6, m = -3, [""] = 0, k = 3, M = 6, G = 9, T = 12, P = 15, E = 18,
}
local BINARY = { Ki = 10, Mi = 20, Gi = 30, Ti = 40, Pi = 50, Ei = 60 }
local DECIMAL_SUFFIXES = { "n", "u", "m", "", "k", "M", "G", "T", "P", "E" }
local BINARY_SUFFIXES = { "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" }

local function to_integer(digits)
  digits = digits:gsub("^0+", "")
  if digits == "" then
    return 0
  end
  if #digits > 19 or (#digits == 19 and digits > "9223372036854775807") then
    return nil
  end
  return math.tointeger(tonumber(digits))
end

--- Moves the decimal point `places` to the right (to the left when negative).
local function shift(whole, fraction, places)
  local digits = whole .. fraction
  local point = #whole + places
  if point < 0 then
    digits = ("0"):rep(-point) .. digits
    point = 0
  elseif point > #digits then
    digits = digits .. ("0"):rep(point - #digits)
  end
  return digits:sub(1, point), digits:sub(point + 1)
end

--- Doubles the decimal fraction 0.`fraction` so many times: whole part, and the fraction left.
local function double_fraction(fraction, times)
  if fraction == "" then
    return 0, ""
  end
  local digits = { fraction:byte(1, -1) }
  for i = 1, #digits do
    digits[i] = digits[i] - 48
  end
  local whole = 0
  for _ = 1, times do
    local carry = 0
    for i = #digits, 1, -1 do
      local doubled = digits[i] * 2 + carry
      digits[i], carry = doubled % 10, doubled // 10
    end
    whole = whole * 2 + carry
  end
  return whole, table.concat(digits)
end

--- The first nine digits of a decimal fraction as billionths, rounded up.
local function fraction_to_nanos(fraction)
  if fraction == "" then
    return 0
  end
  local kept, rest = fraction:sub(1, 9), fraction:sub(10)
  local nanos = math.tointeger(tonumber(kept .. ("0"):rep(9 - #kept)))
  return rest:find("[1-9]") and nanos + 1 or nanos
end

local function decimal_magnitude(whole, fraction, exponent)
  if exponent ~= 0 then
    whole, fraction = shift(whole, fraction, exponent)
  end
  return to_integer(whole), fraction_to_nanos(fraction)
end

local function binary_magnitude(whole, fraction, power)
  local units = to_integer(whole)
  if not units or units > math.maxinteger >> power then
    return nil
  end
  local more, rest = double_fraction(fraction, power)
  units = (units << power) + more
  return units >= 0 and units or nil, fraction_to_nanos(rest)
end

--- Unit and fraction of a magnitude with its suffix; nothing for an unknown suffix.
local function magnitude(whole, fraction, suffix)
  if BINARY[suffix] then
    return true, binary_magnitude(whole, fraction, BINARY[suffix])
  end
  local exponent = DECIMAL[suffix]
    or math.tointeger(tonumber(suffix:match("^[eE]([+-]?%d%d?)$")))
  if exponent then
    return true, decimal_magnitude(whole, fraction, exponent)
  end
  return false
end

local function normal(units, nanos, binary)
  if nanos >= NANOS then
    if units == math.maxinteger then
      return nil
    end
    units, nanos = units + 1, nanos - NANOS
  end
  return { units = units, nanos = nanos, binary = binary }
end

local function negate(amount)
  if amount.nanos == 0 then
    return { units = -amount.units, nanos = 0, binary = amount.binary }
  end
  return { units = -amount.units - 1, nanos = NANOS - amount.nanos, binary = amount.binary }
end

--- Reads a quantity.
---@param value string|number
---@return lunexec.Amount? amount nil when it is no quantity
---@return string? message why not
function M.parse(value)
  local text = type(value) == "number" and tostring(value) or value
  if type(text) ~= "string" then
    return nil, ("a quantity is a string or a number, not a %s"):format(type(value))
  elseif #text > LONGEST then
    return nil, ("a quantity has at most %d characters"):format(LONGEST)
  end
  local sign, whole, fraction, suffix = text:match("^([+-]?)(%d*)%.?(%d*)(%a*[+-]?%d*)$")
  if not sign or whole .. fraction == "" then
    return nil, ("%q is not a quantity"):format(text)
  end
  local known, units, nanos = magnitude(whole, fraction, suffix)
  if not known then
    return nil, ("%q has an unknown suffix %q"):format(text, suffix)
  end
  local amount = units and normal(units, nanos, BINARY[suffix] ~= nil)
  if not amount then
    return nil, ("%q is too large"):format(text)
  end
  return sign == "-" and negate(amount) or amount
end

local function need(value)
  local amount, message = M.parse(value)
  if not amount then
    error(message, 0)
  end
  return amount
end

--- Writes an amount as Kubernetes writes it: the largest suffix that needs no fraction.
local function format(amount)
  local negative = amount.units < 0
  local positive = negative and negate(amount) or amount
  local sign = negative and "-" or ""
  if amount.binary and positive.nanos == 0 and positive.units >= 1024 then
    local units, power = positive.units, 0
    while power < #BINARY_SUFFIXES and units % 1024 == 0 do
      units, power = units // 1024, power + 1
    end
    return sign .. units .. (BINARY_SUFFIXES[power] or "")
  end
  local digits = ("%d%09d"):format(positive.units, positive.nanos)
  local at = 1
  while at < #DECIMAL_SUFFIXES and digits:sub(-3) == "000" and #digits > 3 do
    digits, at = digits:sub(1, -4), at + 1
  end
  digits = digits:gsub("^0+", "")
  return digits == "" and "0" or sign .. digits .. DECIMAL_SUFFIXES[at]
end

--- The canonical text of a quantity: `canonical("2048Mi")` is "2Gi", `canonical("0.5")` is "500m".
---@param value string|number
---@return string
function M.canonical(value)
  return format(need(value))
end

--- Compares two quantities: -1, 0 or 1.
---@param a string|number
---@param b string|number
---@return integer
function M.compare(a, b)
  local x, y = need(a), need(b)
  if x.units == y.units and x.nanos == y.nanos then
    return 0
  end
  local less = x.units < y.units or (x.units == y.units and x.nanos < y.nanos)
  return less and -1 or 1
end

--- Whether a quantity is zero, in whatever spelling.
---@param value string|number
---@return boolean
function M.is_zero(value)
  return M.compare(value, 0) == 0
end

--- Adds two quantities; the result is written in the manner of the first one that is not zero.
---@param a string|number
---@param b string|number
---@return string
function M.add(a, b)
  local x, y = need(a), need(b)
  local units = x.units + y.units
  local wrapped = (x.units < 0) == (y.units < 0) and (units < 0) ~= (x.units < 0)
  local x_is_zero = x.units == 0 and x.nanos == 0
  local binary = x.binary
  if x_is_zero then
    binary = y.binary
  end
  local sum = not wrapped and normal(units, x.nanos + y.nanos, binary)
  if not sum then
    error(("%s + %s is too large"):format(a, b), 0)
  end
  return format(sum)
end

--- Multiplies a quantity by numerator / denominator, rounding up: `scale("12Gi", 3, 2)` is "18Gi".
---@param value string|number not negative
---@param numerator integer 0 to 1000000
---@param denominator integer? 1 to 1000000, default 1
---@return string
function M.scale(value, numerator, denominator)
  denominator = denominator or 1
  local amount = need(value)
  if math.type(numerator) ~= "integer" or math.type(denominator) ~= "integer"
    or numerator < 0 or numerator > 1000000 or denominator < 1 or denominator > 1000000 then
    error("a quantity is scaled by integers from 0 (or 1) to 1000000", 0)
  elseif amount.units < 0 then
    error("a negative quantity cannot be scaled", 0)
  end
  local quotient, rest = amount.units // denominator, amount.units % denominator
  if numerator > 0 and quotient > (math.maxinteger - 4000000) // numerator then
    error(("%s times %d is too large"):format(value, numerator), 0)
  end
  rest = rest * numerator
  local nanos = (rest % denominator) * NANOS + amount.nanos * numerator
  nanos = (nanos + denominator - 1) // denominator
  local units = quotient * numerator + rest // denominator + nanos // NANOS
  return format({ units = units, nanos = nanos % NANOS, binary = amount.binary })
end

--- The smaller of two quantities, as it was written.
---@generic T: string|number
---@param a T
---@param b T
---@return T
function M.min(a, b)
  return a == b and a or M.compare(a, b) <= 0 and a or b
end

--- The larger of two quantities, as it was written.
---@generic T: string|number
---@param a T
---@param b T
---@return T
function M.max(a, b)
  return M.compare(a, b) >= 0 and a or b
end

--- Keeps a quantity within bounds, either of which may be absent.
---@generic T: string|number
---@param value T
---@param low T?
---@param high T?
---@return T
function M.clamp(value, low, high)
  if low and M.compare(value, low) < 0 then
    value = low
  end
  if high and M.compare(value, high) > 0 then
    value = high
  end
  return value
end

--- Whole units, rounded up: bytes of a memory quantity, cores of a CPU quantity.
---@param value string|number
---@return integer
function M.value(value)
  local amount = need(value)
  if amount.nanos > 0 and amount.units == math.maxinteger then
    error(("%s is too large"):format(value), 0)
  end
  return amount.nanos > 0 and amount.units + 1 or amount.units
end

return M
