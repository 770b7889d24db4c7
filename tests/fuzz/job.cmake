lx_fuzzer(adopt fuzz_adopt.c LIBS lx_job)
target_compile_definitions(fuzz_adopt PRIVATE LX_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
