/*
 * barter.h: real-time market data of crypto exchange servers, for C11 and C++ programs
 *
 * Written from the Rust sources by `build.py header`; do not edit.
 *
 * API conventions
 *
 * Status      Every function that can fail returns a barter_status. 0 (BARTER_OK) is success, 1 to 99 are outcomes
 *             that a caller expects (the time was up, the stream has ended), 100 and above are errors, in groups of one
 *             hundred: arguments, handles, subscription, network, internal. barter_last_error_message copies the
 *             calling thread's last message; success and every _free leave it alone. Only getters of static facts
 *             return something else. No panic crosses into C, and the library calls nothing back.
 *
 * Handles     barter_streams, barter_stream and barter_test_injector are opaque. Their pointers are keys of a table and
 *             are never dereferenced: a freed, forged or mistyped one gives BARTER_INVALID_HANDLE. NULL is never a
 *             handle; freeing NULL is BARTER_OK. A _free ends what it frees and wakes whoever waits on it.
 *
 * Ownership   A handle or batch that comes out through a pointer belongs to the caller, who frees it with the _free
 *             function of its type. A batch is independent of its stream and its set, and immutable. Strings that a
 *             function returns directly are static. On any status but BARTER_OK a handle's out-pointer holds NULL.
 *
 * Buffers     Where a function takes (buf, cap, len), it writes as much text as fits, always NUL-terminated when cap is
 *             not 0, and the whole length without the NUL to *len. buf may be NULL when cap is 0: ask for the length,
 *             then for the text. Text that comes in is UTF-8 with its length, exchange names are NUL-terminated.
 *
 * Structs     Where a struct begins with struct_size, the caller sets it to sizeof of what it was compiled with; the
 *             library writes no further. Fields named reserved are zero. Fields are only ever added at the end.
 *
 * Numbers     No parameter, return value or field has an enum type: constants are members of unnamed enums, and their
 *             numbers are never reused. Times are int64_t nanoseconds since the Unix epoch, time-outs int64_t
 *             nanoseconds: negative for ever, 0 only looks.
 *
 * Threads     Any function may be called from any thread, also on the same handle. In a forked child _free functions do
 *             nothing and all others return BARTER_FORKED: start processes afresh instead.
 *
 * Versions    barter_abi_version() is major << 16 | minor. A program may use a library with the same major and at least
 *             the minor of its header's BARTER_ABI_VERSION.
 */

#ifndef BARTER_H
#define BARTER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  /** `major << 16 | minor` of this header. */
  BARTER_ABI_VERSION = 65540
};

/** `barter_event.instrument` of a record that belongs to none. */
#define BARTER_NO_INSTRUMENT UINT32_MAX

/** A time or duration that is not known. */
#define BARTER_NO_TIME INT64_MIN

/* `barter_status`: 0 is success, 1 to 99 are outcomes, 100 and above errors in groups of one hundred. */
enum {
  /** Done. */
  BARTER_OK = 0,
  /** The time was up, nothing else happened. */
  BARTER_TIMEOUT = 1,
  /** The stream's producers are gone and everything was read. */
  BARTER_CLOSED = 2,
  /** A known name that is not, or no longer, there. */
  BARTER_NOT_FOUND = 3,
  /** The initialisation has not finished. */
  BARTER_NOT_READY = 4,
  /** An argument is out of its range. */
  BARTER_INVALID_ARGUMENT = 100,
  /** A required pointer is NULL. */
  BARTER_NULL_POINTER = 101,
  /** A text is not UTF-8. */
  BARTER_INVALID_UTF8 = 102,
  /** A text is not JSON, or not of the documented shape. */
  BARTER_INVALID_JSON = 103,
  /** An option has a value it cannot have. */
  BARTER_INVALID_OPTION = 104,
  /** Not a live handle of this type. */
  BARTER_INVALID_HANDLE = 200,
  /** The handle was closed. */
  BARTER_HANDLE_CLOSED = 201,
  /** The process is a fork of one in which the library runs. */
  BARTER_FORKED = 202,
  /** There is nothing to subscribe to. */
  BARTER_NO_SUBSCRIPTIONS = 300,
  /** No exchange has this name. */
  BARTER_UNKNOWN_EXCHANGE = 301,
  /** No subscription or instrument kind has this name. */
  BARTER_UNKNOWN_KIND = 302,
  /** The exchange does not offer this kind for this instrument. */
  BARTER_UNSUPPORTED = 303,
  /** The instrument is incomplete or malformed. */
  BARTER_INVALID_INSTRUMENT = 304,
  /** The exchange refused the subscription. */
  BARTER_SUBSCRIPTION_REFUSED = 305,
  /** There is no such subscription. */
  BARTER_NOT_SUBSCRIBED = 306,
  /** A connection could not be opened. */
  BARTER_CONNECT_FAILED = 400,
  /** The exchange did not answer the handshake in time. */
  BARTER_HANDSHAKE_TIMEOUT = 401,
  /** The order book snapshot could not be had. */
  BARTER_SNAPSHOT_FAILED = 402,
  /** The list of an exchange's markets could not be had. */
  BARTER_MARKETS_FAILED = 403,
  /** A fault of the library. */
  BARTER_INTERNAL = 500,
  /** A panic of the library, caught at the boundary. */
  BARTER_PANIC = 501
};

/* Kinds of subscriptions. */
enum {
  /** Every kind, in `barter_streams_select`. */
  BARTER_SUB_ALL = 0,
  /** Public trades. */
  BARTER_SUB_TRADES = 1,
  /** Best bid and ask. */
  BARTER_SUB_L1 = 2,
  /** Order book snapshots and updates. */
  BARTER_SUB_L2 = 3,
  /** Liquidations. */
  BARTER_SUB_LIQUIDATIONS = 4
};

