/* The policies of queues by kind: the key `queues`, before which `queue` stands back. */
#include "check.h"

#define SOURCES "{\"sources\": [[\"binance_spot\", \"trades\"], [\"binance_spot\", \"l1\"]], \"options\": {"

static const char *btc = "{\"exchange\": \"binance_spot\", \"base\": \"btc\", \"quote\": \"usdt\", \"instrument_kind\": \"spot\"}";

/* Three events of the kind are pushed and one is read, with what is told of the two others. */
static void one_of_three(barter_streams *streams, barter_test_injector *injector, uint32_t instrument, int kind,
                         uint32_t sub_kind, int64_t kept, uint16_t why) {
    barter_event events[3];
    memset(events, 0, sizeof events);
    for (int i = 0; i < 3; i++) {
        events[i].time_exchange_ns = events[i].time_received_ns = i;
        events[i].instrument = instrument;
        events[i].exchange = barter_exchange_from_name("binance_spot", 12);
        events[i].kind = (uint8_t)kind;
        if (kind == BARTER_EVENT_TRADE) {
            events[i].payload.trade.side = BARTER_SIDE_BUY;
        }
    }
    CHECK(barter_test_push(injector, events, 3, NULL, 0, NULL, 0) == BARTER_OK);

    barter_stream *stream = NULL;
    CHECK(barter_streams_select(streams, sub_kind, "binance_spot", &stream) == BARTER_OK);
    int64_t seen = -1;
    uint64_t lost = 0;
    barter_batch batch = {0};
    batch.struct_size = sizeof batch;
    while (barter_stream_recv(stream, 8, 0, &batch) == BARTER_OK) {
        for (size_t i = 0; i < batch.events_len; i++) {
            const barter_event *event = &batch.events[i];
            if (event->kind == BARTER_EVENT_DROPPED) {
                CHECK(event->payload.notice.code == why);
                lost += event->payload.notice.count;
            } else {
                CHECK(event->kind == kind && seen == -1);
                seen = event->time_exchange_ns;
            }
        }
        barter_batch_free(&batch);
    }
    CHECK(seen == kept && lost == 2);
    CHECK(barter_stream_free(stream) == BARTER_OK);
}

int main(void) {
    barter_streams *streams = NULL;
    barter_test_injector *injector = NULL;
    uint32_t instrument = 0;
    const char *json = SOURCES "\"queue\": {\"policy\": \"block\"}, \"queues\": {\"trades\": {\"capacity\": 1, "
                               "\"policy\": \"drop_newest\", \"spin_us\": 50}, \"l1\": {\"policy\": \"conflate\"}}}}";
    CHECK(barter_test_streams(json, strlen(json), &streams, &injector) == BARTER_OK);
    CHECK(barter_test_instrument(injector, btc, strlen(btc), &instrument) == BARTER_OK);
    one_of_three(streams, injector, instrument, BARTER_EVENT_TRADE, BARTER_SUB_TRADES, 0, BARTER_DROPPED_QUEUE_FULL);
    one_of_three(streams, injector, instrument, BARTER_EVENT_L1, BARTER_SUB_L1, 2, BARTER_DROPPED_CONFLATED);
    CHECK(barter_streams_free(streams) == BARTER_OK && barter_test_injector_free(injector) == BARTER_OK);

    json = SOURCES "\"queues\": {\"trades\": {\"policy\": \"conflate\"}}}}";
    CHECK_ERROR(barter_test_streams(json, strlen(json), &streams, &injector), BARTER_INVALID_OPTION,
                "options.queues.trades.policy");
    json = SOURCES "\"queues\": {\"tardes\": {}}}}";
    CHECK_ERROR(barter_test_streams(json, strlen(json), &streams, &injector), BARTER_UNKNOWN_KIND,
                "options.queues.tardes");
    json = SOURCES "\"queues\": {\"l1\": {\"spin_us\": 1000001}}}}";
    CHECK_ERROR(barter_test_streams(json, strlen(json), &streams, &injector), BARTER_INVALID_OPTION,
                "options.queues.l1.spin_us");
    puts("policies: ok");
    return 0;
}
