/* A time that is accepted prints, in the years that have four digits, as one that is the same. */
#include "lunexec/clock.h"
#include "lunexec/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct timespec when, again;
    char text[LX_RFC3339_SIZE];
    if (lx_rfc3339_parse((const char *)data, size, &when) < 0)
        return 0;
    lx_assert(when.tv_nsec >= 0 && when.tv_nsec < 1000000000);
    lx_rfc3339(when, text);
    if (lx_rfc3339_parse(text, strlen(text), &again) < 0) {
        /* An offset can lead out of the years 0000 to 9999. */
        lx_assert(text[0] == '-' || strlen(text) > 10);
        lx_assert(when.tv_sec < -62167219200 || when.tv_sec > 253402300799);
        return 0;
    }
    lx_assert(again.tv_sec == when.tv_sec && again.tv_nsec == when.tv_nsec);
    return 0;
}
