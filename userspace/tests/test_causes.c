// SPDX-License-Identifier: GPL-2.0
/* why: causes from ledgers that are made up, and what the command looks up. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "causes.h"
#include "harness.h"
#include "memory.h"
#include "vmname.h"

#define MIB	(1ULL << 20)
#define GIB	(1ULL << 30)

/* A guest with which all is well: most of it is merged. */
static void healthy(struct facts *facts, struct vmdedup_guest *guest)
{
	memset(guest, 0, sizeof(*guest));
	guest->has = UINT32_MAX;
	guest->id = 1;
	guest->pid = 1234;
	guest->kvm = 1;
	guest->domain = 7;
	guest->bytes = 100000 * 4096;
	guest->ledger.resident = 100000;
	guest->ledger.merged = 70000;
	guest->ledger.zero = 10000;
	guest->ledger.unique = 20000;
	guest->ledger.scanned = 300000;
	guest->ledger.merges = 81000;
	guest->ledger.cow_breaks = 1000;
	*facts = (struct facts){
		.pid = 1234, .guest = guest, .domain_guests = 4, .vm_known = true,
		.holds_vm = true, .kvm_module = true, .run_known = true, .run = 1,
		.discover_known = true, .discover = 1, .full_scans = 3, .memory_known = true,
		.memory.anon = 100000 * 4096, .page_size = 4096, .policy = "uid",
	};
}

/* The causes are exactly these, in this order, and each is explained. */
static void assert_causes(const struct facts *facts, const char *expected)
{
	struct cause causes[CAUSES_MAX];
	size_t i, count = causes_find(facts, causes);
	char names[512] = "";

	for (i = 0; i < count; i++) {
		if (i)
			strcat(names, " ");
		strcat(names, causes[i].name);
		assert_true(strlen(causes[i].text) > 10);
		assert_true(strlen(causes[i].text) < CAUSE_TEXT_MAX - 1);
		assert_true(strlen(causes[i].advice) > 5);
		assert_true(strlen(causes[i].advice) < CAUSE_TEXT_MAX - 1);
		assert_true(causes[i].text[strlen(causes[i].text) - 1] == '.');
	}
	assert_string_equal(names, expected);
}

static void test_healthy(void **state)
{
	struct vmdedup_guest guest;
	struct facts facts;

	(void)state;
	healthy(&facts, &guest);
	assert_causes(&facts, "");
	/* What could not be looked up is no cause. */
	facts.run_known = facts.discover_known = facts.memory_known = facts.vm_known = false;
	facts.run = facts.discover = 0;
	facts.kvm_module = false;
	facts.policy[0] = '\0';
	assert_causes(&facts, "");
}

static void test_stopped(void **state)
{
	struct vmdedup_guest guest;
	struct facts facts;

	(void)state;
	healthy(&facts, &guest);
	facts.run = 0;
	assert_causes(&facts, "stopped");
	facts.run = 2;
	assert_causes(&facts, "unmerged");
	facts.guest = NULL;
	facts.holds_vm = false;
	assert_causes(&facts, "unmerged not_kvm");
}

static void test_unknown(void **state)
{
	struct facts facts;
	struct vmdedup_guest guest;

	(void)state;
	healthy(&facts, &guest);
	facts.guest = NULL;
	assert_causes(&facts, "not_discovered");
	facts.discover = 0;
	assert_causes(&facts, "discover_off");
	facts.kvm_module = false;
	assert_causes(&facts, "no_discovery");
	facts.memory.shared = 2 * GIB;
	assert_causes(&facts, "no_discovery shared");
	facts.vm_known = false;
	facts.holds_vm = false;
	facts.memory.shared = 0;
	facts.memory.hugetlb = GIB;
	assert_causes(&facts, "no_discovery hugetlb");
	facts.vm_known = true;
	assert_causes(&facts, "not_kvm hugetlb");
}

static void test_excluded(void **state)
{
	struct vmdedup_guest guest;
	struct facts facts;

	(void)state;
	healthy(&facts, &guest);
	guest.excluded = 1;
	assert_causes(&facts, "excluded");
}

static void test_first_pass(void **state)
{
	struct vmdedup_guest guest;
	struct facts facts;

	(void)state;
	healthy(&facts, &guest);
	guest.ledger.merged = guest.ledger.zero = guest.ledger.merges = 0;
	guest.ledger.unique = 100000;
	guest.ledger.cow_breaks = 0;
	guest.ledger.scanned = 0;
	assert_causes(&facts, "not_scanned");
	guest.ledger.scanned = 50000;
	assert_causes(&facts, "first_pass");
	guest.ledger.scanned = 100000;
	facts.full_scans = 0;
	assert_causes(&facts, "first_pass");
	facts.full_scans = 1;
	assert_causes(&facts, "unique");
}

