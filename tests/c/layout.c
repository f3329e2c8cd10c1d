/* The records have their documented size and offsets in C, without implicit padding. */
#include "check.h"

#include <stddef.h>

#define AT(type, field, offset) CHECK(offsetof(type, field) == (offset))

int main(void) {
    CHECK(sizeof(barter_decimal) == 16 && sizeof(barter_level) == 32 && sizeof(barter_trade_id) == 40);
    CHECK(sizeof(barter_event) == 128 && sizeof(barter_payload) == 104);
    CHECK(sizeof(barter_trade) == 104 && sizeof(barter_l1) == 104 && sizeof(barter_book) == 104);
    CHECK(sizeof(barter_liquidation) == 104 && sizeof(barter_notice) == 104);
    AT(barter_event, time_exchange_ns, 0);
    AT(barter_event, time_received_ns, 8);
    AT(barter_event, instrument, 16);
    AT(barter_event, exchange, 20);
    AT(barter_event, kind, 22);
    AT(barter_event, flags, 23);
    AT(barter_event, payload, 24);
    AT(barter_trade, side, 16);
    AT(barter_trade, id_len, 20);
    AT(barter_trade, id, 24);
    AT(barter_l1, ask_amount_decimal, 88);
    AT(barter_book, asks_len, 28);
    AT(barter_liquidation, side, 24);
    AT(barter_notice, count, 40);
    AT(barter_notice, duration_ns, 96);
    AT(barter_batch, struct_size, 0);
    AT(barter_batch, event_size, 4);
    AT(barter_batch, events, 8);
    AT(barter_batch, owner, 56);
    AT(barter_batch, kinds, 64);
    AT(barter_batch, flags, 72);
    AT(barter_batch, first, 80);
    CHECK(sizeof(barter_batch) == 208);

    /* The library agrees. */
    char layout[4096];
    size_t len = 0;
    CHECK(barter_test_layout(layout, sizeof layout, &len) == BARTER_OK && len < sizeof layout);
    CHECK(strstr(layout, "\"duration_ns\":96") != NULL && strstr(layout, "\"payload\":24") != NULL);
    puts("layout: ok");
    return 0;
}
