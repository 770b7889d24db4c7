lx_unit_test(test_verdict unit/test_verdict.c LIBS lx_job)
lx_unit_test(test_shell unit/test_shell.c LIBS lx_job)
