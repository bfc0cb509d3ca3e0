// SPDX-License-Identifier: GPL-2.0
/* The library's netlink part against a kernel that is a fake. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "harness.h"

/* Each counter with a value of its own. */
static void number_fields(enum vmdedup_field_set set, void *object, uint64_t first)
{
	const struct vmdedup_field *fields;
	size_t i, count;

	fields = vmdedup_fields(set, &count);
	for (i = 0; i < count; i++)
		memcpy((char *)object + fields[i].offset, &(uint64_t){ first + i }, 8);
}

static struct bench *connected(void **state)
{
	struct bench *bench = *state;

	bench->link.absent = false;
	assert_int_equal(vmdedup_connect(bench->ctx), 0);
	return bench;
}

static void test_absent(void **state)
{
	struct bench *bench = *state;
	struct vmdedup_stats stats;

	assert_int_equal(vmdedup_connect(bench->ctx), -ENOENT);
	assert_int_equal(vmdedup_stats_get(bench->ctx, &stats), -ENOTCONN);
	assert_int_equal(vmdedup_subscribe(bench->ctx, VMDEDUP_NEWS_STATS), -ENOTCONN);
	assert_int_equal(vmdedup_news_fd(bench->ctx), -ENOTCONN);
}

static void test_stats(void **state)
{
	struct bench *bench = connected(state);
	struct vmdedup_stats stats;

	number_fields(VMDEDUP_FIELDS_STATS, &bench->link.stats, 1000);
	bench->link.stats.skipped[VMDEDUP_SKIP_NR - 1] = 5;
	bench->link.stats.skipped[VMDEDUP_SKIP_SLOTS - 1] = 6;
	bench->link.unprivileged = true;
	assert_int_equal(vmdedup_stats_get(bench->ctx, &stats), 0);
	assert_memory_equal(&stats, &bench->link.stats, sizeof(stats));
	assert_int_equal(stats.full_scans, 1000);
}

static void test_guest(void **state)
{
	struct bench *bench = connected(state);
	struct vmdedup_guest guest, *expected;
	const uint32_t known = (2U << VMDEDUP_A_GUEST_BYTES) - (1U << VMDEDUP_A_GUEST_ID);

	expected = fake_guest(&bench->link, 1ULL << 40, 1234, "fifteen letters");
	number_fields(VMDEDUP_FIELDS_LEDGER, &expected->ledger, 50);
	expected->uid = UINT32_MAX;
	expected->cgroup = UINT64_MAX;
	expected->domain = 3;
	expected->excluded = 1;
	expected->regions = 2;
	expected->bytes = 1ULL << 33;
	expected->ledger.skipped[3] = 7;
	assert_int_equal(vmdedup_guest_by_id(bench->ctx, 1ULL << 40, &guest), 0);
	assert_int_equal(guest.has, known);
	expected->has = known;
	assert_memory_equal(&guest, expected, sizeof(guest));
	assert_int_equal(vmdedup_guest_by_pid(bench->ctx, 1234, &guest), 0);
	assert_int_equal(guest.id, 1ULL << 40);

	expected->has &= ~(1U << VMDEDUP_A_GUEST_PID | 1U << VMDEDUP_A_GUEST_CGROUP);
	assert_int_equal(vmdedup_guest_by_id(bench->ctx, 1ULL << 40, &guest), 0);
	assert_int_equal(guest.pid, 0);
	assert_int_equal(guest.cgroup, 0);
	assert_false(VMDEDUP_HAS(&guest, GUEST_PID));
	assert_true(VMDEDUP_HAS(&guest, GUEST_KVM));
}

