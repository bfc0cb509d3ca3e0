// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "causes.h"
#include "output.h"

/* What is less than one page in so many does not matter. */
#define MATTERS_PART	100
/* Memory outside of regions that is worth a word. */
#define MATTERS_BYTES	(64ULL << 20)

/**
 * struct finding - causes as they are found
 * @facts: from what
 * @causes: out
 * @count: entries in @causes
 */
struct finding {
	const struct facts *facts;
	struct cause *causes;
	size_t count;
};

static struct cause *add(struct finding *finding, const char *name, uint64_t pages,
			 const char *format, ...) __attribute__((format(printf, 4, 5)));
static void advise(struct cause *cause, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static struct cause *add(struct finding *finding, const char *name, uint64_t pages,
			 const char *format, ...)
{
	struct cause *cause = &finding->causes[finding->count++];
	va_list args;

	cause->name = name;
	cause->pages = pages;
	va_start(args, format);
	vsnprintf(cause->text, sizeof(cause->text), format, args);
	va_end(args);
	return cause;
}

static void advise(struct cause *cause, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(cause->advice, sizeof(cause->advice), format, args);
	va_end(args);
}

static bool is_found(const struct finding *finding, const char *name)
{
	size_t i;

	for (i = 0; i < finding->count; i++) {
		if (!strcmp(finding->causes[i].name, name))
			return true;
	}
	return false;
}

/* What can be done about pages that are skipped, by enum vmdedup_skip. */
static const char *const skip_advice[VMDEDUP_SKIP_NR] = {
	[VMDEDUP_SKIP_SHARED] =
		"Give the guest private anonymous memory, QEMU's default: no share=on, no "
		"memory-backend-memfd or -file. Guests with virtiofs or vhost-user need shared "
		"memory, and cannot be merged.",
	[VMDEDUP_SKIP_HUGETLB] =
		"Give the guest ordinary memory instead of hugetlbfs. Transparent huge pages can "
		"be merged.",
	[VMDEDUP_SKIP_SPECIAL] = "Nothing: that is no ordinary memory.",
	[VMDEDUP_SKIP_FILE] =
		"Nothing, if it belongs to programs and libraries. Guest memory must not be "
		"backed by a file: no memory-backend-file.",
	[VMDEDUP_SKIP_LOCKED] =
		"Start the guest without locked memory: -overcommit mem-lock=off, and no "
		"<locked/> in libvirt.",
	[VMDEDUP_SKIP_UFFD] =
		"Wait for the migration or snapshot that uses userfaultfd to end.",
	[VMDEDUP_SKIP_VOLATILE] =
		"Nothing: the guest has given these pages up, and the kernel takes them when it "
		"needs memory.",
	[VMDEDUP_SKIP_PINNED] =
		"Nothing as long as a device is assigned to the guest (VFIO pins its memory), or "
		"input and output is going on. Emulated and virtio devices do not pin.",
	[VMDEDUP_SKIP_KSM] =
		"These pages are merged already, by KSM. To have one of the two do it, switch "
		"KSM off and give its pages back: echo 2 > /sys/kernel/mm/ksm/run",
	[VMDEDUP_SKIP_HUGE] =
		"Lower the number of pages that are worth splitting a huge page: "
		"echo N > /sys/class/misc/vmdedup/huge_split_pages. The guest may get a little "
		"slower by it.",
	[VMDEDUP_SKIP_HUGE_PART] =
		"Nothing: this kernel cannot take such pages out of a huge page that is mapped "
		"in pieces.",
	[VMDEDUP_SKIP_SWAPPED] =
		"Nothing: they take no memory now. They are merged when they were swapped in.",
	[VMDEDUP_SKIP_MIGRATING] = "Nothing: they are tried again in the next pass.",
	[VMDEDUP_SKIP_LRU] = "Nothing: they are tried again in the next pass.",
	[VMDEDUP_SKIP_POISONED] = "Replace the memory module that has the errors: see dmesg.",
	[VMDEDUP_SKIP_DEVICE] = "Nothing: that memory is in a device.",
	[VMDEDUP_SKIP_FOREIGN] =
		"Nothing: they are merged already, from before the module was loaded again.",
	[VMDEDUP_SKIP_CHANGED] =
		"Nothing: the guest writes to them. They are tried again in the next pass.",
	[VMDEDUP_SKIP_BUSY] = "Nothing: they are tried again in the next pass.",
	[VMDEDUP_SKIP_NOMEM] =
		"Free some memory: merging needs a page first to save more of them later.",
	[VMDEDUP_SKIP_COOLED] =
		"Nothing: the guest writes to this memory again and again after it was merged, "
		"which costs more than it saves. It is tried again by itself, less often each "
		"time until it stays merged; vmdedup merge tries now.",
	[VMDEDUP_SKIP_FORKED] =
		"Nothing: parent and child have one copy of these pages already. They are merged "
		"with others when the child has ended or has written to them.",
};

static void find_stopped(struct finding *finding)
{
	const struct facts *facts = finding->facts;

	if (!facts->run_known || facts->run == 1)
		return;
	if (facts->run)
		advise(add(finding, "unmerged", 0,
			   "Merging was undone for all guests (run is %" PRIu64 ").", facts->run),
		       "Start it again: echo 1 > /sys/class/misc/vmdedup/run");
	else if (!facts->guest)
		advise(add(finding, "stopped", 0, "The scan is stopped (run is 0)."),
		       "Start it: echo 1 > /sys/class/misc/vmdedup/run");
	else
		advise(add(finding, "stopped", 0, "The scan is stopped (run is 0)."),
		       "Start it: echo 1 > /sys/class/misc/vmdedup/run; or merge once now: "
		       "vmdedup merge --pid %" PRIu32, facts->pid);
}

static void find_not_discovered(struct finding *finding)
{
	const struct facts *facts = finding->facts;

	if (facts->vm_known && !facts->holds_vm) {
		advise(add(finding, "not_kvm", 0, "The process is no KVM guest, and was not "
			   "registered."),
		       "Register it: vmdedup register %" PRIu32, facts->pid);
		return;
	}
	if (!facts->kvm_module)
		advise(add(finding, "no_discovery", 0, "The module that finds KVM guests is not "
			   "loaded, and the process was not registered."),
		       "Load it: modprobe vmdedup_kvm; or register the process: "
		       "vmdedup register %" PRIu32, facts->pid);
	else if (facts->discover_known && !facts->discover)
		advise(add(finding, "discover_off", 0, "KVM guests are not looked for (discover "
			   "is 0), and the process was not registered."),
		       "Have them found: echo 1 > /sys/class/misc/vmdedup/discover; or register "
		       "this one: vmdedup register %" PRIu32, facts->pid);
	else
		advise(add(finding, "not_discovered", 0, "The process was not found as a KVM "
			   "guest: it has just started, it was excluded, or none of its memory "
			   "can be merged."),
		       "Wait for two seconds after it has started; vmdedup include %" PRIu32
		       " undoes an exclusion; vmdedup register %" PRIu32 " tells why its memory "
		       "is refused.", facts->pid, facts->pid);
}

static void find_excluded(struct finding *finding)
{
	if (finding->facts->guest->excluded)
		advise(add(finding, "excluded", 0, "The process is excluded from discovery."),
		       "Have it discovered again: vmdedup include %" PRIu32,
		       finding->facts->pid);
}

static void find_unfinished(struct finding *finding)
{
	const struct vmdedup_ledger *ledger = &finding->facts->guest->ledger;
	uint64_t left = ledger->scanned < ledger->resident ?
			ledger->resident - ledger->scanned : 0;
	char size[HUMAN_SIZE_MAX];

	if (!ledger->scanned && !ledger->merges)
		advise(add(finding, "not_scanned", 0, "Its memory was not looked at yet."),
		       "Wait for the first pass, or do it now: vmdedup merge --pid %" PRIu32,
		       finding->facts->pid);
	else if (left > ledger->resident / MATTERS_PART)
		advise(add(finding, "first_pass", left,
			   "The first pass over its memory is not complete: %s of it were not "
			   "looked at yet.", human_pages(left, size)),
		       "Wait for it, or do it now: vmdedup merge --pid %" PRIu32,
		       finding->facts->pid);
	else if (!finding->facts->full_scans)
		advise(add(finding, "first_pass", 0, "The first pass over all guests is not "
			   "complete: what it could share was perhaps not looked at yet."),
		       "Wait for it, or do it now: vmdedup merge");
}

static void find_alone(struct finding *finding)
{
	const struct facts *facts = finding->facts;

	if (facts->domain_guests > 1)
		return;
	if (!strcmp(facts->policy, "process"))
		advise(add(finding, "alone", 0, "Each guest is merged only with itself "
			   "(domain_policy is process)."),
		       "If guests of one user trust each other: "
		       "echo uid > /sys/class/misc/vmdedup/domain_policy");
	else
		advise(add(finding, "alone", 0, "It is alone in its trust domain%s%s%s: there is "
			   "no other guest that it may share pages with, only equal pages within "
			   "it and zero pages are merged.", *facts->policy ? " (domain_policy is " :
			   "", facts->policy, *facts->policy ? ")" : ""),
		       "Guests of one %s share a domain. If all on this host trust each other: "
		       "echo host > /sys/class/misc/vmdedup/domain_policy",
		       strcmp(facts->policy, "cgroup") ? "user" : "control group");
}

static int most_pages_first(const void *a, const void *b)
{
	const struct cause *x = a, *y = b;

	if (x->pages != y->pages)
		return x->pages < y->pages ? 1 : -1;
	return strcmp(x->name, y->name);
}

static uint64_t sum_of(const __u64 *skipped)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < VMDEDUP_SKIP_SLOTS; i++)
		sum += skipped[i];
	return sum;
}

