/* SPDX-License-Identifier: GPL-2.0 */
/* Which mappings may be merged at all. */
#ifndef VMDEDUP_MM_VMA_H
#define VMDEDUP_MM_VMA_H

#include <linux/mm_types.h>
#include <uapi/linux/vmdedup.h>

/* "No reason to skip." */
#define VMDEDUP_ELIGIBLE	VMDEDUP_SKIP_NR

enum vmdedup_skip vmdedup_vma_skip(struct vm_area_struct *vma);
bool vmdedup_vma_alone(struct vm_area_struct *vma);
enum vmdedup_skip vmdedup_vma_skip_merged(struct vm_area_struct *vma);

#endif /* VMDEDUP_MM_VMA_H */
