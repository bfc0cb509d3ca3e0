/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PARSE_H
#define _PARSE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Each takes the whole text or nothing, and leaves the results alone then. */

/**
 * parse_number() - a decimal number
 * @text: digits and nothing else
 * @max: the largest that is allowed
 * @value: out
 *
 * Return: true if @text is such a number.
 */
bool parse_number(const char *text, uint64_t max, uint64_t *value);

/**
 * parse_pid() - a process id
 * @text: decimal, from 1
 * @pid: out
 *
 * Return: true if @text is one.
 */
bool parse_pid(const char *text, pid_t *pid);

/**
 * parse_size() - a number of bytes
 * @text: decimal, or hexadecimal with 0x; K, M, G or T (also KiB, MiB, ...)
 *	multiply by powers of 1024
 * @size: out
 *
 * Return: true if @text is one that fits.
 */
bool parse_size(const char *text, uint64_t *size);

/**
 * parse_range() - a range of addresses
 * @text: START-END or START+LENGTH: the addresses hexadecimal as in
 *	/proc/PID/maps (0x is allowed), the length as for parse_size()
 * @start: out
 * @length: out: bytes, never 0
 *
 * Alignment and the end of user space are the kernel's to check.
 *
 * Return: true if @text is one.
 */
bool parse_range(const char *text, uint64_t *start, uint64_t *length);

/**
 * parse_seconds() - a time span
 * @text: seconds, with up to three decimals
 * @ms: out: milliseconds
 *
 * Return: true if @text is one of less than a day.
 */
bool parse_seconds(const char *text, uint64_t *ms);

#endif /* _PARSE_H */
