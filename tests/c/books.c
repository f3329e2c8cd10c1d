/* Maintained order books in C: selected, read at one moment, waited for. */
#include "check.h"

#include <math.h>
#include <poll.h>
#include <unistd.h>

#define SECOND_NS 1000000000LL

static const char *sources = "{\"sources\": [[\"binance_spot\", \"l2\"]]}";
static const char *btc = "{\"exchange\": \"binance_spot\", \"base\": \"btc\", \"quote\": \"usdt\", \"instrument_kind\": \"spot\"}";

static barter_level level(uint32_t price, uint32_t amount) {
    barter_level made = {0};
    made.price.lo = price;
    made.amount.lo = amount;
    return made;
}

/* A book event with `bids` in front of `levels` and one ask behind them. */
static void push(barter_test_injector *injector, uint32_t instrument, uint64_t sequence, uint8_t flags,
                 const barter_level *levels, uint32_t bids, uint32_t asks) {
    barter_event event;
    memset(&event, 0, sizeof event);
    event.time_exchange_ns = event.time_received_ns = (int64_t)sequence;
    event.instrument = instrument;
    event.exchange = barter_exchange_from_name("binance_spot", 12);
    event.kind = BARTER_EVENT_BOOK;
    event.flags = flags;
    event.payload.book.sequence = sequence;
    event.payload.book.time_engine_ns = BARTER_NO_TIME;
    event.payload.book.bids_len = bids;
    event.payload.book.asks_offset = bids;
    event.payload.book.asks_len = asks;
    CHECK(barter_test_push(injector, &event, 1, levels, bids + asks, NULL, 0) == BARTER_OK);
}

int main(void) {
    barter_streams *streams = NULL;
    barter_test_injector *injector = NULL;
    barter_stream *books = NULL, *again = NULL;
    uint32_t instrument = 0, known[4] = {0};
    size_t len = 0;
    uint64_t version = 0;
    barter_level top[4];
    barter_book_state state;
    memset(&state, 0, sizeof state);
    state.struct_size = sizeof state;

    CHECK(barter_test_streams(sources, strlen(sources), &streams, &injector) == BARTER_OK);
    CHECK(barter_test_instrument(injector, btc, strlen(btc), &instrument) == BARTER_OK);
    CHECK(barter_streams_select_books(streams, "binance_spot", &books) == BARTER_OK);
    CHECK(barter_streams_select_books(streams, NULL, &again) == BARTER_NOT_FOUND && again == NULL);
    CHECK(barter_books_read(books, instrument, 0, NULL, &state) == BARTER_NOT_FOUND);

    CHECK(barter_books_wait(books, 0, SECOND_NS, &version) == BARTER_OK && version > 0);
    int fd = -1;
    CHECK(barter_books_ready_fd(books, &fd) == BARTER_OK);
    struct pollfd changed = {fd, POLLIN, 0};
    CHECK(barter_books_wait(books, version, 0, &version) == BARTER_TIMEOUT);
    CHECK(poll(&changed, 1, 0) == 0);
    barter_level snapshot[] = {level(100, 1), level(99, 1), level(98, 1), level(102, 3)};
    push(injector, instrument, 5, BARTER_FLAG_SNAPSHOT, snapshot, 3, 1);
    barter_level update[] = {level(99, 0)};
    push(injector, instrument, 6, 0, update, 1, 0);
    CHECK(poll(&changed, 1, 1000) == 1);
    close(fd);
    CHECK(barter_books_wait(books, version, SECOND_NS, &version) == BARTER_OK);

    CHECK(barter_books_instruments(books, known, 4, &len) == BARTER_OK && len == 1 && known[0] == instrument);
    CHECK(barter_books_read(books, instrument, 2, top, &state) == BARTER_OK);
    CHECK(state.live == 1 && state.sequence == 6 && state.time_exchange_ns == 6);
    CHECK(state.bids_len == 2 && state.asks_len == 1 && state.bids_total == 2 && state.asks_total == 1);
    CHECK(top[0].price.lo == 100 && top[1].price.lo == 98 && top[2].price.lo == 102);
    CHECK(state.mid_price == 101.0 && state.volume_weighed_mid_price == (100.0 * 3 + 102.0) / 4);
    CHECK(state.time_engine_ns == BARTER_NO_TIME);

    CHECK(barter_test_push_reconnecting(injector, "binance_spot", BARTER_SUB_L2) == BARTER_OK);
    CHECK(barter_books_read(books, instrument, 0, NULL, &state) == BARTER_OK && state.live == 0);
    barter_batch batch;
    memset(&batch, 0, sizeof batch);
    batch.struct_size = sizeof batch;
    CHECK(barter_stream_recv(books, 16, SECOND_NS, &batch) == BARTER_OK && batch.events_len == 1);
    CHECK(batch.events[0].kind == BARTER_EVENT_RECONNECTING && barter_batch_free(&batch) == BARTER_OK);

    CHECK(barter_books_read(books, instrument, 1, NULL, &state) == BARTER_NULL_POINTER);
    state.struct_size = 4;
    CHECK(barter_books_read(books, instrument, 1, top, &state) == BARTER_INVALID_ARGUMENT);
    state.struct_size = sizeof state;

    /* A stream of events has no maintained books. */
    barter_streams *others = NULL;
    barter_test_injector *other = NULL;
    barter_stream *events = NULL;
    CHECK(barter_test_streams(sources, strlen(sources), &others, &other) == BARTER_OK);
    CHECK(barter_streams_select(others, BARTER_SUB_L2, "binance_spot", &events) == BARTER_OK);
    CHECK(barter_books_instruments(events, known, 4, &len) == BARTER_INVALID_ARGUMENT);
    CHECK(barter_books_read(events, instrument, 0, NULL, &state) == BARTER_INVALID_ARGUMENT);
    CHECK(barter_books_wait(events, 0, 0, &version) == BARTER_INVALID_ARGUMENT);
    CHECK(barter_books_ready_fd(events, &fd) == BARTER_INVALID_ARGUMENT && fd == -1);
    CHECK(barter_stream_free(events) == BARTER_OK && barter_streams_free(others) == BARTER_OK);
    CHECK(barter_test_injector_free(other) == BARTER_OK);

    CHECK(barter_stream_close(books) == BARTER_OK);
    CHECK(barter_books_wait(books, version, -1, &version) == BARTER_HANDLE_CLOSED);
    CHECK(barter_stream_free(books) == BARTER_OK && barter_streams_free(streams) == BARTER_OK);
    CHECK(barter_test_injector_free(injector) == BARTER_OK);
    puts("books: ok");
    return 0;
}
