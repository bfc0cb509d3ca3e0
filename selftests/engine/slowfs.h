/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file system of two files of one page each, whose server answers when it pleases:
 * what a process waits for while it keeps its own mmap_lock, or while it dies, for as
 * long as the test likes.
 */
#ifndef VMDEDUP_SELFTESTS_SLOWFS_H
#define VMDEDUP_SELFTESTS_SLOWFS_H

#include <pthread.h>
#include <stdbool.h>

#define SLOWFS_DIR	"/run/vmdedup-slowfs"
/* Writes to the one wait, and reads of the other, if they are held. */
#define SLOWFS_WRITTEN	SLOWFS_DIR "/written"
#define SLOWFS_READ	SLOWFS_DIR "/read"

enum slowfs_file {
	SLOWFS_WRITES,
	SLOWFS_READS,
	SLOWFS_FILES
};

struct slowfs {
	struct fuse_session *session;
	pthread_t server;
	bool serving;

	pthread_mutex_t lock;
	bool hold[SLOWFS_FILES];
	struct fuse_req *held[SLOWFS_FILES];
};

/*
 * Mount it. What is opened for reading only goes by the page cache (FOPEN_DIRECT_IO).
 * Returns 0, -ENODEV on a kernel without FUSE, or another negative errno.
 */
int slowfs_begin(struct slowfs *fs);
/* From now on one of them gets no answer. */
void slowfs_hold(struct slowfs *fs, enum slowfs_file which);
/* Does somebody wait for one? Looks for minutes, then tells false. */
bool slowfs_asked(struct slowfs *fs, enum slowfs_file which);
/* Answer who waits, and all that come. */
void slowfs_answer(struct slowfs *fs, enum slowfs_file which);
void slowfs_end(struct slowfs *fs);

#endif /* VMDEDUP_SELFTESTS_SLOWFS_H */
