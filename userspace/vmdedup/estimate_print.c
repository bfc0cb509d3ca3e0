// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>

#include "estimate_print.h"
#include "output.h"
#include "proc.h"

static void print_guest(const struct cli *cli, const struct estimate_view *view,
			const struct vmdedup_estimate_guest *guest)
{
	char comm[PROC_COMM_MAX];
	char size[HUMAN_SIZE_MAX];

	proc_read_comm(cli->proc_dir, guest->pid, comm);
	printf("%7d %-15s", guest->pid, comm);
	printf(" %8s", human_pages(guest->resident, size));
	printf(" %8s", human_pages(guest->zero_page + guest->zero, size));
	printf(" %8s", human_pages(guest->repeated, size));
	printf(" %8s", human_pages(guest->others[view->policy], size));
	printf(" %8s", human_pages(guest->unique[view->policy], size));
	printf(" %8s\n", human_pages(guest->saved, size));
}

static void print_guests(const struct cli *cli, const struct estimate_view *view,
			 const struct vmdedup_estimate_result *result)
{
	size_t i;

	printf("%7s %-15s %8s %8s %8s %8s %8s %8s\n", "PID", "COMMAND", "RESIDENT", "ZERO",
	       "REPEATED", "OTHERS", "UNIQUE", "SHARED");
	for (i = 0; i < result->nr_guests; i++)
		print_guest(cli, view, &result->guests[i]);
	for (i = 0; i < result->nr_guests; i++) {
		if (result->guests[i].gone)
			printf("process %d ended, or denied access, before all was read\n",
			       result->guests[i].pid);
	}
}

static double percent(uint64_t part, uint64_t of)
{
	return of ? 100.0 * part / of : 0;
}

static void print_saving(const char *what, uint64_t pages, uint64_t error, uint64_t of)
{
	char size[HUMAN_SIZE_MAX];

	printf("%-9s would save %8s", what, human_pages(pages, size));
	if (error)
		printf(" +- %8s", human_pages(error, size));
	printf(" of %8s", human_pages(of, size));
	printf(" (%.1f %%)", percent(pages, of));
}

static void print_answers(const struct vmdedup_estimate_result *result)
{
	const struct vmdedup_estimate_answer *answer;
	unsigned int i;

	putchar('\n');
	for (i = 0; i < VMDEDUP_ESTIMATE_POLICY_NR; i++) {
		answer = &result->answers[i];
		print_saving(vmdedup_estimate_policy_name(i), answer->would_save, answer->error,
			     result->resident);
		printf(", %" PRIu64 " domain%s\n", answer->domains,
		       answer->domains == 1 ? "" : "s");
	}
}

static void print_huge(const struct vmdedup_estimate_result *result)
{
	const struct vmdedup_estimate_answer *answer;
	unsigned int i;

	if (!result->huge)
		return;
	printf("\nFor that, all huge pages with anything to save would be split. With only those\n"
	       "split that have %u of their %u pages to save:\n", result->split_pages,
	       VMDEDUP_ESTIMATE_HUGE);
	for (i = 0; i < VMDEDUP_ESTIMATE_POLICY_NR; i++) {
		answer = &result->answers[i];
		print_saving(vmdedup_estimate_policy_name(i), answer->would_save_split,
			     answer->error_split, result->resident);
		printf("\n          %" PRIu64 " huge pages split, instead of %" PRIu64
		       ", of %" PRIu64 "\n", answer->huge_split, answer->huge_helpful,
		       result->huge);
	}
}

static void print_skips(const struct vmdedup_estimate_result *result)
{
	__u64 skipped[VMDEDUP_SKIP_SLOTS] = { 0 };
	uint64_t any = 0;
	size_t i, j;

	for (i = 0; i < result->nr_guests; i++) {
		for (j = 0; j < VMDEDUP_SKIP_SLOTS; j++) {
			skipped[j] += result->guests[i].skipped[j];
			any |= skipped[j];
		}
	}
	if (any)
		puts("\nCannot be merged:");
	print_skipped(skipped);
}

static void print_notes(const struct estimate_view *view,
			const struct vmdedup_estimate_result *result)
{
	char size[HUMAN_SIZE_MAX];

	putchar('\n');
	if (result->saved)
		printf("Shared by now: %s, not counted in what would be saved.\n",
		       human_pages(result->saved, size));
	if (result->level)
		printf("Sampled: 1 of %llu contents; +- is for a confidence of 95 %%.\n",
		       1ULL << result->level);
	if (!result->frames_known)
		puts("Without the right to see frame numbers (CAP_SYS_ADMIN): what is shared by\n"
		     "now is guessed, and huge pages are not known.");
	if (view->all_memory)
		puts("This includes memory that cannot be merged as it is.");
	puts("An estimate: memory changed while it was read, and will change.");
}

