// SPDX-License-Identifier: GPL-2.0
/*
 * The estimate of real processes, against what they are known to hold, and
 * against the lab's oracle, which shares no code with it.
 */
#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "estimate.h"
#include "harness.h"

#define MAX_HOLDERS	4
#define POLICY(NAME)	VMDEDUP_ESTIMATE_##NAME

/**
 * struct live - processes, and what is found in them
 * @pids: the processes; of those, @nr_own are children
 * @own: the children
 * @est: the estimate
 * @result: its result
 */
struct live {
	pid_t pids[2 * MAX_HOLDERS];
	size_t nr;
	pid_t own[MAX_HOLDERS];
	size_t nr_own;
	struct vmdedup_estimate *est;
	const struct vmdedup_estimate_result *result;
};

static void hold(struct live *live, char *const *args, uid_t uid)
{
	char line[64];
	int out[2], other = 0;
	pid_t pid;
	FILE *file;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(out[1], 1);
		close(out[0]);
		close(out[1]);
		if (uid && setuid(uid))
			_exit(1);
		execv(HOLDER, args);
		_exit(1);
	}
	live->own[live->nr_own++] = pid;
	live->pids[live->nr++] = pid;
	close(out[1]);
	file = fdopen(out[0], "r");
	while (!other && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "ready %d", &other) == 1)
			break;
	}
	fclose(file);
	assert_true(!strncmp(line, "ready", 5));
	if (other)
		live->pids[live->nr++] = other;
}

#define HOLD(live, uid, ...) \
	hold(live, (char *const[]){ "holder", __VA_ARGS__, NULL }, uid)

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct live));
	return 0;
}

static int teardown(void **state)
{
	struct live *live = *state;
	size_t i;

	vmdedup_estimate_free(live->est);
	for (i = 0; i < live->nr_own; i++) {
		kill(live->own[i], SIGKILL);
		waitpid(live->own[i], NULL, 0);
	}
	free(live);
	return 0;
}

static void estimate(struct live *live, const struct vmdedup_estimate_options *options)
{
	size_t i;

	assert_int_equal(vmdedup_estimate_new(&live->est, options), 0);
	for (i = 0; i < live->nr; i++)
		assert_int_equal(vmdedup_estimate_add(live->est, live->pids[i]), 0);
	assert_int_equal(vmdedup_estimate_read(live->est, NULL, NULL), 0);
	assert_int_equal(vmdedup_estimate_result(live->est, &live->result), 0);
}

static struct json_object *ask_oracle(const struct live *live, const char *options)
{
	struct json_object *answer;
	char line[512];
	size_t i, len;
	FILE *file;

	len = snprintf(line, sizeof(line), "%s -j %s", ORACLE, options);
	for (i = 0; i < live->nr; i++)
		len += snprintf(line + len, sizeof(line) - len, " %d", live->pids[i]);
	file = popen(line, "r");
	assert_non_null(file);
	answer = json_object_from_fd(fileno(file));
	assert_int_equal(pclose(file), 0);
	assert_non_null(answer);
	return answer;
}

static uint64_t number(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value))
		fail_msg("the oracle says nothing of %s", key);
	return json_object_get_int64(value);
}

/* The oracle knows the whole host, and each process for itself. */
static void compare_with_oracle(const struct live *live)
{
	const struct vmdedup_estimate_answer *host = &live->result->answers[POLICY(HOST)];
	const struct vmdedup_estimate_answer *each = &live->result->answers[POLICY(PROCESS)];
	struct json_object *answer, *list, *one;
	uint64_t zero = 0;
	size_t i;

	answer = ask_oracle(live, "");
	assert_int_equal(live->result->resident, number(answer, "resident_pages"));
	assert_int_equal(live->result->saved, number(answer, "saved_pages"));
	assert_int_equal(live->result->huge * 512, number(answer, "thp_pages"));
	assert_int_equal(host->distinct, number(answer, "distinct_pages"));
	assert_int_equal(host->would_save, number(answer, "remaining_pages"));
	assert_true(json_object_object_get_ex(answer, "processes", &list));
	for (i = 0; i < live->nr; i++) {
		const struct vmdedup_estimate_guest *guest = &live->result->guests[i];

		one = json_object_array_get_idx(list, i);
		assert_int_equal(guest->pid, number(one, "pid"));
		assert_int_equal(guest->resident, number(one, "resident_pages"));
		assert_int_equal(guest->zero + guest->zero_page, number(one, "zero_pages"));
		assert_false(guest->gone);
		assert_int_equal(guest->unreadable, 0);
		zero += guest->zero + guest->zero_page;
	}
	assert_int_equal(zero, number(answer, "zero_pages"));
	json_object_put(answer);
	answer = ask_oracle(live, "--domain-per-pid");
	assert_int_equal(each->distinct, number(answer, "distinct_pages"));
	json_object_put(answer);
}

