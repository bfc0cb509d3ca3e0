/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sequences of calls that are made in every run of fuzz.c: { name, how many,
 * { numbers } }. See there how to find one. Some were found to be of interest,
 * all others are what was once a bug.
 */
{ "nothing at all", 0, { 0 } },
