// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>

#include "find.h"
#include "parse.h"

static bool is_absent(int err)
{
	return err == -ENOENT || err == -ESRCH;
}

int find_guest(struct cli *cli, const struct command *command, const char *text,
	       struct vmdedup_guest *guest)
{
	uint64_t number;
	int err = -ENOENT;

	if (!parse_number(text, UINT64_MAX, &number) || !number)
		return cli_usage(command, "'%s' is not the id of a process or guest", text);
	/* Guests are known by their processes: ids are what listings show. */
	if (number <= INT_MAX)
		err = vmdedup_guest_by_pid(cli->ctx, number, guest);
	if (is_absent(err))
		err = vmdedup_guest_by_id(cli->ctx, number, guest);
	if (is_absent(err)) {
		cli_error("no guest with the process or guest id %s: "
			  "vmdedup guests lists those there are, vmdedup why PID tells more",
			  text);
		return CLI_REFUSED;
	}
	return err ? cli_request_error(cli, err, "cannot ask for the guest") : CLI_OK;
}
