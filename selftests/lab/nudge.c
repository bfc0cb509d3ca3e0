// SPDX-License-Identifier: GPL-2.0
/*
 * nudge - let no processor of the lab sleep for long
 *
 * Once in a great while an interrupt of an emulated processor is never heard of
 * again: QEMU notes it in a word that its emulation of VMRUN changes without the
 * lock. If it was the timer's, and the processor idles, then all hangs that waits
 * for something to happen there. It sets its timer anew once it has been woken; so
 * on each processor one wakes up every second, and looks in on the others.
 */
#define _GNU_SOURCE
#include <err.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

/* No matter if it is refused: that one is off at the moment. */
static void go_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void __attribute__((noreturn)) nudge_from(int own, int cpus)
{
	for (;;) {
		go_to(own);
		sleep(1);
		for (int cpu = 0; cpu < cpus; cpu++)
			if (cpu != own)
				go_to(cpu);
	}
}

int main(void)
{
	int cpus = sysconf(_SC_NPROCESSORS_CONF);

	for (int cpu = 0; cpu < cpus; cpu++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (!pid)
			nudge_from(cpu, cpus);
	}
	wait(NULL);
	return 1;
}
