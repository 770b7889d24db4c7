lx_unit_test(test_job_payload unit/test_job_payload.c LIBS lx_queue)
