/* SPDX-License-Identifier: GPL-2.0 */
/* Why little was merged in a guest: from facts to causes, in plain words. */
#ifndef _CAUSES_H
#define _CAUSES_H

#include "memory.h"
#include "vmdedup.h"

#define CAUSE_TEXT_MAX	400
/* Each reason for which pages are skipped, and the others. */
#define CAUSES_MAX	(VMDEDUP_SKIP_SLOTS + 16)

/**
 * struct facts - what is known about a process
 * @pid: the process
 * @guest: what the kernel knows, or NULL: it is no guest
 * @domain_guests: guests in its trust domain, itself included
 * @vm_known: whether it could be looked up
 * @holds_vm: it has a KVM VM open
 * @kvm_module: vmdedup_kvm is loaded
 * @run_known: whether it could be read
 * @run: the tunable of that name
 * @discover_known: whether it could be read
 * @discover: the tunable of that name
 * @policy: the tunable domain_policy; empty if it could not be read
 * @full_scans: complete passes since the module was loaded
 * @ksm_runs: KSM is on
 * @memory_known: whether it could be read
 * @memory: the kinds of memory that it has
 * @page_size: bytes
 */
struct facts {
	uint32_t pid;
	const struct vmdedup_guest *guest;
	size_t domain_guests;
	bool vm_known;
	bool holds_vm;
	bool kvm_module;
	bool run_known;
	uint64_t run;
	bool discover_known;
	uint64_t discover;
	char policy[32];
	uint64_t full_scans;
	bool ksm_runs;
	bool memory_known;
	struct memory memory;
	uint64_t page_size;
};

/**
 * struct cause - one of the reasons
 * @name: for programs
 * @pages: that it is about, or 0
 * @text: what is the matter
 * @advice: what to do about it
 */
struct cause {
	const char *name;
	uint64_t pages;
	char text[CAUSE_TEXT_MAX];
	char advice[CAUSE_TEXT_MAX];
};

/**
 * causes_find() - why little or nothing was merged
 * @facts: what is known
 * @causes: out: those that matter most first
 *
 * Return: how many; 0: nothing stands in the way.
 */
size_t causes_find(const struct facts *facts, struct cause causes[CAUSES_MAX]);

#endif /* _CAUSES_H */
