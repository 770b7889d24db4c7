# Warnings and hardening for every target of ours (docs/style.md). A flag that this compiler does
# not know is left out.
include(CheckCCompilerFlag)

add_library(lx_flags INTERFACE)

set(lx_warnings
  -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
  -Wold-style-definition -Wwrite-strings -Wcast-qual -Wpointer-arith -Wformat=2 -Wundef -Wvla
  -Walloca -Wnull-dereference -Wdouble-promotion -Wimplicit-fallthrough -Wswitch-enum
  -Wdate-time -Wcast-align=strict -Wformat-signedness -Wduplicated-cond -Wduplicated-branches
  -Wlogical-op -Wjump-misses-init -Werror=implicit -Werror=incompatible-pointer-types
  -Werror=int-conversion)
if(LX_SANITIZE)
  # The sanitizers' own branches make gcc 12 report null dereferences that are not there.
  list(REMOVE_ITEM lx_warnings -Wnull-dereference)
endif()
if(LX_WERROR)
  list(APPEND lx_warnings -Werror)
endif()

set(lx_hardening
  -fstack-protector-strong -fstack-clash-protection -fcf-protection=full
  -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing
  -ftrivial-auto-var-init=zero)

foreach(flag IN LISTS lx_warnings lx_hardening)
  string(MAKE_C_IDENTIFIER "LX_HAS${flag}" has)
  check_c_compiler_flag(${flag} ${has})
  if(${has})
    target_compile_options(lx_flags INTERFACE ${flag})
  endif()
endforeach()

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
target_compile_definitions(lx_flags INTERFACE _GNU_SOURCE)
target_compile_options(lx_flags INTERFACE -ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -fno-omit-frame-pointer)
target_link_options(lx_flags INTERFACE
  $<$<NOT:$<BOOL:$<TARGET_PROPERTY:LX_STATIC_PIE>>>:-pie> -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,nodlopen -Wl,--as-needed)

if(LX_SANITIZE)
  target_compile_options(lx_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_link_options(lx_flags INTERFACE -fsanitize=address,undefined)
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(lx_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
if(LX_COVERAGE)
  target_compile_options(lx_flags INTERFACE --coverage -O0)
  target_link_options(lx_flags INTERFACE --coverage)
endif()
if(LX_FUZZ)
  target_compile_options(lx_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