static void find_skipped(struct finding *finding)
{
	const struct vmdedup_ledger *ledger = &finding->facts->guest->ledger;
	/* Swapped pages, among others, are not resident. */
	uint64_t all = ledger->merged + ledger->zero + ledger->unique + sum_of(ledger->skipped);
	size_t first = finding->count;
	char size[HUMAN_SIZE_MAX];
	const char *name, *text;
	struct cause *cause;
	uint32_t i;

	for (i = 0; i < VMDEDUP_SKIP_SLOTS; i++) {
		if (!ledger->skipped[i] || ledger->skipped[i] < all / MATTERS_PART)
			continue;
		name = vmdedup_skip_name(i);
		text = vmdedup_skip_text(i);
		cause = add(finding, name ? name : "unknown", ledger->skipped[i],
			    "%s of it were left alone in the last pass: %s.",
			    human_pages(ledger->skipped[i], size),
			    text ? text : "for a reason that this version does not know");
		advise(cause, "%s", name ? skip_advice[i] : "Update this program.");
	}
	qsort(&finding->causes[first], finding->count - first, sizeof(*finding->causes),
	      most_pages_first);
}

/* Of memory that no region has: the kernel refused it. */
static void find_refused(struct finding *finding)
{
	const struct memory *memory = &finding->facts->memory;
	uint64_t all = memory->anon + memory->shared + memory->hugetlb + memory->file;
	const struct {
		const char *name;
		uint64_t bytes;
		uint32_t reason;
	} kinds[] = {
		{ "shared", memory->shared, VMDEDUP_SKIP_SHARED },
		{ "hugetlb", memory->hugetlb, VMDEDUP_SKIP_HUGETLB },
		{ "file", memory->file, VMDEDUP_SKIP_FILE },
		{ "locked", memory->locked, VMDEDUP_SKIP_LOCKED },
		{ "uffd", memory->uffd, VMDEDUP_SKIP_UFFD },
	};
	char size[HUMAN_SIZE_MAX];
	struct cause *cause;
	size_t i;

	if (!finding->facts->memory_known)
		return;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].bytes < MATTERS_BYTES || kinds[i].bytes < all / 10 ||
		    is_found(finding, kinds[i].name))
			continue;
		cause = add(finding, kinds[i].name, kinds[i].bytes / finding->facts->page_size,
			    "%s of the memory of the process cannot be merged: %s.",
			    human_size(kinds[i].bytes, size), vmdedup_skip_text(kinds[i].reason));
		advise(cause, "%s", skip_advice[kinds[i].reason]);
	}
}

