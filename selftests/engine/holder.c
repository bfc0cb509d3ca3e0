// SPDX-License-Identifier: GPL-2.0
/*
 * holder STATUS PAGES - a process for unload.sh that holds merged
 * memory and never stops checking and writing it.
 *
 * Of its pages a half is equal in all holders, an eighth zero, an eighth its
 * own, and a quarter is written all the time, now equal to the others', now
 * not. STATUS is a file that always holds one line:
 *
 *	checks N wrong N writes N merges N merged N error N
 *
 * SIGUSR1: open the device, register (to outlive the descriptor), merge all,
 * close it. SIGUSR2: do so again and again, until the next SIGUSR2.
 * SIGTERM: check everything a last time; exit with 0 only if all was right.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util.h"

static char *mem;
static size_t pages;
static uint64_t own;
static uint64_t *seeds;
static char *status;
static bool stop;
static bool flat_out;
static unsigned long checks, wrong, writes, merges, merged;
static int error;

#define STATUS_BYTES 256

static void tell(void)
{
	char line[STATUS_BYTES];
	size_t n;

	n = snprintf(line, sizeof(line),
		     "checks %lu wrong %lu writes %lu merges %lu merged %lu error %d",
		     checks, __atomic_load_n(&wrong, __ATOMIC_RELAXED), writes,
		     merges, merged, error);
	memset(line + n, ' ', sizeof(line) - n - 1);
	line[sizeof(line) - 1] = '\n';
	memcpy(status, line, sizeof(line));
}

static uint64_t first_seed(size_t i)
{
	switch (i % 8) {
	case 0:
		return 0;
	case 1:
		return own + i;
	default:
		return 0x10000 + i;
	}
}

/* Pages 6 and 7 of each eight are the written ones. */
static void *check_and_write(void *arg)
{
	uint64_t state = own;

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		size_t i = rnd(&state) % pages;

		if (!pg_is(mem + i * PG, seeds[i]))
			__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
		checks++;
		if (i % 8 >= 6) {
			seeds[i] = rnd(&state) % 2 ? first_seed(i) :
				   own + rnd(&state) % 1000;
			pg_fill(mem + i * PG, seeds[i]);
			writes++;
		}
		if (checks % 8 == 0) {
			tell();
			usleep(1000);
		}
	}
	return NULL;
}

/* Once, or until told to end. */
static int merge(bool once)
{
	struct vmdedup_register r = {
		.size = sizeof(r),
		.flags = VMDEDUP_REGISTER_PERSIST,
		.start = (uintptr_t)mem,
		.length = pages * PG,
	};
	struct vmdedup_merge m;
	int fd = vd_open(), ret;

	if (fd < 0)
		return fd;
	ret = vd_register_raw(fd, &r);
	do {
		if (!ret)
			ret = vd_merge(fd, 0, &m);
		if (!ret)
			merged += m.merged + m.zero;
		merges++;
	} while (!ret && !once && __atomic_load_n(&flat_out, __ATOMIC_RELAXED));
	close(fd);
	return ret;
}

static void *merge_flat_out(void *arg)
{
	(void)arg;
	error = merge(false);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread, merger;
	sigset_t set;
	int fd, sig;

	if (argc < 3)
		return 2;
	pages = strtoul(argv[2], NULL, 0);
	own = (uint64_t)getpid() << 32;
	seeds = calloc(pages, sizeof(*seeds));
	mem = pg_map(pages);
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (!seeds || !mem || fd < 0 || ftruncate(fd, STATUS_BYTES))
		return 2;
	status = mmap(NULL, STATUS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);
	if (status == MAP_FAILED)
		return 2;
	for (size_t i = 0; i < pages; i++) {
		seeds[i] = first_seed(i);
		/* Zero pages, too, are to be pages. */
		mem[i * PG] = 1;
		pg_fill(mem + i * PG, seeds[i]);
	}
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&thread, NULL, check_and_write, NULL))
		return 2;
	tell();

	while (!sigwait(&set, &sig) && sig != SIGTERM) {
		if (sig == SIGUSR1) {
			error = merge(true);
			continue;
		}
		flat_out = !flat_out;
		if (!flat_out)
			pthread_join(merger, NULL);
		else if (pthread_create(&merger, NULL, merge_flat_out, NULL))
			return 2;
	}
	if (flat_out) {
		flat_out = false;
		pthread_join(merger, NULL);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	for (size_t i = 0; i < pages; i++)
		wrong += !pg_is(mem + i * PG, seeds[i]);
	tell();
	return wrong != 0;
}
