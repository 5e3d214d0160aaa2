// SPDX-License-Identifier: Apache-2.0
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>

// A hash table from words to counts, with open addressing.
struct table;

struct table *table_make(void);
void table_free(struct table *table);
void table_count(struct table *table, const char *word, size_t length);
size_t table_size(const struct table *table);

// Calls back for every word, the most frequent first.
void table_each(const struct table *table,
                void (*visit)(const char *word, size_t length, size_t count, void *context),
                void *context);

#endif
