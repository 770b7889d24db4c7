--- Sourcegraph runs elsewhere in the private network, at one address and port; DNS is a cache on
--- each node. Nothing is listed.

return {
  settings = {
    namespace = "executors",
    network_frontend = { cidrs = { "10.50.0.7/32", "fd50::7/128" }, ports = { 443 } },
    network_dns = { cidrs = { "169.254.20.10/32", "fd00:53::10/128" }, ports = { 53 } },
  },
  pods = {
    ["10.0.0.10"] = { namespace = "kube-system", labels = { ["k8s-app"] = "kube-dns" } },
  },
  rows = {
    { "internet", "10.50.0.7", "TCP/443", "allow", "frontend" },
    { "listed", "10.50.0.7", "TCP/443", "allow", "frontend" },
    { "frontend-only", "10.50.0.7", "TCP/443", "allow", "frontend" },
    { "frontend-only", "fd50::7", "TCP/443", "allow", "frontend, IPv6" },
    { "internet", "10.50.0.7", "TCP/22", "deny", "another port of the frontend" },
    { "internet", "fd50::7", "TCP/80", "deny", "another port of the frontend, IPv6" },
    { "internet", "10.50.0.8", "TCP/443", "deny", "the frontend's neighbour" },
    { "internet", "fd50::8", "TCP/443", "deny", "the frontend's neighbour, IPv6" },
    { "frontend-only", "169.254.20.10", "UDP/53", "allow", "DNS on the node" },
    { "internet", "fd00:53::10", "UDP/53", "allow", "DNS on the node, IPv6" },
    { "internet", "169.254.20.10", "TCP/80", "deny", "another port of DNS" },
    { "internet", "169.254.169.254", "TCP/80", "deny", "metadata, beside DNS" },
    { "internet", "169.254.169.254", "UDP/53", "deny", "metadata on DNS' port" },
    { "internet", "10.0.0.10", "UDP/53", "deny", "DNS that the settings do not name" },
    { "internet", "140.82.112.3", "TCP/443", "allow", "public" },
    { "listed", "140.82.112.3", "TCP/443", "deny", "nothing is listed" },
    { "listed", "2606:50c0:8000::153", "TCP/443", "deny", "nothing is listed, IPv6" },
  },
}
