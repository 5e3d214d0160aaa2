// SPDX-License-Identifier: Apache-2.0
#include "helper_internal.h"
#if defined(__x86_64__)
HELPER_CODE void helper_time(const struct helper_request *request, struct helper_reply *reply) {
    reply->value = -38;
}
#endif
