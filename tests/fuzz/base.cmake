lx_fuzzer(base64 fuzz_base64.c LIBS lx_base)
lx_fuzzer(duration fuzz_duration.c LIBS lx_base)
lx_fuzzer(path fuzz_path.c LIBS lx_base)
lx_fuzzer(rfc3339 fuzz_rfc3339.c LIBS lx_base)
