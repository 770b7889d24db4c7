/*
 * lunexec-policy: the policy child's program. The executor starts it with a socket as descriptor 3;
 * it is of no use to anybody else. It is a program of its own, linked statically with little more
 * than Lua, because the executor's libraries alone would cost each child 8 MiB and 4 ms.
 */
#include "lunexec/policy.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static const char usage[] = "lunexec-policy is started by lunexec, not by hand\n";
    struct stat status;
    if (argc != 2 || strcmp(argv[1], "policy-child") != 0 || fstat(3, &status) ||
        !S_ISSOCK(status.st_mode)) {
        ssize_t n = write(STDERR_FILENO, usage, sizeof usage - 1);
        return n < 0 ? 3 : 2;
    }
    return lx_policy_child_main(3);
}
