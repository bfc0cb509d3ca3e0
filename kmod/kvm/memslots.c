// SPDX-License-Identifier: GPL-2.0
/*
 * The memory slots of a virtual machine. The only file that knows what KVM's
 * structures look like.
 */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/rbtree.h>
#include <linux/srcu.h>
#include <linux/string.h>

#include "kvm.h"

/* As KVM names its files. */
#define VM_FILE		"kvm-vm"
/* The slots in use outside of system management mode. */
#define ADDRESS_SPACE	0

/* Where KVM is built in, or old, its files have no owner. */
static bool owned_by_kvm(const struct file *file)
{
	const struct module *owner = file->f_op->owner;

	return !owner || !strncmp(owner->name, "kvm", 3);
}

/**
 * vmdedup_kvm_is_vm() - is a file a virtual machine in this address space?
 * @file: any open file; the caller keeps it open
 * @mm: the address space
 *
 * Only the kernel itself gives anonymous inodes their names. Whoever has
 * inherited the file, or was given it, cannot use the virtual machine and is not
 * its owner. Any context.
 */
bool vmdedup_kvm_is_vm(struct file *file, struct mm_struct *mm)
{
	const struct dentry *dentry = file->f_path.dentry;
	const struct kvm *kvm = file->private_data;

	return dentry->d_sb->s_magic == ANON_INODE_FS_MAGIC &&
	       dentry->d_name.len == strlen(VM_FILE) &&
	       !memcmp(dentry->d_name.name, VM_FILE, strlen(VM_FILE)) &&
	       owned_by_kvm(file) && kvm && kvm->mm == mm;
}

static struct kvm_memslots *slots_of(struct kvm *kvm)
{
	return srcu_dereference(kvm->memslots[ADDRESS_SPACE], &kvm->srcu);
}

/**
 * vmdedup_kvm_generation() - a number that changes with the slots
 * @file: a virtual machine
 *
 * May sleep.
 */
u64 vmdedup_kvm_generation(struct file *file)
{
	struct kvm *kvm = file->private_data;
	int idx = srcu_read_lock(&kvm->srcu);
	/* KVM sets it when they are active already. */
	u64 generation = READ_ONCE(slots_of(kvm)->generation);

	srcu_read_unlock(&kvm->srcu, idx);
	return generation;
}

/* Fails for slots that are KVM's own, or about to be removed. */
static bool slot_range(const struct kvm_memory_slot *slot,
		       struct vmdedup_range *range)
{
	if (slot->id >= KVM_USER_MEM_SLOTS ||
	    slot->flags & KVM_MEMSLOT_INVALID || !slot->npages)
		return false;
	*range = (struct vmdedup_range){
		.start = slot->userspace_addr,
		.end = slot->userspace_addr +
		       ((u64)slot->npages << PAGE_SHIFT),
		.gpa = (u64)slot->base_gfn << PAGE_SHIFT,
		.slot = slot->id,
	};
	return range->start < range->end;
}

/**
 * vmdedup_kvm_read_slots() - the memory of a virtual machine
 * @file: a virtual machine
 * @out: out: what its slots cover, read-only ones (ROM) included
 * @max: room in @out
 * @left: out: how many slots did not find room, at the least
 *
 * KVM lets go of slots that were removed only when all who read have finished,
 * and whoever changes slots waits for that: so nothing else is done meanwhile,
 * and reading ends when @out is full. What is active is not changed in place.
 *
 * May sleep.
 *
 * Return: how many ranges there are in @out.
 */
unsigned int vmdedup_kvm_read_slots(struct file *file,
				    struct vmdedup_range *out, unsigned int max,
				    unsigned int *left)
{
	struct kvm *kvm = file->private_data;
	struct vmdedup_range range;
	struct kvm_memslots *slots;
	struct rb_node *node;
	unsigned int nr = 0;
	int idx;

	*left = 0;
	idx = srcu_read_lock(&kvm->srcu);
	slots = slots_of(kvm);
	for (node = rb_first(&slots->gfn_tree); node; node = rb_next(node)) {
		const struct kvm_memory_slot *slot;

		slot = container_of(node, struct kvm_memory_slot,
				    gfn_node[slots->node_idx]);
		if (!slot_range(slot, &range))
			continue;
		if (max - nr < VMDEDUP_RANGE_CUTS) {
			(*left)++;
			break;
		}
		nr += vmdedup_ranges_cut(out + nr, &range);
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return nr;
}
