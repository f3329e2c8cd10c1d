/* Nothing is said until a level is set; then records are read as lines of JSON, and none is lost for want of room. */
#include "check.h"

static const char SOURCES[] = "{\"sources\": [[\"kraken\", \"trades\"]], \"options\": {\"queue\": {\"capacity\": 1}}}";

/* Two trades into a queue that holds one. */
static void lose_an_event(void) {
    barter_streams *streams = NULL;
    barter_test_injector *injector = NULL;
    uint32_t instrument = 0;
    const char *btc = "{\"exchange\": \"kraken\", \"base\": \"btc\", \"quote\": \"usd\"}";
    CHECK(barter_test_streams(SOURCES, strlen(SOURCES), &streams, &injector) == BARTER_OK);
    CHECK(barter_test_instrument(injector, btc, strlen(btc), &instrument) == BARTER_OK);
    barter_event trades[2];
    memset(trades, 0, sizeof trades);
    for (int i = 0; i < 2; i++) {
        trades[i].kind = BARTER_EVENT_TRADE;
        trades[i].exchange = barter_exchange_from_name("kraken", 6);
        trades[i].instrument = instrument;
        trades[i].payload.trade.side = BARTER_SIDE_BUY;
    }
    CHECK(barter_test_push(injector, trades, 2, NULL, 0, NULL, 0) == BARTER_OK);
    CHECK(barter_streams_free(streams) == BARTER_OK && barter_test_injector_free(injector) == BARTER_OK);
}

int main(void) {
    static char said[1 << 18];
    size_t len = 1;
    lose_an_event();
    CHECK(barter_log_read(0, said, sizeof said, &len) == BARTER_TIMEOUT && len == 0);

    CHECK(barter_log_set_level(NULL, BARTER_LOG_WARN) == BARTER_OK);
    lose_an_event();
    char small[16];
    CHECK_ERROR(barter_log_read(-1, small, sizeof small, &len), BARTER_INVALID_ARGUMENT, "cap is 16");
    CHECK(len > sizeof small && small[0] == '\0');
    CHECK(barter_log_read(0, said, sizeof said, &len) == BARTER_OK && len == strlen(said));
    CHECK(strstr(said, "\"level\":\"warn\",\"logger\":\"barter_cffi.pump\"") != NULL);
    CHECK(strstr(said, "\"exchange\":\"kraken\"") != NULL && strstr(said, "\"lost\":1") != NULL);
    CHECK(said[len - 1] == '\n' && strchr(said, '\n') == said + len - 1);

    CHECK(barter_log_set_level("barter_cffi.pump", BARTER_LOG_ERROR) == BARTER_OK);
    lose_an_event();
    CHECK(barter_log_read(1000000, said, sizeof said, &len) == BARTER_TIMEOUT);
    CHECK(barter_log_set_level(NULL, BARTER_LOG_OFF) == BARTER_OK);

    CHECK_ERROR(barter_log_set_level(NULL, 6), BARTER_INVALID_ARGUMENT, "level is 6");
    CHECK_ERROR(barter_log_set_level("kraken", BARTER_LOG_INFO), BARTER_INVALID_ARGUMENT, "kraken");
    CHECK_ERROR(barter_log_read(0, NULL, 0, &len), BARTER_NULL_POINTER, "buf");
    CHECK_ERROR(barter_log_read(0, said, sizeof said, NULL), BARTER_NULL_POINTER, "len");
    puts("log: ok");
    return 0;
}
