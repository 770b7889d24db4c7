lx_fuzzer(payload fuzz_payload.c LIBS lx_queue)
