local names = require "lunexec.names"

describe("lunexec.names", function()
  it("makes container names of step keys", function()
    assert.equal("step-kubernetes-step-0-pre", names.container("step.kubernetes.step.0.pre"))
    assert.equal("main", names.container("main"))
  end)

  it("knows DNS labels", function()
    for _, text in ipairs({ "a", "0", "job-data", ("a"):rep(63) }) do
      assert.is_true(names.is_dns_label(text))
    end
    for _, text in ipairs({ "", "-a", "a-", "A", "a.b", "a_b", "a\n", ("a"):rep(64) }) do
      assert.is_false(names.is_dns_label(text))
    end
  end)

  it("knows DNS names", function()
    for _, text in ipairs({ "a", "a.b", "sg-job-42-step.0.pre", ("a."):rep(126) .. "a" }) do
      assert.is_true(names.is_dns_name(text))
    end
    for _, text in ipairs({ "", ".", "a.", ".a", "a..b", "A", "a.-b", ("a."):rep(127) .. "a" }) do
      assert.is_false(names.is_dns_name(text))
    end
  end)

  it("leaves label values as they are and makes others fit", function()
    for _, text in ipairs({ "", "batches", "v1.2_3", "A-Z", ("a"):rep(63) }) do
      assert.equal(text, names.label(text))
    end
    for _, text in ipairs({ "github.com/acme", "/", "-a", "a-", "\195\169", ("a"):rep(64) }) do
      local value = names.label(text)
      assert.is_true(#value <= 63)
      assert.matches("^[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]$", value)
    end
  end)

  it("keeps different texts apart, and is the same every time", function()
    assert.equal("811c9dc5", names.digest(""))
    assert.equal("e40c292c", names.digest("a"))
    assert.equal("bf9cf968", names.digest("foobar"))
    assert.equal("github.com-acme-widgets-" .. names.digest("github.com/acme/widgets"),
      names.label("github.com/acme/widgets"))
    assert.not_equal(names.label("a/b"), names.label("a:b"))
    assert.not_equal(names.label(("a"):rep(64)), names.label(("a"):rep(65)))
  end)
end)
