// SPDX-License-Identifier: Apache-2.0
//
// Starting helpers and talking to them. Everything returns -errno on failure, as the kernel does.

#ifndef MOORING_HELPER_LAUNCH_H
#define MOORING_HELPER_LAUNCH_H

#include <stdint.h>
#include <sys/types.h>
#include "helper_protocol.h"

/// Writes the helper's program to memory.
///
/// Returns a read-only descriptor of it (close-on-exec), or -ENOEXEC where the processor is not
/// one that the helper is written for.
int helper_make_image(void);

/// Makes a channel: `ends[0]` for the host, `ends[1]` for a helper, both close-on-exec.
int helper_make_channel(int ends[2]);

/// Starts a helper that runs `image` and serves `channel`; returns its pid.
///
/// It greets with a reply of value 0 once it has moved home.
pid_t helper_start(int image, int channel);

/// Sends a request, and a descriptor along with it unless that is -1.
int helper_send(int channel, const struct helper_request *request, const void *payload,
                int descriptor);

/// Waits for a reply; its payload goes to `payload`, at most `capacity` bytes.
///
/// Returns the number of bytes of payload, or -EPIPE when the helper is gone.
int helper_receive(int channel, struct helper_reply *reply, void *payload, uint32_t capacity);

#endif