static void test_alone(void **state)
{
	struct cause causes[CAUSES_MAX];
	struct vmdedup_guest guest;
	struct facts facts;

	(void)state;
	healthy(&facts, &guest);
	facts.domain_guests = 1;
	assert_causes(&facts, "alone");
	causes_find(&facts, causes);
	assert_contains(causes[0].text, "(domain_policy is uid)");
	assert_contains(causes[0].advice, "Guests of one user");
	strcpy(facts.policy, "cgroup");
	causes_find(&facts, causes);
	assert_contains(causes[0].advice, "Guests of one control group");
	strcpy(facts.policy, "process");
	causes_find(&facts, causes);
	assert_contains(causes[0].text, "only with itself");
	facts.policy[0] = '\0';
	causes_find(&facts, causes);
	assert_contains(causes[0].text, "trust domain: there is no other");
}

/* Each reason there is, alone and big, small, and all at once. */
static void test_skipped(void **state)
{
	struct cause causes[CAUSES_MAX];
	struct vmdedup_guest guest;
	struct facts facts;
	uint32_t i;

	(void)state;
	for (i = 0; i < VMDEDUP_SKIP_NR; i++) {
		healthy(&facts, &guest);
		guest.ledger.skipped[i] = 5000;
		assert_causes(&facts, vmdedup_skip_name(i));
		causes_find(&facts, causes);
		assert_int_equal(causes[0].pages, 5000);
		assert_contains(causes[0].text, "19.5 MiB");
		assert_contains(causes[0].text, vmdedup_skip_text(i));
		/* What printf() makes of one that is missing. */
		assert_null(strstr(causes[0].advice, "(null)"));
		guest.ledger.skipped[i] = 900;
		assert_causes(&facts, "");
	}
	healthy(&facts, &guest);
	guest.ledger.skipped[VMDEDUP_SKIP_SLOTS - 1] = 5000;
	assert_causes(&facts, "unknown");
	guest.ledger.skipped[VMDEDUP_SKIP_HUGE] = 6000;
	guest.ledger.skipped[VMDEDUP_SKIP_KSM] = 7000;
	facts.ksm_runs = true;
	assert_causes(&facts, "ksm huge unknown");

	/* Everything that there can be, at once, has room. */
	healthy(&facts, &guest);
	for (i = 0; i < VMDEDUP_SKIP_SLOTS; i++)
		guest.ledger.skipped[i] = 100000;
	facts.run = 0;
	facts.domain_guests = 1;
	facts.ksm_runs = true;
	facts.full_scans = 0;
	facts.memory = (struct memory){ GIB, GIB, GIB, GIB, GIB, GIB };
	guest.excluded = 1;
	guest.bytes = 1ULL << 60;
	guest.ledger.cow_breaks = guest.ledger.merges = UINT64_MAX;
	assert_true(causes_find(&facts, causes) > VMDEDUP_SKIP_SLOTS);
	assert_true(causes_find(&facts, causes) <= CAUSES_MAX);
}

/* What is merged in vain is left alone: what was merged, and what is. */
static void test_cooled(void **state)
{
	struct cause causes[CAUSES_MAX];
	struct vmdedup_guest guest;
	struct facts facts;

	(void)state;
	healthy(&facts, &guest);
	guest.ledger.merged = 20000;
	guest.ledger.unique = 70000;
	guest.ledger.skipped[VMDEDUP_SKIP_COOLED] = 50000;
	assert_causes(&facts, "cooled");
	causes_find(&facts, causes);
	assert_contains(causes[0].text, "195 MiB");
	assert_contains(causes[0].text, "written to soon after merging");
	assert_contains(causes[0].advice, "It is tried again by itself");
	guest.ledger.cow_breaks = 60000;
	assert_causes(&facts, "cooled written");
	causes_find(&facts, causes);
	assert_contains(causes[1].advice, "left alone, for longer each time");
	assert_contains(causes[1].advice, "vmdedup exclude 1234");
}

static void test_kinds_of_memory(void **state)
{
	struct vmdedup_guest guest;
	struct facts facts;

	(void)state;
	healthy(&facts, &guest);
	facts.memory.shared = GIB;
	assert_causes(&facts, "shared");
	/* It is said once. */
	guest.ledger.skipped[VMDEDUP_SKIP_SHARED] = 5000;
	assert_causes(&facts, "shared");
	guest.ledger.skipped[VMDEDUP_SKIP_SHARED] = 0;
	/* A video memory of 16 MiB does not matter. */
	facts.memory.shared = 16 * MIB;
	assert_causes(&facts, "");
	facts.memory.locked = 300 * MIB;
	assert_causes(&facts, "locked");
	facts.memory.locked = 0;
	facts.memory.uffd = 300 * MIB;
	assert_causes(&facts, "uffd");
	facts.memory.uffd = 0;
	facts.ksm_runs = true;
	assert_causes(&facts, "ksm_runs");
}