static void test_region(void **state)
{
	struct bench *bench = connected(state);
	struct vmdedup_region region, *expected;
	struct vmdedup_guest guest = { .id = 4, .pid = 1 };

	expected = fake_link_region(&bench->link, 9, &guest);
	number_fields(VMDEDUP_FIELDS_LEDGER, &expected->ledger, 80);
	expected->start = 0x7f0000000000;
	expected->length = 1 << 20;
	expected->gpa = 1ULL << 32;
	expected->slot = 3;
	expected->flags = VMDEDUP_REGION_DISCOVERED;
	assert_int_equal(vmdedup_region_get(bench->ctx, 9, &region), 0);
	expected->has = region.has;
	assert_memory_equal(&region, expected, sizeof(region));
	assert_int_equal(vmdedup_region_get(bench->ctx, 10, &region), -ENOENT);
	assert_string_equal(vmdedup_kernel_text(bench->ctx), "no such region");
}

static void test_dumps(void **state)
{
	struct bench *bench = connected(state);
	struct vmdedup_guests guests;
	struct vmdedup_regions regions;
	size_t i;

	assert_int_equal(vmdedup_guests_dump(bench->ctx, &guests), 0);
	assert_int_equal(guests.count, 0);
	vmdedup_guests_free(&guests);
	for (i = 0; i < 1000; i++)
		fake_guest(&bench->link, i + 1, 100 + i, "many");
	assert_int_equal(vmdedup_guests_dump(bench->ctx, &guests), 0);
	assert_int_equal(guests.count, 1000);
	for (i = 0; i < 1000; i++)
		assert_int_equal(guests.guests[i].id, i + 1);
	for (i = 0; i < FAKE_REGIONS; i++)
		fake_link_region(&bench->link, i + 1, &guests.guests[i / 4]);
	vmdedup_guests_free(&guests);
	assert_int_equal(vmdedup_regions_dump(bench->ctx, 0, &regions), 0);
	assert_int_equal(regions.count, FAKE_REGIONS);
	vmdedup_regions_free(&regions);
	assert_int_equal(vmdedup_regions_dump(bench->ctx, 2, &regions), 0);
	assert_int_equal(regions.count, 4);
	assert_int_equal(regions.regions[0].id, 5);
	vmdedup_regions_free(&regions);
	assert_null(regions.regions);
}

static void test_interrupted(void **state)
{
	struct bench *bench = connected(state);
	struct vmdedup_guests guests;

	fake_guest(&bench->link, 1, 7, "a");
	fake_guest(&bench->link, 2, 8, "b");
	bench->link.interrupt = 2;
	assert_int_equal(vmdedup_guests_dump(bench->ctx, &guests), 0);
	assert_int_equal(guests.count, 2);
	assert_int_equal(bench->link.dumps, 3);
	vmdedup_guests_free(&guests);

	/* It never is at rest: the last dump is returned, and each guest once. */
	bench->link.interrupt = 1000;
	bench->link.dumps = 0;
	assert_int_equal(vmdedup_guests_dump(bench->ctx, &guests), 0);
	assert_int_equal(guests.count, 2);
	assert_int_equal(bench->link.dumps, 4);
	vmdedup_guests_free(&guests);
}

/* An error comes with words, if the kernel has them, and the next answer is right. */
static void test_errors(void **state)
{
	static const char said[] = "a pid must be positive, \x1b[2J and so on";
	struct bench *bench = connected(state);
	char text[VMDEDUP_EXPLAIN_MAX];
	struct vmdedup_guests guests;
	struct vmdedup_guest guest;
	struct vmdedup_stats stats;
	int i;

	for (i = 0; i < 2; i++) {
		bench->link.no_text = i;
		bench->link.error = -EINVAL;
		bench->link.error_at = bench->link.requests + 1;
		bench->link.text = said;
		assert_int_equal(vmdedup_guest_by_pid(bench->ctx, 3, &guest), -EINVAL);
		assert_string_equal(vmdedup_kernel_text(bench->ctx),
				    i ? "" : "a pid must be positive, ?[2J and so on");
		vmdedup_explain_request(bench->ctx, -EINVAL, text, sizeof(text));
		assert_contains(text, i ? "malformed" : "a pid must be positive");
		assert_int_equal(vmdedup_stats_get(bench->ctx, &stats), 0);
		assert_string_equal(vmdedup_kernel_text(bench->ctx), "");
	}
	bench->link.unprivileged = true;
	assert_int_equal(vmdedup_guests_dump(bench->ctx, &guests), -EPERM);
	assert_int_equal(guests.count, 0);
	assert_contains(vmdedup_explain_request(bench->ctx, -EPERM, text, sizeof(text)),
			"CAP_NET_ADMIN");
}

