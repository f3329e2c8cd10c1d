/* The declarations of barter.h for cffi; written by `build.py header`. */

enum {
  BARTER_ABI_VERSION = 65540
};

enum {
  BARTER_NO_INSTRUMENT = 4294967295
};

enum {
  BARTER_NO_TIME = -9223372036854775808
};

enum {
  BARTER_OK = 0,
  BARTER_TIMEOUT = 1,
  BARTER_CLOSED = 2,
  BARTER_NOT_FOUND = 3,
  BARTER_NOT_READY = 4,
  BARTER_INVALID_ARGUMENT = 100,
  BARTER_NULL_POINTER = 101,
  BARTER_INVALID_UTF8 = 102,
  BARTER_INVALID_JSON = 103,
  BARTER_INVALID_OPTION = 104,
  BARTER_INVALID_HANDLE = 200,
  BARTER_HANDLE_CLOSED = 201,
  BARTER_FORKED = 202,
  BARTER_NO_SUBSCRIPTIONS = 300,
  BARTER_UNKNOWN_EXCHANGE = 301,
  BARTER_UNKNOWN_KIND = 302,
  BARTER_UNSUPPORTED = 303,
  BARTER_INVALID_INSTRUMENT = 304,
  BARTER_SUBSCRIPTION_REFUSED = 305,
  BARTER_NOT_SUBSCRIBED = 306,
  BARTER_CONNECT_FAILED = 400,
  BARTER_HANDSHAKE_TIMEOUT = 401,
  BARTER_SNAPSHOT_FAILED = 402,
  BARTER_MARKETS_FAILED = 403,
  BARTER_INTERNAL = 500,
  BARTER_PANIC = 501
};

enum {
  BARTER_SUB_ALL = 0,
  BARTER_SUB_TRADES = 1,
  BARTER_SUB_L1 = 2,
  BARTER_SUB_L2 = 3,
  BARTER_SUB_LIQUIDATIONS = 4
};

enum {
  BARTER_EVENT_TRADE = 1,
  BARTER_EVENT_L1 = 2,
  BARTER_EVENT_BOOK = 3,
  BARTER_EVENT_LIQUIDATION = 4,
  BARTER_EVENT_RECONNECTING = 32,
  BARTER_EVENT_RECONNECTED = 33,
  BARTER_EVENT_ERROR = 34,
  BARTER_EVENT_DROPPED = 35,
  BARTER_EVENT_SILENT = 36
};

enum {
  BARTER_LOG_OFF = 0,
  BARTER_LOG_ERROR = 1,
  BARTER_LOG_WARN = 2,
  BARTER_LOG_INFO = 3,
  BARTER_LOG_DEBUG = 4,
  BARTER_LOG_TRACE = 5
};

enum {
  BARTER_SIDE_NONE = 0,
  BARTER_SIDE_BUY = 1,
  BARTER_SIDE_SELL = 2
};

enum {
  BARTER_FLAG_HAS_BID = 1,
  BARTER_FLAG_HAS_ASK = 2,
  BARTER_FLAG_HAS_TIME_ENGINE = 4,
  BARTER_FLAG_ID_IN_TEXT = 8,
  BARTER_FLAG_SNAPSHOT = 16,
  BARTER_FLAG_RECOVERED = 32
};

enum {
  BARTER_DROPPED_QUEUE_FULL = 1,
  BARTER_DROPPED_CONFLATED = 2
};

enum {
  BARTER_ERROR_INDEX = 1,
  BARTER_ERROR_SUBSCRIPTIONS_EMPTY = 2,
  BARTER_ERROR_UNSUPPORTED_SUB_KIND = 3,
  BARTER_ERROR_SNAPSHOT_MISSING = 4,
  BARTER_ERROR_SNAPSHOT_INVALID = 5,
  BARTER_ERROR_SOCKET = 6,
  BARTER_ERROR_UNSUPPORTED = 7,
  BARTER_ERROR_INVALID_SEQUENCE = 8,
  BARTER_ERROR_QUEUE_FULL = 9
};

typedef struct barter_markets barter_markets;

typedef struct barter_stream barter_stream;

typedef struct barter_streams barter_streams;

typedef int32_t barter_status;

