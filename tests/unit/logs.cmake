lx_unit_test(test_mask unit/test_mask.c LIBS lx_logs)
lx_unit_test(test_sink unit/test_sink.c LIBS lx_logs)
lx_unit_test(test_tokens unit/test_tokens.c LIBS lx_logs)

# Not run by ctest: figures, not a verdict.
add_executable(bench_logs EXCLUDE_FROM_ALL bench/bench_logs.c)
target_link_libraries(bench_logs PRIVATE lx_logs lx_flags)
