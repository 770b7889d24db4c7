--- The policy that the executor uses. This file is the place for changes of yours; the others can
--- then be replaced by those of a later version. docs/policy.md tells how, docs/cookbook.md has
--- examples.

local policy = require "default"

return policy