static void test_exclude(void **state)
{
	struct bench *bench = connected(state);

	bench->link.no_process = 5;
	assert_int_equal(vmdedup_guest_exclude(bench->ctx, 1234, true), 0);
	assert_int_equal(bench->link.excluded, 1234);
	assert_int_equal(vmdedup_guest_exclude(bench->ctx, 1234, false), 0);
	assert_int_equal(bench->link.excluded, -1234);
	assert_int_equal(vmdedup_guest_exclude(bench->ctx, 5, true), -ESRCH);
}

static void test_mute(void **state)
{
	struct bench *bench = connected(state);
	struct vmdedup_stats stats;

	bench->link.mute = true;
	assert_int_equal(vmdedup_stats_get(bench->ctx, &stats), -ETIMEDOUT);
	/* Whatever comes late is not taken for the answer of another request. */
	assert_int_equal(vmdedup_stats_get(bench->ctx, &stats), -ENOTCONN);
	bench->link.mute = false;
	assert_int_equal(vmdedup_connect(bench->ctx), 0);
	assert_int_equal(vmdedup_stats_get(bench->ctx, &stats), 0);
}

static void test_news(void **state)
{
	struct bench *bench = connected(state);
	struct vmdedup_event event = { .type = VMDEDUP_EVENT_COW_STORM, .time = 17 };
	struct vmdedup_message message;
	struct nl_msg *broken;

	assert_int_equal(vmdedup_receive(bench->ctx, &message, 0), -ENOTCONN);
	bench->link.unprivileged = true;
	assert_int_equal(vmdedup_subscribe(bench->ctx, VMDEDUP_NEWS_EVENTS), -EPERM);
	assert_int_equal(vmdedup_subscribe(bench->ctx, VMDEDUP_NEWS_STATS), 0);
	assert_int_equal(bench->link.groups, 1 << FAKE_GROUP_STATS);
	bench->link.unprivileged = false;
	assert_int_equal(vmdedup_subscribe(bench->ctx, VMDEDUP_NEWS_STATS | VMDEDUP_NEWS_EVENTS),
			 0);
	assert_int_equal(vmdedup_news_fd(bench->ctx), bench->link.eventfd);
	assert_int_equal(vmdedup_receive(bench->ctx, &message, 0), -EAGAIN);
	assert_int_equal(vmdedup_receive(bench->ctx, &message, 1), -EAGAIN);

	event.has = 1U << VMDEDUP_A_EVENT_GUEST_ID | 1U << VMDEDUP_A_EVENT_COMM;
	event.guest_id = 4;
	strcpy(event.comm, "qemu");
	bench->link.stats.guests = 99;
	fake_link_news(&bench->link, fake_event_message(&event));
	broken = fake_event_message(&event);
	/* No type. */
	nlmsg_hdr(broken)->nlmsg_len = NLMSG_HDRLEN + 4 + NLA_HDRLEN;
	fake_link_news(&bench->link, broken);
	fake_link_news(&bench->link, fake_stats_message(&bench->link.stats));
	assert_int_equal(vmdedup_receive(bench->ctx, &message, 0), 0);
	assert_int_equal(message.cmd, VMDEDUP_CMD_EVENT);
	assert_int_equal(message.event.type, VMDEDUP_EVENT_COW_STORM);
	assert_int_equal(message.event.time, 17);
	assert_string_equal(message.event.comm, "qemu");
	assert_false(VMDEDUP_HAS(&message.event, EVENT_PID));
	assert_int_equal(vmdedup_receive(bench->ctx, &message, 0), -EBADMSG);
	assert_int_equal(vmdedup_receive(bench->ctx, &message, -1), 0);
	assert_int_equal(message.cmd, VMDEDUP_CMD_GET_STATS);
	assert_int_equal(message.stats.guests, 99);
}

