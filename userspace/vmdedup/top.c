// SPDX-License-Identifier: GPL-2.0
#include <curses.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "output.h"
#include "parse.h"
#include "snapshot.h"
#include "top_view.h"

#define DEFAULT_INTERVAL_MS	2000
#define MIN_INTERVAL_MS		100
#define MAX_INTERVAL_MS		3600000
/* Of reading a key, before the time is over. */
#define FAILURES_MAX		10

/**
 * struct top - what is going on
 * @cli: connected
 * @view: what is shown
 * @interval_ms: between two snapshots
 * @batch: so many and then the end, as plain text; 0: on the terminal
 * @now: the last snapshot
 * @before: the one before it
 * @has_before: whether there was one
 */
struct top {
	struct cli *cli;
	struct top_view view;
	uint64_t interval_ms;
	uint64_t batch;
	struct snapshot now;
	struct snapshot before;
	bool has_before;
};

/* The first time there is nothing before. */
static int advance(struct top *top, bool first, const char **what)
{
	struct snapshot next;
	int err = snapshot_take(top->cli, &next, what);

	if (err) {
		snapshot_free(&next);
		return err;
	}
	snapshot_free(&top->before);
	top->before = top->now;
	top->has_before = !first;
	top->now = next;
	return 0;
}

static int render(struct top *top, FILE *file)
{
	return top_render(file, &top->now, top->has_before ? &top->before : NULL, &top->view);
}

