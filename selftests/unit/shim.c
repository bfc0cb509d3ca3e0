// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>

#include "shim.h"

void shim_bug(const char *file, int line, const char *what)
{
	fprintf(stderr, "BUG: %s:%d: %s\n", file, line, what);
	fflush(NULL);
	abort();
}

/* Its address names the thread. */
static _Thread_local unsigned int locks_held;
static _Thread_local unsigned long locks_taken;

void spin_lock_init(spinlock_t *lock)
{
	pthread_mutex_init(&lock->mutex, NULL);
	WRITE_ONCE(lock->owner, NULL);
}

bool shim_lock_is_held(spinlock_t *lock)
{
	return READ_ONCE(lock->owner) == &locks_held;
}

void spin_lock(spinlock_t *lock)
{
	shim_assert(!shim_lock_is_held(lock));
	pthread_mutex_lock(&lock->mutex);
	WRITE_ONCE(lock->owner, &locks_held);
	locks_held++;
	locks_taken++;
}

void spin_unlock(spinlock_t *lock)
{
	shim_assert(shim_lock_is_held(lock));
	WRITE_ONCE(lock->owner, NULL);
	locks_held--;
	pthread_mutex_unlock(&lock->mutex);
}

unsigned int shim_locks_held(void)
{
	return locks_held;
}

unsigned long shim_locks_taken(void)
{
	return locks_taken;
}

void (*shim_resched_hook)(void);

void shim_might_sleep(void)
{
	shim_assert(!locks_held);
}

void cond_resched(void)
{
	shim_might_sleep();
	if (shim_resched_hook)
		shim_resched_hook();
}

struct kmem_cache {
	unsigned int size;
	void (*ctor)(void *obj);
	long live;
};

static long live_objects;
static long fail_in;

long shim_live(void)
{
	return READ_ONCE(live_objects);
}

void shim_fail_alloc(long nth)
{
	WRITE_ONCE(fail_in, nth);
}

static void *alloc(size_t size)
{
	void *obj;

	if (READ_ONCE(fail_in) > 0 &&
	    !__atomic_sub_fetch(&fail_in, 1, __ATOMIC_RELAXED))
		return NULL;
	obj = malloc(size);
	shim_assert(obj);
	/* Nobody may count on what is in new memory. */
	memset(obj, 0xa5, size);
	__atomic_fetch_add(&live_objects, 1, __ATOMIC_RELAXED);
	return obj;
}

static void release(void *obj)
{
	free(obj);
	__atomic_fetch_sub(&live_objects, 1, __ATOMIC_RELAXED);
}

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, unsigned long flags,
				     void (*ctor)(void *))
{
	struct kmem_cache *cache;

	shim_might_sleep();
	shim_assert(name && size && !align && !flags);
	cache = alloc(sizeof(*cache));
	if (cache)
		*cache = (struct kmem_cache){ .size = size, .ctor = ctor };
	return cache;
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	shim_might_sleep();
	if (!cache)
		return;
	shim_assert(!READ_ONCE(cache->live));
	release(cache);
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t flags)
{
	void *obj;

	if (flags & GFP_KERNEL)
		shim_might_sleep();
	obj = alloc(cache->size);
	if (!obj)
		return NULL;
	__atomic_fetch_add(&cache->live, 1, __ATOMIC_RELAXED);
	if (cache->ctor)
		cache->ctor(obj);
	return obj;
}

void kmem_cache_free(struct kmem_cache *cache, void *obj)
{
	shim_assert(obj);
	shim_assert(__atomic_fetch_sub(&cache->live, 1, __ATOMIC_RELAXED) > 0);
	release(obj);
}

void sort(void *base, size_t num, size_t size,
	  int (*cmp)(const void *, const void *),
	  void (*swap)(void *, void *, int))
{
	/* The core leaves the swapping to sort(). */
	shim_assert(!swap);
	if (num > 1)
		qsort(base, num, size, cmp);
}

void *memchr_inv(const void *start, int c, size_t bytes)
{
	const u8 *p = start;
	size_t i;

	for (i = 0; i < bytes; i++)
		if (p[i] != (u8)c)
			return (void *)(p + i);
	return NULL;
}
