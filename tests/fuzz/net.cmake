lx_fuzzer(lines fuzz_lines.c LIBS lx_net)
lx_fuzzer(url fuzz_url.c LIBS lx_net)
lx_fuzzer(query fuzz_query.c LIBS lx_net)
lx_fuzzer(httpd fuzz_httpd.c LIBS lx_net)
