local testing = require "lunexec.testing"

describe("the default policy makes the Job of", function()
  for _, case in ipairs(testing.cases("spec/golden")) do
    it(case, function()
      local made, golden = testing.golden(testing.load("scripts"), case)
      assert.equal(golden, made)
    end)
  end
end)
