// SPDX-License-Identifier: GPL-2.0
/* Does who registers a shrinker bring its struct? */
#include <linux/mm.h>
#include <linux/shrinker.h>

int vmdedup_probe(struct shrinker *shrinker);
int vmdedup_probe(struct shrinker *shrinker)
{
	return register_shrinker(shrinker, "probe");
}
