/*
 * What every cmocka program includes, in the order cmocka wants.
 */
#ifndef LUNEXEC_TESTS_UNIT_H
#define LUNEXEC_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