static void need_root(void)
{
	if (geteuid())
		skip();
}

/* What the holder's program itself has is not known, so look at differences. */
static void test_known(void **state)
{
	const struct vmdedup_estimate_guest *a, *b;
	struct live *live = *state;

	need_root();
	HOLD(live, 0, "none:100");
	HOLD(live, 0, "none:100", "zero:100", "same:50:7", "count:30:1000", "read:5", "share:20:1");
	HOLD(live, 0, "none:100", "zero:100", "same:50:7", "count:10:1000", "count:20:2000",
	     "read:5", "share:20:1");
	estimate(live, NULL);
	assert_true(live->result->frames_known);
	assert_int_equal(live->result->level, 0);
	a = &live->result->guests[0];
	b = &live->result->guests[1];
	assert_in_range(a->resident, 10, 100);
	/* Within a few pages, of the stack and of libc; the oracle has no such margin. */
	assert_in_range(b->resident - a->resident, 185 - 4, 185 + 4);
	assert_in_range(b->zero - a->zero, 100 - 2, 100 + 2);
	assert_int_equal(b->zero_page - a->zero_page, 5);
	assert_in_range(b->repeated - a->repeated, 49 - 2, 49 + 2);
	assert_in_range(b->others[POLICY(HOST)] - a->others[POLICY(HOST)], 11 - 4, 11 + 4);
	assert_in_range(b->unique[POLICY(HOST)] - a->unique[POLICY(HOST)], 20 - 4, 20 + 4);
	assert_int_equal(b->skipped[VMDEDUP_SKIP_SHARED] - a->skipped[VMDEDUP_SKIP_SHARED], 20);
	compare_with_oracle(live);
}

/* The first holder and its child share each page but those of the stack. */
static void test_forked(void **state)
{
	struct live *live = *state;

	need_root();
	HOLD(live, 0, "fork", "count:500:1", "zero:40", "read:10");
	HOLD(live, 0, "count:400:1", "zero:10");
	estimate(live, NULL);
	/* Zero pages are not copied where nothing was written. */
	assert_in_range(live->result->saved, 500 + 40 + 10, 700);
	compare_with_oracle(live);
}

static void test_huge(void **state)
{
	const struct vmdedup_estimate_answer *host;
	struct live *live = *state;

	need_root();
	HOLD(live, 0, "huge:2048:100000", "hollow:1024:1");
	HOLD(live, 0, "count:100:100000", "hollow:1024:1");
	estimate(live, NULL);
	compare_with_oracle(live);
	host = &live->result->answers[POLICY(HOST)];
	/* 2 * 2 * 448 zeroes, 2 * 64 that both have, 100 in small pages. */
	assert_in_range(host->would_save, 1792 + 128 + 100, 1792 + 128 + 200);
	if (!live->result->huge) {
		print_message("no huge pages here\n");
		return;
	}
	assert_int_equal(live->result->huge, 8);
	assert_int_equal(host->huge_helpful, 5);
	assert_int_equal(host->huge_split, 4);
	/* The 100 stay in the huge page that is not worth it. */
	assert_int_equal(host->would_save - host->would_save_split, 100);
}

/* Not so exact, but within what it says; the seed is fixed. */
static void test_sampled(void **state)
{
	static const struct vmdedup_estimate_options options = {
		.memory = 64 << 10, .seed = 4,
	};
	const struct vmdedup_estimate_answer *host;
	struct json_object *answer;
	struct live *live = *state;
	int64_t off;

	need_root();
	HOLD(live, 0, "count:9000:1", "same:3000:5", "zero:500");
	HOLD(live, 0, "count:6000:3000", "same:3000:5", "huge:1024:20000");
	estimate(live, &options);
	assert_in_range(live->result->level, 3, 8);
	host = &live->result->answers[POLICY(HOST)];
	answer = ask_oracle(live, "");
	assert_int_equal(live->result->resident, number(answer, "resident_pages"));
	off = host->would_save - number(answer, "remaining_pages");
	assert_in_range(host->error, 1, 3000);
	assert_in_range(labs(off), 0, host->error);
	json_object_put(answer);
}

