/* Every wrong use has its status and a message that names the culprit, and the library works afterwards. */
#include "check.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

static barter_status start(const char *json, barter_streams **streams) {
    return barter_streams_start(json, strlen(json), streams);
}

static void requests(void) {
    barter_streams *streams = (barter_streams *)&streams;
    CHECK_ERROR(start("{\"batches\": [", &streams), BARTER_INVALID_JSON, "JSON");
    CHECK(streams == NULL);
    CHECK_ERROR(start("{\"batches\": []}", &streams), BARTER_NO_SUBSCRIPTIONS, "nothing to subscribe");
    CHECK_ERROR(start("{\"batches\": [[], []]}", &streams), BARTER_NO_SUBSCRIPTIONS, "nothing to subscribe");
    CHECK_ERROR(start("{\"batchs\": []}", &streams), BARTER_INVALID_JSON, "batchs");
    CHECK_ERROR(start("{\"batches\": [[{\"exchange\": \"krakn\", \"base\": \"btc\", \"quote\": \"usd\", "
                      "\"kind\": \"trades\"}]]}", &streams),
                BARTER_UNKNOWN_EXCHANGE, "kraken");
    CHECK_ERROR(start("{\"batches\": [[{\"exchange\": \"kraken\", \"base\": \"btc\", \"quote\": \"usd\", "
                      "\"kind\": \"trade\"}]]}", &streams),
                BARTER_UNKNOWN_KIND, "trades");
    CHECK_ERROR(start("{\"batches\": [[{\"exchange\": \"kraken\", \"base\": \"btc\", \"quote\": \"usd\", "
                      "\"kind\": \"liquidations\"}]]}", &streams),
                BARTER_UNSUPPORTED, "kraken has no liquidations");
    CHECK_ERROR(start("{\"batches\": [[{\"exchange\": \"kraken\", \"base\": \"\", \"quote\": \"usd\", "
                      "\"kind\": \"trades\"}]]}", &streams),
                BARTER_INVALID_INSTRUMENT, "batches[0][0]: base");
    CHECK_ERROR(start("{\"batches\": [[{\"exchange\": \"kraken\", \"base\": \"btc\", \"quote\": \"usd\", "
                      "\"kind\": \"trades\"}]], \"options\": {\"queue\": {\"capcity\": 1}}}", &streams),
                BARTER_INVALID_JSON, "options.queue.capcity");
    CHECK_ERROR(start("{\"batches\": [[{\"exchange\": \"kraken\", \"base\": \"btc\", \"quote\": \"usd\", "
                      "\"kind\": \"trades\"}]], \"options\": {\"queue\": {\"capacity\": 0}}}", &streams),
                BARTER_INVALID_OPTION, "options.queue.capacity");
    CHECK_ERROR(barter_streams_start("\xff", 1, &streams), BARTER_INVALID_UTF8, "json");
    CHECK_ERROR(barter_streams_start(NULL, 0, &streams), BARTER_NULL_POINTER, "json");
    CHECK_ERROR(barter_streams_start("{}", 2, NULL), BARTER_NULL_POINTER, "out");
    CHECK_ERROR(barter_streams_start("{}", SIZE_MAX, &streams), BARTER_INVALID_ARGUMENT, "json");
}

static void unreachable(void) {
    /* Port 9 of loopback: nobody listens. */
    const char *json = "{\"batches\": [[{\"exchange\": \"kraken\", \"base\": \"btc\", \"quote\": \"usd\", \"kind\": "
                       "\"trades\"}]], \"options\": {\"endpoints\": {\"kraken\": \"ws://127.0.0.1:9\"}}}";
    barter_streams *streams = NULL;
    CHECK_ERROR(barter_streams_init(json, strlen(json), 5000000000, &streams), BARTER_CONNECT_FAILED, "127.0.0.1:9");
    CHECK(streams == NULL);
    CHECK(start(json, &streams) == BARTER_OK);
    CHECK_ERROR(barter_streams_wait(streams, -1), BARTER_CONNECT_FAILED, "kraken");
    CHECK_ERROR(barter_streams_wait(streams, 0), BARTER_CONNECT_FAILED, "kraken");
    CHECK(barter_streams_free(streams) == BARTER_OK);
}