/*
 * Hostile messages: cut off at any length, and with any byte changed. What comes
 * of it does not matter, the sanitizers are the judges.
 */
static void abuse(struct nl_msg *msg)
{
	size_t i, bit, len = nlmsg_hdr(msg)->nlmsg_len;
	struct vmdedup_message message;
	char text[40];
	unsigned char *copy;
	int error;

	for (i = 0; i < len; i++) {
		copy = malloc(i ? i : 1);
		memcpy(copy, nlmsg_hdr(msg), i);
		assert_int_equal(vmdedup_parse_message(copy, i, &message), -EBADMSG);
		/* Its length says what is there. */
		if (i >= sizeof(struct nlmsghdr))
			((struct nlmsghdr *)copy)->nlmsg_len = i;
		vmdedup_parse_message(copy, i, &message);
		vmdedup_parse_error(copy, i, &error, text, sizeof(text));
		free(copy);
	}
	copy = malloc(len);
	memcpy(copy, nlmsg_hdr(msg), len);
	for (i = 0; i < len * 8; i++) {
		bit = 1 << i % 8;
		copy[i / 8] ^= bit;
		vmdedup_parse_message(copy, len, &message);
		vmdedup_parse_error(copy, len, &error, text, sizeof(text));
		copy[i / 8] ^= bit;
	}
	free(copy);
	nlmsg_free(msg);
}

static void test_hostile(void **state)
{
	struct vmdedup_stats stats = { .full_scans = 1 };
	struct vmdedup_guest guest = { .has = UINT32_MAX, .comm = "comm" };
	struct vmdedup_region region = { .has = UINT32_MAX };
	struct vmdedup_event event = { .has = UINT32_MAX, .comm = "comm" };
	struct nlmsgerr body = { .error = -EINVAL, .msg.nlmsg_len = 24 };
	struct nl_msg *msg;
	int type;

	(void)state;
	abuse(fake_stats_message(&stats));
	abuse(fake_guest_message(&guest));
	abuse(fake_region_message(&region));
	abuse(fake_event_message(&event));
	for (type = NLMSG_ERROR; type <= NLMSG_DONE; type++) {
		msg = nlmsg_alloc();
		nlmsg_put(msg, 0, 0, type, 0, NLM_F_ACK_TLVS);
		nlmsg_append(msg, &body, sizeof(body), 0);
		nlmsg_append(msg, "12345678", 8, NLMSG_ALIGNTO);
		nla_put_string(msg, NLMSGERR_ATTR_MSG, "in words");
		abuse(msg);
	}
}

/* Attributes of a wrong size, one by one. */
static void test_short_attributes(void **state)
{
	static const struct {
		int attr;
		const char *data;
		int len;
	} cases[] = {
		{ VMDEDUP_A_GUEST_ID, "1234567", 7 },
		{ VMDEDUP_A_GUEST_ID, "", 0 },
		{ VMDEDUP_A_GUEST_PID, "123", 3 },
		{ VMDEDUP_A_GUEST_KVM, "", 0 },
		{ VMDEDUP_A_GUEST_COMM, "no end", 6 },
		{ VMDEDUP_A_GUEST_COMM, "", 0 },
		{ VMDEDUP_A_GUEST_LEDGER, "\x07\x00\x04\x00" "123", 7 },
	};
	struct vmdedup_guest guest = { .has = 1U << VMDEDUP_A_GUEST_ID, .id = 5 };
	struct vmdedup_message message;
	struct nl_msg *msg;
	struct nlattr *nest;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		msg = fake_guest_message(&guest);
		nest = nla_nest_start(msg, VMDEDUP_A_GUEST);
		nla_put_u64(msg, VMDEDUP_A_GUEST_ID, 6);
		nla_put(msg, cases[i].attr, cases[i].len, cases[i].data);
		nla_nest_end(msg, nest);
		assert_int_equal(vmdedup_parse_message(nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len,
						       &message), -EBADMSG);
		nlmsg_free(msg);
	}
	/* A name that is too long is cut. */
	msg = fake_guest_message(&guest);
	nest = nla_nest_start(msg, VMDEDUP_A_GUEST);
	nla_put_u64(msg, VMDEDUP_A_GUEST_ID, 6);
	nla_put_string(msg, VMDEDUP_A_GUEST_COMM, "0123456789abcdefghij");
	nla_nest_end(msg, nest);
	assert_int_equal(vmdedup_parse_message(nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len,
					       &message), 0);
	assert_string_equal(message.guest.comm, "0123456789abcde");
	nlmsg_free(msg);
}

