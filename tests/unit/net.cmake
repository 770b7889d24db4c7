lx_unit_test(test_lines unit/test_lines.c LIBS lx_net)
lx_unit_test(test_url unit/test_url.c LIBS lx_net)
lx_unit_test(test_creds unit/test_creds.c LIBS lx_net)
lx_unit_test(test_metrics unit/test_metrics.c LIBS lx_net)