/* `barter_event.kind`. */
enum {
  /** `payload.trade` */
  BARTER_EVENT_TRADE = 1,
  /** `payload.l1` */
  BARTER_EVENT_L1 = 2,
  /** `payload.book` */
  BARTER_EVENT_BOOK = 3,
  /** `payload.liquidation` */
  BARTER_EVENT_LIQUIDATION = 4,
  /** `payload.notice`: a connection broke. */
  BARTER_EVENT_RECONNECTING = 32,
  /** `payload.notice`: events flow again. */
  BARTER_EVENT_RECONNECTED = 33,
  /** `payload.notice`: an error of a connection or a message. */
  BARTER_EVENT_ERROR = 34,
  /** `payload.notice`: events were lost in the queue. */
  BARTER_EVENT_DROPPED = 35,
  /** `payload.notice`: a subscription has been silent for long. */
  BARTER_EVENT_SILENT = 36
};

/* Levels of `barter_log_set_level`: each with those above it. */
enum {
  /** Nothing. */
  BARTER_LOG_OFF = 0,
  /** What does not work and will not by itself. */
  BARTER_LOG_ERROR = 1,
  /** What does not work, and what is done about it. */
  BARTER_LOG_WARN = 2,
  /** What an operator wants to know of a day without trouble. */
  BARTER_LOG_INFO = 3,
  /** Steps on the way. */
  BARTER_LOG_DEBUG = 4,
  /** Everything. */
  BARTER_LOG_TRACE = 5
};

/* Sides. */
enum {
  /** Not known. */
  BARTER_SIDE_NONE = 0,
  /** Buy. */
  BARTER_SIDE_BUY = 1,
  /** Sell. */
  BARTER_SIDE_SELL = 2
};

/* Bits of `barter_event.flags`. */
enum {
  /** `l1.bid_*` are there. */
  BARTER_FLAG_HAS_BID = 1,
  /** `l1.ask_*` are there. */
  BARTER_FLAG_HAS_ASK = 2,
  /** `book.time_engine_ns` is there. */
  BARTER_FLAG_HAS_TIME_ENGINE = 4,
  /** `trade.id` is a range in the batch's text. */
  BARTER_FLAG_ID_IN_TEXT = 8,
  /** The book is a snapshot, not an update. */
  BARTER_FLAG_SNAPSHOT = 16,
  /** The snapshot was made from the kept book after a loss in the queue; the exchange did not send it. */
  BARTER_FLAG_RECOVERED = 32
};

/* `barter_notice.code` of `BARTER_EVENT_DROPPED`: why. */
enum {
  /** The queue was full. */
  BARTER_DROPPED_QUEUE_FULL = 1,
  /** Something newer of the same instrument stands for them. */
  BARTER_DROPPED_CONFLATED = 2
};

/* `barter_notice.code` of `BARTER_EVENT_ERROR`: upstream's `DataError` variants, and the library's own. */
enum {
  /** An instrument could not be indexed. */
  BARTER_ERROR_INDEX = 1,
  /** There were no subscriptions. */
  BARTER_ERROR_SUBSCRIPTIONS_EMPTY = 2,
  /** A kind is not supported. */
  BARTER_ERROR_UNSUPPORTED_SUB_KIND = 3,
  /** An order book has no first snapshot. */
  BARTER_ERROR_SNAPSHOT_MISSING = 4,
  /** An order book's first snapshot is invalid. */
  BARTER_ERROR_SNAPSHOT_INVALID = 5,
  /** A connection or a message failed. */
  BARTER_ERROR_SOCKET = 6,
  /** The exchange does not offer the kind. */
  BARTER_ERROR_UNSUPPORTED = 7,
  /** An order book update does not follow the one before. */
  BARTER_ERROR_INVALID_SEQUENCE = 8,
  /** The queue was full and its policy is `close`: the stream ends here. */
  BARTER_ERROR_QUEUE_FULL = 9
};

/** The markets of one exchange, as it lists them. Opaque: the pointer is a key and is never dereferenced. */
typedef struct barter_markets barter_markets;

/** One selected stream. Opaque: the pointer is a key and is never dereferenced. */
typedef struct barter_stream barter_stream;

/** A set of streams. Opaque: the pointer is a key and is never dereferenced. */
typedef struct barter_streams barter_streams;

/** Zero is success, 1 to 99 are outcomes, 100 and above errors; see the `BARTER_*` constants. */
typedef int32_t barter_status;

/** A trade's id: its bytes, or where they begin in the batch's text (`BARTER_FLAG_ID_IN_TEXT`). */
typedef union {
  /** UTF-8, `id_len` bytes, the rest zero. */
  uint8_t inline_bytes[40];
  /** Byte offset into the batch's text. */
  uint64_t text_offset;
} barter_trade_id;

/** A public trade. */
typedef struct {
  /** Price in the quote asset. */
  double price;
  /** Amount in the instrument's amount unit. */
  double amount;
  /** The taker's side, `BARTER_SIDE_*`. */
  uint8_t side;
  /** Zero. */
  uint8_t reserved0[3];
  /** Bytes of the id. */
  uint32_t id_len;
  /** The exchange's id of the trade. */
  barter_trade_id id;
  /** Zero. */
  uint8_t reserved1[40];
} barter_trade;

/** A decimal number without loss: `(-1)^negative × (hi·2^64 + mid·2^32 + lo) / 10^scale`, scale 0 to 28. */
typedef struct {
  /** Bits 0 to 31 of the mantissa. */
  uint32_t lo;
  /** Bits 32 to 63 of the mantissa. */
  uint32_t mid;
  /** Bits 64 to 95 of the mantissa. */
  uint32_t hi;
  /** Digits after the point. */
  uint8_t scale;
  /** 1 where the number is negative. */
  uint8_t negative;
  /** Zero. */
  uint16_t reserved;
} barter_decimal;

/** Best bid and ask; a side that is not there holds NaN and zeroed decimals. */
typedef struct {
  /** When the exchange last changed it, ns since the epoch. */
  int64_t last_update_time_ns;
  /** Best bid. */
  double bid_price;
  /** Amount at the best bid. */
  double bid_amount;
  /** Best ask. */
  double ask_price;
  /** Amount at the best ask. */
  double ask_amount;
  /** Best bid, exact. */
  barter_decimal bid_price_decimal;
  /** Amount at the best bid, exact. */
  barter_decimal bid_amount_decimal;
  /** Best ask, exact. */
  barter_decimal ask_price_decimal;
  /** Amount at the best ask, exact. */
  barter_decimal ask_amount_decimal;
} barter_l1;

