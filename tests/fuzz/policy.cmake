lx_fuzzer(policy_answer fuzz_policy_answer.c LIBS lx_policy)
lx_fuzzer(policy_bridge fuzz_policy_bridge.c LIBS lx_policy lx_policy_child)
lx_fuzzer(plan fuzz_plan.c LIBS lx_policy)
