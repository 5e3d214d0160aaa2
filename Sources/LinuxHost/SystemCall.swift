// SPDX-License-Identifier: Apache-2.0

/// The numbers of the system calls that a helper is asked for (x86-64, the helper's processor).
enum SystemCall: UInt64 {
    case mmap = 9
    case mprotect = 10
    case munmap = 11
    case brk = 12
    case mremap = 25
    case msync = 26
    case mincore = 27
    case madvise = 28
    case shmat = 30
    case shmctl = 31
    case shmdt = 67
    case setresuid = 117
    case capget = 125
    case capset = 126
    case mlock = 149
    case munlock = 150
    case mlockall = 151
    case munlockall = 152
    case prctl = 157
    case remapFilePages = 216
    case exitGroup = 231
    case mbind = 237
    case migratePages = 256
    case movePages = 279
    case prlimit = 302
    case mlock2 = 325
}
