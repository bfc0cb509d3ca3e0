// SPDX-License-Identifier: GPL-2.0
/*
 * Loading the module while memory runs out, at each of the allocations of its init
 * function in turn; and unloading it so. Loading works or fails and leaves nothing
 * behind; unloading works. VMDEDUP_MODULE in the environment is the module.
 */
#include <errno.h>
#include <unistd.h>

#include "inject.h"
#include "kselftest_harness.h"
#include "reload.h"
#include "util.h"

/* More allocations than either takes. */
#define NTH_MAX 2000
/* In so many cases it cannot be loaded, at the least. */
#define REFUSED_MIN 8
/* A kernel that looks for mistakes takes a second for each. */
#define SECONDS 3000

FIXTURE(loadfaults) {
	int module;
};

FIXTURE_SETUP(loadfaults)
{
	int err = inject_begin(NULL);

	self->module = module_open();
	if (err == -ENOENT)
		SKIP(return, "a kernel that cannot fail on purpose (CONFIG_FAULT_INJECTION)");
	if (self->module < 0)
		SKIP(return, "VMDEDUP_MODULE does not name a module");
	if (access("/sys/module/vmdedup", F_OK))
		SKIP(return, "the module is not loaded");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, module_unload());
}

FIXTURE_TEARDOWN(loadfaults)
{
	inject_end();
	/* As it was found; and it works with memory. */
	if (self->module >= 0 && access("/sys/module/vmdedup", F_OK))
		EXPECT_EQ(0, module_load(self->module));
}

static bool all_there(void)
{
	return !access(VD_DEV, F_OK) && !access(VD_SYSFS "stats/regions", F_OK) &&
	       inject_thread("vmdedup*");
}

static bool has_caches(void)
{
	FILE *f = fopen("/proc/slabinfo", "re");
	char line[512];
	bool found = !f;

	while (!found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "vmdedup", strlen("vmdedup"));
	if (f)
		fclose(f);
	return found;
}

/* A thread that has ended is seen for a moment yet. */
static bool nothing_left(long long arg)
{
	(void)arg;
	return access("/sys/module/vmdedup", F_OK) && access(VD_DEV, F_OK) &&
	       access(VD_SYSFS, F_OK) && !has_caches() && !inject_thread("vmdedup*");
}

static void progress(struct __test_metadata *_metadata, unsigned int nth)
{
	if (nth % 50 == 0)
		TH_LOG("%u", nth);
}

TEST_F_TIMEOUT(loadfaults, load, SECONDS)
{
	unsigned int nth, refused = 0;
	bool hit = true;

	ASSERT_EQ(0, inject_begin(INJECT_LOAD));
	for (nth = 0; hit && nth < NTH_MAX; nth++) {
		int err;

		progress(_metadata, nth);
		ASSERT_EQ(0, inject_nth(0, nth + 1));
		err = module_load(self->module);
		hit = inject_hit(0);
		if (!err) {
			EXPECT_TRUE(all_there());
			ASSERT_EQ(0, module_unload());
		} else {
			ASSERT_EQ(-ENOMEM, err);
			refused++;
		}
		ASSERT_TRUE(in_the_end(nothing_left, 0)) {
			TH_LOG("something is left after allocation %u", nth + 1);
		}
	}
	TH_LOG("%u allocations, %u times refused", nth - 1, refused);
	EXPECT_FALSE(hit);
	EXPECT_LE(REFUSED_MIN, refused);
}

TEST_F_TIMEOUT(loadfaults, unload, SECONDS)
{
	unsigned int nth;
	bool hit = true;
	int err = inject_begin(INJECT_UNLOAD);

	/* What begins the system call depends on the compiler. */
	if (err == -ESRCH)
		err = inject_begin(INJECT_UNLOAD_CALL);
	ASSERT_EQ(0, err);
	for (nth = 0; hit && nth < NTH_MAX; nth++) {
		progress(_metadata, nth);
		ASSERT_EQ(0, module_load(self->module));
		ASSERT_EQ(0, inject_nth(0, nth + 1));
		err = module_unload();
		hit = inject_hit(0);
		ASSERT_EQ(0, err);
		ASSERT_TRUE(in_the_end(nothing_left, 0)) {
			TH_LOG("something is left after allocation %u", nth + 1);
		}
	}
	TH_LOG("%u allocations", nth - 1);
	EXPECT_FALSE(hit);
}

TEST_HARNESS_MAIN
