/* Injects an event of each kind, an error and a marker, and checks every field of what comes out. */
#include "check.h"

#include <math.h>

static const char SOURCES[] = "{\"sources\": [[\"binance_spot\", \"trades\"], [\"binance_spot\", \"l1\"],"
                              "[\"binance_spot\", \"l2\"], [\"binance_futures_usd\", \"liquidations\"]]}";
static const int64_t SECOND_NS = 1000000000;

static barter_decimal decimal(uint32_t mantissa, uint8_t scale) {
    barter_decimal value = {0};
    value.lo = mantissa;
    value.scale = scale;
    return value;
}

static barter_event header(uint8_t kind, const char *exchange, uint32_t instrument) {
    barter_event event;
    memset(&event, 0, sizeof event);
    event.time_exchange_ns = INT64_MIN;
    event.time_received_ns = INT64_MAX;
    event.kind = kind;
    event.exchange = barter_exchange_from_name(exchange, strlen(exchange));
    event.instrument = instrument;
    return event;
}

static barter_stream *selected(barter_streams *streams, uint8_t kind, const char *exchange) {
    barter_stream *stream = NULL;
    CHECK(barter_streams_select(streams, kind, exchange, &stream) == BARTER_OK);
    CHECK(stream != NULL);
    return stream;
}

static barter_batch received(barter_stream *stream, size_t expected) {
    barter_batch batch;
    memset(&batch, 0xff, sizeof batch);
    batch.struct_size = sizeof batch;
    CHECK(barter_stream_recv(stream, 1024, SECOND_NS, &batch) == BARTER_OK);
    CHECK(batch.struct_size == sizeof batch && batch.event_size == sizeof(barter_event));
    CHECK(batch.events_len == expected);
    uint64_t kinds = 0;
    uint32_t flags = 0;
    for (size_t i = 0; i < batch.events_len; i++) {
        kinds |= UINT64_C(1) << batch.events[i].kind;
        flags |= batch.events[i].flags;
    }
    CHECK(batch.kinds == kinds && batch.flags == flags && batch.reserved == 0);
    return batch;
}

static void check_header(const barter_event *event, const barter_event *sent) {
    CHECK(event->time_exchange_ns == sent->time_exchange_ns);
    CHECK(event->time_received_ns == sent->time_received_ns);
    CHECK(event->instrument == sent->instrument);
    CHECK(event->exchange == sent->exchange);
    CHECK(event->kind == sent->kind);
}

static void trades(barter_streams *streams, barter_test_injector *injector, uint32_t instrument) {
    barter_stream *stream = selected(streams, BARTER_SUB_TRADES, "binance_spot");
    const char *long_id = "an id that is longer than the forty bytes of a record";
    barter_event sent[2];
    sent[0] = header(BARTER_EVENT_TRADE, "binance_spot", instrument);
    sent[0].payload.trade.price = 0.1;
    sent[0].payload.trade.amount = 2.5;
    sent[0].payload.trade.side = BARTER_SIDE_SELL;
    sent[0].payload.trade.id_len = 2;
    memcpy(sent[0].payload.trade.id.inline_bytes, "42", 2);
    sent[1] = sent[0];
    sent[1].flags = BARTER_FLAG_ID_IN_TEXT;
    sent[1].payload.trade.id_len = (uint32_t)strlen(long_id);
    sent[1].payload.trade.id.text_offset = 0;
    CHECK(barter_test_push(injector, sent, 2, NULL, 0, (const uint8_t *)long_id, strlen(long_id)) == BARTER_OK);

    barter_batch batch = received(stream, 2);
    const barter_trade *first = &batch.events[0].payload.trade;
    check_header(&batch.events[0], &sent[0]);
    CHECK(first->price == 0.1 && first->amount == 2.5 && first->side == BARTER_SIDE_SELL);
    CHECK(batch.events[0].flags == 0 && first->id_len == 2 && memcmp(first->id.inline_bytes, "42", 2) == 0);
    const barter_trade *second = &batch.events[1].payload.trade;
    CHECK(batch.events[1].flags == BARTER_FLAG_ID_IN_TEXT && second->id_len == strlen(long_id));
    CHECK(second->id.text_offset + second->id_len <= batch.text_len);
    CHECK(memcmp(batch.text + second->id.text_offset, long_id, second->id_len) == 0);

    CHECK(memcmp(&batch.first, &batch.events[0], sizeof batch.first) == 0);

    barter_batch copy = batch;
    CHECK(barter_batch_free(&batch) == BARTER_OK);
    CHECK(batch.events == NULL && batch.owner == 0 && batch.struct_size == sizeof batch);
    CHECK(batch.first.kind == 0 && batch.first.time_exchange_ns == 0);
    CHECK(barter_batch_free(&batch) == BARTER_OK);
    CHECK(barter_batch_free(&copy) == BARTER_INVALID_HANDLE);
    CHECK(barter_stream_free(stream) == BARTER_OK);
}

