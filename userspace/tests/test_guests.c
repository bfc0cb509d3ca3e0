// SPDX-License-Identifier: GPL-2.0
/* What the commands over netlink print, against a kernel that is a fake. */
#include <errno.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define MIB	(1ULL << 20)
#define RAM	0x7f1200000000ULL

static void set_ledger(struct vmdedup_ledger *ledger, uint64_t resident, uint64_t merged,
		       uint64_t zero)
{
	ledger->resident = resident;
	ledger->merged = merged;
	ledger->zero = zero;
	ledger->unique = resident - merged - zero;
	ledger->saved_bytes = merged * 3072 + zero * 4096;
	ledger->scanned = 3 * resident;
	ledger->merges = merged + zero + 500;
	ledger->cow_breaks = 500;
	ledger->scan_ns = resident * 1000;
}

static void host(struct bench *bench)
{
	struct fake_link *link = &bench->link;
	struct vmdedup_region *region;
	struct vmdedup_guest *guest;

	link->absent = false;
	link->stats.full_scans = 12;
	link->stats.pages_scanned = 1234567;
	link->stats.pages_merged = 101572;
	link->stats.cow_breaks = 1500;
	link->stats.scan_ns = 12345678901;
	link->stats.window_max_ns = 48000;
	link->stats.guests = 3;
	link->stats.regions = 4;
	link->stats.pages_shared = 22500;
	link->stats.pages_sharing = 67500;
	link->stats.pages_zero = 11072;
	link->stats.saved_bytes = 321830912;
	link->stats.skipped[VMDEDUP_SKIP_PINNED] = 20;

	guest = fake_guest(link, 1, 1234, "qemu-system-x86");
	guest->uid = 64055;
	guest->cgroup = 4711;
	guest->domain = 2;
	guest->regions = 2;
	guest->bytes = 514 * MIB;
	set_ledger(&guest->ledger, 131584, 90000, 11072);
	guest->ledger.skipped[VMDEDUP_SKIP_PINNED] = 17;
	guest->ledger.skipped[VMDEDUP_SKIP_HUGE] = 4096;
	guest->ledger.skipped[31] = 1;
	bench_write(bench, "proc/1234/comm", "qemu-system-x86\n");
	region = fake_link_region(link, 7, guest);
	region->start = RAM;
	region->length = 512 * MIB;
	region->flags = VMDEDUP_REGION_DISCOVERED;
	set_ledger(&region->ledger, 131072, 90000, 11072);
	region = fake_link_region(link, 9, guest);
	region->has &= ~(1U << VMDEDUP_A_REGION_GPA | 1U << VMDEDUP_A_REGION_SLOT);
	region->start = 0x555500000000;
	region->length = 2 * MIB;
	region->flags = VMDEDUP_REGION_PERSIST;
	set_ledger(&region->ledger, 512, 0, 0);

	guest = fake_guest(link, 2, 77, "evil\x1b[2J\"\\\n");
	guest->kvm = 0;
	guest->domain = 2;
	guest->regions = 1;
	guest->bytes = 8ULL << 40;
	set_ledger(&guest->ledger, 6ULL << 30, 5ULL << 30, 7);
	guest->ledger.scan_ns = 400000ULL * 1000000000;
	region = fake_link_region(link, 8, guest);
	region->flags = VMDEDUP_REGION_PERSIST | VMDEDUP_REGION_ALL;
	region->length = 0x7ffffffff000;
	set_ledger(&region->ledger, 6ULL << 30, 5ULL << 30, 7);

	guest = fake_guest(link, 300, 0, "gone");
	guest->domain = 5;
	guest->regions = 1;
}

/* The name is of a file with zero bytes in it: bench_write() cannot. */
static void write_cmdline(struct bench *bench, int pid, const char *cmdline, size_t len)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "proc/%d/cmdline", pid);
	bench_write(bench, path, "");
	snprintf(path, sizeof(path), "%s/proc/%d/cmdline", bench->dir, pid);
	file = fopen(path, "w");
	assert_non_null(file);
	fwrite(cmdline, 1, len, file);
	fclose(file);
}

