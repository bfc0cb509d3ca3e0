// SPDX-License-Identifier: GPL-2.0
#define FUSE_USE_VERSION 35
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slowfs.h"
#include "util.h"

#define INO(which) (FUSE_ROOT_ID + 1 + (which))
/* Nothing changes but by us. */
#define FOREVER 86400.0

static const char * const names[SLOWFS_FILES] = {
	[SLOWFS_WRITES] = "written",
	[SLOWFS_READS] = "read",
};

static void attr_of(fuse_ino_t ino, struct stat *st)
{
	*st = (struct stat) { .st_ino = ino };
	if (ino == FUSE_ROOT_ID) {
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
	} else {
		st->st_mode = S_IFREG | 0644;
		st->st_nlink = 1;
		st->st_size = PG;
	}
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = {
		.attr_timeout = FOREVER,
		.entry_timeout = FOREVER,
	};

	for (int i = 0; i < SLOWFS_FILES; i++)
		if (parent == FUSE_ROOT_ID && !strcmp(name, names[i]))
			e.ino = INO(i);
	if (!e.ino) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	attr_of(e.ino, &e.attr);
	fuse_reply_entry(req, &e);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	attr_of(ino, &st);
	fuse_reply_attr(req, &st, FOREVER);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fi->direct_io = (fi->flags & O_ACCMODE) == O_RDONLY;
	fuse_reply_open(req, fi);
}

/* Is the answer to be given later? One of each kind at a time is. */
static bool keep(struct slowfs *fs, enum slowfs_file which, fuse_req_t req)
{
	bool kept = false;

	pthread_mutex_lock(&fs->lock);
	if (fs->hold[which] && !fs->held[which]) {
		fs->held[which] = req;
		kept = true;
	}
	pthread_mutex_unlock(&fs->lock);
	return kept;
}

static void answer(enum slowfs_file which, fuse_req_t req)
{
	static const char zero[PG];

	/* Nobody looks at what has been written. */
	if (which == SLOWFS_WRITES)
		fuse_reply_write(req, PG);
	else
		fuse_reply_buf(req, zero, PG);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	(void)fi;
	if (off || size < PG)
		fuse_reply_buf(req, NULL, 0);
	else if (ino != INO(SLOWFS_READS) ||
		 !keep(fuse_req_userdata(req), SLOWFS_READS, req))
		answer(SLOWFS_READS, req);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
		     off_t off, struct fuse_file_info *fi)
{
	(void)buf;
	(void)off;
	(void)fi;
	if (size != PG)
		fuse_reply_err(req, EIO);
	else if (ino != INO(SLOWFS_WRITES) ||
		 !keep(fuse_req_userdata(req), SLOWFS_WRITES, req))
		answer(SLOWFS_WRITES, req);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = op_lookup,
	.getattr = op_getattr,
	.open = op_open,
	.read = op_read,
	.write = op_write,
};

static void *serve(void *arg)
{
	struct slowfs *fs = arg;

	fuse_session_loop(fs->session);
	return NULL;
}

int slowfs_begin(struct slowfs *fs)
{
	char name[] = "slowfs", *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);

	*fs = (struct slowfs) { .lock = PTHREAD_MUTEX_INITIALIZER };
	if (access("/dev/fuse", F_OK) && system("modprobe fuse 2>/dev/null"))
		return -ENODEV;
	/* Of one who was killed. */
	umount2(SLOWFS_DIR, MNT_DETACH);
	if (mkdir(SLOWFS_DIR, 0755) && errno != EEXIST)
		return -errno;
	fs->session = fuse_session_new(&args, &ops, sizeof(ops), fs);
	if (!fs->session)
		return -EINVAL;
	if (fuse_session_mount(fs->session, SLOWFS_DIR))
		return -EIO;
	fs->serving = !pthread_create(&fs->server, NULL, serve, fs);
	return fs->serving ? 0 : -EAGAIN;
}

void slowfs_hold(struct slowfs *fs, enum slowfs_file which)
{
	pthread_mutex_lock(&fs->lock);
	fs->hold[which] = true;
	pthread_mutex_unlock(&fs->lock);
}

bool slowfs_asked(struct slowfs *fs, enum slowfs_file which)
{
	bool asked = false;

	for (int i = 0; i < 12000 && !asked; i++) {
		if (i)
			usleep(10000);
		pthread_mutex_lock(&fs->lock);
		asked = fs->held[which];
		pthread_mutex_unlock(&fs->lock);
	}
	return asked;
}

void slowfs_answer(struct slowfs *fs, enum slowfs_file which)
{
	pthread_mutex_lock(&fs->lock);
	fs->hold[which] = false;
	if (fs->held[which])
		answer(which, fs->held[which]);
	fs->held[which] = NULL;
	pthread_mutex_unlock(&fs->lock);
}

void slowfs_end(struct slowfs *fs)
{
	if (!fs->session)
		return;
	for (int i = 0; i < SLOWFS_FILES; i++)
		slowfs_answer(fs, i);
	/* Its server ends when nobody has it mounted; whoever waits yet gets an error. */
	umount2(SLOWFS_DIR, MNT_FORCE);
	umount2(SLOWFS_DIR, MNT_DETACH);
	if (fs->serving)
		pthread_join(fs->server, NULL);
	fuse_session_destroy(fs->session);
	fs->session = NULL;
	rmdir(SLOWFS_DIR);
}