static void test_work(void **state)
{
	struct vmdedup_guest guest;
	struct facts facts;

	(void)state;
	healthy(&facts, &guest);
	guest.ledger.cow_breaks = 60000;
	assert_causes(&facts, "written");
	healthy(&facts, &guest);
	guest.bytes = 500000ULL * 4096;
	assert_causes(&facts, "untouched");
	healthy(&facts, &guest);
	guest.ledger.unique = 80000;
	guest.ledger.merged = 10000;
	assert_causes(&facts, "unique");
	/* Skipped pages are unlike others only by name. */
	guest.ledger.skipped[VMDEDUP_SKIP_HUGE] = 60000;
	assert_causes(&facts, "huge");
	/* Nothing at all is resident. */
	memset(&guest.ledger, 0, sizeof(guest.ledger));
	assert_causes(&facts, "not_scanned untouched");
}

static void test_memory(void **state)
{
	static const char smaps[] =
		"555500000000-555500200000 rw-p 00000000 00:00 0          [heap]\n"
		"Size:               2048 kB\nRss:                1024 kB\nVmFlags: rd wr mr ac \n"
		"7f1200000000-7f1220000000 rw-p 00000000 00:00 0 \n"
		"Rss:              524288 kB\nLocked:           524288 kB\n"
		"VmFlags: rd wr mr mw me lo um ac \n"
		"7f1300000000-7f1301000000 rw-s 00000000 00:01 9   /memfd:video (deleted)\n"
		"Rss:               16384 kB\nVmFlags: rd wr sh \n"
		"7f1400000000-7f1440000000 rw-s 00000000 00:0f 12  /dev/hugepages/ram\n"
		"Rss:                   0 kB\nShared_Hugetlb:        0 kB\n"
		"Private_Hugetlb:  1048576 kB\nVmFlags: rd wr sh ht \n"
		"7f1500000000-7f1500100000 rw-p 00000000 08:01 77  /usr/lib/a library.so\n"
		"Rss:                 512 kB\nVmFlags: rd wr\n"
		"7f1600000000-7f1600100000 r-xp 00000000 08:01 77  /usr/lib/a library.so\n"
		"Rss:                1024 kB\nRss: x\nnonsense\n\nVmFlags:\n";
	struct bench *bench = *state;
	struct memory memory;

	bench_write(bench, "proc/10/smaps", smaps);
	assert_int_equal(memory_read(bench->proc_dir, 10, &memory), 0);
	assert_int_equal(memory.anon, 513 * MIB);
	assert_int_equal(memory.locked, 512 * MIB);
	assert_int_equal(memory.uffd, 512 * MIB);
	assert_int_equal(memory.shared, 16 * MIB);
	assert_int_equal(memory.hugetlb, GIB);
	assert_int_equal(memory.file, MIB / 2);
	bench_write(bench, "proc/11/smaps", "");
	assert_int_equal(memory_read(bench->proc_dir, 11, &memory), 0);
	assert_int_equal(memory.anon, 0);
	assert_true(memory_read(bench->proc_dir, 12, &memory) < 0);
}

#define NAMED(cmdline, expected)					\
do {									\
	static const char text[] = cmdline;				\
	char *copy = malloc(sizeof(text));				\
	const char *wanted = expected;					\
	char name[VM_NAME_MAX] = "";					\
									\
	memcpy(copy, text, sizeof(text));				\
	if (vm_name_parse(copy, sizeof(text), name) != !!wanted ||	\
	    (wanted && strcmp(name, wanted)))				\
		fail_msg("line %d: '%s'", __LINE__, name);		\
	free(copy);							\
} while (0)

static void test_vm_names(void **state)
{
	char name[VM_NAME_MAX];
	char many[VM_NAME_MAX * 2];

	(void)state;
	NAMED("/usr/bin/qemu-system-x86_64\0-name\0web01", "web01");
	NAMED("/usr/bin/qemu-system-x86_64\0-m\0" "1G\0-name\0guest=web01,debug-threads=on", "web01");
	NAMED("/usr/bin/kvm\0-id\0" "100\0-name\0db 2,debug-threads=on\0-m\0" "1", "db 2");
	NAMED("qemu-kvm\0--name\0debug-threads=on,guest=x", "x");
	NAMED("qemu\0-name\0a,,b,process=c", "a,b");
	NAMED("qemu\0-name\0guest=a,,b", "a,b");
	NAMED("qemu\0-name\0evil\x1b[2J\n", "evil?[2J?");
	NAMED("qemu\0-name\0process=c", NULL);
	NAMED("qemu\0-name\0", NULL);
	NAMED("qemu\0-name\0,", NULL);
	NAMED("qemu\0-name", NULL);
	NAMED("qemu\0-m\0" "1", NULL);
	NAMED("xterm\0-name\0title", NULL);
	NAMED("/opt/qemu/bin/xterm\0-name\0title", NULL);
	NAMED("", NULL);
	assert_false(vm_name_parse("", 0, name));
	/* Cut off within the name. */
	assert_false(vm_name_parse("qemu\0-name\0web", 14, name));
	memset(many, 'n', sizeof(many));
	memcpy(many, "qemu\0-name", 11);
	many[sizeof(many) - 1] = '\0';
	assert_true(vm_name_parse(many, sizeof(many), name));
	assert_int_equal(strlen(name), VM_NAME_MAX - 1);
}

