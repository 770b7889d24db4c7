lx_unit_test(test_json unit/test_json.c LIBS lx_json)
lx_unit_test(test_yaml unit/test_yaml.c LIBS lx_json)
