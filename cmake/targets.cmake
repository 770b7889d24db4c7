# lx_room(NAME SOURCES... [LIBS ...]): one static library a room, named lx_<name>.
function(lx_room name)
  cmake_parse_arguments(arg "" "" "LIBS" ${ARGN})
  add_library(lx_${name} STATIC ${arg_UNPARSED_ARGUMENTS})
  target_include_directories(lx_${name} PUBLIC ${CMAKE_SOURCE_DIR}/include PRIVATE ${CMAKE_SOURCE_DIR}/host)
  target_link_libraries(lx_${name} PUBLIC ${arg_LIBS} PRIVATE lx_flags)
endfunction()

# lx_unit_test(NAME SOURCES... [LIBS ...]): a cmocka program, run by ctest.
function(lx_unit_test name)
  cmake_parse_arguments(arg "" "" "LIBS" ${ARGN})
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/host)
  target_link_libraries(${name} PRIVATE ${arg_LIBS} lx_flags cmocka)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 120 LABELS unit)
endfunction()