static void test_guests(void **state)
{
	static const char cmdline[] = "/usr/bin/qemu-system-x86_64\0-name\0"
				      "guest=web01,debug-threads=on\0-m\0512";
	struct bench *bench = *state;

	host(bench);
	write_cmdline(bench, 1234, cmdline, sizeof(cmdline));
	run_golden(bench, "guests", "guests");
	run_golden(bench, "guests --pretty", "guests-pretty");
	run_golden(bench, "guests 1234", "guests-pid");
	run_golden(bench, "guests 300", "guests-id");
	run_golden(bench, "guests 77 --json", "guests-pid-json");
	run_golden(bench, "guests 999", "guests-none-such");
	run(bench, "guests 99999999999999999999");
	assert_int_equal(bench->status, CLI_USAGE);
	run(bench, "guests 0");
	assert_int_equal(bench->status, CLI_USAGE);
	run(bench, "guests 1 2");
	assert_int_equal(bench->status, CLI_USAGE);
}

static void test_regions(void **state)
{
	struct bench *bench = *state;

	host(bench);
	run_golden(bench, "regions", "regions");
	run_golden(bench, "regions --guest 77", "regions-guest");
	run_golden(bench, "regions --guest 1234 -p", "regions-pretty");
	run_golden(bench, "regions --guest 5", "regions-none-such");
}

static void test_empty(void **state)
{
	struct bench *bench = *state;

	bench->link.absent = false;
	run_golden(bench, "guests", "guests-empty");
	run_golden(bench, "guests -j", "guests-empty-json");
	run_golden(bench, "regions", "regions-empty");
	run_golden(bench, "regions -j", "regions-empty-json");
	run_golden(bench, "top --batch 1", "top-empty");
	run_golden(bench, "metrics", "metrics-empty");
}

/* Each line of a table fits a terminal. */
static void assert_fits(const char *text)
{
	size_t len;

	for (; *text; text += len + !!text[len]) {
		len = strcspn(text, "\n");
		if (len > 80)
			fail_msg("too long: '%.*s'", (int)len, text);
	}
}

static size_t lines_of(const char *text)
{
	size_t lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

static void test_thousand(void **state)
{
	struct bench *bench = *state;
	struct vmdedup_guest *guest;
	size_t i;

	host(bench);
	for (i = 0; i < 1000; i++) {
		guest = fake_guest(&bench->link, 1000 + i, 4000000 + i, "a long command n");
		set_ledger(&guest->ledger, 1ULL << 40, 1ULL << 39, 1ULL << 39);
		guest->ledger.cow_breaks = UINT64_MAX;
		guest->ledger.scan_ns = UINT64_MAX / 100000;
	}
	bench->link.interrupt = 1;
	run(bench, "guests");
	assert_int_equal(bench->status, CLI_OK);
	assert_int_equal(lines_of(bench->out), 1004);
	assert_int_equal(bench->link.dumps, 2);
	assert_fits(bench->out);
	run(bench, "regions");
	assert_fits(bench->out);
	run(bench, "top --batch 1 --sort pid");
	assert_int_equal(lines_of(bench->out), 1008);
	assert_fits(bench->out);
}

/* What needs root, without it: a reason, and nothing on standard output. */
static void test_no_permission(void **state)
{
	static const char *const lines[] = {
		"guests", "guests 1234", "regions", "regions --guest 1", "why 1234",
		"top --batch 1", "monitor", "metrics", "exclude 1234", "include 1234",
		"guests --json", "monitor --stats --events",
	};
	struct bench *bench = *state;
	size_t i;

	host(bench);
	bench->link.unprivileged = true;
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		run(bench, lines[i]);
		assert_int_equal(bench->status, CLI_REFUSED);
		assert_string_equal(bench->out, "");
		assert_contains(bench->err, "run as root (CAP_NET_ADMIN is needed)\n");
	}
}

/* Whatever request fails, with whatever error: a message and 2. */
static void test_errors(void **state)
{
	static const char *const lines[] = {
		"guests", "guests 1234", "regions", "regions --guest 1", "why 1234", "why 77",
		"top --batch 1", "metrics", "exclude 1234",
	};
	static const int errors[] = { -EINVAL, -EMSGSIZE, -ENOMEM, -EINTR, -EOPNOTSUPP, -EPERM };
	struct bench *bench = *state;
	size_t i, j;
	int at;

	host(bench);
	bench->link.text = "said in words";
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		for (j = 0; j < ARRAY_SIZE(errors); j++) {
			for (at = 1; at < 10; at++) {
				bench->link.error = errors[j];
				bench->link.error_at = bench->link.requests + at;
				run(bench, lines[i]);
				if (bench->link.requests < bench->link.error_at)
					break;
				assert_int_equal(bench->status, CLI_REFUSED);
				assert_string_equal(bench->out, "");
				assert_contains(bench->err, "vmdedup: ");
				if (errors[j] == -EINVAL)
					assert_contains(bench->err, "said in words");
			}
			/* At least one request of it failed. */
			assert_true(at > 1);
		}
	}
}