static void pause_ms(uint64_t ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static int run_batch(struct top *top)
{
	const char *what;
	uint64_t i;
	int err;

	for (i = 0; i < top->batch; i++) {
		if (i)
			pause_ms(top->interval_ms);
		err = advance(top, !i, &what);
		if (err)
			return cli_request_error(top->cli, err, what);
		if (top->cli->json) {
			json_print(top->cli, snapshot_to_json(top->cli, &top->now));
		} else {
			if (i)
				putchar('\n');
			err = render(top, stdout);
			if (err)
				return cli_request_error(top->cli, err, "top");
		}
		/* Whoever reads it shall not wait, and if nobody does, it is the end. */
		if (fflush(stdout))
			return CLI_REFUSED;
	}
	return CLI_OK;
}

static void draw_help(const struct top *top)
{
	char line[160];

	snprintf(line, sizeof(line), "q quit  s/S sort: %s  r reverse  arrows, pages: scroll  "
		 "+/- every %.1f s", top_sort_name(top->view.sort), top->interval_ms / 1000.0);
	attron(A_REVERSE);
	mvaddnstr(LINES - 1, 0, line, COLS);
	attroff(A_REVERSE);
}

static int draw(struct top *top)
{
	char *text = NULL, *line, *rest;
	size_t size = 0;
	FILE *file;
	int y, err;

	top->view.rows = LINES > TOP_HEAD_LINES + 2 ? LINES - TOP_HEAD_LINES - 1 : 1;
	file = open_memstream(&text, &size);
	if (!file)
		return -ENOMEM;
	err = render(top, file);
	if (fclose(file) && !err)
		err = -ENOMEM;
	erase();
	rest = text;
	for (y = 0; !err && y < LINES - 1 && (line = strsep(&rest, "\n")); y++) {
		if (y == TOP_HEAD_LINES - 1)
			attron(A_BOLD);
		mvaddnstr(y, 0, line, COLS);
		attroff(A_BOLD);
	}
	draw_help(top);
	refresh();
	free(text);
	return err;
}

static void scroll_view(struct top_view *view, long rows)
{
	if (rows < 0 && (size_t)-rows > view->first)
		view->first = 0;
	else
		/* top_render() knows where the end is. */
		view->first += rows;
}

static void set_interval(struct top *top, uint64_t ms)
{
	if (ms >= MIN_INTERVAL_MS && ms <= MAX_INTERVAL_MS)
		top->interval_ms = ms;
}

static void next_sort(struct top_view *view, int step)
{
	view->sort = (view->sort + TOP_SORT_NR + step) % TOP_SORT_NR;
	view->first = 0;
}

/* Returns false to end. */
static bool on_key(struct top *top, int key)
{
	struct top_view *view = &top->view;
	long page = view->rows;

	switch (key) {
	case 'q':
	case 'Q':
		return false;
	case 's':
	case KEY_RIGHT:
		next_sort(view, 1);
		break;
	case 'S':
	case KEY_LEFT:
		next_sort(view, -1);
		break;
	case 'r':
		view->reverse = !view->reverse;
		break;
	case KEY_UP:
	case 'k':
		scroll_view(view, -1);
		break;
	case KEY_DOWN:
	case 'j':
		scroll_view(view, 1);
		break;
	case KEY_PPAGE:
		scroll_view(view, -page);
		break;
	case KEY_NPAGE:
	case ' ':
		scroll_view(view, page);
		break;
	case KEY_HOME:
	case 'g':
		view->first = 0;
		break;
	case KEY_END:
	case 'G':
		view->first = LONG_MAX;
		break;
	case '+':
		set_interval(top, top->interval_ms * 2);
		break;
	case '-':
		set_interval(top, top->interval_ms / 2);
		break;
	}
	return true;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* Draws and takes keys until it is time for the next snapshot. False: the end. */
static bool show_snapshot(struct top *top, int *err)
{
	uint64_t began = now_ms(), passed = 0;
	int key, failed = 0;

	do {
		*err = draw(top);
		if (*err)
			return false;
		timeout(top->interval_ms - passed);
		key = getch();
		passed = now_ms() - began;
		/* It fails at once, again and again: nobody is there any more. */
		if (key == ERR && passed < top->interval_ms && ++failed > FAILURES_MAX)
			return false;
		if (key != ERR && !on_key(top, key))
			return false;
	} while (passed < top->interval_ms);
	return true;
}

static int run_screen(struct top *top)
{
	const char *what;
	SCREEN *screen;
	int err;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		cli_error("top: this is no terminal: use --batch N");
		return CLI_REFUSED;
	}
	/* Before the screen is taken: errors shall be seen. */
	err = advance(top, true, &what);
	if (err)
		return cli_request_error(top->cli, err, what);
	screen = newterm(NULL, stdout, stdin);
	if (!screen) {
		cli_error("top: the terminal is not known (see TERM): use --batch N");
		return CLI_REFUSED;
	}
	cbreak();
	noecho();
	keypad(stdscr, true);
	curs_set(0);
	while (!err && show_snapshot(top, &err))
		err = advance(top, false, &what);
	endwin();
	delscreen(screen);
	return err ? cli_request_error(top->cli, err, what) : CLI_OK;
}

static int run_top(struct cli *cli, struct top *top)
{
	int status;

	if (cli->json && !top->batch)
		return cli_usage(&command_top, "JSON needs --batch N");
	if (cli_connect(cli))
		return CLI_REFUSED;
	top->cli = cli;
	status = top->batch ? run_batch(top) : run_screen(top);
	snapshot_free(&top->now);
	snapshot_free(&top->before);
	return status;
}

static int take_option(void *data, int c)
{
	struct top *top = data;

	switch (c) {
	case OPT_BATCH:
		if (!parse_number(optarg, UINT32_MAX, &top->batch) || !top->batch)
			return cli_usage(&command_top, "'%s' is not a number of times", optarg);
		break;
	case OPT_INTERVAL:
		if (!parse_seconds(optarg, &top->interval_ms) ||
		    top->interval_ms < MIN_INTERVAL_MS || top->interval_ms > MAX_INTERVAL_MS)
			return cli_usage(&command_top,
					 "'%s' is not a number of seconds from 0.1 to 3600",
					 optarg);
		break;
	case OPT_REVERSE:
		top->view.reverse = true;
		break;
	case OPT_SORT:
		if (!top_sort_parse(optarg, &top->view.sort))
			return cli_usage(&command_top, "there is no column '%s' to sort by",
					 optarg);
		break;
	}
	return CLI_CONTINUE;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "batch",	required_argument,	NULL,	OPT_BATCH },
		{ "interval",	required_argument,	NULL,	OPT_INTERVAL },
		{ "reverse",	no_argument,		NULL,	OPT_REVERSE },
		{ "sort",	required_argument,	NULL,	OPT_SORT },
		CLI_LONG_OPTIONS
	};
	struct top top = { .interval_ms = DEFAULT_INTERVAL_MS };
	int status;

	status = cli_options(cli, &command_top, argc, argv, options, take_option, &top);
	if (status != CLI_CONTINUE)
		return status;
	if (argc > optind)
		return cli_usage(&command_top, "what is '%s' for?", argv[optind]);
	return run_top(cli, &top);
}

const struct command command_top = {
	.name		= "top",
	.args		= "[--interval SECONDS] [--sort COLUMN] [--reverse] [--batch N]",
	.summary	= "host and guests, live",
	.help =
		"      --interval SECONDS  how often to refresh; 2 unless told, 0.1 at the least\n"
		"      --sort COLUMN       saved (the default), resident, merged, zero, breaks,\n"
		"                          cpu, pid or name\n"
		"      --reverse           the other way round\n"
		"      --batch N           as plain text, N times\n"
		"  -j, --json              JSON on standard output, one object each time;\n"
		"                          needs --batch\n"
		"  -p, --pretty            the same, indented\n"
		"\n"
		"Keys: q ends it, s and S choose the column to sort by, r reverses; the arrows,\n"
		"page up and down, home and end scroll; + and - change the interval.\n",
	.run		= run,
};