static void nulls(void) {
    size_t len;
    barter_stream *stream;
    CHECK_ERROR(barter_streams_wait(NULL, 0), BARTER_NULL_POINTER, "barter_streams");
    CHECK_ERROR(barter_streams_select(NULL, 0, NULL, &stream), BARTER_NULL_POINTER, "barter_streams");
    CHECK_ERROR(barter_streams_list(NULL, NULL, 0, &len), BARTER_NULL_POINTER, "barter_streams");
    CHECK_ERROR(barter_streams_instruments(NULL, NULL, 0, &len), BARTER_NULL_POINTER, "barter_streams");
    CHECK_ERROR(barter_streams_close(NULL), BARTER_NULL_POINTER, "barter_streams");
    CHECK_ERROR(barter_stream_recv(NULL, 1, 0, NULL), BARTER_NULL_POINTER, "out");
    CHECK_ERROR(barter_stream_wake(NULL), BARTER_NULL_POINTER, "barter_stream");
    CHECK_ERROR(barter_stream_close(NULL), BARTER_NULL_POINTER, "barter_stream");
    CHECK_ERROR(barter_stream_ready_fd(NULL, NULL), BARTER_NULL_POINTER, "fd");
    CHECK_ERROR(barter_markets_ready_fd(NULL, NULL), BARTER_NULL_POINTER, "fd");
    CHECK_ERROR(barter_stream_metrics_get(NULL, NULL), BARTER_NULL_POINTER, "barter_stream");
    CHECK_ERROR(barter_streams_metrics_get(NULL, NULL), BARTER_NULL_POINTER, "barter_streams");
    CHECK_ERROR(barter_stream_metrics_json(NULL, NULL, 0, &len), BARTER_NULL_POINTER, "barter_stream");
    CHECK_ERROR(barter_streams_metrics_json(NULL, NULL, 0, &len), BARTER_NULL_POINTER, "barter_streams");
    CHECK_ERROR(barter_levels_to_f64(NULL, 1, NULL), BARTER_NULL_POINTER, "levels");
    CHECK_ERROR(barter_test_streams("{}", 2, NULL, NULL), BARTER_NULL_POINTER, "streams");
    CHECK_ERROR(barter_test_push(NULL, NULL, 0, NULL, 0, NULL, 0), BARTER_NULL_POINTER, "injector");
    CHECK(barter_last_error_message(NULL, 0, NULL) == BARTER_NULL_POINTER);
    CHECK(barter_streams_free(NULL) == BARTER_OK && barter_stream_free(NULL) == BARTER_OK);
    CHECK(barter_batch_free(NULL) == BARTER_OK && barter_test_injector_free(NULL) == BARTER_OK);
    CHECK(barter_status_name(99) == NULL && barter_kind_name(9) == NULL && barter_exchange_name(0) == NULL);
    CHECK(strcmp(barter_status_name(BARTER_HANDLE_CLOSED), "HANDLE_CLOSED") == 0);
    CHECK(barter_exchange_from_name("nowhere", 7) == 0);
}

