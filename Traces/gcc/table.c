// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *word;
    size_t length;
    size_t count;
    uint64_t hash;
};

struct table {
    struct entry *entries;
    size_t capacity;
    size_t size;
};

static uint64_t hash_of(const char *word, size_t length) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t index = 0; index < length; index++) {
        hash ^= (unsigned char)word[index];
        hash *= 0x100000001b3u;
    }
    return hash;
}

static struct entry *entry_for(struct entry *entries, size_t capacity, const char *word,
                               size_t length, uint64_t hash) {
    size_t place = hash & (capacity - 1);
    while (entries[place].word != NULL) {
        struct entry *entry = &entries[place];
        if (entry->hash == hash && entry->length == length &&
            memcmp(entry->word, word, length) == 0) {
            return entry;
        }
        place = (place + 1) & (capacity - 1);
    }
    return &entries[place];
}

static void grow(struct table *table) {
    size_t capacity = table->capacity * 2;
    struct entry *entries = calloc(capacity, sizeof *entries);
    if (entries == NULL) abort();
    for (size_t index = 0; index < table->capacity; index++) {
        struct entry *old = &table->entries[index];
        if (old->word == NULL) continue;
        *entry_for(entries, capacity, old->word, old->length, old->hash) = *old;
    }
    free(table->entries);
    table->entries = entries;
    table->capacity = capacity;
}

struct table *table_make(void) {
    struct table *table = malloc(sizeof *table);
    if (table == NULL) abort();
    table->capacity = 64;
    table->size = 0;
    table->entries = calloc(table->capacity, sizeof *table->entries);
    if (table->entries == NULL) abort();
    return table;
}

void table_free(struct table *table) {
    for (size_t index = 0; index < table->capacity; index++) free(table->entries[index].word);
    free(table->entries);
    free(table);
}

void table_count(struct table *table, const char *word, size_t length) {
    if (table->size * 4 >= table->capacity * 3) grow(table);
    uint64_t hash = hash_of(word, length);
    struct entry *entry = entry_for(table->entries, table->capacity, word, length, hash);
    if (entry->word == NULL) {
        entry->word = malloc(length + 1);
        if (entry->word == NULL) abort();
        memcpy(entry->word, word, length);
        entry->word[length] = 0;
        entry->length = length;
        entry->hash = hash;
        table->size++;
    }
    entry->count++;
}

size_t table_size(const struct table *table) { return table->size; }

static int by_count(const void *one, const void *other) {
    const struct entry *left = *(struct entry *const *)one;
    const struct entry *right = *(struct entry *const *)other;
    if (left->count != right->count) return left->count < right->count ? 1 : -1;
    return strcmp(left->word, right->word);
}

void table_each(const struct table *table,
                void (*visit)(const char *word, size_t length, size_t count, void *context),
                void *context) {
    struct entry **sorted = malloc((table->size + 1) * sizeof *sorted);
    if (sorted == NULL) abort();
    size_t filled = 0;
    for (size_t index = 0; index < table->capacity; index++) {
        if (table->entries[index].word != NULL) sorted[filled++] = &table->entries[index];
    }
    qsort(sorted, filled, sizeof *sorted, by_count);
    for (size_t index = 0; index < filled; index++) {
        visit(sorted[index]->word, sorted[index]->length, sorted[index]->count, context);
    }
    free(sorted);
}