typedef union {
  uint8_t inline_bytes[40];
  uint64_t text_offset;
} barter_trade_id;

typedef struct {
  double price;
  double amount;
  uint8_t side;
  uint8_t reserved0[3];
  uint32_t id_len;
  barter_trade_id id;
  uint8_t reserved1[40];
} barter_trade;

typedef struct {
  uint32_t lo;
  uint32_t mid;
  uint32_t hi;
  uint8_t scale;
  uint8_t negative;
  uint16_t reserved;
} barter_decimal;

typedef struct {
  int64_t last_update_time_ns;
  double bid_price;
  double bid_amount;
  double ask_price;
  double ask_amount;
  barter_decimal bid_price_decimal;
  barter_decimal bid_amount_decimal;
  barter_decimal ask_price_decimal;
  barter_decimal ask_amount_decimal;
} barter_l1;

typedef struct {
  uint64_t sequence;
  int64_t time_engine_ns;
  uint32_t bids_offset;
  uint32_t bids_len;
  uint32_t asks_offset;
  uint32_t asks_len;
  uint8_t reserved[72];
} barter_book;

typedef struct {
  double price;
  double quantity;
  int64_t time_ns;
  uint8_t side;
  uint8_t reserved[79];
} barter_liquidation;

typedef struct {
  double nan[5];
  uint64_t count;
  int64_t first_ns;
  int64_t last_ns;
  uint64_t text_offset;
  uint32_t text_len;
  uint16_t code;
  uint8_t sub_kind;
  uint8_t reserved0;
  uint32_t attempts;
  uint32_t instruments_len;
  uint64_t instruments_offset;
  int64_t duration_ns;
} barter_notice;

typedef union {
  barter_trade trade;
  barter_l1 l1;
  barter_book book;
  barter_liquidation liquidation;
  barter_notice notice;
} barter_payload;

typedef struct {
  int64_t time_exchange_ns;
  int64_t time_received_ns;
  uint32_t instrument;
  uint16_t exchange;
  uint8_t kind;
  uint8_t flags;
  barter_payload payload;
} barter_event;

typedef struct {
  barter_decimal price;
  barter_decimal amount;
} barter_level;

typedef struct {
  uint32_t struct_size;
  uint32_t event_size;
  const barter_event *events;
  size_t events_len;
  const barter_level *levels;
  size_t levels_len;
  const uint8_t *text;
  size_t text_len;
  uint64_t owner;
  uint64_t kinds;
  uint32_t flags;
  uint32_t reserved;
  barter_event first;
} barter_batch;

typedef struct {
  uint32_t struct_size;
  uint8_t live;
  uint8_t reserved[3];
  uint64_t sequence;
  int64_t time_exchange_ns;
  int64_t time_received_ns;
  int64_t time_engine_ns;
  double mid_price;
  double volume_weighed_mid_price;
  size_t bids_len;
  size_t asks_len;
  size_t bids_total;
  size_t asks_total;
} barter_book_state;

typedef struct {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t events;
  uint64_t errors;
  uint64_t notices;
  uint64_t dropped;
  uint64_t reconnects;
  uint64_t queued_events;
  uint64_t queued_bytes;
  uint64_t high_water_events;
  uint64_t bytes_lent;
  int64_t last_event_ns;
  uint64_t silences;
  uint64_t high_water_bytes;
  uint64_t frames;
  uint64_t bytes;
  uint64_t control_frames;
} barter_stream_metrics;

barter_status barter_last_error_message(char *buf, size_t cap, size_t *len);

barter_status barter_shutdown(void);

barter_status barter_batch_free(barter_batch *batch);

barter_status barter_streams_select_books(barter_streams *streams, const char *exchange, barter_stream **out);

barter_status barter_books_instruments(barter_stream *books, uint32_t *instruments, size_t cap, size_t *len);

barter_status barter_books_read(barter_stream *books,
                                uint32_t instrument,
                                size_t depth,
                                barter_level *levels,
                                barter_book_state *out);

barter_status barter_books_wait(barter_stream *books, uint64_t seen, int64_t timeout_ns, uint64_t *version);

barter_status barter_books_ready_fd(barter_stream *books, int *fd);

uint32_t barter_abi_version(void);

const char *barter_version(void);

const char *barter_status_name(barter_status status);

