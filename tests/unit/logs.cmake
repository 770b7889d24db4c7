lx_unit_test(test_mask unit/test_mask.c LIBS lx_logs)