static struct vmdedup_guest *known_guest(struct bench *bench)
{
	struct vmdedup_guest *guest = fake_guest(&bench->link, 3, 1234, "qemu-system-x86");

	guest->domain = 2;
	guest->bytes = 512 * MIB;
	guest->ledger.resident = 131072;
	guest->ledger.merged = 1000;
	guest->ledger.zero = 72;
	guest->ledger.unique = 130000;
	guest->ledger.saved_bytes = 3 * MIB;
	guest->ledger.scanned = 500000;
	guest->ledger.merges = 1072;
	guest->ledger.skipped[VMDEDUP_SKIP_HUGE] = 120000;
	return guest;
}

static void test_command(void **state)
{
	struct bench *bench = *state;
	char path[128];

	bench->link.absent = false;
	bench->link.stats.full_scans = 4;
	known_guest(bench);
	bench_write(bench, "sysfs/run", "0\n");
	bench_write(bench, "sysfs/discover", "1\n");
	bench_write(bench, "sys/class/misc/vmdedup/domain_policy", "uid\n");
	bench_write(bench, "sys/kernel/mm/ksm/run", "1\n");
	bench_write(bench, "proc/1234/comm", "qemu-system-x86\n");
	bench_write(bench, "proc/1234/smaps",
		    "7f1300000000-7f1311000000 rw-s 00000000 00:01 9 /memfd:ram (deleted)\n"
		    "Rss:              262144 kB\nVmFlags: rd wr sh \n");
	run_golden(bench, "why 1234", "why");
	run_golden(bench, "why 1234 --pretty", "why-pretty");
	run(bench, "why 3");
	assert_int_equal(bench->status, CLI_OK);
	assert_contains(bench->out, "(guest 3, process 1234)");

	bench_write(bench, "proc/555/comm", "kvm\n");
	run_golden(bench, "why 555", "why-unknown");
	bench_write(bench, "proc/555/fd/none", "");
	bench_write(bench, "sysfs/run", "1\n");
	run(bench, "why 555 -j");
	assert_contains(bench->out, "\"cause\":\"not_kvm\"");
	snprintf(path, sizeof(path), "%s/proc/555/fd/11", bench->dir);
	assert_int_equal(symlink("anon_inode:kvm-vm", path), 0);
	run(bench, "why 555 -j");
	assert_contains(bench->out, "\"cause\":\"no_discovery\"");
	bench_write(bench, "sys/module/vmdedup_kvm/refcnt", "0\n");
	run(bench, "why 555 -j");
	assert_contains(bench->out, "\"cause\":\"not_discovered\"");

	bench->link.no_process = 999;
	run_golden(bench, "why 999", "why-no-process");
	run(bench, "why");
	assert_int_equal(bench->status, CLI_USAGE);
	run(bench, "why x");
	assert_int_equal(bench->status, CLI_USAGE);
}

static void test_nothing_wrong(void **state)
{
	struct vmdedup_guest *guest, *other;
	struct bench *bench = *state;

	bench->link.absent = false;
	bench->link.stats.full_scans = 4;
	known_guest(bench);
	other = fake_guest(&bench->link, 4, 1235, "other");
	other->domain = 2;
	guest = &bench->link.guests[0];
	guest->ledger.merged = 121000;
	guest->ledger.unique = 10000;
	guest->ledger.skipped[VMDEDUP_SKIP_HUGE] = 0;
	run_golden(bench, "why 1234", "why-nothing-wrong");
}

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_healthy),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_excluded),
		cmocka_unit_test(test_first_pass),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_skipped),
		cmocka_unit_test(test_cooled),
		cmocka_unit_test(test_kinds_of_memory),
		cmocka_unit_test(test_work),
		BENCH_TEST(test_memory),
		cmocka_unit_test(test_vm_names),
		BENCH_TEST(test_command),
		BENCH_TEST(test_nothing_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
