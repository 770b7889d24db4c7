#include "app/settings.h"

const struct lx_setting_group *const lx_setting_groups[] = {
    &lx_settings_sourcegraph,
    &lx_settings_kubernetes,
    &lx_settings_lunexec,
    &lx_settings_accepted,
    NULL,
};

void lx_settings_each(void (*fn)(const struct lx_setting *setting, void *arg), void *arg)
{
    for (const struct lx_setting_group *const *group = lx_setting_groups; *group; group++) {
        for (size_t i = 0; i < (*group)->n; i++)
            fn(&(*group)->settings[i], arg);
    }
}
