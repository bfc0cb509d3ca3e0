/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Virtual machines without processors: they need none to have memory.
 *
 * Functions return a negative errno on an error.
 */
#ifndef VMDEDUP_SELFTESTS_VM_H
#define VMDEDUP_SELFTESTS_VM_H

#include <stddef.h>
#include <stdint.h>

/* Returns a descriptor. */
int vm_make(void);
/* KVM_SET_USER_MEMORY_REGION; @bytes 0 removes the slot. */
int slot_set(int vm, unsigned int slot, unsigned int flags, uint64_t gpa,
	     const void *addr, size_t bytes);

#endif /* VMDEDUP_SELFTESTS_VM_H */
