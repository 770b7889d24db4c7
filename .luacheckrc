-- What a policy and its library may use is exactly what the executor's sandbox defines.
stds.sandbox = {
  read_globals = {
    "_VERSION", "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal",
    "rawget", "rawlen", "rawset", "require", "select", "setmetatable", "tonumber", "tostring",
    "type",
    math = {
      fields = {
        "abs", "acos", "asin", "atan", "ceil", "cos", "deg", "exp", "floor", "fmod", "huge", "log",
        "max", "maxinteger", "min", "mininteger", "modf", "pi", "rad", "sin", "sqrt", "tan",
        "tointeger", "type", "ult",
      },
    },
    string = {
      fields = {
        "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "pack",
        "packsize", "rep", "reverse", "sub", "unpack", "upper",
      },
    },
    table = {
      fields = { "concat", "insert", "move", "pack", "remove", "sort", "unpack" },
    },
    utf8 = {
      fields = { "char", "charpattern", "codepoint", "codes", "len", "offset" },
    },
  },
}

std = "sandbox"
max_line_length = 100
unused_args = false

files["lua/lunexec/testing.lua"].std = "lua54"
files["lua/lunexec/types.lua"].max_comment_line_length = false
files["lua/check/policy.lua"].read_globals = { "_ENV" }
files["spec"].std = "lua54+busted"
files[".busted"].std = "lua54"
files[".luacheckrc"].std = "lua54+luacheckrc"

exclude_files = { "spec/hostile/*.lua", "build/**" }