/** An order book snapshot (`BARTER_FLAG_SNAPSHOT`) or update: ranges in the batch's levels, best first. */
typedef struct {
  /** The exchange's sequence number of the book after this event. */
  uint64_t sequence;
  /** The matching engine's time, ns since the epoch; `BARTER_NO_TIME` without `BARTER_FLAG_HAS_TIME_ENGINE`. */
  int64_t time_engine_ns;
  /** First bid in the batch's levels. */
  uint32_t bids_offset;
  /** Number of bids. */
  uint32_t bids_len;
  /** First ask in the batch's levels. */
  uint32_t asks_offset;
  /** Number of asks. */
  uint32_t asks_len;
  /** Zero. */
  uint8_t reserved[72];
} barter_book;

/** A liquidation. */
typedef struct {
  /** Price in the quote asset. */
  double price;
  /** Quantity in the instrument's amount unit. */
  double quantity;
  /** When it happened, ns since the epoch. */
  int64_t time_ns;
  /** Side of the liquidation order, `BARTER_SIDE_*`. */
  uint8_t side;
  /** Zero. */
  uint8_t reserved[79];
} barter_liquidation;

/**
 * What the stream says of itself. `nan` holds NaN wherever another kind has an `f64`, so that a column of prices
 * taken over a whole batch has no number that is not a price.
 */
typedef struct {
  /** NaN. */
  double nan[5];
  /** Dropped: events and errors lost. Others: how many equal neighbours were merged, at least 1. */
  uint64_t count;
  /** Dropped: `time_exchange` of the first lost event. `BARTER_NO_TIME` where not known. */
  int64_t first_ns;
  /**
   * Dropped: `time_exchange` of the last lost event. Reconnecting: `time_received` of the connection's last event.
   * `BARTER_NO_TIME` where not known.
   */
  int64_t last_ns;
  /** Where the message or reason begins in the batch's text. */
  uint64_t text_offset;
  /** Bytes of the message or reason, UTF-8. */
  uint32_t text_len;
  /** Error: `BARTER_ERROR_*`. Dropped: `BARTER_DROPPED_*`. Others: 0. */
  uint16_t code;
  /** `BARTER_SUB_*` of the source, 0 where it is of several. */
  uint8_t sub_kind;
  /** Zero. */
  uint8_t reserved0;
  /** Reconnected: attempts it took. */
  uint32_t attempts;
  /** Reconnecting: number of instruments touched. */
  uint32_t instruments_len;
  /** Reconnecting: where their indices begin in the batch's text, `u32` each in native byte order. */
  uint64_t instruments_offset;
  /** Reconnected: length of the gap, ns. Silent: length of the silence, ns. `BARTER_NO_TIME` where not known. */
  int64_t duration_ns;
} barter_notice;

/** What `barter_event.kind` says. */
typedef union {
  /** `BARTER_EVENT_TRADE`. */
  barter_trade trade;
  /** `BARTER_EVENT_L1`. */
  barter_l1 l1;
  /** `BARTER_EVENT_BOOK`. */
  barter_book book;
  /** `BARTER_EVENT_LIQUIDATION`. */
  barter_liquidation liquidation;
  /** `BARTER_EVENT_RECONNECTING` and above. */
  barter_notice notice;
} barter_payload;

/** One item of a stream. */
typedef struct {
  /** The exchange's time, ns since the epoch, saturating; of a notice, when it was made. */
  int64_t time_exchange_ns;
  /** When it was received, ns since the epoch, saturating. */
  int64_t time_received_ns;
  /** Index into the set's instruments, `BARTER_NO_INSTRUMENT` where it belongs to none. */
  uint32_t instrument;
  /** `barter_exchange_name` of this number, 0 where it belongs to none. */
  uint16_t exchange;
  /** `BARTER_EVENT_*`. */
  uint8_t kind;
  /** `BARTER_FLAG_*`. */
  uint8_t flags;
  /** What the kind says. */
  barter_payload payload;
} barter_event;

/** One price level of an order book; an amount of zero in an update removes the level. */
typedef struct {
  /** Price in the quote asset. */
  barter_decimal price;
  /** Amount in the instrument's amount unit. */
  barter_decimal amount;
} barter_level;

/**
 * Records with the levels and text that they refer to: immutable, independent of its stream, readable from any thread
 * until it is freed.
 */
typedef struct {
  /** Set by the caller: the size it knows; the library writes no further. */
  uint32_t struct_size;
  /** Size of a record, `sizeof(barter_event)` of the library. */
  uint32_t event_size;
  /** The records, at least one. */
  const barter_event *events;
  /** Number of records. */
  size_t events_len;
  /** Levels of the books. */
  const barter_level *levels;
  /** Number of levels. */
  size_t levels_len;
  /** Ids, messages and instrument lists. */
  const uint8_t *text;
  /** Bytes of text. */
  size_t text_len;
  /** Key of what keeps the memory; 0 where there is nothing to free. */
  uint64_t owner;
  /**
   * Bit n is set where a record of kind n may be among them (`BARTER_EVENT_*`): where no other is, all are of that
   * kind. Since 1.3.
   */
  uint64_t kinds;
  /** `BARTER_FLAG_*` that a record among them may have: one that is not set here no record has. Since 1.3. */
  uint32_t flags;
  /** Zero. */
  uint32_t reserved;
  /** A copy of the first record: of a batch of one this struct says it all, but for levels and text. Since 1.4. */
  barter_event first;
} barter_batch;

/** The state of a maintained order book at one moment. */
typedef struct {
  /** Set by the caller: the size it knows; the library writes no further. */
  uint32_t struct_size;
  /**
   * 1 where it is the exchange's book; 0 before its first snapshot, and after a connection broke, an update was
   * missing or it was unsubscribed until the next one.
   */
  uint8_t live;
  /** Zero. */
  uint8_t reserved[3];
  /** The exchange's sequence number, 0 before the first event. */
  uint64_t sequence;
  /** The exchange's time of the last event, ns since the epoch, `BARTER_NO_TIME` before the first. */
  int64_t time_exchange_ns;
  /** When the last event was received, ns since the epoch, `BARTER_NO_TIME` before the first. */
  int64_t time_received_ns;
  /** The matching engine's time, ns since the epoch, `BARTER_NO_TIME` where the exchange sends none. */
  int64_t time_engine_ns;
  /** Average of best bid and ask, the one that is there where one is missing, NaN where both are. */
  double mid_price;
  /** Micro-price: best bid and ask, each weighed with the other side's amount; NaN where it is not known. */
  double volume_weighed_mid_price;
  /** Bids copied, from `levels[0]`. */
  size_t bids_len;
  /** Asks copied, from `levels[depth]`. */
  size_t asks_len;
  /** Bids of the whole book. */
  size_t bids_total;
  /** Asks of the whole book. */
  size_t asks_total;
} barter_book_state;

