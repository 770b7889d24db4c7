local json = require "lunexec.json"
local jsontext = require "lunexec.jsontext"

describe("lunexec.json", function()
  it("tells an empty array from an empty object", function()
    assert.equal("[]", jsontext.encode(json.array()))
    assert.equal("{}", jsontext.encode({}))
    assert.equal("{}", jsontext.encode(json.object(json.array())))
    assert.equal("{}", jsontext.encode(json.object()))
  end)

  it("marks the table it is given", function()
    local list = {}
    assert.equal(list, json.array(list))
    assert.is_true(json.is_array(list))
    assert.is_false(json.is_array({ 1, 2 }))
    assert.is_false(json.is_array("text"))
  end)

  it("has a null that is not nil", function()
    assert.is_not_nil(json.null)
    assert.equal('{"a":null}', jsontext.encode({ a = json.null }))
    assert.equal(json.null, jsontext.decode("null"))
  end)
end)

describe("lunexec.jsontext", function()
  local function round_trip(text)
    return jsontext.encode(assert(jsontext.decode(text)))
  end

  it("keeps integers, arrays, null and text exactly", function()
    for _, text in ipairs({
      "[]", "{}", "[[]]", "[{}]", '{"a":[]}', "[null]", "true", "9223372036854775807",
      "9007199254740993", "-1", "0.5", '"a\\"b\\\\c\\nd\\u0001"', '"\240\159\152\128"',
      '{"a":1,"b":{"c":[1,2,3]}}',
    }) do
      assert.equal(text, round_trip(text))
    end
  end)

  it("reads every escape and blanks anywhere", function()
    assert.equal('/\8\12\10\13\9"\\', jsontext.decode([["\/\b\f\n\r\t\"\\"]]))
    assert.equal("\195\169\240\159\152\128", jsontext.decode([["\u00e9\ud83d\ude00"]]))
    assert.same({ a = { 1, 2 } }, jsontext.decode(' {\n "a" : [ 1 ,\t2 ] } '))
  end)

  it("writes whole floats without an exponent", function()
    assert.equal("100000000000000000000", jsontext.encode(1e20))
    assert.equal("3", jsontext.encode(3.0))
    assert.equal("1000", round_trip("1e3"))
  end)

  it("says false and null apart from failure", function()
    local value, message = jsontext.decode("false")
    assert.is_false(value)
    assert.is_nil(message)
  end)

  for text, message in pairs({
    ["{\n\"a\" 1}"] = "line 2: expected : after a key",
    ["[1 2]"] = "line 1: expected , or ] in an array",
    ["{\"a\":1 2}"] = "line 1: expected , or } in an object",
    ["{\"a\":1,\"a\":2}"] = 'line 1: key "a" occurs twice',
    ["{1:2}"] = "line 1: expected a key",
    ["\"a"] = "line 1: unfinished string",
    ["\"\1\""] = "line 1: control character in a string",
    ["\"\\x\""] = "line 1: unknown escape",
    ["\"\\u12\""] = "line 1: malformed \\u escape",
    ["\"\\ud800\""] = "line 1: lone surrogate",
    ["\"\\udc00\""] = "line 1: lone surrogate",
    ["01"] = "line 1: malformed value",
    [""] = "line 1: malformed value",
    ["nil"] = "line 1: malformed value",
    ["1 2"] = "line 1: text after the value",
    ["\"\255\""] = "the text is not UTF-8",
    [("["):rep(66)] = "line 1: nested too deeply",
  }) do
    it(("refuses %s"):format((text:sub(1, 10):gsub("%c", "?"))), function()
      local value, told = jsontext.decode(text)
      assert.is_nil(value)
      assert.equal(message, told)
    end)
  end

  it("names the path of what JSON cannot hold", function()
    local deep = {}
    local inner = deep
    for _ = 1, 70 do
      inner.a = {}
      inner = inner.a
    end
    for message, value in pairs({
      ["the value is a function"] = print,
      ["spec.containers[1] is a function"] = { spec = { containers = { {}, print } } },
      ["spec.list is a list with holes or names"] = { spec = { list = { 1, nil, 3, name = 2 } } },
      ["the value is a list with holes or names"] = { 1, a = 2 },
      ["a is not a number that JSON has"] = { a = 0 / 0 },
      ["b is not a number that JSON has"] = { b = math.huge },
    }) do
      local text, told = jsontext.encode(value)
      assert.is_nil(text)
      assert.equal(message, told)
    end
    assert.matches("is nested too deeply$", select(2, jsontext.encode(deep)))
  end)

  it("indents for people", function()
    assert.equal('{\n  "a": [\n    1,\n    {}\n  ],\n  "b": []\n}\n',
      jsontext.pretty({ a = { 1, {} }, b = json.array() }))
    assert.is_nil(jsontext.pretty({ a = print }))
  end)
end)
