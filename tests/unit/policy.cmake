lx_unit_test(test_policy_value unit/test_policy_value.c LIBS lx_policy)
lx_unit_test(test_policy_vm unit/test_policy_vm.c LIBS lx_policy lx_policy_child)
lx_unit_test(test_policy_program unit/test_policy_program.c LIBS lx_policy lx_policy_child)
lx_unit_test(test_policy_liar unit/test_policy_liar.c LIBS lx_policy)
lx_unit_test(test_policy_bundle unit/test_policy_bundle.c LIBS lx_policy)
lx_unit_test(test_policy unit/test_policy.c LIBS lx_policy lx_policy_child)
lx_unit_test(test_plan unit/test_plan.c LIBS lx_policy)

# Not a test: prints how long calls take. Built on request.
add_executable(bench_policy EXCLUDE_FROM_ALL bench/bench_policy.c)
target_link_libraries(bench_policy PRIVATE lx_policy lx_flags)

# Without lx_flags: a sanitizer's run-time part cannot live inside the confinement.
add_executable(test_policy_confine unit/test_policy_confine.c
  ${CMAKE_SOURCE_DIR}/host/policy/confine.c ${CMAKE_SOURCE_DIR}/host/base/err.c
  ${CMAKE_SOURCE_DIR}/host/base/escape.c ${CMAKE_SOURCE_DIR}/host/base/buf.c
  ${CMAKE_SOURCE_DIR}/host/base/mem.c)
target_compile_definitions(test_policy_confine PRIVATE _GNU_SOURCE)
target_include_directories(test_policy_confine PRIVATE
  ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/host)
target_link_libraries(test_policy_confine PRIVATE PkgConfig::SECCOMP cmocka)
if(LX_COVERAGE)
  target_compile_options(test_policy_confine PRIVATE --coverage -O0)
  target_link_options(test_policy_confine PRIVATE --coverage)
endif()
add_test(NAME test_policy_confine COMMAND test_policy_confine)
set_tests_properties(test_policy_confine PROPERTIES TIMEOUT 120 LABELS unit)
lx_unit_test(test_policy_hostile unit/test_policy_hostile.c LIBS lx_policy lx_policy_child)
target_compile_definitions(test_policy_hostile PRIVATE LX_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
lx_unit_test(test_policy_golden unit/test_policy_golden.c LIBS lx_policy lx_policy_child)
target_compile_definitions(test_policy_golden PRIVATE LX_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
lx_unit_test(test_policy_heap unit/test_policy_heap.c LIBS lx_policy_child)
lx_unit_test(test_policy_quantity unit/test_policy_quantity.c LIBS lx_policy)
lx_unit_test(test_bundle_watch unit/test_bundle_watch.c LIBS lx_policy)
