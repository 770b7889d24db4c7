lx_unit_test(test_policy_value unit/test_policy_value.c LIBS lx_policy)
lx_unit_test(test_policy_vm unit/test_policy_vm.c LIBS lx_policy lx_policy_child)
lx_unit_test(test_policy_bundle unit/test_policy_bundle.c LIBS lx_policy)
lx_unit_test(test_policy unit/test_policy.c LIBS lx_policy lx_policy_child)
