lx_unit_test(test_lines unit/test_lines.c LIBS lx_net)
lx_unit_test(test_url unit/test_url.c LIBS lx_net)
lx_unit_test(test_creds unit/test_creds.c LIBS lx_net)
lx_unit_test(test_metrics unit/test_metrics.c LIBS lx_net)

# The HTTP tests share a client with a loop, and a scripted peer in a thread.
set(lx_net_fixture unit/net_fixture.c unit/net_peer.c)
lx_unit_test(test_http unit/test_http.c ${lx_net_fixture} LIBS lx_net)
lx_unit_test(test_http_peer unit/test_http_peer.c ${lx_net_fixture} LIBS lx_net)
lx_unit_test(test_httpd unit/test_httpd.c LIBS lx_net)
lx_unit_test(test_http_reach unit/test_http_reach.c ${lx_net_fixture} LIBS lx_net)
lx_unit_test(test_http_tls unit/test_http_tls.c unit/net_tls.c ${lx_net_fixture} LIBS lx_net)
