// SPDX-License-Identifier: Apache-2.0
//
// The calls on files that Swift's Glibc module does not offer. -errno on failure.

#ifndef MOORING_HOST_FILES_H
#define MOORING_HOST_FILES_H

#include <stdint.h>

/// open(2) of what `descriptor` is open on, with `flags`; independent of its own access mode.
int host_reopen(int descriptor, int flags);

/// memfd_create(2), close-on-exec, and with MFD_ALLOW_SEALING if it is to be sealable.
int host_memory_file(const char *name, int is_sealable);

/// fcntl(2) with F_ADD_SEALS.
int host_add_seals(int descriptor, int seals);

/// A new file without a name in `directory`, open for reading and writing, close-on-exec.
///
/// -ENODEV where the directory's file system keeps its files in memory.
int host_disk_file(const char *directory);

/// fallocate(2) with FALLOC_FL_PUNCH_HOLE, keeping the length.
int host_punch_hole(int descriptor, int64_t offset, int64_t length);

#endif
