/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FIND_H
#define _FIND_H

#include "cli.h"

/**
 * find_guest() - the guest that a user means
 * @cli: connected
 * @command: for the usage line
 * @text: a process id, or the id of a guest
 * @guest: out
 *
 * Says on standard error what went wrong.
 *
 * Return: an exit status.
 */
int find_guest(struct cli *cli, const struct command *command, const char *text,
	       struct vmdedup_guest *guest);

#endif /* _FIND_H */
