// SPDX-License-Identifier: Apache-2.0
//
// The C side of LinuxHost: a tiny helper program that lives inside this library, and the few
// functions that start it and talk to it.

#ifndef CLINUXHOST_H
#define CLINUXHOST_H

#include "helper_protocol.h"
#include "helper_launch.h"
#include "helper_timing_names.h"
#include "host_files.h"

#endif
