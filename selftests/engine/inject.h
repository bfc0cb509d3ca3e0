/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Failing allocations of memory, where the kernel can be told to
 * (CONFIG_FAULT_INJECTION): those that the module's code asks for, itself or
 * through what it calls.
 *
 * Functions return 0 or a negative errno unless told otherwise.
 */
#ifndef VMDEDUP_SELFTESTS_INJECT_H
#define VMDEDUP_SELFTESTS_INJECT_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whose code, as a part of its lines in kallsyms: a module's, or a function that is on
 * the way to what loading or unloading a module does.
 */
#define INJECT_ENGINE	"[vmdedup]"
#define INJECT_KVM	"[vmdedup_kvm]"
#define INJECT_LOAD	" do_one_initcall\n"
#define INJECT_UNLOAD	" __do_sys_delete_module\n"
#define INJECT_UNLOAD_CALL	" __x64_sys_delete_module\n"

/*
 * Get ready: nothing fails yet. @whose is one of the above, or NULL for every
 * allocation that the thread makes. -ENOENT: this kernel cannot; -ESRCH: it has no
 * such code.
 */
int inject_begin(const char *whose);
/* Nothing fails any more. */
void inject_end(void);

/*
 * The @nth allocation of a thread from now on fails, and no other; @tid 0 is
 * the caller.
 */
int inject_nth(pid_t tid, unsigned int nth);
/* Has it? If it has not by now, it will not. */
bool inject_hit(pid_t tid);

/* From now on all that the caller asks for fails, or, not. */
int inject_all(bool on);
/* So many percent of what anybody asks for. */
int inject_some(unsigned int percent);

/* A thread by its name, with wildcards (fnmatch()); 0: there is none. */
pid_t inject_thread(const char *name);

#endif /* VMDEDUP_SELFTESTS_INJECT_H */
