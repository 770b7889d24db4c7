local quantity = require "lunexec.quantity"

describe("lunexec.quantity", function()
  for text, canonical in pairs({
    ["0"] = "0", ["0Mi"] = "0", ["-0"] = "0", ["1"] = "1", ["+1"] = "1", ["5."] = "5",
    [".5"] = "500m", ["0.1"] = "100m", ["1000m"] = "1", ["1500m"] = "1500m", ["1e3"] = "1k",
    ["1E3"] = "1k", ["1E"] = "1E", ["12e-3"] = "12m", ["1e+6"] = "1M", ["2048Mi"] = "2Gi",
    ["12Gi"] = "12Gi", ["1.5Gi"] = "1536Mi", [".5Ki"] = "512", ["1Ki"] = "1Ki", ["1n"] = "1n",
    ["1u"] = "1u", ["100k"] = "100k", ["12G"] = "12G", ["3T"] = "3T", ["4P"] = "4P",
    ["7Ei"] = "7Ei", ["1Pi"] = "1Pi", ["1Ti"] = "1Ti", ["0.0000000001"] = "1n",
    ["0.9999999999"] = "1", ["1.0000000001"] = "1000000001n", ["-1.5"] = "-1500m",
    ["-2Gi"] = "-2Gi", ["-1n"] = "-1n", ["9223372036854775807"] = "9223372036854775807",
    ["0.3333333333333333Ki"] = "341333333334n", ["1e18"] = "1E", ["100e-2"] = "1",
  }) do
    it(("reads %s as %s"):format(text, canonical), function()
      assert.equal(canonical, quantity.canonical(text))
    end)
  end

  for _, text in ipairs({
    "", "k", "Gi", "1.2.3", "1 Gi", "1gi", "1K", "1kb", "1e", "1e1.5", "0x10", "--1", "1-1",
    "1e999", "1Kii",
  }) do
    it(("refuses %q"):format(text), function()
      local amount, message = quantity.parse(text)
      assert.is_nil(amount)
      assert.matches("not a quantity", (message:gsub("has an unknown suffix", "not a quantity")))
    end)
  end

  for _, text in ipairs({
    "9223372036854775808", "8Ei", "9300P", "10E", "99999999999999999999", "9300000000e9",
    "9223372036854775807.9999999999", "9007199254740992Ki", "8191.9999999999999999999999999Pi",
  }) do
    it(("has no room for %s"):format(text), function()
      local amount, message = quantity.parse(text)
      assert.is_nil(amount)
      assert.equal(("%q is too large"):format(text), message)
    end)
  end

  it("goes up to the very end of its range", function()
    assert.equal(math.maxinteger, quantity.value("9223372036854775807"))
    assert.equal(math.maxinteger - 1023, quantity.value("9007199254740991Ki"))
    assert.equal(0, quantity.compare("-9223372036854775807", "-9223372036854775807"))
  end)

  it("takes numbers, and says what else it was given", function()
    assert.equal("2", quantity.canonical(2))
    assert.equal("500m", quantity.canonical(0.5))
    assert.equal("a quantity is a string or a number, not a table", select(2, quantity.parse({})))
    assert.equal("a quantity has at most 64 characters", select(2, quantity.parse(("1"):rep(65))))
    assert.has_error(function() quantity.canonical("many") end, '"many" is not a quantity')
  end)

  it("compares across suffixes", function()
    assert.equal(0, quantity.compare("1Gi", "1024Mi"))
    assert.equal(-1, quantity.compare("1G", "1Gi"))
    assert.equal(1, quantity.compare("1001m", 1))
    assert.equal(-1, quantity.compare("-1n", 0))
    assert.equal(-1, quantity.compare("9007199254740992", "9007199254740993"))
    assert.is_true(quantity.is_zero("0.0Gi"))
    assert.is_false(quantity.is_zero("1n"))
  end)

  it("adds exactly, in the manner of the first", function()
    assert.equal("1536Mi", quantity.add("1Gi", "512Mi"))
    assert.equal("1Gi", quantity.add("0", "1Gi"))
    assert.equal("300m", quantity.add("0.1", "0.2"))
    assert.equal("0", quantity.add("-1500m", "1.5"))
    assert.equal("-2", quantity.add("-1", "-1"))
    assert.has_error(function() quantity.add("7Ei", "2Ei") end, "7Ei + 2Ei is too large")
    assert.has_error(function() quantity.add("9223372036854775807.5", "0.5") end,
      "9223372036854775807.5 + 0.5 is too large")
  end)

  it("scales exactly and rounds up", function()
    assert.equal("18Gi", quantity.scale("12Gi", 3, 2))
    assert.equal("1500m", quantity.scale("1", 3, 2))
    assert.equal("333333334n", quantity.scale("1", 1, 3))
    assert.equal("0", quantity.scale("5Gi", 0))
    assert.equal("6000000Gi", quantity.scale("6Gi", 1000000))
    assert.has_error(function() quantity.scale("7Ei", 2) end, "7Ei times 2 is too large")
    assert.has_error(function() quantity.scale("-1", 2) end, "a negative quantity cannot be scaled")
    for _, bad in ipairs({ { -1, 1 }, { 1.5, 1 }, { 1, 0 }, { 1000001, 1 }, { 1, 1000001 } }) do
      assert.has_error(function() quantity.scale("1", bad[1], bad[2]) end,
        "a quantity is scaled by integers from 0 (or 1) to 1000000")
    end
  end)

  it("picks and clamps as written", function()
    assert.equal("1024Mi", quantity.min("1024Mi", "1Gi"))
    assert.equal("500m", quantity.min("1", "500m"))
    assert.equal("1", quantity.max("1", "500m"))
    assert.equal("2Gi", quantity.max("1Gi", "2Gi"))
    assert.equal("2Gi", quantity.clamp("1Gi", "2Gi", "4Gi"))
    assert.equal("4Gi", quantity.clamp("5Gi", "2Gi", "4Gi"))
    assert.equal("3Gi", quantity.clamp("3Gi", "2Gi", "4Gi"))
    assert.equal("3Gi", quantity.clamp("3Gi"))
  end)

  it("gives whole units, rounded up", function()
    assert.equal(12884901888, quantity.value("12Gi"))
    assert.equal(1, quantity.value("1m"))
    assert.equal(0, quantity.value("-500m"))
    assert.has_error(function() quantity.value("9223372036854775807.5") end)
  end)
end)
