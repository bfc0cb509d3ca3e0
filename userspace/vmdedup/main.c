// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>

#include "cli.h"

int main(int argc, char **argv)
{
	struct cli cli = { .proc_dir = "/proc", .sys_dir = "/sys" };
	int status;

	if (vmdedup_new(&cli.ctx)) {
		cli_error("out of memory");
		return CLI_REFUSED;
	}
	status = cli_run(&cli, argc, argv);
	vmdedup_free(cli.ctx);

	/* A full disk shows only now. */
	if (fflush(stdout) || ferror(stdout)) {
		cli_error("cannot write the output");
		return CLI_REFUSED;
	}
	return status;
}