static void handles(void) {
    const char *sources = "{\"sources\": [[\"kraken\", \"trades\"], [\"kraken\", \"l1\"]]}";
    barter_streams *streams = NULL;
    barter_test_injector *injector = NULL;
    barter_stream *stream = NULL, *other = NULL;
    CHECK(barter_test_streams(sources, strlen(sources), &streams, &injector) == BARTER_OK);
    CHECK_ERROR(barter_streams_select(streams, 9, NULL, &stream), BARTER_UNKNOWN_KIND, "9");
    CHECK_ERROR(barter_streams_select(streams, BARTER_SUB_TRADES, "krakem", &stream), BARTER_UNKNOWN_EXCHANGE, "kraken");
    CHECK(barter_streams_select(streams, BARTER_SUB_TRADES, "okx", &stream) == BARTER_NOT_FOUND && stream == NULL);
    CHECK(barter_streams_select(streams, BARTER_SUB_TRADES, "kraken", &stream) == BARTER_OK);
    CHECK(barter_streams_select(streams, BARTER_SUB_TRADES, "kraken", &other) == BARTER_NOT_FOUND && other == NULL);

    /* Forged, of another type, freed. */
    CHECK_ERROR(barter_stream_wake((barter_stream *)(uintptr_t)0xdeadbeef), BARTER_INVALID_HANDLE, "0xdeadbeef");
    CHECK_ERROR(barter_stream_wake((barter_stream *)streams), BARTER_INVALID_HANDLE, "barter_stream");
    CHECK(barter_stream_free((barter_stream *)streams) == BARTER_INVALID_HANDLE);
    CHECK(barter_streams_close(streams) == BARTER_OK);
    CHECK_ERROR(barter_streams_wait(streams, 0), BARTER_HANDLE_CLOSED, "closed");
    CHECK(barter_streams_free(streams) == BARTER_OK);
    CHECK(barter_streams_free(streams) == BARTER_INVALID_HANDLE);
    CHECK_ERROR(barter_streams_wait(streams, 0), BARTER_INVALID_HANDLE, "barter_streams");

    /* The stream lives on; a batch too small, too old, or of nothing. */
    barter_batch batch;
    memset(&batch, 0, sizeof batch);
    CHECK_ERROR(barter_stream_recv(stream, 1, 0, &batch), BARTER_INVALID_ARGUMENT, "struct_size");
    batch.struct_size = sizeof batch;
    CHECK_ERROR(barter_stream_recv(stream, 0, 0, &batch), BARTER_INVALID_ARGUMENT, "max_events");
    CHECK(barter_stream_recv(stream, 1, 0, &batch) == BARTER_TIMEOUT && batch.events == NULL && batch.owner == 0);
    int fd = -1;
    CHECK(barter_stream_ready_fd(stream, &fd) == BARTER_OK);
    struct pollfd ready = {fd, POLLIN, 0};
    CHECK(poll(&ready, 1, 0) == 0);
    CHECK(barter_stream_wake(stream) == BARTER_OK);
    CHECK(poll(&ready, 1, 0) == 1);
    CHECK(barter_stream_recv(stream, 1, -1, &batch) == BARTER_TIMEOUT);
    CHECK(poll(&ready, 1, 0) == 0);
    close(fd);

    /* Bad records are refused before anything is injected. */
    barter_event event;
    memset(&event, 0, sizeof event);
    CHECK_ERROR(barter_test_push(injector, &event, 1, NULL, 0, NULL, 0), BARTER_INVALID_ARGUMENT, "events[0]");
    CHECK_ERROR(barter_test_push_error(injector, "kraken", BARTER_SUB_TRADES, "{}", 2), BARTER_INVALID_JSON, "JSON");
    CHECK_ERROR(barter_test_push_reconnecting(injector, "okx", BARTER_SUB_TRADES), BARTER_NOT_FOUND, "okx");
    CHECK_ERROR(barter_test_push_reconnecting(injector, "kraken", BARTER_SUB_L1), BARTER_CLOSED, "closed");

    CHECK(barter_stream_close(stream) == BARTER_OK && barter_stream_close(stream) == BARTER_OK);
    CHECK_ERROR(barter_stream_recv(stream, 1, -1, &batch), BARTER_HANDLE_CLOSED, "closed");
    CHECK_ERROR(barter_stream_ready_fd(stream, &fd), BARTER_HANDLE_CLOSED, "closed");
    CHECK(barter_stream_free(stream) == BARTER_OK);
    CHECK(barter_stream_free(stream) == BARTER_INVALID_HANDLE);
    CHECK_ERROR(barter_stream_recv(stream, 1, -1, &batch), BARTER_INVALID_HANDLE, "barter_stream");
    CHECK(barter_test_injector_free(injector) == BARTER_OK);
}

static void after_shutdown(void) {
    const char *sources = "{\"sources\": [[\"kraken\", \"trades\"]]}";
    barter_streams *streams = NULL;
    barter_test_injector *injector = NULL;
    barter_stream *stream = NULL;
    for (int round = 0; round < 2; round++) {
        CHECK(barter_test_streams(sources, strlen(sources), &streams, &injector) == BARTER_OK);
        CHECK(barter_streams_select(streams, BARTER_SUB_TRADES, "kraken", &stream) == BARTER_OK);
        CHECK(barter_test_push_reconnecting(injector, "kraken", BARTER_SUB_TRADES) == BARTER_OK);
        CHECK(barter_shutdown() == BARTER_OK);
        barter_batch batch = {0};
        batch.struct_size = sizeof batch;
        CHECK_ERROR(barter_stream_recv(stream, 1, -1, &batch), BARTER_HANDLE_CLOSED, "closed");
        CHECK(barter_stream_free(stream) == BARTER_OK && barter_streams_free(streams) == BARTER_OK);
        CHECK(barter_test_injector_free(injector) == BARTER_OK);
    }
}

int main(void) {
    requests();
    unreachable();
    nulls();
    handles();
    after_shutdown();
    puts("errors: ok");
    return 0;
}
