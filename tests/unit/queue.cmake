lx_unit_test(test_job_payload unit/test_job_payload.c LIBS lx_queue)
lx_unit_test(test_queue_calls unit/test_queue_calls.c unit/queue_fixture.c LIBS lx_queue)
lx_unit_test(test_queue_retry unit/test_queue_retry.c unit/queue_fixture.c LIBS lx_queue)
