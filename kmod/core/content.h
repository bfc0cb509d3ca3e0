/* SPDX-License-Identifier: GPL-2.0 */
/* What a page contains: is it zero, what is its checksum. */
#ifndef VMDEDUP_CORE_CONTENT_H
#define VMDEDUP_CORE_CONTENT_H

#include "gate.h"

bool vmdedup_content_is_zero(const void *addr);
u64 vmdedup_content_seed(u64 boot_seed, u64 domain);
u64 vmdedup_content_sum(const void *addr, u64 seed);
int vmdedup_content_flipped(void *addr, u64 seed, u64 sum);

#endif /* VMDEDUP_CORE_CONTENT_H */
