/* What the C programs of the tests share: a check that says where it failed. */
#ifndef CHECK_H
#define CHECK_H

#include "barter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void last_error(char *message, size_t cap) {
    size_t len = 0;
    barter_last_error_message(message, cap, &len);
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            char message_[512];                                                                    \
            last_error(message_, sizeof message_);                                                 \
            fprintf(stderr, "%s:%d: %s\nlast error: %s\n", __FILE__, __LINE__, #condition,         \
                    message_);                                                                     \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* The status is as expected, and a message of the thread names the culprit. */
#define CHECK_ERROR(call, expected, culprit)                                                       \
    do {                                                                                           \
        barter_status status_ = (call);                                                            \
        char text_[512];                                                                           \
        last_error(text_, sizeof text_);                                                           \
        if (status_ != (expected) || strstr(text_, (culprit)) == NULL) {                           \
            fprintf(stderr, "%s:%d: %s\ngave %d, \"%s\"; expected %d and \"%s\"\n", __FILE__,      \
                    __LINE__, #call, (int)status_, text_, (int)(expected), (culprit));             \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#endif
