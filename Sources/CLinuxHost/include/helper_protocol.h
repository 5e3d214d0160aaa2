// SPDX-License-Identifier: Apache-2.0
//
// What the host and a helper say to each other, and where a helper keeps itself.
//
// A helper is a process that carries out system calls and memory accesses for someone else. It
// must not disturb what it measures, so it is a program of its own without libc, loader, heap,
// stack area or vdso: two areas of fixed size at one fixed address are all it has.
//
//   HELPER_HOME              data: fault record, request, reply, signal stack, stack   (rw-p)
//   HELPER_HOME + HELPER_HALF   its code                                               (r-xp)
//
// Both halves are of the same size because RLIMIT_DATA looks at one (private writable areas) in
// mmap(2) and at the other (the data segment, which the kernel takes the one segment of the
// program for) in brk(2): one correction fits both.
//
// The home lies in 512 GiB of address space (one entry of the top-level page table) in which
// nothing else is ever placed, so that its page tables are its own and can be told apart too.
//
// The channel is a SOCK_SEQPACKET socket: one packet a request, one a reply. End of file on it
// ends the helper, so helpers do not outlive their host.

#ifndef MOORING_HELPER_PROTOCOL_H
#define MOORING_HELPER_PROTOCOL_H

#include <stdint.h>

/// Where the helper's two areas begin: "moor" in ASCII, and 64 KiB aligned.
#define HELPER_HOME 0x6d6f6f720000
/// The size of each of the two areas.
#define HELPER_HALF 0x8000
/// The end of user space.
#define HELPER_SPACE_END 0x7ffffffff000

/// Where the payload of a request is when the helper carries it out.
#define HELPER_PAYLOAD_IN 0x6d6f6f721080
/// Where a system call may write what the reply shall carry.
#define HELPER_PAYLOAD_OUT 0x6d6f6f722080
/// The most bytes that either carries.
#define HELPER_PAYLOAD_MAX 2048

/// Where the program's one segment is loaded, and so where brk(2) starts: behind it. A position
/// independent program starts here too when its addresses are not randomised.
#define HELPER_LOAD 0x555555554000

/// What a request asks for. The arguments of each are named in order.
enum helper_operation {
    /// The system call `number` with six arguments; the reply's value is what the kernel returned.
    HELPER_SYSCALL = 1,
    /// First address, length, kind (0 read, 1 write, 2 execute): touches each page, ascending.
    HELPER_TOUCH = 2,
    /// Address, length, seed: writes the pattern.
    HELPER_STORE = 3,
    /// Address, length: the value is the FNV-1a checksum of the bytes.
    HELPER_LOAD_SUM = 4,
    /// Forks; the child serves the descriptor that came along. The value is its pid or an error.
    HELPER_FORK = 5,
    /// Replaces itself by a fresh copy, which then greets.
    HELPER_EXEC = 6,
    /// Keeps the descriptor that came along; the value is its number.
    HELPER_ADOPT = 7,
    /// Timing (helper_timing_names.h), pages, count of areas or processes: the value is nanoseconds,
    /// `address` the number of units that they took.
    HELPER_TIME = 8,
    /// Starts a process that replaces itself by a fresh copy at once; that serves the descriptor
    /// that came along, and greets there. The value is its pid or an error.
    HELPER_EXEC_APART = 9,
};

/// One request; its payload follows it in the packet.
struct helper_request {
    uint32_t operation;
    /// Bytes of payload that follow.
    uint32_t payload_length;
    /// Bytes at HELPER_PAYLOAD_OUT that the reply shall carry.
    uint32_t reply_length;
    uint32_t reserved;
    uint64_t number;
    uint64_t arguments[6];
};

/// One reply; its payload follows it in the packet.
struct helper_reply {
    /// What the kernel returned, or 0.
    int64_t value;
    /// The signal that ended an access, or 0.
    int32_t signal;
    /// Its si_code.
    int32_t code;
    /// Its si_addr.
    uint64_t address;
};

#endif
