/* A duration that is accepted prints as one that reads as the same. */
#include "lunexec/err.h"
#include "lunexec/mem.h"
#include "lunexec/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lx_auto(str) char *text = lx_strndup((const char *)data, size);
    int64_t ms, again, number = 0;
    bool truth;
    (void)lx_parse_bool(text, &truth);
    if (lx_parse_i64(text, &number) == 0 && number > 0 && text[0] != '+') {
        uint64_t positive = 0;
        lx_assert(lx_parse_u64(text, &positive) == 0 && positive == (uint64_t)number);
    }
    if (lx_parse_duration_ms(text, &ms) < 0)
        return 0;
    char printed[LX_DURATION_SIZE];
    lx_format_duration(ms, printed);
    lx_assert(lx_parse_duration_ms(printed, &again) == 0 && again == ms);
    return 0;
}