/** Counts since the stream was made, and its state now. */
typedef struct {
  /** Set by the caller: the size it knows; the library writes no further. */
  uint32_t struct_size;
  /** Zero. */
  uint32_t reserved;
  /** Market events that arrived. */
  uint64_t events;
  /** Errors that arrived. */
  uint64_t errors;
  /** Notices that arrived. */
  uint64_t notices;
  /** Events and errors lost in the queue. */
  uint64_t dropped;
  /** Connections that broke, and attempts to open one that failed. */
  uint64_t reconnects;
  /** Records waiting. */
  uint64_t queued_events;
  /** Bytes waiting. */
  uint64_t queued_bytes;
  /** Most records that ever waited. */
  uint64_t high_water_events;
  /** Bytes in batches that were not freed. */
  uint64_t bytes_lent;
  /** `time_received` of the last event that arrived, ns since the epoch, `BARTER_NO_TIME` before the first. */
  int64_t last_event_ns;
  /** `Silent` notices that arrived. */
  uint64_t silences;
  /** Most bytes that ever waited. */
  uint64_t high_water_bytes;
  /** WebSocket frames received. */
  uint64_t frames;
  /** Bytes of their payloads. */
  uint64_t bytes;
  /** Frames that were neither market data nor errors: acknowledgements, heartbeats, pings, pongs, closes. */
  uint64_t control_frames;
} barter_stream_metrics;

/**
 * Copies the calling thread's last error message, NUL-terminated, as much as fits; `*len` is its whole length in
 * bytes without the NUL, 0 where nothing has failed on this thread.
 *
 * Ownership: the caller's buffer. Success and every `_free` leave the message alone.
 * Errors: `BARTER_NULL_POINTER` where `len` is NULL, or `buf` while `cap` is not 0.
 * Threads: any; each thread has its own message.
 *
 * Requires: `buf` is valid for writes of `cap` bytes, `len` for a write.
 */
barter_status barter_last_error_message(char *buf, size_t cap, size_t *len);

/**
 * Closes every set and every stream of the process; waits end with `BARTER_HANDLE_CLOSED`. Handles stay to be freed.
 * Returns when every socket has said goodbye with a close frame and is gone, after 100 ms at the latest.
 *
 * Ownership: nothing changes hands. Errors: none of its own. Threads: any.
 */
barter_status barter_shutdown(void);

/**
 * Frees a batch's memory and zeroes the struct but for its size. NULL and a zeroed one are OK; a copy of a freed one
 * gives `BARTER_INVALID_HANDLE` and nothing happens.
 *
 * Ownership: the batch's pointers are gone. Threads: any.
 *
 * Requires: `batch` is NULL, or valid for reads and writes and was zeroed or filled by `barter_stream_recv`.
 */
barter_status barter_batch_free(barter_batch *batch);

/**
 * Takes order books out of the set, of one exchange or with `exchange` NULL all that are left, to be maintained by the
 * library: `*out` gives only notices and errors to `barter_stream_recv`, its books are read with `barter_books_read`.
 *
 * Ownership: the caller frees `*out` with `barter_stream_free`. NULL on any status but OK.
 * Errors: those of `barter_streams_select`.
 * Threads: any; of racing calls exactly one gets each stream.
 *
 * Requires: `exchange` is NULL or NUL-terminated, `out` valid for a write.
 */
barter_status barter_streams_select_books(barter_streams *streams, const char *exchange, barter_stream **out);

/**
 * Copies the instruments of the books, as many as fit in `cap`, ordered by exchange and index; `*len` is how many there
 * are. Books that had no event yet are there too while they are subscribed.
 *
 * Ownership: the caller's buffer. Errors: `BARTER_INVALID_ARGUMENT` where the stream was not selected as books;
 * `_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
 *
 * Requires: `instruments` is valid for writes of `cap` elements, `len` for a write.
 */
barter_status barter_books_instruments(barter_stream *books, uint32_t *instruments, size_t cap, size_t *len);

/**
 * Copies the top `depth` levels a side of one book, and its state, as they are at one moment: bids from `levels[0]`,
 * asks from `levels[depth]`, best first. With `depth` 0 only the state.
 *
 * Ownership: the caller's struct, its `struct_size` set, and the caller's buffer of `2 * depth` levels.
 * Errors: `BARTER_NOT_FOUND` where the stream has no book of the instrument; `_INVALID_ARGUMENT`, also where it was not
 * selected as books; `_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any, while the book changes too.
 *
 * Requires: `levels` is valid for writes of `2 * depth` elements, `out` for reads and writes of `out->struct_size` bytes.
 */
barter_status barter_books_read(barter_stream *books,
                                uint32_t instrument,
                                size_t depth,
                                barter_level *levels,
                                barter_book_state *out);

/**
 * Waits until the books have changed more than `seen` times, a notice counted as a change, and gives how often they
 * have: 0 to begin with, then what came last. `timeout_ns` negative: for ever, 0: only looks.
 *
 * Ownership: nothing changes hands.
 * Errors: `BARTER_TIMEOUT`; `_CLOSED` when the producers are gone and nothing is new; `_HANDLE_CLOSED` after a close,
 * which also ends waits; `_INVALID_ARGUMENT` where the stream was not selected as books; `_INVALID_HANDLE`,
 * `_NULL_POINTER`. Threads: any, several may wait, all are woken.
 *
 * Requires: `version` is valid for a write.
 */
barter_status barter_books_wait(barter_stream *books, uint64_t seen, int64_t timeout_ns, uint64_t *version);

