lx_fuzzer(watch_event fuzz_watch_event.c LIBS lx_kube)
lx_fuzzer(podlog fuzz_podlog.c LIBS lx_kube)
lx_fuzzer(podlog_raw fuzz_podlog_raw.c LIBS lx_kube)
lx_fuzzer(kubeconfig fuzz_kubeconfig.c LIBS lx_kube)
