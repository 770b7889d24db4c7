lx_fuzzer(mask fuzz_mask.c LIBS lx_logs)
lx_fuzzer(sink fuzz_sink.c LIBS lx_logs)
lx_fuzzer(secrets fuzz_secrets.c LIBS lx_logs lx_kube)
