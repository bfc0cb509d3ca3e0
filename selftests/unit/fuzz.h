/* SPDX-License-Identifier: GPL-2.0 */
/* What the fuzz targets of the core have in common. */
#ifndef VMDEDUP_UNIT_FUZZ_H
#define VMDEDUP_UNIT_FUZZ_H

#include "shim.h"

/* The next byte of the input; when it is used up, all is zero. */
u8 fuzz_take(void);
/* Up to 64 bits of it. */
u64 fuzz_take_u64(void);
bool fuzz_more(void);

/* Targets, beside those of fuzz-core.c. */
void fuzz_filter(void);
void fuzz_filter_crowded(void);
void fuzz_schedule(void);
void fuzz_scanner(void);

#endif /* VMDEDUP_UNIT_FUZZ_H */
