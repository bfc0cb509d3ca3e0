/* SPDX-License-Identifier: GPL-2.0 */
/* A device in memory to swap to. */
#ifndef VMDEDUP_SELFTESTS_ZRAM_H
#define VMDEDUP_SELFTESTS_ZRAM_H

#include <stddef.h>

/*
 * Make one and swap to it. Returns its number, or -1; @dev gets its name, for
 * zram_end().
 */
int zram_begin(char *dev, size_t size);
void zram_end(int n, const char *dev);

#endif /* VMDEDUP_SELFTESTS_ZRAM_H */