static void test_exclude(void **state)
{
	struct bench *bench = *state;

	host(bench);
	bench->link.no_process = 5;
	run_golden(bench, "exclude 1234", "exclude");
	assert_int_equal(bench->link.excluded, 1234);
	run_golden(bench, "include 1234", "include");
	assert_int_equal(bench->link.excluded, -1234);
	run_golden(bench, "exclude --json 1234", "exclude-json");
	run_golden(bench, "exclude 5", "exclude-no-process");
	run(bench, "exclude");
	assert_int_equal(bench->status, CLI_USAGE);
	run(bench, "include x");
	assert_int_equal(bench->status, CLI_USAGE);
	run(bench, "include 1 2");
	assert_int_equal(bench->status, CLI_USAGE);
}

static void test_metrics(void **state)
{
	struct bench *bench = *state;

	host(bench);
	run_golden(bench, "metrics", "metrics");
	run_golden(bench, "metrics --json", "metrics-json");
}

static size_t entries_of(const char *dir)
{
	char command[160];
	size_t count = 0;
	FILE *list;

	snprintf(command, sizeof(command), "ls -A %s", dir);
	list = popen(command, "r");
	for (int c; (c = fgetc(list)) != EOF; count += c == '\n')
		;
	pclose(list);
	return count;
}

static void test_metrics_file(void **state)
{
	struct bench *bench = *state;
	char line[160], path[128], dir[96];
	struct stat st;

	host(bench);
	bench_write(bench, "out/vmdedup.prom", "old\n");
	snprintf(dir, sizeof(dir), "%s/out", bench->dir);
	snprintf(path, sizeof(path), "%s/vmdedup.prom", dir);
	snprintf(line, sizeof(line), "metrics --output %s", path);
	run(bench, line);
	assert_int_equal(bench->status, CLI_OK);
	assert_string_equal(bench->out, "");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_true(st.st_size > 4000);
	assert_int_equal(entries_of(dir), 1);

	/* On an error the old file stays, and nothing else. */
	bench->link.unprivileged = true;
	run(bench, line);
	assert_int_equal(bench->status, CLI_REFUSED);
	assert_int_equal(entries_of(dir), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size > 4000);
	bench->link.unprivileged = false;

	/* It cannot be renamed to a directory: the temporary file goes. */
	snprintf(line, sizeof(line), "metrics --output %s", dir);
	run(bench, line);
	assert_int_equal(bench->status, CLI_REFUSED);
	assert_contains(bench->err, "cannot write");
	assert_int_equal(entries_of(bench->dir), 2);
	snprintf(line, sizeof(line), "metrics --output %s/none/x", bench->dir);
	run(bench, line);
	assert_int_equal(bench->status, CLI_REFUSED);
	snprintf(line, sizeof(line), "metrics --json --output %s", path);
	run(bench, line);
	assert_int_equal(bench->status, CLI_USAGE);
}

static void event(struct bench *bench, uint32_t type, uint32_t has,
		  const struct vmdedup_event *values)
{
	struct vmdedup_event event = *values;

	event.type = type;
	event.has = has;
	fake_link_news(&bench->link, fake_event_message(&event));
}

#define HAS(attr)	(1U << VMDEDUP_A_EVENT_##attr)