/**
 * A descriptor that becomes readable with the next change of the books, a notice, the end and a close among them, and
 * stays so. To wait with it: get it, look with `barter_books_wait` and a time-out of 0, then poll it; get another for
 * the change after that. Never read it.
 *
 * Ownership: the caller closes `*fd`. Errors: `BARTER_INVALID_ARGUMENT` where the stream was not selected as books;
 * `_INVALID_HANDLE`, `_NULL_POINTER`, `_INTERNAL` where the process has no descriptors left. Threads: any.
 *
 * Requires: `fd` is valid for a write.
 */
barter_status barter_books_ready_fd(barter_stream *books, int *fd);

/** `major << 16 | minor`: usable when the major is that of `BARTER_ABI_VERSION` and the minor at least its. */
uint32_t barter_abi_version(void);

/** The library's version, static and NUL-terminated. */
const char *barter_version(void);

/** The name of a status without its prefix, static; NULL for a number that is none. */
const char *barter_status_name(barter_status status);

/** The short name of a subscription kind, static; NULL for a number that is none. */
const char *barter_kind_name(uint8_t sub_kind);

/** The name of an exchange server, static; NULL for a number that is none. Numbers begin at 1 and are never reused. */
const char *barter_exchange_name(uint16_t exchange);

/**
 * The number of an exchange server; 0 for a name that is none.
 *
 * Requires: `name` is NULL or valid for reads of `len` bytes.
 */
uint16_t barter_exchange_from_name(const char *name, size_t len);

/**
 * What every exchange server offers, as a static NUL-terminated JSON array: exchange, number, instrument_kinds,
 * kinds, amount_unit by instrument kind, default websocket and rest addresses.
 */
const char *barter_support_json(void);

/** The nearest double, ties to even. */
double barter_decimal_to_double(barter_decimal value);

/**
 * Writes the number in plain digits with its scale kept, NUL-terminated, as much as fits; the bytes it takes without
 * the NUL, at most 31, or 0 for a scale past 28.
 *
 * Requires: `buf` is NULL or valid for writes of `cap` bytes.
 */
size_t barter_decimal_to_string(barter_decimal value, char *buf, size_t cap);

/**
 * Writes price and amount of each level as doubles: `2 * len` of them, price, amount, price, amount and so on.
 *
 * Ownership: the caller's arrays. Errors: `BARTER_NULL_POINTER`. Threads: any.
 *
 * Requires: `levels` is valid for reads of `len` levels, `out` for writes of `2 * len` doubles.
 */
barter_status barter_levels_to_f64(const barter_level *levels, size_t len, double *out);

/**
 * Sets from which level on (`BARTER_LOG_*`) a logger and those below it speak. `logger` NULL: all of them, and what single
 * ones were set to is forgotten. At first all are off, and then nothing is made that nobody wants to hear. Loggers are
 * `barter_cffi` and below it `barter_cffi.feed`, `barter_cffi.feed.open` and so on; `barter_cffi.upstream.barter_data` and
 * its like are the crates that the library is made of.
 *
 * Ownership: nothing changes hands. Errors: `BARTER_INVALID_ARGUMENT` for another name or level, `_INVALID_UTF8`,
 * `_INTERNAL` where the program has a `tracing` subscriber of its own. Threads: any; ends every wait in
 * `barter_log_read`.
 *
 * Requires: `logger` is NULL or NUL-terminated.
 */
barter_status barter_log_set_level(const char *logger,
                                   int level);

/**
 * Copies what was said and not read, oldest first: as many records as fit with a NUL behind them, each a JSON object
 * and a line feed; `*len` is their length without the NUL. A record has `time_ns`, `level` (`error`, `warn`, `info`,
 * `debug`, `trace`), `logger`, `message`, `fields` (an object: `exchange`, `kind`, `address` and so on), `file` and `line`
 * (or null). Waits for the first record as `barter_stream_recv` waits. At most 1,024 records or 1 MiB are kept; how
 * many were not, and how many were suppressed because one place spoke too often, is a record. Credentials of proxies
 * and addresses are in none.
 *
 * Ownership: the caller's buffer; 256 KiB are always enough for one record. Errors: `BARTER_TIMEOUT`, also when levels
 * are set meanwhile; `_INVALID_ARGUMENT` where the next record does not fit, which stays, with `*len` what `cap` must
 * exceed; `_NULL_POINTER`. Threads: any; each record goes to one reader.
 *
 * Requires: `buf` is valid for writes of `cap` bytes, `len` for a write.
 */
barter_status barter_log_read(int64_t timeout_ns,
                              char *buf,
                              size_t cap,
                              size_t *len);

/**
 * Parses and checks a query, begins to ask the exchange for its markets, and returns at once with the look-up in
 * `*out`.
 *
 * `json`: `{"exchange": "okx", "instrument_kind": "perpetual", "options": {}}`; without `instrument_kind` (`spot`,
 * `perpetual`, `future`, `option`) all kinds that the library has of the exchange. Of the options, which are those of
 * `barter_streams_start`, `endpoints` says where the exchange is, `proxy` and `ca_file` by what way it is reached, and
 * `subscribe_timeout_ms` bounds each answer.
 *
 * Ownership: the caller frees `*out` with `barter_markets_free`; NULL on failure.
 * Errors: `BARTER_INVALID_JSON`, `_INVALID_OPTION`, `_UNKNOWN_EXCHANGE`, `_UNKNOWN_KIND`, `_UNSUPPORTED`,
 * `_INVALID_UTF8`, `_NULL_POINTER`.
 * Threads: any.
 *
 * Requires: `json` is valid for reads of `len` bytes, `out` for a write.
 */
barter_status barter_markets_start(const char *json, size_t len, barter_markets **out);

/**
 * Waits until the markets are there: OK, or the failure, as often as asked; `BARTER_TIMEOUT` after `timeout_ns`
 * (negative: for ever, 0: only looks).
 *
 * Ownership: nothing changes hands.
 * Errors: `BARTER_MARKETS_FAILED`, `_HANDLE_CLOSED`, `_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
 */
barter_status barter_markets_wait(barter_markets *markets, int64_t timeout_ns);

/**
 * A descriptor that is readable when `barter_markets_wait` would not wait. Never read it.
 *
 * Ownership: the caller closes `*fd`. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`, `_INTERNAL` where the process
 * has no descriptors left. Threads: any.
 *
 * Requires: `fd` is valid for a write.
 */
