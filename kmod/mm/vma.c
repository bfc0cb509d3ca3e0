// SPDX-License-Identifier: GPL-2.0
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/userfaultfd_k.h>

#include "../compat/compat.h"
#include "vma.h"

/**
 * vmdedup_vma_skip() - may pages of this mapping be merged?
 * @vma: the mapping; its mmap_lock is held
 *
 * Only private anonymous memory that nothing but the core kernel has a hand
 * in: there a read-only page that is not anonymous is copied at the first
 * write, whatever it is.
 *
 * Return: VMDEDUP_ELIGIBLE, or why not.
 */
enum vmdedup_skip vmdedup_vma_skip(struct vm_area_struct *vma)
{
	unsigned long flags = vma->vm_flags;

	if (is_vm_hugetlb_page(vma))
		return VMDEDUP_SKIP_HUGETLB;
	if (flags & (VM_SHARED | VM_MAYSHARE))
		return VMDEDUP_SKIP_SHARED;
	if (flags & VM_SPECIAL)
		return VMDEDUP_SKIP_SPECIAL;
	if (!vma_is_anonymous(vma))
		return vma->vm_file ? VMDEDUP_SKIP_FILE : VMDEDUP_SKIP_SPECIAL;
	if (flags & VM_LOCKED)
		return VMDEDUP_SKIP_LOCKED;
	if (userfaultfd_armed(vma))
		return VMDEDUP_SKIP_UFFD;
	if (flags & VMDEDUP_VM_DROPPABLE)
		return VMDEDUP_SKIP_VOLATILE;
	return VMDEDUP_ELIGIBLE;
}
