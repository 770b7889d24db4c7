lx_fuzzer(escape fuzz_escape.c LIBS lx_json)
lx_fuzzer(json fuzz_json.c LIBS lx_json)
lx_fuzzer(yaml fuzz_yaml.c LIBS lx_json)
