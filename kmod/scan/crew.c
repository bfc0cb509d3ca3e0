// SPDX-License-Identifier: GPL-2.0
#include <linux/cpumask.h>
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/sched/isolation.h>
#include <linux/topology.h>
#include <linux/wait.h>

#include "crew.h"
#include "engine.h"
#include "scanner.h"

/* Unless told otherwise: one thread for so many CPUs, up to some. */
#define CPUS_PER_THREAD	4
#define THREADS_AUTO	8U

/**
 * struct helper - one that helps
 * @task: the thread
 * @worker: its own
 * @round: of the last pass that it knows of
 */
struct helper {
	struct task_struct *task;
	struct vmdedup_worker *worker;
	unsigned int round;
};

/* Only the scanner's own thread changes these. */
static struct helper helpers[VMDEDUP_THREADS_MAX - 1];
static unsigned int nr_helpers;
static struct vmdedup_pass *current_pass;
static unsigned int current_round;

static atomic_t busy = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(work_wait);
static DECLARE_WAIT_QUEUE_HEAD(done_wait);

static bool called(struct helper *helper)
{
	/* Pairs with the release in vmdedup_crew_begin(). */
	return smp_load_acquire(&current_round) != helper->round;
}

static int helper_main(void *arg)
{
	struct helper *helper = arg;

	set_freezable();
	set_user_nice(current, VMDEDUP_SCAN_NICE);
	while (!kthread_should_stop()) {
		wait_event_freezable(work_wait, kthread_should_stop() ||
				     called(helper));
		if (!called(helper))
			continue;
		helper->round = READ_ONCE(current_round);
		helper->worker->drain = true;
		vmdedup_pass_work(current_pass, helper->worker, NULL);
		if (atomic_dec_and_test(&busy))
			wake_up(&done_wait);
	}
	return 0;
}

/* CPUs that are not kept free of the likes of us. */
static const struct cpumask *free_cpus(void)
{
	return housekeeping_cpumask(HK_TYPE_KTHREAD);
}

/* The nodes take turns. */
static int node_of(unsigned int i)
{
	unsigned int nodes = num_node_state(N_CPU), turn;
	int node;

	if (nodes < 2)
		return NUMA_NO_NODE;
	turn = (i + 1) % nodes;
	for_each_node_state(node, N_CPU)
		if (!turn--)
			return node;
	return NUMA_NO_NODE;
}

/* Have a thread run on its node, if it may run there at all. */
static void keep_near(struct task_struct *task, int node)
{
	cpumask_var_t cpus;

	if (node == NUMA_NO_NODE || !alloc_cpumask_var(&cpus, GFP_KERNEL))
		return;
	if (cpumask_and(cpus, cpumask_of_node(node), free_cpus()))
		set_cpus_allowed_ptr(task, cpus);
	free_cpumask_var(cpus);
}

static bool helper_add(void)
{
	struct helper *helper = &helpers[nr_helpers];
	int node = node_of(nr_helpers);

	helper->worker = vmdedup_worker_alloc(node, GFP_KERNEL);
	if (!helper->worker)
		return false;
	helper->round = current_round;
	helper->task = kthread_create_on_node(helper_main, helper, node,
					      "vmdedupd/%u", nr_helpers + 1);
	if (IS_ERR(helper->task)) {
		vmdedup_worker_free(helper->worker);
		return false;
	}
	keep_near(helper->task, node);
	wake_up_process(helper->task);
	nr_helpers++;
	return true;
}

static void helper_del(void)
{
	struct helper *helper = &helpers[--nr_helpers];

	kthread_stop(helper->task);
	vmdedup_worker_free(helper->worker);
}

/**
 * vmdedup_crew_resize() - have as many threads as wanted
 * @threads: the scanner's own included; 0: as many as suit the machine
 *
 * Where one cannot be made there are fewer. Between two passes only. May sleep.
 */
void vmdedup_crew_resize(unsigned int threads)
{
	if (!threads)
		threads = clamp(cpumask_weight_and(cpu_online_mask, free_cpus()) /
				CPUS_PER_THREAD, 1U, THREADS_AUTO);
	while (nr_helpers + 1 > threads)
		helper_del();
	while (nr_helpers + 1 < threads && helper_add())
		;
}

/**
 * vmdedup_crew_begin() - have all help with a pass
 * @pass: under way
 */
void vmdedup_crew_begin(struct vmdedup_pass *pass)
{
	atomic_set(&busy, nr_helpers);
	current_pass = pass;
	/* Pairs with the acquire in called(). */
	smp_store_release(&current_round, current_round + 1);
	wake_up_all(&work_wait);
}

/**
 * vmdedup_crew_wait() - wait until nobody works on the pass any more
 * @chores: what else to do meanwhile, each second or so
 *
 * May sleep.
 */
void vmdedup_crew_wait(void (*chores)(void))
{
	while (atomic_read(&busy)) {
		/* A thread that is being stopped is woken as if by a signal. */
		if (wait_event_freezable_timeout(done_wait, !atomic_read(&busy),
						 HZ) < 0)
			wait_event(done_wait, !atomic_read(&busy));
		else
			chores();
	}
}
