/* SPDX-License-Identifier: GPL-2.0 */
/* Loading the module again, in tests that unload it. */
#ifndef VMDEDUP_SELFTESTS_RELOAD_H
#define VMDEDUP_SELFTESTS_RELOAD_H

/*
 * The module that VMDEDUP_MODULE in the environment names; returns a descriptor or
 * a negative errno.
 */
int module_open(void);
/* Returns 0 or a negative errno: -EAGAIN while it is in use. */
int module_unload(void);
/* Load it, and wait for its device. Returns 0 or a negative errno. */
int module_load(int module);

#endif /* VMDEDUP_SELFTESTS_RELOAD_H */
