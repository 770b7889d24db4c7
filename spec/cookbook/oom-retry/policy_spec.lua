local testing = require "lunexec.testing"

describe("a job that ran out of memory", function()
  local policy = testing.load(testing.here())

  local function retry(failure)
    return testing.call(policy, "retry", failure, testing.task(), testing.settings())
  end

  local function memory_after(limit, attempt)
    local again = retry({ class = "out-of-memory", limit = limit, attempt = attempt, message = "" })
    return again and again.resources.memory
  end

  it("gets twice as much", function()
    assert.equal("24Gi", memory_after("12Gi", 1))
    assert.equal("24Gi", memory_after(nil, 1))
  end)

  it("gets no more than the most", function()
    assert.equal("48Gi", memory_after("30Gi", 2))
    assert.is_nil(memory_after("48Gi", 2))
    assert.is_nil(memory_after("49152Mi", 2))
  end)

  it("is not tried for ever", function()
    assert.is_nil(memory_after("1Gi", 4))
  end)

  it("is not another failure", function()
    local evicted = { class = "evicted", reason = "Evicted", attempt = 1, message = "" }
    assert.is_nil(retry(evicted).resources)
    assert.is_nil(retry({ class = "exit-code", attempt = 1, message = "" }))
  end)
end)
