// SPDX-License-Identifier: GPL-2.0
#include <linux/compiler.h>

#include "news.h"

static vmdedup_news_reader news_reader;

/**
 * vmdedup_news_subscribe() - set who gets the news
 * @reader: called for each; NULL for nobody
 *
 * Nothing happens meanwhile: called before the first region and after the last.
 */
void vmdedup_news_subscribe(vmdedup_news_reader reader)
{
	WRITE_ONCE(news_reader, reader);
}

/**
 * vmdedup_news_send() - tell what happened
 * @news: what; need not outlive the call
 *
 * May be called with the registry lock held, not from atomic context.
 */
void vmdedup_news_send(const struct vmdedup_news *news)
{
	vmdedup_news_reader reader = READ_ONCE(news_reader);

	if (reader)
		reader(news);
}
