#include "tool.h"

#include "lunexec/plan.h"

#include <stdio.h>

/* docs/guardrails.md has this table; a test compares them. */
int lx_policy_rules_main(struct lx_tool *tool)
{
    (void)tool;
    puts("| rule | why | can be allowed |\n| --- | --- | --- |");
    for (size_t i = 0; lx_plan_rule_name(i); i++)
        printf("| `%s` | %s | %s |\n", lx_plan_rule_name(i), lx_plan_rule_reason(i),
               lx_plan_rule_optional(i) ? "yes" : "no");
    return LX_TOOL_FINE;
}
