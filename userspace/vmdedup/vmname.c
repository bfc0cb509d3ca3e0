// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc.h"
#include "vmname.h"

/* libvirt's command lines have some 10 KiB. */
#define CMDLINE_MAX	(128 * 1024)

static bool is_qemu(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *base = slash ? slash + 1 : program;

	return strstr(base, "qemu") || !strcmp(base, "kvm");
}

/* The value of -name: [guest=]NAME[,KEY=VALUE]...; ",," is a comma. */
static bool take_name(const char *value, char name[VM_NAME_MAX])
{
	static const char key[] = "guest=";
	const char *given;
	size_t len = 0;

	/* With a key before it, it may stand anywhere. */
	given = strstr(value, key);
	if (given && (given == value || given[-1] == ','))
		value = given + strlen(key);
	else if (memchr(value, '=', strcspn(value, ",")))
		return false;
	for (; *value && len < VM_NAME_MAX - 1; value++) {
		if (*value == ',' && *++value != ',')
			break;
		name[len++] = *value;
	}
	name[len] = '\0';
	proc_clean(name);
	return len;
}

bool vm_name_parse(const char *cmdline, size_t len, char name[VM_NAME_MAX])
{
	const char *end = cmdline + len;
	const char *arg, *next;
	bool first = true, is_next = false;

	for (arg = cmdline; arg < end; arg = next + 1) {
		next = memchr(arg, '\0', end - arg);
		/* Cut off: not to be relied on. */
		if (!next || (first && !is_qemu(arg)))
			return false;
		if (is_next)
			return take_name(arg, name);
		is_next = !strcmp(arg, "-name") || !strcmp(arg, "--name");
		first = false;
	}
	return false;
}

const char *vm_name(const struct cli *cli, uint32_t pid, const char *comm,
		    char name[VM_NAME_MAX])
{
	FILE *file = pid ? proc_open(cli->proc_dir, pid, "cmdline") : NULL;
	char *cmdline = file ? malloc(CMDLINE_MAX) : NULL;
	bool found = false;

	if (cmdline)
		found = vm_name_parse(cmdline, fread(cmdline, 1, CMDLINE_MAX, file), name);
	if (file)
		fclose(file);
	free(cmdline);
	if (!found) {
		snprintf(name, VM_NAME_MAX, "%s", *comm ? comm : "-");
		proc_clean(name);
	}
	return name;
}

char (*vm_names(const struct cli *cli, const struct vmdedup_guests *guests))[VM_NAME_MAX]
{
	/* calloc(0) may return NULL. */
	char (*names)[VM_NAME_MAX] = calloc(guests->count + 1, sizeof(*names));
	size_t i;

	for (i = 0; names && i < guests->count; i++)
		vm_name(cli, guests->guests[i].pid, guests->guests[i].comm, names[i]);
	return names;
}
