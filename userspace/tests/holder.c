// SPDX-License-Identifier: GPL-2.0
/*
 * holder - a process of known memory
 *
 *	holder [fork] KIND:PAGES[:CONTENT]...
 *
 * Maps private anonymous memory, one mapping for each argument, says "ready",
 * and waits to be killed. With "fork", a child that shares all of it waits as
 * well, and dies with it; "ready PID" names it.
 *
 *	count:N:C	contents C, C + 1, ... C + N - 1
 *	same:N:C	content C, N times
 *	zero:N		written, with zeroes
 *	read:N		only read: the kernel's zero page
 *	none:N		not touched
 *	huge:N:C	like count, in huge pages
 *	hollow:N:C	like huge; but of each huge page the first 448 are zero
 *	share:N:C	like count, but shared memory
 *
 * Built without sanitizers, whose own memory would be in the way.
 */
#include <err.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PAGE	4096UL
#define HUGE	(512 * PAGE)

static char *map(size_t bytes, int huge, int flags)
{
	/* Aligned, and apart from what else is mapped. */
	char *p = mmap(NULL, bytes + 2 * HUGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	p = (char *)(((uintptr_t)p + HUGE) & -HUGE);
	p = mmap(p, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (p == MAP_FAILED)
		err(1, "mmap");
	if (flags & MAP_PRIVATE)
		madvise(p, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return p;
}

static void fill(char *page, unsigned long content)
{
	unsigned long *word = (unsigned long *)page;
	size_t i;

	for (i = 0; i < PAGE / sizeof(*word); i++)
		word[i] = content;
}

static void hold(const char *kind, unsigned long pages, unsigned long content)
{
	int huge = !strcmp(kind, "huge") || !strcmp(kind, "hollow");
	char *p = map(pages * PAGE, huge, strcmp(kind, "share") ? MAP_PRIVATE : MAP_SHARED);
	volatile char sink;
	unsigned long i;

	for (i = 0; i < pages; i++, p += PAGE) {
		if (!strcmp(kind, "same"))
			fill(p, content);
		else if (!strcmp(kind, "zero") || (!strcmp(kind, "hollow") && i % 512 < 448))
			fill(p, 0);
		else if (!strcmp(kind, "read"))
			sink = *p;
		else if (strcmp(kind, "none"))
			fill(p, content + i);
	}
	(void)sink;
}

int main(int argc, char **argv)
{
	unsigned long pages, content;
	char kind[16];
	pid_t pid = 0;
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "fork"))
			continue;
		content = 0;
		if (sscanf(argv[i], "%15[a-z]:%lu:%lu", kind, &pages, &content) < 2)
			errx(1, "what is '%s'?", argv[i]);
		hold(kind, pages, content);
	}
	/* What stdio needs shall be there, and shared, before the fork. */
	puts("holder");
	fflush(stdout);
	if (argc > 1 && !strcmp(argv[1], "fork")) {
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	printf("ready %d\n", pid);
	fflush(stdout);
	for (;;)
		pause();
}
