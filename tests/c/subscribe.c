/* Subscribing on a running set. With an address of Binance spot it subscribes there; without one, only what fails. */
#include "check.h"

#include <poll.h>
#include <unistd.h>

#define ONE(base)                                                                                  \
    "{\"batches\": [[{\"exchange\": \"binance_spot\", \"base\": \"" base "\", \"quote\": \"usdt\", " \
    "\"instrument_kind\": \"spot\", \"kind\": \"trades\"}]]"

static const int64_t TIMEOUT_NS = 5000000000;

static barter_status subscribe(barter_streams *streams, const char *json) {
    return barter_streams_subscribe(streams, json, strlen(json), TIMEOUT_NS);
}

static void refused(void) {
    const char *sources = "{\"sources\": [[\"binance_spot\", \"trades\"]]}";
    barter_streams *streams = NULL, *addition = NULL;
    barter_test_injector *injector = NULL;
    const char *json = ONE("eth") "}";
    CHECK_ERROR(subscribe(NULL, json), BARTER_NULL_POINTER, "barter_streams");
    CHECK(barter_test_streams(sources, strlen(sources), &streams, &injector) == BARTER_OK);
    CHECK_ERROR(subscribe(streams, json), BARTER_INVALID_ARGUMENT, "in memory");
    CHECK_ERROR(barter_streams_subscribe(streams, NULL, 0, 0), BARTER_NULL_POINTER, "json");
    CHECK_ERROR(barter_streams_subscribe_start(streams, json, strlen(json), 0, NULL), BARTER_NULL_POINTER, "out");
    CHECK_ERROR(barter_streams_subscribe_start(streams, json, strlen(json), 0, &addition), BARTER_INVALID_ARGUMENT,
                "in memory");
    CHECK(addition == NULL);
    CHECK_ERROR(barter_streams_unsubscribe(streams, json, strlen(json)), BARTER_INVALID_ARGUMENT, "in memory");
    CHECK_ERROR(barter_streams_subscribe_ready_fd(streams, NULL), BARTER_NULL_POINTER, "fd");
    CHECK(barter_streams_close(streams) == BARTER_OK);
    CHECK_ERROR(subscribe(streams, json), BARTER_HANDLE_CLOSED, "closed");
    CHECK(barter_streams_free(streams) == BARTER_OK && barter_test_injector_free(injector) == BARTER_OK);
}

static void subscribed(const char *address) {
    char json[512], known[1024];
    size_t len = 0;
    snprintf(json, sizeof json, ONE("btc") ", \"options\": {\"endpoints\": {\"binance_spot\": \"%s\"}}}", address);
    barter_streams *streams = NULL, *addition = NULL;
    barter_stream *stream = NULL;
    CHECK(barter_streams_init(json, strlen(json), TIMEOUT_NS, &streams) == BARTER_OK);
    CHECK(barter_streams_select(streams, BARTER_SUB_TRADES, "binance_spot", &stream) == BARTER_OK);
    CHECK_ERROR(subscribe(streams, json), BARTER_INVALID_JSON, "options");
    CHECK(subscribe(streams, ONE("eth") "}") == BARTER_OK);
    CHECK(barter_streams_subscribe_start(streams, ONE("sol") "}", strlen(ONE("sol") "}"), TIMEOUT_NS, &addition) ==
          BARTER_OK);
    int fd = -1;
    CHECK(barter_streams_subscribe_ready_fd(streams, &fd) == BARTER_OK);
    CHECK(barter_streams_wait(addition, TIMEOUT_NS) == BARTER_OK);
    struct pollfd turn = {fd, POLLIN, 0};
    CHECK(poll(&turn, 1, 1000) == 1);
    close(fd);
    CHECK(barter_streams_free(addition) == BARTER_OK);
    CHECK(barter_streams_instruments(streams, known, sizeof known, &len) == BARTER_OK);
    CHECK(strstr(known, "\"index\":2,\"exchange\":\"binance_spot\",\"base\":\"sol\"") != NULL);

    unsigned seen = 0;
    barter_batch batch = {0};
    batch.struct_size = sizeof batch;
    while (seen != 7) {
        CHECK(barter_stream_recv(stream, 256, TIMEOUT_NS, &batch) == BARTER_OK);
        for (size_t i = 0; i < batch.events_len; i++) {
            CHECK(batch.events[i].kind == BARTER_EVENT_TRADE && batch.events[i].instrument < 3);
            seen |= 1u << batch.events[i].instrument;
        }
        barter_batch_free(&batch);
    }
    const char *eth = ONE("eth") "}";
    CHECK(barter_streams_unsubscribe(streams, eth, strlen(eth)) == BARTER_OK);
    CHECK_ERROR(barter_streams_unsubscribe(streams, eth, strlen(eth)), BARTER_NOT_SUBSCRIBED,
                "binance_spot trades of ETHUSDT");
    CHECK(subscribe(streams, eth) == BARTER_OK);
    CHECK(barter_stream_free(stream) == BARTER_OK && barter_streams_free(streams) == BARTER_OK);
}

int main(int argc, char **argv) {
    refused();
    if (argc > 1) {
        subscribed(argv[1]);
    }
    puts("subscribe: ok");
    return 0;
}