static void print_text(const struct cli *cli, const struct estimate_view *view,
		       const struct vmdedup_estimate_result *result)
{
	print_guests(cli, view, result);
	print_answers(result);
	print_huge(result);
	print_skips(result);
	print_notes(view, result);
}

static struct json_object *by_policy(const uint64_t *pages)
{
	struct json_object *object = json_object_new_object();
	unsigned int i;

	for (i = 0; i < VMDEDUP_ESTIMATE_POLICY_NR; i++)
		json_number(object, vmdedup_estimate_policy_name(i), pages[i]);
	return object;
}

static struct json_object *guest_to_json(const struct cli *cli,
					 const struct vmdedup_estimate_guest *guest)
{
	struct json_object *object = json_object_new_object();
	__u64 skipped[VMDEDUP_SKIP_SLOTS];
	char comm[PROC_COMM_MAX];
	size_t i;

	for (i = 0; i < VMDEDUP_SKIP_SLOTS; i++)
		skipped[i] = guest->skipped[i];
	proc_read_comm(cli->proc_dir, guest->pid, comm);
	json_number(object, "pid", guest->pid);
	json_text(object, "command", comm);
	json_number(object, "uid", guest->uid);
	json_text(object, "cgroup", *guest->cgroup ? guest->cgroup : NULL);
	json_object_object_add(object, "gone", json_object_new_boolean(guest->gone));
	json_number(object, "resident", guest->resident);
	json_number(object, "zero_page", guest->zero_page);
	json_number(object, "zero", guest->zero);
	json_number(object, "repeated", guest->repeated);
	json_object_object_add(object, "others", by_policy(guest->others));
	json_object_object_add(object, "unique", by_policy(guest->unique));
	json_number(object, "saved", guest->saved);
	json_number(object, "huge", guest->huge);
	json_number(object, "unreadable", guest->unreadable);
	json_skipped(object, skipped);
	return object;
}

static struct json_object *answer_to_json(const struct vmdedup_estimate_answer *answer)
{
	struct json_object *object = json_object_new_object();

	json_number(object, "domains", answer->domains);
	json_number(object, "distinct", answer->distinct);
	json_number(object, "would_save", answer->would_save);
	json_number(object, "error", answer->error);
	json_number(object, "huge_helpful", answer->huge_helpful);
	json_number(object, "huge_split", answer->huge_split);
	json_number(object, "would_save_split", answer->would_save_split);
	json_number(object, "error_split", answer->error_split);
	return object;
}

static void print_json(const struct cli *cli, const struct estimate_view *view,
		       const struct vmdedup_estimate_result *result)
{
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_array();
	struct json_object *answers = json_object_new_object();
	size_t i;

	for (i = 0; i < VMDEDUP_ESTIMATE_POLICY_NR; i++)
		json_object_object_add(answers, vmdedup_estimate_policy_name(i),
				       answer_to_json(&result->answers[i]));
	for (i = 0; i < result->nr_guests; i++)
		json_object_array_add(list, guest_to_json(cli, &result->guests[i]));
	json_object_object_add(object, "complete", json_object_new_boolean(view->complete));
	json_object_object_add(object, "all_memory", json_object_new_boolean(view->all_memory));
	json_object_object_add(object, "frames_known",
			       json_object_new_boolean(result->frames_known));
	json_number(object, "denied", view->denied);
	json_object_object_add(object, "seconds", json_object_new_double(view->seconds));
	json_number(object, "page_size", 4096);
	json_number(object, "sampled_one_of", 1ULL << result->level);
	json_number(object, "resident", result->resident);
	json_number(object, "saved", result->saved);
	json_number(object, "huge", result->huge);
	json_number(object, "split_pages", result->split_pages);
	json_object_object_add(object, "policies", answers);
	json_object_object_add(object, "guests", list);
	json_print(cli, object);
}

void estimate_print(const struct cli *cli, const struct estimate_view *view,
		    const struct vmdedup_estimate_result *result)
{
	if (cli->json)
		print_json(cli, view, result);
	else
		print_text(cli, view, result);
}
