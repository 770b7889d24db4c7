/* The standard process_* families, from /proc/self. */
#include "net/metrics_priv.h"

#include "lunexec/clock.h"
#include "lunexec/file.h"
#include "lunexec/mem.h"
#include "lunexec/parse.h"

#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Field `number` (counted from 1, after the command's closing bracket it is 3) of
 * /proc/self/stat; 0 when it cannot be read. */
static double stat_field(unsigned number)
{
    struct lx_buf text = LX_BUF_INIT(4096);
    double value = 0;
    if (lx_file_read("/proc/self/stat", &text, NULL) == 0) {
        const char *at = strrchr(lx_buf_str(&text), ')');
        for (unsigned field = 2; at && field < number; field++) {
            at = strchr(at, ' ');
            at = at ? at + 1 : NULL;
        }
        lx_auto(str) char *digits = at ? lx_strndup(at, strcspn(at, " \n")) : NULL;
        uint64_t number_read = 0;
        if (digits && lx_parse_u64(digits, &number_read) == 0)
            value = (double)number_read;
    }
    lx_buf_done(&text);
    return value;
}

static double seconds(clockid_t clock)
{
    struct timespec now = {0};
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double lx_metrics_process_start(void)
{
    double since_boot = stat_field(22) / (double)sysconf(_SC_CLK_TCK);
    struct timespec wall = lx_wall();
    double boot = (double)wall.tv_sec + (double)wall.tv_nsec / 1e9 - seconds(CLOCK_BOOTTIME);
    return boot + since_boot;
}

static double open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    double count = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)))
        count += entry->d_name[0] != '.';
    (void)closedir(dir);
    return count > 0 ? count - 1 : 0; /* without the one of this directory */
}

static double max_descriptors(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (double)limit.rlim_cur : 0;
}

int lx_metrics_process(struct lx_buf *out, double start, struct lx_err *err)
{
    struct {
        const char *name, *help, *type;
        double value;
    } const families[] = {
        {"process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", "counter",
         seconds(CLOCK_PROCESS_CPUTIME_ID)},
        {"process_resident_memory_bytes", "Resident memory size in bytes.", "gauge",
         stat_field(24) * (double)sysconf(_SC_PAGESIZE)},
        {"process_virtual_memory_bytes", "Virtual memory size in bytes.", "gauge", stat_field(23)},
        {"process_open_fds", "Number of open file descriptors.", "gauge", open_descriptors()},
        {"process_max_fds", "Maximum number of open file descriptors.", "gauge", max_descriptors()},
        {"process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
         "gauge", start},
    };
    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
        if (lx_metrics_head(out, families[i].name, families[i].help, families[i].type, err) ||
            lx_metrics_line(out, families[i].name, "", "", NULL, families[i].value, err))
            return -1;
    }
    return 0;
}
