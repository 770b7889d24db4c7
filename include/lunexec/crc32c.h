/*
 * CRC-32C (Castagnoli), as in iSCSI and ext4.
 */
#ifndef LUNEXEC_CRC32C_H
#define LUNEXEC_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what `crc` is the checksum of, followed by `data`; begin with 0. */
uint32_t lx_crc32c(uint32_t crc, const void *data, size_t len);

#endif
