/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PROC_H
#define _PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* TASK_COMM_LEN of the kernel. */
#define PROC_COMM_MAX	16

/**
 * struct mapping - a line of /proc/PID/maps
 * @start: first address
 * @end: the address after the last
 * @writable: PROT_WRITE
 * @shared: MAP_SHARED
 */
struct mapping {
	uint64_t start;
	uint64_t end;
	bool writable;
	bool shared;
};

/**
 * proc_parse_mapping() - take a line of /proc/PID/maps apart
 * @line: the line
 * @mapping: out: undefined on failure
 *
 * Return: true if the line is one.
 */
bool proc_parse_mapping(const char *line, struct mapping *mapping);

/**
 * proc_parse_maps() - all lines of a maps file
 * @file: the file
 * @mappings: out: to be freed by the caller; NULL on an error
 * @count: out: how many
 *
 * Return: 0, -EPROTO for a line that is no mapping, -ENOMEM, or what reading
 * the file says.
 */
int proc_parse_maps(FILE *file, struct mapping **mappings, size_t *count);

/**
 * proc_read_maps() - the mappings of a process
 * @proc: /proc
 * @pid: the process
 * @mappings: out: as of proc_parse_maps()
 * @count: out: how many; 0 for a process without memory
 *
 * Return: as proc_parse_maps(), -ESRCH if there is no such process, or -EACCES.
 */
int proc_read_maps(const char *proc, pid_t pid, struct mapping **mappings, size_t *count);

/* proc_open() - open @proc/@pid/@name for reading; NULL and errno as fopen() */
FILE *proc_open(const char *proc, pid_t pid, const char *name);

/**
 * proc_clean() - make a text fit for a terminal, JSON and so on
 * @text: what some process chose; '?' in place of what is not printable ASCII
 */
void proc_clean(char *text);

/**
 * proc_read_comm() - the command name of a process
 * @proc: /proc
 * @pid: the process
 * @comm: out: printable ASCII, '?' in place of anything else; "-" if unknown
 *
 * A process chooses its name itself, so it must not reach a terminal as it is.
 */
void proc_read_comm(const char *proc, pid_t pid, char comm[PROC_COMM_MAX]);

#endif /* _PROC_H */