static void find_ksm(struct finding *finding)
{
	if (finding->facts->ksm_runs && !is_found(finding, "ksm"))
		advise(add(finding, "ksm_runs", 0, "KSM is running as well: pages that it merges "
			   "first are left to it, and both cost CPU time."),
		       "Switch it off: echo 0 > /sys/kernel/mm/ksm/run");
}

static void find_written(struct finding *finding)
{
	const struct vmdedup_ledger *ledger = &finding->facts->guest->ledger;

	/* Half of what was merged was not worth it. */
	if (ledger->merges < 100 || ledger->cow_breaks < ledger->merges / 2)
		return;
	advise(add(finding, "written", ledger->cow_breaks,
		   "The guest writes to what is merged: of %" PRIu64 " pages merged so far, %"
		   PRIu64 " were written to and are private again.", (uint64_t)ledger->merges,
		   (uint64_t)ledger->cow_breaks),
	       "Nothing, if that is its work: memory in which it happens soon after merging is "
	       "left alone, for longer each time. If it goes on like this, merging costs more "
	       "than it saves here: vmdedup exclude %" PRIu32, finding->facts->pid);
}

static void find_small(struct finding *finding)
{
	const struct vmdedup_guest *guest = finding->facts->guest;
	uint64_t resident = guest->ledger.resident * finding->facts->page_size;
	char has[HUMAN_SIZE_MAX], all[HUMAN_SIZE_MAX];

	if (resident >= guest->bytes / 4)
		return;
	advise(add(finding, "untouched", 0, "The guest has touched only %s of its %s so far: the "
		   "rest takes no memory, and there is nothing to save in it.",
		   human_size(resident, has), human_size(guest->bytes, all)), "Nothing.");
}