static void l1(barter_streams *streams, barter_test_injector *injector, uint32_t instrument) {
    barter_stream *stream = selected(streams, BARTER_SUB_L1, NULL);
    barter_event sent = header(BARTER_EVENT_L1, "binance_spot", instrument);
    sent.flags = BARTER_FLAG_HAS_ASK;
    sent.payload.l1.last_update_time_ns = 7;
    sent.payload.l1.ask_price_decimal = decimal(10050, 2);
    sent.payload.l1.ask_amount_decimal = decimal(3, 0);
    CHECK(barter_test_push(injector, &sent, 1, NULL, 0, NULL, 0) == BARTER_OK);

    barter_batch batch = received(stream, 1);
    const barter_l1 *got = &batch.events[0].payload.l1;
    check_header(&batch.events[0], &sent);
    CHECK(batch.events[0].flags == BARTER_FLAG_HAS_ASK && got->last_update_time_ns == 7);
    CHECK(isnan(got->bid_price) && isnan(got->bid_amount));
    CHECK(got->ask_price == 100.5 && got->ask_amount == 3.0);
    CHECK(memcmp(&got->ask_price_decimal, &sent.payload.l1.ask_price_decimal, sizeof(barter_decimal)) == 0);
    char text[32];
    CHECK(barter_decimal_to_string(got->ask_price_decimal, text, sizeof text) == 6);
    CHECK(strcmp(text, "100.50") == 0);
    CHECK(barter_decimal_to_double(got->ask_price_decimal) == 100.5);
    barter_batch_free(&batch);
    barter_stream_free(stream);
}

static void l2(barter_streams *streams, barter_test_injector *injector, uint32_t instrument) {
    barter_stream *stream = selected(streams, BARTER_SUB_L2, "binance_spot");
    barter_level levels[3];
    memset(levels, 0, sizeof levels);
    levels[0].price = decimal(999, 1);
    levels[0].amount = decimal(1, 0);
    levels[1].price = decimal(998, 1);
    levels[1].amount = decimal(2, 0);
    levels[2].price = decimal(1001, 1);
    levels[2].amount = decimal(0, 3);
    barter_event sent = header(BARTER_EVENT_BOOK, "binance_spot", instrument);
    sent.flags = BARTER_FLAG_SNAPSHOT | BARTER_FLAG_HAS_TIME_ENGINE;
    sent.payload.book.sequence = UINT64_MAX;
    sent.payload.book.time_engine_ns = -1;
    sent.payload.book.bids_len = 2;
    sent.payload.book.asks_offset = 2;
    sent.payload.book.asks_len = 1;
    CHECK(barter_test_push(injector, &sent, 1, levels, 3, NULL, 0) == BARTER_OK);

    barter_batch batch = received(stream, 1);
    const barter_book *book = &batch.events[0].payload.book;
    check_header(&batch.events[0], &sent);
    CHECK(batch.events[0].flags == sent.flags && book->sequence == UINT64_MAX && book->time_engine_ns == -1);
    CHECK(book->bids_len == 2 && book->asks_len == 1 && batch.levels_len == 3);
    CHECK(memcmp(&batch.levels[book->bids_offset], &levels[0], 2 * sizeof(barter_level)) == 0);
    CHECK(memcmp(&batch.levels[book->asks_offset], &levels[2], sizeof(barter_level)) == 0);
    double numbers[6];
    CHECK(barter_levels_to_f64(batch.levels, batch.levels_len, numbers) == BARTER_OK);
    CHECK(numbers[0] == 99.9 && numbers[1] == 1.0 && numbers[4] == 100.1 && numbers[5] == 0.0);
    barter_batch_free(&batch);
    barter_stream_free(stream);
}

