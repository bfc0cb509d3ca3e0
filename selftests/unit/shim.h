/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The userspace side of kmod/core/gate.h: as much of the kernel as the pure
 * core uses, and stricter. What the kernel would only warn about under its
 * debug options ends the program here: a lock taken twice or not held where it
 * must be, sleeping or allocating under a lock, objects left in a cache.
 *
 * The red-black tree and xxhash are the kernel's own, see Makefile.
 */
#ifndef VMDEDUP_UNIT_SHIM_H
#define VMDEDUP_UNIT_SHIM_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* As in the kernel: 64 bits are long long on every machine. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;
typedef unsigned int gfp_t;

#define U8_MAX		((u8)~0U)
#define S16_MAX		((s16)0x7fff)
#define U32_MAX		((u32)~0U)
#define U64_MAX		((u64)~0ULL)
#define S64_MAX		((s64)(U64_MAX >> 1))

#define PAGE_SHIFT	12
#define PAGE_SIZE	4096UL
#define NSEC_PER_SEC	1000000000L
#define NSEC_PER_MSEC	1000000L
#define NSEC_PER_USEC	1000L

/* Compiler */

#ifndef __always_inline
#define __always_inline	inline __attribute__((always_inline))
#endif
#define __aligned(x)	__attribute__((aligned(x)))
#define prefetch(x)	__builtin_prefetch(x)
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define READ_ONCE(x)	__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#define BUILD_BUG_ON(cond) _Static_assert(!(cond), #cond)

/* The kernel's rule: one signedness, or a constant. */
#define shim_signed(x)	((__typeof__(x))-1 < (__typeof__(x))1)
#define shim_pick(a, op, b) ({						\
	_Static_assert(shim_signed(a) == shim_signed(b) ||		\
		       __builtin_constant_p(a) || __builtin_constant_p(b), \
		       "signedness differs");				\
	__typeof__(1 ? (a) : (b)) shim_a = (a);				\
	__typeof__(1 ? (a) : (b)) shim_b = (b);				\
	shim_a op shim_b ? shim_a : shim_b; })
#define min(a, b)	shim_pick(a, <, b)
#define max(a, b)	shim_pick(a, >, b)
#define min_t(t, a, b)	min((t)(a), (t)(b))
#define max_t(t, a, b)	max((t)(a), (t)(b))

static inline u64 div64_u64(u64 dividend, u64 divisor)
{
	return dividend / divisor;
}

static inline u64 mul_u64_u64_shr(u64 a, u64 mul, unsigned int shift)
{
	return (unsigned __int128)a * mul >> shift;
}

/* Failures end the program: these hold in threads and fuzzers too. */

void shim_bug(const char *file, int line, const char *what)
	__attribute__((noreturn, cold));
#define shim_assert(cond) \
	(likely(cond) ? (void)0 : shim_bug(__FILE__, __LINE__, #cond))

#define WARN_ON_ONCE(cond) ({						\
	if (unlikely(cond))						\
		shim_bug(__FILE__, __LINE__, "WARN_ON_ONCE(" #cond ")"); \
	false; })
#define WARN_ON(cond)	WARN_ON_ONCE(cond)

#define BITS_PER_BYTE	8

/* Only its size matters here. */
struct list_head {
	struct list_head *next, *prev;
};

/* Locks, which know their owner */

typedef struct {
	pthread_mutex_t mutex;
	const void *owner;
} spinlock_t;

void spin_lock_init(spinlock_t *lock);
void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
bool shim_lock_is_held(spinlock_t *lock);
/* Locks that this thread holds now, and how many it has taken so far. */
unsigned int shim_locks_held(void);
unsigned long shim_locks_taken(void);
#define lockdep_assert_held(lock) shim_assert(shim_lock_is_held(lock))

/* Called in every cond_resched(), which is where others may run. */
extern void (*shim_resched_hook)(void);
void shim_might_sleep(void);
void cond_resched(void);

#define cpu_relax()		sched_yield()
#define preempt_disable()	do { } while (0)
#define preempt_enable()	do { } while (0)
#define might_sleep()	shim_might_sleep()

/* Atomics */

typedef struct {
	int counter;
} atomic_t;

#define ATOMIC_INIT(i)	{ (i) }

static inline int atomic_read(const atomic_t *v)
{
	return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);
}

static inline int atomic_read_acquire(const atomic_t *v)
{
	return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE);
}

static inline void atomic_set(atomic_t *v, int i)
{
	__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED);
}

static inline void atomic_inc(atomic_t *v)
{
	__atomic_fetch_add(&v->counter, 1, __ATOMIC_RELAXED);
}

static inline void atomic_dec(atomic_t *v)
{
	__atomic_fetch_sub(&v->counter, 1, __ATOMIC_RELAXED);
}

static inline int atomic_inc_return(atomic_t *v)
{
	return __atomic_add_fetch(&v->counter, 1, __ATOMIC_SEQ_CST);
}

static inline int atomic_dec_return_release(atomic_t *v)
{
	return __atomic_sub_fetch(&v->counter, 1, __ATOMIC_RELEASE);
}

static inline bool atomic_dec_and_test(atomic_t *v)
{
	return !__atomic_sub_fetch(&v->counter, 1, __ATOMIC_SEQ_CST);
}

#define xchg_acquire(ptr, v)	__atomic_exchange_n(ptr, v, __ATOMIC_ACQUIRE)
#define smp_store_release(ptr, v) __atomic_store_n(ptr, v, __ATOMIC_RELEASE)

/* Memory: each object is one malloc(), so that ASan knows it */

#define GFP_KERNEL	0x1U
#define GFP_KERNEL_ACCOUNT	GFP_KERNEL
#define GFP_NOWAIT	0x2U
#define __GFP_NOWARN	0x4U
#define __GFP_NORETRY	0x8U

struct kmem_cache;

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, unsigned long flags,
				     void (*ctor)(void *));
void kmem_cache_destroy(struct kmem_cache *cache);
void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t flags);
void kmem_cache_free(struct kmem_cache *cache, void *obj);
/* Objects and caches that were allocated and not freed. */
long shim_live(void);
/* Make the @nth allocation from now on fail, once: 1 is the next, 0 none. */
void shim_fail_alloc(long nth);

/* The rest */

void sort(void *base, size_t num, size_t size,
	  int (*cmp)(const void *, const void *),
	  void (*swap)(void *, void *, int));
void *memchr_inv(const void *start, int c, size_t bytes);

#include <linux/rbtree.h>
#include <linux/xxhash.h>

#endif /* VMDEDUP_UNIT_SHIM_H */
