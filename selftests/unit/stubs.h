/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel's rbtree.c and xxhash.c include and the shim has not. The
 * Makefile makes <linux/...> headers that lead here.
 */
#ifndef VMDEDUP_UNIT_STUBS_H
#define VMDEDUP_UNIT_STUBS_H

#include <endian.h>

#include "shim.h"

#define EXPORT_SYMBOL(symbol)		_Static_assert(1, "")
#define MODULE_LICENSE(text)		_Static_assert(1, "")
#define MODULE_DESCRIPTION(text)	_Static_assert(1, "")

static inline u32 get_unaligned_le32(const void *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline u64 get_unaligned_le64(const void *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

#endif /* VMDEDUP_UNIT_STUBS_H */