static size_t mangle_flip(void *data, unsigned char *buf, size_t len)
{
	unsigned int *bit = data;

	/* Behind the header: libnl judges that. */
	if (NLMSG_HDRLEN + *bit / 8 < len)
		buf[NLMSG_HDRLEN + *bit / 8] ^= 1 << *bit % 8;
	return len;
}

static size_t mangle_cut(void *data, unsigned char *buf, size_t len)
{
	size_t *keep = data;

	(void)buf;
	return *keep < len ? *keep : len;
}

/* The whole way, with answers that are bent: an error or not, but an end. */
static void test_bent_answers(void **state)
{
	struct bench *bench = connected(state);
	struct vmdedup_guests guests;
	unsigned int bit;
	size_t keep;
	int err;

	fake_guest(&bench->link, 1, 7, "a");
	fake_guest(&bench->link, 2, 8, "b");
	bench->link.mangle = mangle_flip;
	bench->link.mangle_data = &bit;
	for (bit = 0; bit < 1200; bit += 3) {
		err = vmdedup_guests_dump(bench->ctx, &guests);
		assert_true(err || guests.count <= 2);
		vmdedup_guests_free(&guests);
		assert_int_equal(vmdedup_connect(bench->ctx), 0);
	}
	bench->link.mangle = mangle_cut;
	bench->link.mangle_data = &keep;
	for (keep = NLMSG_HDRLEN; keep < 200; keep++) {
		err = vmdedup_guests_dump(bench->ctx, &guests);
		assert_int_equal(err, -EBADMSG);
		assert_int_equal(guests.count, 0);
		assert_int_equal(vmdedup_connect(bench->ctx), 0);
	}
}

static void test_values(void **state)
{
	struct vmdedup_stats stats = { .full_scans = 0 };
	struct vmdedup_values values;
	uint64_t value;
	size_t i;

	(void)state;
	number_fields(VMDEDUP_FIELDS_STATS, &stats, 500);
	stats.skipped[VMDEDUP_SKIP_KSM] = 9;
	assert_int_equal(vmdedup_stats_values(&stats, &values), 0);
	for (i = 1; i < values.count; i++)
		assert_true(strcmp(values.values[i - 1].name, values.values[i].name) < 0);
	assert_int_equal(vmdedup_values_get(&values, "skip_ksm", &value), 0);
	assert_int_equal(value, 9);
	assert_int_equal(vmdedup_values_get(&values, "full_scans", &value), 0);
	assert_int_equal(value, 500);
	vmdedup_values_free(&values);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(vmdedup_event_name(VMDEDUP_EVENT_PASS_FINISHED), "pass_finished");
	assert_null(vmdedup_event_name(VMDEDUP_EVENT_NR));
	assert_null(vmdedup_event_text(UINT32_MAX));
	assert_non_null(vmdedup_event_text(VMDEDUP_EVENT_RESERVE_LOW));
}

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(test_absent),
		BENCH_TEST(test_stats),
		BENCH_TEST(test_guest),
		BENCH_TEST(test_region),
		BENCH_TEST(test_dumps),
		BENCH_TEST(test_interrupted),
		BENCH_TEST(test_errors),
		BENCH_TEST(test_exclude),
		BENCH_TEST(test_mute),
		BENCH_TEST(test_news),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_short_attributes),
		BENCH_TEST(test_bent_answers),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
