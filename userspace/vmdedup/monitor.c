// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "output.h"
#include "parse.h"
#include "proc.h"
#include "records.h"

/**
 * struct request - what to listen to, and for how long
 * @news: VMDEDUP_NEWS_*
 * @count: messages, or 0
 * @timeout_ms: or 0
 */
struct request {
	unsigned int news;
	uint64_t count;
	uint64_t timeout_ms;
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void print_guest(const struct vmdedup_event *event)
{
	char comm[VMDEDUP_COMM_MAX];

	if (!VMDEDUP_HAS(event, EVENT_GUEST_ID))
		return;
	printf(", guest %" PRIu64, event->guest_id);
	if (VMDEDUP_HAS(event, EVENT_PID))
		printf(", pid %" PRIu32, event->pid);
	if (VMDEDUP_HAS(event, EVENT_COMM)) {
		memcpy(comm, event->comm, sizeof(comm));
		proc_clean(comm);
		printf(" (%s)", comm);
	}
	if (VMDEDUP_HAS(event, EVENT_KVM) && event->kvm)
		fputs(", KVM", stdout);
}

static void print_event(const struct vmdedup_event *event)
{
	const char *name = vmdedup_event_name(event->type);
	char text[HUMAN_SIZE_MAX];

	printf("[%5" PRIu64 ".%06" PRIu64 "] ", event->time / 1000000000,
	       event->time / 1000 % 1000000);
	if (name)
		fputs(name, stdout);
	else
		printf("event %" PRIu32 " (of a later version)", event->type);
	print_guest(event);
	if (VMDEDUP_HAS(event, EVENT_REGION_ID))
		printf(", region %" PRIu64, event->region_id);
	if (VMDEDUP_HAS(event, EVENT_START) && VMDEDUP_HAS(event, EVENT_LENGTH))
		printf(", %" PRIx64 "-%" PRIx64 " (%s)", event->start,
		       event->start + event->length, human_size(event->length, text));
	if (VMDEDUP_HAS(event, EVENT_SCANNED))
		printf(", %" PRIu64 " pages scanned", event->scanned);
	if (VMDEDUP_HAS(event, EVENT_MERGED))
		printf(", %" PRIu64 " merged", event->merged);
	if (VMDEDUP_HAS(event, EVENT_BROKEN))
		printf(", %" PRIu64 " broken", event->broken);
	if (VMDEDUP_HAS(event, EVENT_TOOK_NS))
		printf(", took %s", human_time(event->took_ns, text));
	if (VMDEDUP_HAS(event, EVENT_AVAILABLE))
		printf(", %s available", human_size(event->available, text));
	if (VMDEDUP_HAS(event, EVENT_PFN))
		printf(", frame %#" PRIx64, event->pfn);
	if (VMDEDUP_HAS(event, EVENT_MAPPINGS))
		printf(", mapped %" PRIu64 " times", event->mappings);
	if (VMDEDUP_HAS(event, EVENT_ADDRESS))
		printf(", at %#" PRIx64, event->address);
	if (VMDEDUP_HAS(event, EVENT_REPAIRED) && event->repaired)
		fputs(", one bit, put right", stdout);
	if (VMDEDUP_HAS(event, EVENT_RESERVE))
		printf(", %s in reserve", human_size(event->reserve, text));
	putchar('\n');
}

static void print_stats(const struct vmdedup_stats *stats)
{
	char text[HUMAN_SIZE_MAX];

	printf("stats, saved %s", human_size(stats->saved_bytes, text));
	printf(", %" PRIu64 " guests, %" PRIu64 " frames shared, %" PRIu64 " pages sharing",
	       stats->guests, stats->pages_shared, stats->pages_sharing);
	printf(", %" PRIu64 " zero, %" PRIu64 " breaks", stats->pages_zero, stats->cow_breaks);
	printf(", %" PRIu64 " scanned, CPU %s\n", stats->pages_scanned,
	       human_time(stats->scan_ns, text));
}

/* One line, {"event":{...}} or {"stats":{...}}, whatever --pretty says. */
static void print_json(const struct vmdedup_message *message)
{
	struct json_object *object = json_object_new_object();
	bool is_event = message->cmd == VMDEDUP_CMD_EVENT;

	json_object_object_add(object, is_event ? "event" : "stats",
			       is_event ? json_event(&message->event) :
					  json_stats(&message->stats));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static void print_message(const struct cli *cli, const struct vmdedup_message *message)
{
	if (cli->json)
		print_json(message);
	else if (message->cmd == VMDEDUP_CMD_EVENT)
		print_event(&message->event);
	else if (message->cmd == VMDEDUP_CMD_GET_STATS)
		print_stats(&message->stats);
}

static bool left_until(const struct timespec *deadline, struct timespec *left)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left->tv_sec = deadline->tv_sec - now.tv_sec;
	left->tv_nsec = deadline->tv_nsec - now.tv_nsec;
	if (left->tv_nsec < 0) {
		left->tv_sec--;
		left->tv_nsec += 1000000000;
	} else if (left->tv_nsec >= 1000000000) {
		left->tv_sec++;
		left->tv_nsec -= 1000000000;
	}
	return left->tv_sec >= 0;
}

/*
 * Until there is something to receive. False: it is the end, by a signal, by the
 * clock, or because nobody reads any more.
 */
static bool wait_for_more(const struct cli *cli, const struct timespec *deadline,
			  const sigset_t *signals)
{
	struct pollfd fds[] = {
		{ .fd = vmdedup_news_fd(cli->ctx), .events = POLLIN },
		{ .fd = fileno(stdout) },
	};
	struct timespec left;

	if (deadline && !left_until(deadline, &left))
		return false;
	/* The signals are let in only here, so that none comes too early. */
	if (ppoll(fds, 2, deadline ? &left : NULL, signals) < 0 && errno != EINTR)
		return false;
	return !stopped && !(fds[1].revents & (POLLERR | POLLHUP));
}

static bool can_write(void)
{
	if (!fflush(stdout))
		return true;
	if (errno == EPIPE) {
		/* Who read it has had enough: that is no error. */
		__fpurge(stdout);
		clearerr(stdout);
	}
	return false;
}

static int listen_until(struct cli *cli, const struct request *request,
			const struct timespec *deadline, const sigset_t *signals)
{
	struct vmdedup_message message;
	uint64_t count = 0;
	int err;

	while (!stopped && (!request->count || count < request->count)) {
		err = vmdedup_receive(cli->ctx, &message, 0);
		switch (err) {
		case 0:
			print_message(cli, &message);
			count++;
			if (!can_write())
				return CLI_OK;
			break;
		case -EAGAIN:
			if (!wait_for_more(cli, deadline, signals))
				return CLI_OK;
			break;
		case -EINTR:
			break;
		case -ENOBUFS:
			cli_error("some news were lost: there were more than were read");
			break;
		case -EBADMSG:
			cli_error("a message that makes no sense");
			break;
		default:
			return cli_request_error(cli, err, "cannot listen");
		}
	}
	return CLI_OK;
}

static int listen_to(struct cli *cli, const struct request *request)
{
	struct sigaction on_stop = { .sa_handler = stop }, on_pipe = { .sa_handler = SIG_IGN };
	struct sigaction old_int, old_term, old_pipe;
	sigset_t blocked, old_mask;
	struct timespec deadline;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += request->timeout_ms / 1000;
	deadline.tv_nsec += request->timeout_ms % 1000 * 1000000;
	stopped = 0;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &old_mask);
	sigaction(SIGINT, &on_stop, &old_int);
	sigaction(SIGTERM, &on_stop, &old_term);
	sigaction(SIGPIPE, &on_pipe, &old_pipe);
	status = listen_until(cli, request, request->timeout_ms ? &deadline : NULL, &old_mask);
	sigaction(SIGPIPE, &old_pipe, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	sigaction(SIGINT, &old_int, NULL);
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	return status;
}

static int run_request(struct cli *cli, struct request *request)
{
	int err;

	if (!request->news)
		request->news = VMDEDUP_NEWS_EVENTS;
	if (cli_connect(cli))
		return CLI_REFUSED;
	err = vmdedup_subscribe(cli->ctx, request->news);
	if (err)
		return cli_request_error(cli, err, "cannot listen");
	return listen_to(cli, request);
}

static int take_option(void *data, int c)
{
	struct request *request = data;

	switch (c) {
	case OPT_COUNT:
		if (!parse_number(optarg, UINT64_MAX, &request->count) || !request->count)
			return cli_usage(&command_monitor, "'%s' is not a number of messages",
					 optarg);
		break;
	case OPT_EVENTS:
		request->news |= VMDEDUP_NEWS_EVENTS;
		break;
	case OPT_STATS:
		request->news |= VMDEDUP_NEWS_STATS;
		break;
	case OPT_TIMEOUT:
		if (!parse_seconds(optarg, &request->timeout_ms) || !request->timeout_ms)
			return cli_usage(&command_monitor, "'%s' is not a number of seconds",
					 optarg);
		break;
	}
	return CLI_CONTINUE;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "count",	required_argument,	NULL,	OPT_COUNT },
		{ "events",	no_argument,		NULL,	OPT_EVENTS },
		{ "stats",	no_argument,		NULL,	OPT_STATS },
		{ "timeout",	required_argument,	NULL,	OPT_TIMEOUT },
		CLI_LONG_OPTIONS
	};
	struct request request = { 0 };
	int status;

	status = cli_options(cli, &command_monitor, argc, argv, options, take_option, &request);
	if (status != CLI_CONTINUE)
		return status;
	if (argc > optind)
		return cli_usage(&command_monitor, "what is '%s' for?", argv[optind]);
	return run_request(cli, &request);
}

const struct command command_monitor = {
	.name		= "monitor",
	.args		= "[--events] [--stats] [--count N] [--timeout SECONDS]",
	.summary	= "what happens, as it happens",
	.help =
		"One line for each event. The time is that since boot, in seconds.\n"
		"\n"
		"      --events           guests and regions that come and go, passes, trouble\n"
		"                         (the default)\n"
		"      --stats            the host's statistics, each stats_interval_ms\n"
		"      --count N          end after N lines\n"
		"      --timeout SECONDS  end after that time\n"
		"  -j, --json             one JSON object a line\n",
	.run		= run,
};
