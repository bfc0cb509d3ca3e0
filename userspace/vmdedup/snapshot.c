// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "records.h"
#include "snapshot.h"

static void read_run(struct cli *cli, struct snapshot *snapshot)
{
	struct vmdedup_values tunables;

	if (vmdedup_read_tunables(cli->ctx, &tunables))
		return;
	snapshot->run_known = !vmdedup_values_get(&tunables, "run", &snapshot->run);
	vmdedup_values_free(&tunables);
}

int snapshot_take(struct cli *cli, struct snapshot *snapshot, const char **what)
{
	struct timespec now;
	int err;

	memset(snapshot, 0, sizeof(*snapshot));
	*what = "cannot ask for the statistics";
	err = vmdedup_stats_get(cli->ctx, &snapshot->stats);
	if (err)
		return err;
	*what = "cannot list the guests";
	err = vmdedup_guests_dump(cli->ctx, &snapshot->guests);
	if (err)
		return err;
	snapshot->names = vm_names(cli, &snapshot->guests);
	if (!snapshot->names)
		return -ENOMEM;
	clock_gettime(CLOCK_MONOTONIC, &now);
	snapshot->time_ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	read_run(cli, snapshot);
	return 0;
}

void snapshot_free(struct snapshot *snapshot)
{
	vmdedup_guests_free(&snapshot->guests);
	free(snapshot->names);
	snapshot->names = NULL;
}

struct json_object *snapshot_to_json(const struct cli *cli, const struct snapshot *snapshot)
{
	struct json_object *object = json_object_new_object();
	struct json_object *guests = json_object_new_array();
	size_t i;

	for (i = 0; i < snapshot->guests.count; i++)
		json_object_array_add(guests, json_guest(cli, &snapshot->guests.guests[i]));
	json_object_object_add(object, "stats", json_stats(&snapshot->stats));
	json_object_object_add(object, "guests", guests);
	return object;
}