barter_status barter_markets_ready_fd(barter_markets *markets, int *fd);

/**
 * Copies the markets as a JSON array in the exchange's order, as `barter_last_error_message` copies: name, base,
 * quote, instrument_kind. They are those that trade now; a subscription takes the name as its `name_exchange`.
 *
 * Ownership: the caller's buffer. Errors: `BARTER_NOT_READY` as long as they are not there, `BARTER_MARKETS_FAILED`
 * where they cannot be had, `_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
 *
 * Requires: `buf` is valid for writes of `cap` bytes, `len` for a write.
 */
barter_status barter_markets_json(barter_markets *markets, char *buf, size_t cap, size_t *len);

/**
 * Ends the look-up and frees its handle. NULL is OK; a freed one gives `BARTER_INVALID_HANDLE` and changes nothing.
 *
 * Ownership: the handle is gone. Threads: any; waits in other threads end with `BARTER_HANDLE_CLOSED`.
 */
barter_status barter_markets_free(barter_markets *markets);

/**
 * Reads the stream's counts.
 *
 * Ownership: the caller's struct, its `struct_size` set. Errors: `BARTER_INVALID_HANDLE`, `_INVALID_ARGUMENT`,
 * `_NULL_POINTER`. Threads: any.
 *
 * Requires: `out` is valid for reads and writes of `out->struct_size` bytes.
 */
barter_status barter_stream_metrics_get(barter_stream *stream, barter_stream_metrics *out);

/**
 * Reads the sum of the counts of all streams of the set: those to be selected, and those that were and are not freed.
 * High waters add up to a bound, as the streams may not have reached theirs at one time.
 *
 * Ownership, errors and threads: as of `barter_stream_metrics_get`.
 *
 * Requires: `out` is valid for reads and writes of `out->struct_size` bytes.
 */
barter_status barter_streams_metrics_get(barter_streams *streams, barter_stream_metrics *out);

/**
 * Copies the stream's metrics as a JSON object, as `barter_last_error_message` copies: `exchange` and `kind` (null
 * where all were selected), the counts of `barter_stream_metrics` by its names, and `connections`, an array of objects
 * with `exchange`, `kind`, `instruments` (indices), `state` (`connecting`, `open`, `waiting` for the next attempt,
 * `ended`), `since_ns`, `frames`, `bytes`, `control_frames`, `events`, `errors`, `reconnects`, `silences`, `attempts`
 * (to open it, the first included), `last_frame_ns`, `last_event_ns` and `last_error`. Of those that have ended and
 * were followed by others one an exchange and kind stays, without instruments, with the sum of their counts. What is
 * not known is null.
 *
 * Ownership: the caller's buffer. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
 *
 * Requires: `buf` is valid for writes of `cap` bytes, `len` for a write.
 */
barter_status barter_stream_metrics_json(barter_stream *stream, char *buf, size_t cap, size_t *len);

/**
 * Copies the set's metrics as a JSON object: the counts that `barter_streams_metrics_get` gives, and `streams`, an array
 * of objects as `barter_stream_metrics_json` writes them, one for each stream.
 *
 * Ownership, errors and threads: as of `barter_stream_metrics_json`.
 *
 * Requires: `buf` is valid for writes of `cap` bytes, `len` for a write.
 */
barter_status barter_streams_metrics_json(barter_streams *streams,
                                          char *buf,
                                          size_t cap,
                                          size_t *len);

/**
 * Waits for records and takes at most `max_events` of them, in order, into `*out`. Returns with the first that are
 * there, never lingers for more. `timeout_ns` negative: for ever, 0: only looks.
 *
 * Ownership: the caller sets `out->struct_size` and frees the batch with `barter_batch_free`; the batch is immutable
 * and outlives the stream. `*out` is overwritten unread, and zeroed but for its size on any status but OK.
 * Errors: `BARTER_TIMEOUT`; `_CLOSED` when the producers are gone and all was read; `_HANDLE_CLOSED` after a close,
 * which also ends waits; `_INVALID_HANDLE`, `_INVALID_ARGUMENT`, `_NULL_POINTER`.
 * Threads: any, several may wait; each record goes to one of them.
 *
 * Requires: `out` is valid for reads and writes of `out->struct_size` bytes.
 */
barter_status barter_stream_recv(barter_stream *stream, size_t max_events, int64_t timeout_ns, barter_batch *out);

/**
 * Copies the instruments, as `barter_streams_instruments` does; works when the set is gone.
 *
 * Ownership: the caller's buffer. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
 *
 * Requires: `buf` is valid for writes of `cap` bytes, `len` for a write.
 */
barter_status barter_stream_instruments(barter_stream *stream, char *buf, size_t cap, size_t *len);

/**
 * Ends one wait in `barter_stream_recv` with `BARTER_TIMEOUT`: the present one, or the next.
 *
 * Ownership: nothing changes hands. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
 */
barter_status barter_stream_wake(barter_stream *stream);

/**
 * A descriptor that is readable exactly when `barter_stream_recv` with a time-out of 0 would not return
 * `BARTER_TIMEOUT`. Never read it.
 *
 * Ownership: the caller closes `*fd`. Errors: `BARTER_HANDLE_CLOSED`, `_INVALID_HANDLE`, `_NULL_POINTER`, `_INTERNAL`
 * where the process has no descriptors left. Threads: any.
 *
 * Requires: `fd` is valid for a write.
 */
barter_status barter_stream_ready_fd(barter_stream *stream, int *fd);

/**
 * Discards what waits and ends the sockets; waits and later calls get `BARTER_HANDLE_CLOSED`. The handle stays until
 * it is freed.
 *
 * Ownership: nothing changes hands. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
 */
barter_status barter_stream_close(barter_stream *stream);

/**
 * Closes the stream and frees its handle. NULL is OK; a freed one gives `BARTER_INVALID_HANDLE` and changes nothing.
 *
 * Ownership: the handle is gone, batches of the stream stay. Threads: any; waits in other threads end with
 * `BARTER_HANDLE_CLOSED`.
 */
barter_status barter_stream_free(barter_stream *stream);

