# A scripted API server on the test's loop.
set(lx_kube_fake unit/kube_fake.c)
lx_unit_test(test_kube_config unit/test_kube_config.c LIBS lx_kube)
lx_unit_test(test_kube unit/test_kube.c ${lx_kube_fake} LIBS lx_kube)
lx_unit_test(test_kube_pod unit/test_kube_pod.c LIBS lx_kube)
lx_unit_test(test_watch unit/test_watch.c ${lx_kube_fake} LIBS lx_kube)
lx_unit_test(test_podlog_lines unit/test_podlog_lines.c LIBS lx_kube)
lx_unit_test(test_podlog unit/test_podlog.c ${lx_kube_fake} LIBS lx_kube)
