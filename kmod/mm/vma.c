// SPDX-License-Identifier: GPL-2.0
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/rmap.h>
#include <linux/userfaultfd_k.h>

#include "../compat/compat.h"
#include "vma.h"

/**
 * vmdedup_vma_skip_merged() - may there be merged pages in this mapping?
 * @vma: the mapping; its mmap_lock is held
 *
 * More than may be merged now: a mapping can be locked, or registered with
 * userfaultfd, after pages of it were merged.
 *
 * Return: VMDEDUP_ELIGIBLE, or why not.
 */
enum vmdedup_skip vmdedup_vma_skip_merged(struct vm_area_struct *vma)
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
	return VMDEDUP_ELIGIBLE;
}

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
	enum vmdedup_skip reason = vmdedup_vma_skip_merged(vma);

	if (reason != VMDEDUP_ELIGIBLE)
		return reason;
	if (vma->vm_flags & VM_LOCKED)
		return VMDEDUP_SKIP_LOCKED;
	if (userfaultfd_armed(vma))
		return VMDEDUP_SKIP_UFFD;
	if (vma->vm_flags & VMDEDUP_VM_DROPPABLE)
		return VMDEDUP_SKIP_VOLATILE;
	return VMDEDUP_ELIGIBLE;
}

/**
 * vmdedup_vma_alone() - can nobody else have the pages of this mapping?
 * @vma: the mapping; its mmap_lock is held
 *
 * A page can only be where its anon_vma says. If the mapping has but one, which was
 * not made by a fork, and no fork has made one from it that is still there, then all
 * of its pages are in this address space. To fork takes the mmap_lock.
 */
bool vmdedup_vma_alone(struct vm_area_struct *vma)
{
	struct anon_vma *anon_vma = vma->anon_vma;

	/* A root counts itself. */
	return anon_vma && anon_vma->root == anon_vma &&
	       READ_ONCE(anon_vma->num_children) <= 1 &&
	       list_is_singular(&vma->anon_vma_chain);
}