/**
 * Parses and checks a request, begins to open its connections, and returns at once with the set in `*out`.
 *
 * `json`: `{"batches": [[{"exchange", "base", "quote", "instrument_kind", "kind", "name_exchange"}]], "options": {}}`.
 * Each batch opens its own connection per exchange and kind; all connections of an exchange and kind end in one
 * stream; a subscription repeated anywhere is opened once. Unknown keys are errors that name their path.
 *
 * Ownership: the caller frees `*out` with `barter_streams_free`; NULL on failure.
 * Errors: `BARTER_INVALID_JSON`, `_INVALID_OPTION`, `_NO_SUBSCRIPTIONS`, `_UNKNOWN_EXCHANGE`, `_UNKNOWN_KIND`,
 * `_UNSUPPORTED`, `_INVALID_INSTRUMENT`, `_INVALID_UTF8`, `_NULL_POINTER`.
 * Threads: any.
 *
 * Requires: `json` is valid for reads of `len` bytes, `out` for a write.
 */
barter_status barter_streams_start(const char *json, size_t len, barter_streams **out);

/**
 * Waits until every connection is open: OK, or the failure, as often as asked; `BARTER_TIMEOUT` after `timeout_ns`
 * (negative: for ever, 0: only looks), and then the last error message names the connections that are not open yet
 * and those that failed. The message of a failure names every connection that failed, and why.
 *
 * Ownership: nothing changes hands.
 * Errors: `BARTER_CONNECT_FAILED`, `_HANDSHAKE_TIMEOUT`, `_SUBSCRIPTION_REFUSED`, `_SNAPSHOT_FAILED`,
 * `_HANDLE_CLOSED`, `_INVALID_HANDLE`. Threads: any.
 */
barter_status barter_streams_wait(barter_streams *streams, int64_t timeout_ns);

/**
 * `barter_streams_start` and `barter_streams_wait` in a row; a set that is not open within `timeout_ns` is freed.
 *
 * Ownership: the caller frees `*out` with `barter_streams_free`; NULL on any status but OK.
 * Errors: those of both, `BARTER_TIMEOUT` when the time was up. Threads: any.
 *
 * Requires: As for `barter_streams_start`.
 */
barter_status barter_streams_init(const char *json, size_t len, int64_t timeout_ns, barter_streams **out);

/**
 * Subscribes on a running set: parses and checks `{"batches": …}` as `barter_streams_start` does, and waits until what
 * is not subscribed yet is open, all or nothing. New instruments come in the streams of their exchange and kind, also
 * where these were selected or merged; an exchange and kind that had no stream, or whose stream was closed or has
 * ended, can be selected then. Indices keep their meaning: instruments are only ever appended.
 *
 * Ownership: nothing changes hands.
 * Errors: those of `barter_streams_start` and `barter_streams_wait`, `BARTER_TIMEOUT` when the time was up: then, and
 * after a failure, no connection or stream of it is left; instruments that were not refused at once stay registered.
 * `BARTER_INVALID_ARGUMENT` for streams in memory, `BARTER_NOT_READY` while
 * the set itself is opening. Threads: any; one addition at a time, others wait for it.
 *
 * Requires: `json` is valid for reads of `len` bytes.
 */
barter_status barter_streams_subscribe(barter_streams *streams,
                                       const char *json,
                                       size_t len,
                                       int64_t timeout_ns);

/**
 * Ends subscriptions of a running set, written as in `barter_streams_subscribe`: all of them, or none where one is not
 * subscribed. A connection whose last instrument goes is closed; on one that carries others the exchange is told, and
 * what still comes is left out. What a stream holds already stays to be read, and the stream stays open for what is
 * subscribed later. Waits for nothing.
 *
 * Ownership: nothing changes hands.
 * Errors: `BARTER_NOT_SUBSCRIBED`, those of `barter_streams_start` for the JSON, `BARTER_INVALID_ARGUMENT` for streams
 * in memory, `BARTER_NOT_READY`, `_HANDLE_CLOSED`, `_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
 *
 * Requires: `json` is valid for reads of `len` bytes.
 */
barter_status barter_streams_unsubscribe(barter_streams *streams, const char *json, size_t len);

/**
 * The first half of `barter_streams_subscribe`, for callers that wait in several goes: begins to open and gives a set
 * in `*out` whose only use is `barter_streams_wait`, `_ready_fd` and `_free`. Freeing it before it is open undoes
 * everything, after that nothing. Waits `timeout_ns` while another addition to the set is under way, then gives
 * `BARTER_TIMEOUT`.
 *
 * Ownership: the caller frees `*out` with `barter_streams_free`; NULL on any status but OK.
 * Errors: those of `barter_streams_subscribe` that need no waiting. Threads: any.
 *
 * Requires: `json` is valid for reads of `len` bytes, `out` for a write.
 */
barter_status barter_streams_subscribe_start(barter_streams *streams,
                                             const char *json,
                                             size_t len,
                                             int64_t timeout_ns,
                                             barter_streams **out);

/**
 * A descriptor that is readable when `barter_streams_subscribe_start` would not wait for another addition. Never read
 * it; of several that wait for it one gets the turn, the others find that out with a time-out of 0.
 *
 * Ownership: the caller closes `*fd`. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`, `_INTERNAL` where the process
 * has no descriptors left. Threads: any.
 *
 * Requires: `fd` is valid for a write.
 */
barter_status barter_streams_subscribe_ready_fd(barter_streams *streams, int *fd);

/**
 * Takes a stream out of the set: of one kind (`BARTER_SUB_*`) and one exchange, or with `exchange` NULL all that is
 * left of the kind merged into one, or with `BARTER_SUB_ALL` and NULL all that is left.
 *
 * Ownership: the caller frees `*out` with `barter_stream_free`; it lives on when the set is freed. NULL on any status
 * but OK.
 * Errors: `BARTER_NOT_FOUND` where it is absent or nothing is left, `_INVALID_OPTION` where the queues that would be
 * merged differ in policy, or conflate several kinds, `_NOT_READY`, `_UNKNOWN_EXCHANGE`,
 * `_UNKNOWN_KIND`, `_HANDLE_CLOSED`, `_INVALID_HANDLE`, `_NULL_POINTER`, or why the set failed to open.
 * Threads: any; of racing calls exactly one gets each stream.
 *
 * Requires: `exchange` is NULL or NUL-terminated, `out` valid for a write.
 */