/* Shared memory counts when it is asked for, and nothing is swapped in. */
static void test_all_memory(void **state)
{
	static const struct vmdedup_estimate_options options = { .all_memory = true };
	struct live *live = *state;
	uint64_t before;

	need_root();
	HOLD(live, 0, "share:300:1", "none:1000");
	HOLD(live, 0, "share:300:1");
	estimate(live, NULL);
	before = live->result->answers[POLICY(HOST)].would_save;
	vmdedup_estimate_free(live->est);
	estimate(live, &options);
	assert_in_range(live->result->answers[POLICY(HOST)].would_save, before + 300, before + 600);
}

/* A user who is not root, and a process of root's. */
static void unprivileged(void)
{
	struct live user = { 0 }, root = { 0 };
	const struct vmdedup_estimate_guest *guest;
	struct vmdedup_estimate *est;

	HOLD(&root, 0, "none:1");
	assert_int_equal(setuid(65534), 0);
	HOLD(&user, 0, "zero:100", "same:50:7", "read:30");
	HOLD(&user, 0, "same:50:7");
	estimate(&user, NULL);
	assert_false(user.result->frames_known);
	guest = &user.result->guests[0];
	assert_in_range(guest->zero, 100, 110);
	assert_in_range(guest->zero_page, 30, 32);
	assert_in_range(user.result->answers[POLICY(HOST)].would_save, 199, 260);
	assert_int_equal(vmdedup_estimate_new(&est, NULL), 0);
	assert_int_equal(vmdedup_estimate_add(est, root.pids[0]), -EACCES);
	vmdedup_estimate_free(est);
	kill(user.pids[0], SIGKILL);
	kill(user.pids[1], SIGKILL);
	waitpid(user.pids[0], NULL, 0);
	waitpid(user.pids[1], NULL, 0);
}

static void test_unprivileged(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	need_root();
	/* Its children, the holders, die with their process group. */
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		unprivileged();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	kill(-pid, SIGKILL);
	assert_int_equal(status, 0);
}

static bool stop_at_once(void *data, uint64_t done, uint64_t total)
{
	assert_true(total >= 1000);
	*(uint64_t *)data = done;
	return false;
}

static void test_interrupted(void **state)
{
	struct live *live = *state;
	uint64_t done = 0;

	HOLD(live, 0, "count:2000:1");
	assert_int_equal(vmdedup_estimate_new(&live->est, NULL), 0);
	assert_int_equal(vmdedup_estimate_add(live->est, live->pids[0]), 0);
	assert_int_equal(vmdedup_estimate_read(live->est, stop_at_once, &done), -EINTR);
	assert_in_range(done, 1, 512);
	assert_int_equal(vmdedup_estimate_result(live->est, &live->result), 0);
	assert_int_equal(live->result->resident, done);
}

/* It ends between being added and being read. */
static void test_gone(void **state)
{
	struct live *live = *state;

	HOLD(live, 0, "count:100:1");
	HOLD(live, 0, "count:100:1");
	assert_int_equal(vmdedup_estimate_new(&live->est, NULL), 0);
	assert_int_equal(vmdedup_estimate_add(live->est, live->pids[0]), 0);
	assert_int_equal(vmdedup_estimate_add(live->est, live->pids[1]), 0);
	kill(live->pids[0], SIGKILL);
	waitpid(live->pids[0], NULL, 0);
	live->own[0] = live->own[--live->nr_own];
	assert_int_equal(vmdedup_estimate_read(live->est, NULL, NULL), 0);
	assert_int_equal(vmdedup_estimate_result(live->est, &live->result), 0);
	assert_true(live->result->guests[0].gone);
	assert_int_equal(live->result->guests[0].resident, 0);
	assert_false(live->result->guests[1].gone);
	assert_true(live->result->guests[1].resident >= 100);
}

#define LIVE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE_TEST(test_known),
		LIVE_TEST(test_forked),
		LIVE_TEST(test_huge),
		LIVE_TEST(test_sampled),
		LIVE_TEST(test_all_memory),
		LIVE_TEST(test_unprivileged),
		LIVE_TEST(test_interrupted),
		LIVE_TEST(test_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
