/*
 * Checked parsing of what users and peers write. The whole text must match; nothing is trimmed.
 * Each returns 0, or -1 (also for NULL and for what is out of range) with the result untouched.
 */
#ifndef LUNEXEC_PARSE_H
#define LUNEXEC_PARSE_H

#include <stdbool.h>
#include <stdint.h>

/* Decimal digits, with an optional + or - before them. */
int lx_parse_i64(const char *text, int64_t *ret_value);
/* Decimal digits, without a sign. */
int lx_parse_u64(const char *text, uint64_t *ret_value);

/* Go's strconv.ParseBool: 1 t T true TRUE True 0 f F false FALSE False (contract 3.1). */
int lx_parse_bool(const char *text, bool *ret_value);

/* Go's time.ParseDuration ("1h30m", "1.5s", "250ms", "0", "-5s"), in milliseconds, rounded toward
 * zero; units ns us µs ms s m h (contract 3.1). */
int lx_parse_duration_ms(const char *text, int64_t *ret_ms);

#define LX_DURATION_SIZE 32
/* Writes milliseconds as Go prints a Duration: "30m0s", "1.5s", "0s", "-5ms". */
void lx_format_duration(int64_t ms, char out[LX_DURATION_SIZE]);

#endif