static void check_metrics(barter_streams *streams, barter_stream *stream) {
    barter_stream_metrics metrics;
    memset(&metrics, 0, sizeof metrics);
    metrics.struct_size = sizeof metrics;
    CHECK(barter_stream_metrics_get(stream, &metrics) == BARTER_OK);
    CHECK(metrics.events == 1 && metrics.errors == 1 && metrics.reconnects == 1 && metrics.bytes_lent == 0);
    CHECK(metrics.high_water_events >= 1 && metrics.high_water_bytes >= 128 && metrics.frames == 0);

    barter_stream_metrics of_the_set;
    memset(&of_the_set, 0, sizeof of_the_set);
    of_the_set.struct_size = sizeof of_the_set;
    CHECK(barter_streams_metrics_get(streams, &of_the_set) == BARTER_OK);
    CHECK(of_the_set.events == metrics.events && of_the_set.errors == metrics.errors);
    of_the_set.struct_size = 8;
    CHECK_ERROR(barter_streams_metrics_get(streams, &of_the_set), BARTER_INVALID_ARGUMENT, "struct_size");

    char json[4096];
    size_t len = 0;
    CHECK(barter_stream_metrics_json(stream, json, sizeof json, &len) == BARTER_OK && len < sizeof json);
    CHECK(strstr(json, "{\"exchange\":null,\"kind\":null,\"events\":1,") == json);
    CHECK(strstr(json, "\"connections\":[]") != NULL);
    CHECK(barter_streams_metrics_json(streams, json, sizeof json, &len) == BARTER_OK && len < sizeof json);
    CHECK(strstr(json, "{\"events\":1,") == json && strstr(json, "\"streams\":[{") != NULL);
}

static void liquidations(barter_streams *streams, barter_test_injector *injector, uint32_t instrument) {
    barter_stream *stream = selected(streams, BARTER_SUB_ALL, NULL);
    barter_event sent = header(BARTER_EVENT_LIQUIDATION, "binance_futures_usd", instrument);
    sent.payload.liquidation.price = 1e300;
    sent.payload.liquidation.quantity = -0.0;
    sent.payload.liquidation.time_ns = 123;
    sent.payload.liquidation.side = BARTER_SIDE_BUY;
    CHECK(barter_test_push(injector, &sent, 1, NULL, 0, NULL, 0) == BARTER_OK);
    CHECK(barter_test_push_error(injector, "binance_futures_usd", BARTER_SUB_LIQUIDATIONS,
                                 "{\"Socket\": \"boom\"}", 18) == BARTER_OK);
    CHECK(barter_test_push_reconnecting(injector, "binance_futures_usd", BARTER_SUB_LIQUIDATIONS) == BARTER_OK);

    barter_batch batch = received(stream, 3);
    const barter_liquidation *got = &batch.events[0].payload.liquidation;
    check_header(&batch.events[0], &sent);
    CHECK(got->price == 1e300 && got->quantity == 0.0 && signbit(got->quantity));
    CHECK(got->time_ns == 123 && got->side == BARTER_SIDE_BUY);

    const barter_notice *error = &batch.events[1].payload.notice;
    CHECK(batch.events[1].kind == BARTER_EVENT_ERROR && error->code == BARTER_ERROR_SOCKET);
    CHECK(error->sub_kind == BARTER_SUB_LIQUIDATIONS && isnan(error->nan[0]));
    CHECK(error->text_len == 17 && memcmp(batch.text + error->text_offset, "SocketError: boom", 17) == 0);
    CHECK(batch.events[2].kind == BARTER_EVENT_RECONNECTING && batch.events[2].payload.notice.count == 1);
    barter_batch_free(&batch);

    CHECK(barter_test_close(injector, "binance_futures_usd", BARTER_SUB_LIQUIDATIONS) == BARTER_OK);
    batch.struct_size = sizeof batch;
    CHECK(barter_stream_recv(stream, 1, SECOND_NS, &batch) == BARTER_CLOSED);
    CHECK(barter_stream_recv(stream, 1, -1, &batch) == BARTER_CLOSED);

    check_metrics(streams, stream);
    barter_stream_free(stream);
}