const char *barter_kind_name(uint8_t sub_kind);

const char *barter_exchange_name(uint16_t exchange);

uint16_t barter_exchange_from_name(const char *name, size_t len);

const char *barter_support_json(void);

double barter_decimal_to_double(barter_decimal value);

size_t barter_decimal_to_string(barter_decimal value, char *buf, size_t cap);

barter_status barter_levels_to_f64(const barter_level *levels, size_t len, double *out);

barter_status barter_log_set_level(const char *logger, int level);

barter_status barter_log_read(int64_t timeout_ns, char *buf, size_t cap, size_t *len);

barter_status barter_markets_start(const char *json, size_t len, barter_markets **out);

barter_status barter_markets_wait(barter_markets *markets, int64_t timeout_ns);

barter_status barter_markets_ready_fd(barter_markets *markets, int *fd);

barter_status barter_markets_json(barter_markets *markets, char *buf, size_t cap, size_t *len);

barter_status barter_markets_free(barter_markets *markets);

barter_status barter_stream_metrics_get(barter_stream *stream, barter_stream_metrics *out);

barter_status barter_streams_metrics_get(barter_streams *streams, barter_stream_metrics *out);

barter_status barter_stream_metrics_json(barter_stream *stream, char *buf, size_t cap, size_t *len);

barter_status barter_streams_metrics_json(barter_streams *streams, char *buf, size_t cap, size_t *len);

barter_status barter_stream_recv(barter_stream *stream, size_t max_events, int64_t timeout_ns, barter_batch *out);

barter_status barter_stream_instruments(barter_stream *stream, char *buf, size_t cap, size_t *len);

barter_status barter_stream_wake(barter_stream *stream);

barter_status barter_stream_ready_fd(barter_stream *stream, int *fd);

barter_status barter_stream_close(barter_stream *stream);

barter_status barter_stream_free(barter_stream *stream);

barter_status barter_streams_start(const char *json, size_t len, barter_streams **out);

barter_status barter_streams_wait(barter_streams *streams, int64_t timeout_ns);

barter_status barter_streams_init(const char *json, size_t len, int64_t timeout_ns, barter_streams **out);

barter_status barter_streams_subscribe(barter_streams *streams, const char *json, size_t len, int64_t timeout_ns);

barter_status barter_streams_unsubscribe(barter_streams *streams, const char *json, size_t len);

barter_status barter_streams_subscribe_start(barter_streams *streams,
                                             const char *json,
                                             size_t len,
                                             int64_t timeout_ns,
                                             barter_streams **out);

barter_status barter_streams_subscribe_ready_fd(barter_streams *streams, int *fd);

barter_status barter_streams_select(barter_streams *streams,
                                    uint8_t sub_kind,
                                    const char *exchange,
                                    barter_stream **out);

barter_status barter_streams_instruments(barter_streams *streams, char *buf, size_t cap, size_t *len);

barter_status barter_streams_list(barter_streams *streams, char *buf, size_t cap, size_t *len);

barter_status barter_streams_ready_fd(barter_streams *streams, int *fd);

barter_status barter_streams_close(barter_streams *streams);

barter_status barter_streams_free(barter_streams *streams);

typedef struct barter_test_injector barter_test_injector;

barter_status barter_test_streams(const char *json,
                                  size_t len,
                                  barter_streams **streams,
                                  barter_test_injector **injector);

barter_status barter_test_instrument(barter_test_injector *injector, const char *json, size_t len, uint32_t *index);

barter_status barter_test_push(barter_test_injector *injector,
                               const barter_event *events,
                               size_t events_len,
                               const barter_level *levels,
                               size_t levels_len,
                               const uint8_t *text,
                               size_t text_len);

barter_status barter_test_push_error(barter_test_injector *injector,
                                     const char *exchange,
                                     uint8_t sub_kind,
                                     const char *json,
                                     size_t len);

barter_status barter_test_push_reconnecting(barter_test_injector *injector, const char *exchange, uint8_t sub_kind);

barter_status barter_test_close(barter_test_injector *injector, const char *exchange, uint8_t sub_kind);

barter_status barter_test_injector_free(barter_test_injector *injector);

barter_status barter_test_layout(char *buf, size_t cap, size_t *len);
