// SPDX-License-Identifier: Apache-2.0

#ifndef CEXPLORER_INTERNAL_H
#define CEXPLORER_INTERNAL_H

#include "CExplorer.h"

/// Makes the page at `address` writable if it belongs to this thread's frozen arena.
bool explorer_arena_note_write(uintptr_t address);

#endif
