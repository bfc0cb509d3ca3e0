// SPDX-License-Identifier: GPL-2.0
/* Numbers on the command line. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "parse.h"

/* strtoull() without its leading blanks and signs. */
static bool take_u64(const char *text, int base, uint64_t *value, const char **rest)
{
	char *end;

	if (!(base == 16 ? isxdigit((unsigned char)*text) : isdigit((unsigned char)*text)))
		return false;
	errno = 0;
	*value = strtoull(text, &end, base);
	*rest = end;
	return !errno;
}

bool parse_number(const char *text, uint64_t max, uint64_t *value)
{
	const char *rest;
	uint64_t number;

	if (!take_u64(text, 10, &number, &rest) || *rest || number > max)
		return false;
	*value = number;
	return true;
}

bool parse_pid(const char *text, pid_t *pid)
{
	uint64_t number;

	if (!parse_number(text, INT_MAX, &number) || !number)
		return false;
	*pid = number;
	return true;
}

/* Returns the shift, or -1 for an unknown unit. */
static int unit_shift(const char *unit)
{
	static const char letters[] = "KMGT";
	const char *letter;

	if (!*unit)
		return 0;
	letter = strchr(letters, toupper((unsigned char)*unit));
	if (!letter || (unit[1] && strcasecmp(unit + 1, "iB")))
		return -1;
	return 10 * (letter - letters + 1);
}

bool parse_size(const char *text, uint64_t *size)
{
	bool hex = text[0] == '0' && tolower((unsigned char)text[1]) == 'x';
	const char *rest;
	uint64_t number;
	int shift;

	if (!take_u64(text, hex ? 16 : 10, &number, &rest))
		return false;
	shift = unit_shift(rest);
	if (shift < 0 || number > UINT64_MAX >> shift)
		return false;
	*size = number << shift;
	return true;
}

bool parse_range(const char *text, uint64_t *start, uint64_t *length)
{
	uint64_t first, end, bytes;
	const char *rest;

	if (!take_u64(text, 16, &first, &rest))
		return false;
	if (*rest == '-') {
		if (!take_u64(rest + 1, 16, &end, &rest) || *rest || end <= first)
			return false;
		bytes = end - first;
	} else if (*rest != '+' || !parse_size(rest + 1, &bytes) || !bytes) {
		return false;
	}
	*start = first;
	*length = bytes;
	return true;
}

bool parse_seconds(const char *text, uint64_t *ms)
{
	uint64_t seconds, part = 0, unit = 100;
	const char *rest;

	if (!take_u64(text, 10, &seconds, &rest) || seconds >= 24 * 3600)
		return false;
	if (*rest == '.') {
		for (rest++; isdigit((unsigned char)*rest) && unit; rest++, unit /= 10)
			part += (*rest - '0') * unit;
		/* A full stop alone is none. */
		if (unit == 100)
			return false;
	}
	if (*rest)
		return false;
	*ms = seconds * 1000 + part;
	return true;
}
