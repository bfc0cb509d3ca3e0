/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMNAME_H
#define _VMNAME_H

#include <stdbool.h>
#include <stddef.h>

#include "cli.h"

#define VM_NAME_MAX	64

/**
 * vm_name_parse() - the name that a QEMU was given
 * @cmdline: its arguments as in /proc/PID/cmdline
 * @len: bytes
 * @name: out: printable ASCII, '?' in place of anything else; cut if it is long
 *
 * Return: true if it is a QEMU and has a name.
 */
bool vm_name_parse(const char *cmdline, size_t len, char name[VM_NAME_MAX]);

/**
 * vm_name() - what to call a guest
 * @cli: for /proc
 * @pid: its process, or 0
 * @comm: what the kernel calls it
 * @name: out: its name as of vm_name_parse(), or @comm, or "-"
 *
 * Return: @name.
 */
const char *vm_name(const struct cli *cli, uint32_t pid, const char *comm,
		    char name[VM_NAME_MAX]);

/* Those of all guests of a dump, to be freed by the caller; NULL without memory. */
char (*vm_names(const struct cli *cli, const struct vmdedup_guests *guests))[VM_NAME_MAX];

#endif /* _VMNAME_H */