barter_status barter_streams_select(barter_streams *streams,
                                    uint8_t sub_kind,
                                    const char *exchange,
                                    barter_stream **out);

/**
 * Copies the instruments as a JSON array in the order of their indices, as `barter_last_error_message` copies:
 * index, exchange, base, quote, instrument_kind, name_exchange, amount_unit. An index keeps its meaning for ever.
 *
 * Ownership: the caller's buffer. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
 *
 * Requires: `buf` is valid for writes of `cap` bytes, `len` for a write.
 */
barter_status barter_streams_instruments(barter_streams *streams, char *buf, size_t cap, size_t *len);

/**
 * Copies what is left to select as a JSON array of `{"exchange", "kind"}`.
 *
 * Ownership: the caller's buffer. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
 *
 * Requires: `buf` is valid for writes of `cap` bytes, `len` for a write.
 */
barter_status barter_streams_list(barter_streams *streams, char *buf, size_t cap, size_t *len);

/**
 * A descriptor that is readable when `barter_streams_wait` would not wait. Never read it.
 *
 * Ownership: the caller closes `*fd`. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`, `_INTERNAL` where the process
 * has no descriptors left. Threads: any.
 *
 * Requires: `fd` is valid for a write.
 */
barter_status barter_streams_ready_fd(barter_streams *streams, int *fd);

/**
 * Cancels an initialisation and closes what was not selected; streams selected before go on. The handle stays until
 * it is freed.
 *
 * Ownership: nothing changes hands. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
 */
barter_status barter_streams_close(barter_streams *streams);

/**
 * Closes the set and frees its handle. NULL is OK; a freed one gives `BARTER_INVALID_HANDLE` and changes nothing.
 *
 * Ownership: the handle is gone. Threads: any; waits in other threads end with `BARTER_HANDLE_CLOSED`.
 */
barter_status barter_streams_free(barter_streams *streams);

/*
 * Test helpers: streams fed from memory instead of sockets.
 *
 * They are shipped so that programs can be tested without a network. They stand outside the stability promise: any
 * release may change them.
 */

/** The producers' side of in-memory streams. Opaque: the pointer is a key and is never dereferenced. */
typedef struct barter_test_injector barter_test_injector;

/**
 * Makes a set of streams whose producer is an injector.
 *
 * `json`: `{"sources": [["binance_spot", "trades"]], "options": {}}`, options as in `barter_streams_start`.
 *
 * Ownership: the caller frees `*streams` with `barter_streams_free` and `*injector` with `barter_test_injector_free`,
 * which ends the producers. Errors: as of `barter_streams_start`. Threads: any.
 *
 * Requires: `json` is valid for reads of `len` bytes, the others for a write.
 */
barter_status barter_test_streams(const char *json,
                                  size_t len,
                                  barter_streams **streams,
                                  barter_test_injector **injector);

/**
 * The index of an instrument, registered if it is not yet.
 *
 * `json`: `{"exchange", "base", "quote", "instrument_kind", "name_exchange"}` as in a subscription.
 *
 * Ownership: nothing changes hands. Errors: as of a subscription. Threads: any.
 *
 * Requires: `json` is valid for reads of `len` bytes, `index` for a write.
 */
barter_status barter_test_instrument(barter_test_injector *injector, const char *json, size_t len, uint32_t *index);

/**
 * Injects market events, each into the stream of its exchange and kind; returns when the queues have taken or refused
 * them. All are checked before the first is injected. Of an L1 record the decimals count, not the doubles.
 *
 * Ownership: the caller's arrays. Errors: `BARTER_INVALID_ARGUMENT`, `_INVALID_UTF8`, `_NOT_FOUND` where there is no
 * such producer, `_CLOSED` where the stream was closed, `_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
 *
 * Requires: The arrays are valid for reads of as many elements as is said; the member of each payload that its kind names was
 * written.
 */
barter_status barter_test_push(barter_test_injector *injector,
                               const barter_event *events,
                               size_t events_len,
                               const barter_level *levels,
                               size_t levels_len,
                               const uint8_t *text,
                               size_t text_len);

/**
 * Injects an error of upstream's, in its serde form, for instance `{"Socket": "boom"}`; returns when the queue has
 * taken or refused it.
 *
 * Ownership: nothing changes hands. Errors: `BARTER_INVALID_JSON` and those of `barter_test_push`. Threads: any.
 *
 * Requires: `exchange` is NUL-terminated, `json` valid for reads of `len` bytes.
 */
barter_status barter_test_push_error(barter_test_injector *injector,
                                     const char *exchange,
                                     uint8_t sub_kind,
                                     const char *json,
                                     size_t len);

/**
 * Injects upstream's marker of a broken connection; returns when the queue has taken it.
 *
 * Ownership: nothing changes hands. Errors: those of `barter_test_push`. Threads: any.
 *
 * Requires: `exchange` is NUL-terminated.
 */
barter_status barter_test_push_reconnecting(barter_test_injector *injector, const char *exchange, uint8_t sub_kind);

/**
 * Ends one producer: its stream ends when everything was read.
 *
 * Ownership: nothing changes hands. Errors: `BARTER_NOT_FOUND`, `_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
 *
 * Requires: `exchange` is NUL-terminated.
 */
barter_status barter_test_close(barter_test_injector *injector, const char *exchange, uint8_t sub_kind);

/**
 * Ends all producers and frees the handle. NULL is OK; a freed one gives `BARTER_INVALID_HANDLE` and changes nothing.
 *
 * Ownership: the handle is gone. Threads: any.
 */
barter_status barter_test_injector_free(barter_test_injector *injector);

/**
 * Copies the sizes and offsets of the records as the library has them, as a JSON object, as
 * `barter_last_error_message` copies.
 *
 * Ownership: the caller's buffer. Errors: `BARTER_NULL_POINTER`. Threads: any.
 *
 * Requires: `buf` is valid for writes of `cap` bytes, `len` for a write.
 */
barter_status barter_test_layout(char *buf, size_t cap, size_t *len);

#ifdef __cplusplus
}
#endif

#endif /* BARTER_H */