static void send_events(struct bench *bench)
{
	struct vmdedup_event values = {
		.time = 12345678901, .guest_id = 3, .pid = 1234, .kvm = 1, .region_id = 9,
		.start = RAM, .length = 512 * MIB, .scanned = 131072, .merged = 90000,
		.broken = 12, .took_ns = 6100000000, .available = 3 * MIB,
		.reserve = MIB, .comm = "qemu\x1b[",
		.pfn = 0x123456, .mappings = 2, .address = RAM + MIB, .repaired = 1,
	};

	event(bench, VMDEDUP_EVENT_GUEST_APPEARED,
	      HAS(GUEST_ID) | HAS(PID) | HAS(COMM) | HAS(KVM), &values);
	event(bench, VMDEDUP_EVENT_REGION_REGISTERED,
	      HAS(GUEST_ID) | HAS(PID) | HAS(REGION_ID) | HAS(START) | HAS(LENGTH), &values);
	event(bench, VMDEDUP_EVENT_PASS_FINISHED,
	      HAS(SCANNED) | HAS(MERGED) | HAS(BROKEN) | HAS(TOOK_NS), &values);
	event(bench, VMDEDUP_EVENT_COW_STORM,
	      HAS(GUEST_ID) | HAS(PID) | HAS(COMM) | HAS(MERGED) | HAS(BROKEN), &values);
	event(bench, VMDEDUP_EVENT_RESERVE_LOW, HAS(AVAILABLE) | HAS(RESERVE), &values);
	event(bench, VMDEDUP_EVENT_FRAME_CORRUPT,
	      HAS(GUEST_ID) | HAS(PID) | HAS(REGION_ID) | HAS(PFN) | HAS(MAPPINGS) | HAS(ADDRESS) |
	      HAS(REPAIRED), &values);
	event(bench, VMDEDUP_EVENT_FRAME_POISONED, HAS(PFN) | HAS(MAPPINGS), &values);
	event(bench, 1000, HAS(GUEST_ID), &values);
	fake_link_news(&bench->link, fake_stats_message(&bench->link.stats));
}

static void test_monitor(void **state)
{
	struct bench *bench = *state;

	host(bench);
	send_events(bench);
	run_golden(bench, "monitor --events --stats --timeout 0.01", "monitor");
	assert_int_equal(bench->link.groups, 1 << FAKE_GROUP_STATS | 1 << FAKE_GROUP_EVENTS);
	send_events(bench);
	run_golden(bench, "monitor --json --count 9", "monitor-json");
	send_events(bench);
	run(bench, "monitor --count 2");
	assert_int_equal(lines_of(bench->out), 2);
	run(bench, "monitor --count 1");
	assert_int_equal(lines_of(bench->out), 1);
	run(bench, "monitor --count 0");
	assert_int_equal(bench->status, CLI_USAGE);
	run(bench, "monitor --timeout 0");
	assert_int_equal(bench->status, CLI_USAGE);
}

static void test_monitor_permission(void **state)
{
	struct bench *bench = *state;

	host(bench);
	bench->link.unprivileged = true;
	fake_link_news(&bench->link, fake_stats_message(&bench->link.stats));
	run(bench, "monitor --stats --count 1");
	assert_int_equal(bench->status, CLI_OK);
	assert_int_equal(lines_of(bench->out), 1);
}

static int run_in_child(struct bench *bench, int argc, char **argv)
{
	struct cli cli = {
		.ctx = bench->ctx, .proc_dir = bench->proc_dir, .sys_dir = bench->dir,
	};
	int status = cli_run(&cli, argc, argv);

	return fflush(stdout) || ferror(stdout) ? CLI_REFUSED : status;
}

