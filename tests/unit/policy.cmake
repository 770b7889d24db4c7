lx_unit_test(test_policy_value unit/test_policy_value.c LIBS lx_policy)
lx_unit_test(test_policy_vm unit/test_policy_vm.c LIBS lx_policy lx_policy_child)
