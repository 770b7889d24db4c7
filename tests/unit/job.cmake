lx_unit_test(test_verdict unit/test_verdict.c LIBS lx_job)
lx_unit_test(test_shell unit/test_shell.c LIBS lx_job)
lx_unit_test(test_cargo unit/test_cargo.c LIBS lx_job)
lx_unit_test(test_workload unit/test_workload.c LIBS lx_job)