/* A signal ends it, and so does a reader that goes: both are no error. */
static void test_monitor_ends(void **state)
{
	char *argv[] = { "vmdedup", "monitor", "--json", NULL };
	struct bench *bench = *state;
	int way, status, fds[2];
	char byte;
	pid_t pid;

	host(bench);
	for (way = 0; way < 3; way++) {
		assert_int_equal(pipe(fds), 0);
		send_events(bench);
		fflush(NULL);
		pid = fork();
		if (!pid) {
			dup2(fds[1], STDOUT_FILENO);
			close(fds[0]);
			close(fds[1]);
			/* Gone before the first line is written. */
			if (way == 2)
				sleep(1);
			_exit(run_in_child(bench, 3, argv));
		}
		close(fds[1]);
		if (way == 2)
			close(fds[0]);
		else
			assert_int_equal(read(fds[0], &byte, 1), 1);
		if (way == 0)
			kill(pid, SIGINT);
		else if (way == 1)
			close(fds[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			fail_msg("way %d: status %x", way, status);
		if (way == 0)
			close(fds[0]);
	}
}

static void test_status(void **state)
{
	struct bench *bench = *state;

	host(bench);
	bench_write(bench, "sysfs/run", "1\n");
	bench_write(bench, "sysfs/stats/full_scans", "1\n");
	run_golden(bench, "status", "status-netlink");
	run_golden(bench, "status --json", "status-netlink-json");
	/* The same from sysfs, if netlink fails. */
	bench->link.error = -EINVAL;
	bench->link.error_at = bench->link.requests + 1;
	run(bench, "status");
	assert_contains(bench->out, "1 full scans");
}

static void test_top(void **state)
{
	struct bench *bench = *state;

	host(bench);
	bench_write(bench, "sysfs/run", "0\n");
	bench_write(bench, "sysfs/stats/full_scans", "1\n");
	run_golden(bench, "top --batch 1", "top");
	run_golden(bench, "top --batch 1 --sort name --reverse", "top-name");
	run_golden(bench, "top --batch 1 --json", "top-json");
	run(bench, "top --batch 2 --interval 0.1");
	assert_int_equal(bench->status, CLI_OK);
	assert_int_equal(lines_of(bench->out), 17);
	run(bench, "top --json");
	assert_int_equal(bench->status, CLI_USAGE);
	run(bench, "top --sort colour --batch 1");
	assert_int_equal(bench->status, CLI_USAGE);
	run(bench, "top --interval 0.01 --batch 1");
	assert_int_equal(bench->status, CLI_USAGE);
}

/* Reads what a terminal shows until it holds @part, or its program has ended. */
static bool wait_for(int fd, char *screen, size_t size, const char *part)
{
	size_t len = strlen(screen);
	ssize_t got;

	while (!strstr(screen, part)) {
		if (len == size - 1)
			return false;
		got = read(fd, screen + len, size - 1 - len);
		if (got <= 0)
			return false;
		len += got;
		screen[len] = '\0';
	}
	return true;
}

/* On a terminal of 80x24: all keys, and its end. */
static void test_top_screen(void **state)
{
	static const char keys[] = "sSrrjkg +-\x1bOA\x1bOB\x1b[5~\x1b[6~G";
	char *argv[] = { "vmdedup", "top", "--interval", "3600", NULL };
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	struct bench *bench = *state;
	char screen[65536] = "";
	int fd, status;
	size_t i;
	pid_t pid;

	host(bench);
	for (i = 0; i < 100; i++)
		fake_guest(&bench->link, 1000 + i, 5000 + i, i < 99 ? "one of many" : "LAST");
	pid = forkpty(&fd, NULL, NULL, &size);
	if (!pid) {
		setenv("TERM", "xterm", 1);
		_exit(run_in_child(bench, 4, argv));
	}
	assert_true(wait_for(fd, screen, sizeof(screen), "q quit"));
	assert_contains(screen, "BREAKS/s");
	/* The last guest is below the screen. */
	assert_null(strstr(screen, "LAST"));
	assert_int_equal(write(fd, keys, strlen(keys)), strlen(keys));
	assert_true(wait_for(fd, screen, sizeof(screen), "LAST"));
	assert_int_equal(write(fd, "q", 1), 1);
	assert_false(wait_for(fd, screen, sizeof(screen), "never"));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(fd);
}

static void test_top_no_terminal(void **state)
{
	char *argv[] = { "vmdedup", "top", NULL };
	struct bench *bench = *state;
	char text[512] = "";
	int fds[2], status;
	pid_t pid;

	host(bench);
	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		close(fds[1]);
		_exit(run_in_child(bench, 2, argv));
	}
	close(fds[1]);
	wait_for(fds[0], text, sizeof(text), "never");
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), CLI_REFUSED);
	assert_string_equal(text, "vmdedup: top: this is no terminal: use --batch N\n");
}

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(test_guests),
		BENCH_TEST(test_regions),
		BENCH_TEST(test_empty),
		BENCH_TEST(test_thousand),
		BENCH_TEST(test_no_permission),
		BENCH_TEST(test_errors),
		BENCH_TEST(test_exclude),
		BENCH_TEST(test_metrics),
		BENCH_TEST(test_metrics_file),
		BENCH_TEST(test_monitor),
		BENCH_TEST(test_monitor_permission),
		BENCH_TEST(test_monitor_ends),
		BENCH_TEST(test_status),
		BENCH_TEST(test_top),
		BENCH_TEST(test_top_screen),
		BENCH_TEST(test_top_no_terminal),
	};

	/* A terminal that shows nothing is a failure, not a wait for ever. */
	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
