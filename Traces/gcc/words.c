// SPDX-License-Identifier: Apache-2.0
// Counts the words of its standard input and prints the most frequent.
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

struct report {
    size_t printed;
    size_t limit;
    size_t total;
};

static void print(const char *word, size_t length, size_t count, void *context) {
    struct report *report = context;
    if (report->printed++ >= report->limit) return;
    double share = 100.0 * (double)count / (double)report->total;
    printf("%8zu %6.2f %%  %-20.*s %.2f bits\n", count, share, (int)length, word,
           -log2(share / 100.0));
}

int main(int argc, char **argv) {
    struct report report = {0, argc > 1 ? strtoul(argv[1], NULL, 10) : 10, 0};
    struct table *table = table_make();
    char word[256];
    size_t length = 0;
    int letter;
    do {
        letter = getchar();
        if (letter != EOF && isalpha(letter)) {
            if (length < sizeof word - 1) word[length++] = (char)tolower(letter);
        } else if (length > 0) {
            table_count(table, word, length);
            report.total++;
            length = 0;
        }
    } while (letter != EOF);
    table_each(table, print, &report);
    printf("%zu words, %zu different\n", report.total, table_size(table));
    table_free(table);
    return 0;
}
