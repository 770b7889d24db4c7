lx_unit_test(test_settings unit/test_settings.c LIBS lx_app)
