// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE 1
#include "host_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

int host_reopen(int descriptor, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    int opened = open(path, flags | O_CLOEXEC);
    return opened < 0 ? -errno : opened;
}

int host_memory_file(const char *name, int is_sealable) {
    int file = memfd_create(name, MFD_CLOEXEC | (is_sealable ? MFD_ALLOW_SEALING : 0));
    return file < 0 ? -errno : file;
}

int host_disk_file(const char *directory) {
    struct statfs system;
    if (statfs(directory, &system) != 0) return -errno;
    if (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC) return -ENODEV;
    char path[4096];
    if (snprintf(path, sizeof path, "%s/mooring-XXXXXX", directory) >= (int)sizeof path) {
        return -ENAMETOOLONG;
    }
    int file = mkostemp(path, O_CLOEXEC);
    if (file < 0) return -errno;
    unlink(path);
    return file;
}

int host_add_seals(int descriptor, int seals) {
    return fcntl(descriptor, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

int host_punch_hole(int descriptor, int64_t offset, int64_t length) {
    int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    return fallocate(descriptor, mode, offset, length) < 0 ? -errno : 0;
}
