lx_fuzzer(settings fuzz_settings.c LIBS lx_app)
lx_fuzzer(quantity fuzz_quantity.c LIBS lx_app m)
lx_fuzzer(families fuzz_families.c LIBS lx_app)
