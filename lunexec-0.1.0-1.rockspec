-- What tests of a policy need on a laptop or in CI, without the executor: the library, lunexec.testing
-- and the bundled scripts. In the project's folder: luarocks make
rockspec_format = "3.0"
package = "lunexec"
version = "0.1.0-1"
source = { url = "." }
description = {
  summary = "Library and test helpers for the policies of Lunexec, an executor for Sourcegraph",
  license = "Apache-2.0",
}
dependencies = { "lua >= 5.4, < 5.5", "luafilesystem >= 1.8" }
test_dependencies = { "busted >= 2.1" }
test = { type = "busted" }
build = {
  type = "builtin",
  modules = {
    ["lunexec.image"] = "lua/lunexec/image.lua",
    ["lunexec.json"] = "lua/lunexec/json.lua",
    ["lunexec.jsontext"] = "lua/lunexec/jsontext.lua",
    ["lunexec.merge"] = "lua/lunexec/merge.lua",
    ["lunexec.names"] = "lua/lunexec/names.lua",
    ["lunexec.network"] = "lua/lunexec/network.lua",
    ["lunexec.pod"] = "lua/lunexec/pod.lua",
    ["lunexec.quantity"] = "lua/lunexec/quantity.lua",
    ["lunexec.testing"] = "lua/lunexec/testing.lua",
    ["lunexec.types"] = "lua/lunexec/types.lua",
    ["lunexec.scripts.default"] = "scripts/default.lua",
    ["lunexec.scripts.firewall"] = "scripts/firewall.lua",
    ["lunexec.scripts.network"] = "scripts/network.lua",
    ["lunexec.scripts.placement"] = "scripts/placement.lua",
    ["lunexec.scripts.policy"] = "scripts/policy.lua",
    ["lunexec.scripts.resources"] = "scripts/resources.lua",
    ["lunexec.scripts.retry"] = "scripts/retry.lua",
    ["lunexec.scripts.template"] = "scripts/template.lua",
  },
}
