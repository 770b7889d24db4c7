#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lunexec/rand.h"
#include "policy/heap.h"

#define N_BLOCKS 200

struct entry {
    unsigned char *data;
    size_t size;
    unsigned char fill;
};

static void check_entry(const struct entry *entry)
{
    for (size_t i = 0; i < entry->size; i++)
        assert_int_equal(entry->data[i], entry->fill);
}

/* Blocks of every size keep what was put into them while others come, grow, shrink and go. */
static void test_blocks_do_not_meet(void **state)
{
    (void)state;
    struct lx_heap *heap = lx_heap_new();
    struct entry entries[N_BLOCKS] = {0};
    struct lx_rand rand;
    size_t in_use = 0;
    lx_rand_init(&rand, 11);
    for (int step = 0; step < 50000; step++) {
        struct entry *entry = &entries[lx_rand_below(&rand, N_BLOCKS)];
        size_t size = lx_rand_below(&rand, lx_rand_below(&rand, 10) ? 300 : 5000);
        size_t kept = size < entry->size ? size : entry->size;
        check_entry(entry);
        unsigned char *data = lx_heap_alloc(heap, entry->data, entry->size, size);
        in_use = in_use - entry->size + size;
        assert_true(size == 0 ? data == NULL : data && (uintptr_t)data % 16 == 0);
        struct entry moved = {.data = data, .size = kept, .fill = entry->fill};
        check_entry(&moved);
        *entry = (struct entry){.data = data, .size = size, .fill = (unsigned char)step};
        if (size)
            memset(data, entry->fill, size);
        assert_int_equal(lx_heap_used(heap), in_use);
    }
    for (size_t i = 0; i < N_BLOCKS; i++)
        lx_heap_alloc(heap, entries[i].data, entries[i].size, 0);
    assert_int_equal(lx_heap_used(heap), 0);
    lx_heap_free(heap);
}

static void count(void *arg)
{
    ++*(unsigned *)arg;
}

static void test_limit(void **state)
{
    (void)state;
    struct lx_heap *heap = lx_heap_new();
    unsigned refusals = 0;
    char *first = lx_heap_alloc(heap, NULL, 0, 5000); /* no limit yet */
    lx_heap_limit(heap, 6000);
    lx_heap_on_refusal(heap, count, &refusals);
    char *second = lx_heap_alloc(heap, NULL, 4, 1000); /* for a new block the old size is a type */
    assert_non_null(second);
    assert_int_equal(lx_heap_used(heap), 6000);
    assert_null(lx_heap_alloc(heap, NULL, 0, 1));
    assert_null(lx_heap_alloc(heap, first, 5000, 5001));
    assert_int_equal(refusals, 2);
    first = lx_heap_alloc(heap, first, 5000, 100);
    assert_non_null(first);
    first = lx_heap_alloc(heap, first, 100, 5000);
    assert_non_null(first);
    assert_int_equal(refusals, 2);
    lx_heap_alloc(heap, first, 5000, 0);
    lx_heap_alloc(heap, second, 1000, 0);
    assert_int_equal(lx_heap_used(heap), 0);
    lx_heap_free(heap);
    lx_heap_free(NULL);
}

/* What is freed is used again: memory does not grow with the number of calls. */
static void test_blocks_are_used_again(void **state)
{
    (void)state;
    struct lx_heap *heap = lx_heap_new();
    void *first = lx_heap_alloc(heap, NULL, 0, 40);
    lx_heap_alloc(heap, first, 40, 0);
    for (size_t size = 33; size <= 48; size++) {
        void *again = lx_heap_alloc(heap, NULL, 0, size);
        assert_ptr_equal(again, first);
        lx_heap_alloc(heap, again, size, 0);
    }
    lx_heap_free(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_do_not_meet),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_blocks_are_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
