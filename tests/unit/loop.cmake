lx_unit_test(test_loop unit/test_loop.c LIBS lx_loop)
lx_unit_test(test_child unit/test_child.c LIBS lx_loop)
lx_unit_test(test_child_end unit/test_child_end.c LIBS lx_loop)
