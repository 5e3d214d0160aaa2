// SPDX-License-Identifier: Apache-2.0
//
// The host's side of a helper: starting it, sending requests, receiving replies.

#define _GNU_SOURCE 1
#include "helper_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/// A request or reply and its payload lie this far apart in a helper, and so in a packet.
enum { header_size = HELPER_PAYLOAD_IN - (HELPER_HOME + 0x1000) };

int helper_make_channel(int ends[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : 0;
}

pid_t helper_start(int image, int channel) {
    // Both are duplicated out of the way of the numbers that they are given in the helper.
    int far_image = fcntl(image, F_DUPFD_CLOEXEC, 10);
    int far_channel = fcntl(channel, F_DUPFD_CLOEXEC, 10);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, far_channel, 0);
    posix_spawn_file_actions_adddup2(&actions, far_image, 1);
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    // Its own group: a terminal's interrupt is the host's to handle.
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);

    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", far_image);
    char name[] = "mooring-helper";
    char *arguments[] = {name, NULL};
    char *environment[] = {NULL};
    pid_t pid = 0;
    int error = far_image < 0 || far_channel < 0
                    ? EMFILE
                    : posix_spawn(&pid, path, &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(far_image);
    close(far_channel);
    return error != 0 ? -error : pid;
}

int helper_send(int channel, const struct helper_request *request, const void *payload,
                int descriptor) {
    char header[header_size] = {0};
    memcpy(header, request, sizeof *request);
    struct iovec vectors[2] = {
        {header, header_size},
        {(void *)payload, request->payload_length},
    };
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr alignment;
    } control = {0};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};
    if (descriptor >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *item = CMSG_FIRSTHDR(&message);
        item->cmsg_level = SOL_SOCKET;
        item->cmsg_type = SCM_RIGHTS;
        item->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(item), &descriptor, sizeof descriptor);
    }
    ssize_t sent;
    do {
        sent = sendmsg(channel, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

int helper_receive(int channel, struct helper_reply *reply, void *payload, uint32_t capacity) {
    char header[header_size];
    struct iovec vectors[2] = {{header, header_size}, {payload, capacity}};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};
    ssize_t got;
    do {
        got = recvmsg(channel, &message, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return errno == ECONNRESET ? -EPIPE : -errno;
    if (got < header_size) return -EPIPE;
    memcpy(reply, header, sizeof *reply);
    return (int)(got - header_size);
}