/* What nothing else explains. */
static void find_unique(struct finding *finding)
{
	const struct vmdedup_ledger *ledger = &finding->facts->guest->ledger;
	uint64_t skipped = sum_of(ledger->skipped);
	uint64_t unique = ledger->unique > skipped ? ledger->unique - skipped : 0;
	char size[HUMAN_SIZE_MAX];

	if (!ledger->scanned || is_found(finding, "first_pass") || unique < ledger->resident / 2)
		return;
	if (!unique)
		return;
	advise(add(finding, "unique", unique, "%s of it are unlike any other page in its trust "
		   "domain.", human_pages(unique, size)),
	       "Nothing: these contents differ. Guests that run the same system and programs "
	       "share more; vmdedup estimate tells what could be saved.");
}

size_t causes_find(const struct facts *facts, struct cause causes[CAUSES_MAX])
{
	struct finding finding = { .facts = facts, .causes = causes };

	find_stopped(&finding);
	if (!facts->guest) {
		find_not_discovered(&finding);
		find_refused(&finding);
		return finding.count;
	}
	find_excluded(&finding);
	find_unfinished(&finding);
	find_alone(&finding);
	find_skipped(&finding);
	find_refused(&finding);
	find_ksm(&finding);
	find_written(&finding);
	find_small(&finding);
	find_unique(&finding);
	return finding.count;
}
