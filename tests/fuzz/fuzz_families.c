/*
 * Expositions of others on their way into a heartbeat: what is sent on is one text of which each
 * line makes sense, so none is lost when it is taken in again, and in the order that families have
 * then they stay. Input: two expositions, separated by a byte 0x00.
 */
#include "app/families.h"
#include "lunexec/mem.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX ((size_t)16 << 20)

static void add(struct lx_families *families, const char *text, size_t len, const char *label)
{
    if (len > 0)
        lx_families_add(families, text, len, label);
}

static void write_again(const struct lx_buf *first, struct lx_buf *out)
{
    struct lx_families *families = lx_families_new();
    add(families, lx_buf_str(first), first->len, NULL);
    lx_assert(lx_families_write(families, out, NULL) == 0);
    lx_families_free(families);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lx_auto(buf) struct lx_buf first = LX_BUF_INIT(TEXT_MAX);
    lx_auto(buf) struct lx_buf second = LX_BUF_INIT(TEXT_MAX), third = LX_BUF_INIT(TEXT_MAX);
    lx_auto(str) char *text = lx_strndup((const char *)data, size);
    const char *zero = memchr(text, 0, size + 1);
    size_t len = (size_t)(zero - text);
    struct lx_families *families = lx_families_new();
    add(families, text, len, NULL);
    if (len < size)
        add(families, zero + 1, size - len - 1, "sg_instance=\"docker-registry\"");
    lx_assert(lx_families_write(families, &first, NULL) == 0);
    lx_families_free(families);
    write_again(&first, &second);
    write_again(&second, &third);
    lx_assert(first.len == second.len && second.len == third.len);
    lx_assert(strcmp(lx_buf_str(&second), lx_buf_str(&third)) == 0);
    return 0;
}
