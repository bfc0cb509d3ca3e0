/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one gate through which the pure core sees the outside. Files in core/
 * include this and nothing of <linux/...> themselves, so that the same source
 * compiles in userspace against selftests/unit/shim.h, under ASan and UBSan.
 */
#ifndef VMDEDUP_CORE_GATE_H
#define VMDEDUP_CORE_GATE_H

#ifdef __KERNEL__
#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/prefetch.h>
#include <linux/processor.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/types.h>
#include <linux/xxhash.h>
#else
#include "shim.h"
#endif

#endif /* VMDEDUP_CORE_GATE_H */
