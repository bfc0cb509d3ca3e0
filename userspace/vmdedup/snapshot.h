/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SNAPSHOT_H
#define _SNAPSHOT_H

#include <json-c/json.h>

#include "vmname.h"

/**
 * struct snapshot - the host and all guests at one moment
 * @time_ns: CLOCK_MONOTONIC
 * @run: the tunable of that name
 * @run_known: whether it could be read
 * @stats: the host's
 * @guests: all, in the order of the ids
 * @names: what to call them
 */
struct snapshot {
	uint64_t time_ns;
	uint64_t run;
	bool run_known;
	struct vmdedup_stats stats;
	struct vmdedup_guests guests;
	char (*names)[VM_NAME_MAX];
};

/**
 * snapshot_take() - ask for all that
 * @cli: connected
 * @snapshot: out: to be released by snapshot_free(), also after an error
 * @what: out: what failed
 *
 * Return: 0, or -errno of a request, for cli_request_error().
 */
int snapshot_take(struct cli *cli, struct snapshot *snapshot, const char **what);

/* snapshot_free() - release it; empty afterwards */
void snapshot_free(struct snapshot *snapshot);

/* {"stats":{...},"guests":[...]} */
struct json_object *snapshot_to_json(const struct cli *cli, const struct snapshot *snapshot);

#endif /* _SNAPSHOT_H */
