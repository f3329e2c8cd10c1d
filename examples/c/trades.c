/* Prints trades as they arrive: the whole of what a C program needs.
 *
 * Usage: trades [count] [websocket address]   (without an address: the exchange itself)
 */
#include "barter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what) {
    char message[512];
    size_t len = 0;
    barter_last_error_message(message, sizeof message, &len);
    fprintf(stderr, "%s: %s\n", what, message);
    return 1;
}

int main(int argc, char **argv) {
    uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 20, seen = 0;
    char request[1024], options[512] = "{}";
    if (argc > 2) {
        snprintf(options, sizeof options, "{\"endpoints\": {\"binance_spot\": \"%s\"}}", argv[2]);
    }
    snprintf(request, sizeof request,
             "{\"batches\": [[{\"exchange\": \"binance_spot\", \"base\": \"btc\", \"quote\": \"usdt\", "
             "\"instrument_kind\": \"spot\", \"kind\": \"trades\"}]], \"options\": %s}",
             options);

    barter_streams *streams = NULL;
    const int64_t timeout_ns = INT64_C(30000000000);
    barter_status status = barter_streams_init(request, strlen(request), timeout_ns, &streams);
    if (status != BARTER_OK) {
        return fail(status == BARTER_TIMEOUT ? "not open after 30 s" : "cannot open the streams");
    }
    barter_stream *trades = NULL;
    if (barter_streams_select(streams, BARTER_SUB_TRADES, "binance_spot", &trades) != BARTER_OK) {
        return fail("no trades");
    }

    barter_batch batch = {0};
    batch.struct_size = sizeof batch;
    while (seen < wanted && barter_stream_recv(trades, 256, -1, &batch) == BARTER_OK) {
        for (size_t i = 0; i < batch.events_len && seen < wanted; i++) {
            const barter_event *event = &batch.events[i];
            const barter_notice *notice = &event->payload.notice;
            const char *text = (const char *)batch.text;
            switch (event->kind) {
            case BARTER_EVENT_TRADE:
                printf("%" PRId64 " %s %.8g at %.8g\n", event->time_exchange_ns,
                       event->payload.trade.side == BARTER_SIDE_BUY ? "buy" : "sell",
                       event->payload.trade.amount, event->payload.trade.price);
                seen++;
                break;
            case BARTER_EVENT_DROPPED:
                printf("# %" PRIu64 " events were lost: read faster\n", notice->count);
                break;
            case BARTER_EVENT_RECONNECTING:
            case BARTER_EVENT_ERROR:
                printf("# %.*s\n", (int)notice->text_len, text + notice->text_offset);
                break;
            default:
                break;
            }
        }
        barter_batch_free(&batch);
    }
    barter_stream_free(trades);
    barter_streams_free(streams);
    return seen == wanted ? 0 : 1;
}
