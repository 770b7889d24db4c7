lx_unit_test(test_settings unit/test_settings.c LIBS lx_app)
lx_unit_test(test_families unit/test_families.c LIBS lx_app)
lx_unit_test(test_secrets unit/test_secrets.c LIBS lx_app)
target_link_options(test_secrets PRIVATE -Wl,--wrap=free)
# With its own copies, which are not instrumented: what they give up, sanitizers need.
lx_unit_test(test_restrict unit/test_restrict.c ${CMAKE_SOURCE_DIR}/host/app/restrict_calls.c
  ${CMAKE_SOURCE_DIR}/host/app/restrict_files.c LIBS lx_base lx_json ${LX_SECCOMP_STATIC})
lx_unit_test(test_descriptors unit/test_descriptors.c LIBS lx_app)

# docs/settings.md is what the program says of itself.
add_test(NAME settings_doc
  COMMAND sh -c "\"$1\" settings --markdown | diff \"$2\" -" sh
    $<TARGET_FILE:lunexec> ${CMAKE_SOURCE_DIR}/docs/settings.md)
set_tests_properties(settings_doc PROPERTIES TIMEOUT 30 LABELS unit)

add_test(NAME rules_doc
  COMMAND sh -c "grep '^|' \"$2\" >\"$3\" && \"$1\" policy rules | diff \"$3\" -" sh
    $<TARGET_FILE:lunexec> ${CMAKE_SOURCE_DIR}/docs/guardrails.md
    ${CMAKE_CURRENT_BINARY_DIR}/rules-doc.md)
set_tests_properties(rules_doc PROPERTIES TIMEOUT 30 LABELS unit)

# The contract, row by row; `tests/conformance/run WORD` runs some of it.
add_test(NAME conformance COMMAND ${CMAKE_SOURCE_DIR}/tests/conformance/run)
set_tests_properties(conformance PROPERTIES TIMEOUT 600 LABELS integration RUN_SERIAL TRUE
  ENVIRONMENT LUNEXEC=$<TARGET_FILE:lunexec>)