/* A caller with the header of ABI 1.0 knows no more than the first 64 bytes of a batch. */
static void first_form(void) {
    barter_streams *streams = NULL;
    barter_test_injector *injector = NULL;
    CHECK(barter_test_streams(SOURCES, strlen(SOURCES), &streams, &injector) == BARTER_OK);
    const char *spot = "{\"exchange\": \"binance_spot\", \"base\": \"btc\", \"quote\": \"usdt\"}";
    uint32_t btc = 9;
    CHECK(barter_test_instrument(injector, spot, strlen(spot), &btc) == BARTER_OK);
    barter_stream *stream = selected(streams, BARTER_SUB_TRADES, "binance_spot");
    barter_event sent = header(BARTER_EVENT_TRADE, "binance_spot", btc);
    sent.payload.trade.side = BARTER_SIDE_BUY;
    CHECK(barter_test_push(injector, &sent, 1, NULL, 0, NULL, 0) == BARTER_OK);

    barter_batch batch;
    memset(&batch, 0xff, sizeof batch);
    batch.struct_size = 63;
    CHECK(barter_stream_recv(stream, 1, SECOND_NS, &batch) == BARTER_INVALID_ARGUMENT);
    batch.struct_size = 64;
    CHECK(barter_stream_recv(stream, 1, SECOND_NS, &batch) == BARTER_OK);
    CHECK(batch.struct_size == 64 && batch.events_len == 1 && batch.owner != 0);
    CHECK(barter_batch_free(&batch) == BARTER_OK && batch.owner == 0 && batch.events == NULL);
    CHECK(batch.kinds == UINT64_MAX && batch.flags == UINT32_MAX && batch.reserved == UINT32_MAX);
    CHECK(barter_stream_free(stream) == BARTER_OK);
    CHECK(barter_test_injector_free(injector) == BARTER_OK && barter_streams_free(streams) == BARTER_OK);
}

int main(void) {
    CHECK(barter_abi_version() >> 16 == BARTER_ABI_VERSION >> 16);
    CHECK(barter_abi_version() >= BARTER_ABI_VERSION && BARTER_ABI_VERSION > 1 << 16);
    barter_streams *streams = NULL;
    barter_test_injector *injector = NULL;
    CHECK(barter_test_streams(SOURCES, strlen(SOURCES), &streams, &injector) == BARTER_OK);
    const char *spot = "{\"exchange\": \"binance_spot\", \"base\": \"btc\", \"quote\": \"usdt\"}";
    const char *perpetual = "{\"exchange\": \"binance_futures_usd\", \"base\": \"btc\", \"quote\": \"usdt\"}";
    uint32_t of_spot = 9, of_perpetual = 9;
    CHECK(barter_test_instrument(injector, spot, strlen(spot), &of_spot) == BARTER_OK);
    CHECK(barter_test_instrument(injector, perpetual, strlen(perpetual), &of_perpetual) == BARTER_OK);
    CHECK(of_spot == 0 && of_perpetual == 1);

    first_form();
    trades(streams, injector, of_spot);
    l1(streams, injector, of_spot);
    l2(streams, injector, of_spot);
    liquidations(streams, injector, of_perpetual);

    char left[64];
    size_t len = 0;
    CHECK(barter_streams_list(streams, left, sizeof left, &len) == BARTER_OK);
    CHECK(strcmp(left, "[]") == 0 && len == 2);
    CHECK(barter_test_injector_free(injector) == BARTER_OK);
    CHECK(barter_streams_free(streams) == BARTER_OK);
    puts("kinds: ok");
    return 0;
}
