/* The few bytes of Kafka's protocol that a load generator speaks: enough to be a real client, and nothing twice.

   Everything is big-endian.  Flexible versions (Produce 9, Fetch 12) write lengths as unsigned varints of length + 1 and
   end every structure in a section of tagged fields.

   Sources: Kafka protocol guide; KIP-482 (flexible versions); record batch v2 as documented with the message format. */

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("kafka_driver: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

/* ---- writing ---- */

typedef struct {
    uint8_t *data;
    size_t size, capacity;
} Buffer;

static uint8_t *room(Buffer *buffer, size_t size) {
    if (buffer->size + size > buffer->capacity) {
        buffer->capacity = (buffer->size + size) * 2;
        buffer->data = realloc(buffer->data, buffer->capacity);
        if (!buffer->data) die("out of memory");
    }
    uint8_t *place = buffer->data + buffer->size;
    buffer->size += size;
    return place;
}

static void store(uint8_t *place, uint64_t value, int width) {
    for (int byte = 0; byte < width; byte++) place[byte] = (uint8_t)(value >> (8 * (width - 1 - byte)));
}

static void put8(Buffer *buffer, int64_t value) { store(room(buffer, 1), (uint64_t)value, 1); }
static void put16(Buffer *buffer, int64_t value) { store(room(buffer, 2), (uint64_t)value, 2); }
static void put32(Buffer *buffer, int64_t value) { store(room(buffer, 4), (uint64_t)value, 4); }
static void put64(Buffer *buffer, int64_t value) { store(room(buffer, 8), (uint64_t)value, 8); }

static void put_bytes(Buffer *buffer, const void *data, size_t size) {
    if (size) memcpy(room(buffer, size), data, size);
}

static void put_uvarint(Buffer *buffer, uint64_t value) {
    for (; value > 127; value >>= 7) put8(buffer, (int64_t)(value | 128) & 255);
    put8(buffer, (int64_t)value);
}

static void put_varint(Buffer *buffer, int64_t value) { /* zigzag: small negatives stay small */
    put_uvarint(buffer, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

static void put_string(Buffer *buffer, const char *text) { /* NULL is Kafka's null */
    put16(buffer, text ? (int64_t)strlen(text) : -1);
    if (text) put_bytes(buffer, text, strlen(text));
}

static void put_compact_string(Buffer *buffer, const char *text) {
    put_uvarint(buffer, strlen(text) + 1);
    put_bytes(buffer, text, strlen(text));
}

/* ---- reading ---- */

typedef struct {
    const uint8_t *at, *end;
} Cursor;

static const uint8_t *take(Cursor *cursor, size_t size) {
    if ((size_t)(cursor->end - cursor->at) < size) die("a response is shorter than it says");
    const uint8_t *place = cursor->at;
    cursor->at += size;
    return place;
}

static uint64_t load(const uint8_t *place, int width) {
    uint64_t value = 0;
    for (int byte = 0; byte < width; byte++) value = value << 8 | place[byte];
    return value;
}

static int take8(Cursor *cursor) { return (int8_t)load(take(cursor, 1), 1); }
static int take16(Cursor *cursor) { return (int16_t)load(take(cursor, 2), 2); }
static int32_t take32(Cursor *cursor) { return (int32_t)load(take(cursor, 4), 4); }
static int64_t take64(Cursor *cursor) { return (int64_t)load(take(cursor, 8), 8); }

static uint64_t take_uvarint(Cursor *cursor) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte = *take(cursor, 1);
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return value;
    }
    die("a varint has no end");
}

static void skip_tags(Cursor *cursor) {
    for (uint64_t count = take_uvarint(cursor); count; count--) {
        take_uvarint(cursor);
        take(cursor, take_uvarint(cursor));
    }
}

static void skip_compact(Cursor *cursor) { /* a compact string or bytes, null included */
    uint64_t length = take_uvarint(cursor);
    if (length) take(cursor, length - 1);
}

static void skip_string(Cursor *cursor) {
    int length = take16(cursor);
    if (length > 0) take(cursor, (size_t)length);
}

static uint64_t take_compact_count(Cursor *cursor) { /* of an array; null counts as none */
    uint64_t count = take_uvarint(cursor);
    return count ? count - 1 : 0;
}

/* ---- requests ---- */

enum { PRODUCE = 0, FETCH = 1, LIST_OFFSETS = 2, METADATA = 3, CREATE_TOPICS = 19, DELETE_TOPICS = 20, INIT_PRODUCER_ID = 22 };
enum { CORRELATION_ID_AT = 8 }; /* in a frame, its length included */

static void begin_request(Buffer *frame, int api_key, int version, int flexible) {
    frame->size = 0;
    put32(frame, 0); /* the length, known when the request is whole */
    put16(frame, api_key);
    put16(frame, version);
    put32(frame, 0);
    put_string(frame, "driver");
    if (flexible) put8(frame, 0);
}

static void end_request(Buffer *frame, size_t more) { /* `more` bytes follow from elsewhere */
    store(frame->data, frame->size - 4 + more, 4);
}

/* ---- record batches ---- */

static const uint32_t CASTAGNOLI = 0x82F63B78u;

static uint32_t crc32c(const uint8_t *data, size_t size) {
    static uint32_t table[256];
    if (!table[1])
        for (uint32_t value = 0; value < 256; value++) {
            uint32_t remainder = value;
            for (int bit = 0; bit < 8; bit++) remainder = remainder >> 1 ^ (remainder & 1 ? CASTAGNOLI : 0);
            table[value] = remainder;
        }
    uint32_t sum = 0xFFFFFFFFu;
    for (size_t place = 0; place < size; place++) sum = sum >> 8 ^ table[(sum ^ data[place]) & 255];
    return ~sum;
}

/* The checksum of what follows `size` zero bytes is linear in the one before them: 32 columns of bits, one for each bit
   of it.  So a batch whose header changes needs no second look at its records: crc(ab) = after(b zeros, crc(a)) ^ crc(b). */
typedef struct {
    uint32_t columns[32];
} ZeroBytes;

static uint32_t after_zeros(const ZeroBytes *zeros, uint32_t sum) {
    uint32_t result = 0;
    for (int bit = 0; sum; sum >>= 1, bit++)
        if (sum & 1) result ^= zeros->columns[bit];
    return result;
}

static ZeroBytes zero_bytes(size_t size) {
    ZeroBytes power, result, square; /* power: one zero byte, then two, four, eight ... */
    for (int bit = 0; bit < 32; bit++) {
        uint32_t remainder = 1u << bit;
        for (int shift = 0; shift < 8; shift++) remainder = remainder >> 1 ^ (remainder & 1 ? CASTAGNOLI : 0);
        power.columns[bit] = remainder;
        result.columns[bit] = 1u << bit;
    }
    for (; size; size >>= 1) {
        if (size & 1)
            for (int bit = 0; bit < 32; bit++) result.columns[bit] = after_zeros(&power, result.columns[bit]);
        for (int bit = 0; bit < 32; bit++) square.columns[bit] = after_zeros(&power, power.columns[bit]);
        power = square;
    }
    return result;
}

enum { BATCH_LENGTH_AT = 8, CRC_AT = 17, CRC_FROM = 21, LAST_DELTA_AT = 23, PRODUCER_ID_AT = 43, COUNT_AT = 57, BATCH_HEADER = 61 };

/* A batch of `count` records without keys, of `size` bytes each that no codec could shrink. */
static Buffer build_batch(int count, int size) {
    Buffer batch = {0}, record = {0};
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    put64(&batch, 0);         /* base offset: the broker's to give */
    put32(&batch, 0);         /* length */
    put32(&batch, -1);        /* leader epoch */
    put8(&batch, 2);          /* magic */
    put32(&batch, 0);         /* CRC32C of what follows */
    put16(&batch, 0);         /* attributes: no codec, CreateTime */
    put32(&batch, count - 1); /* last offset delta */
    put64(&batch, now_ms);
    put64(&batch, now_ms);
    put64(&batch, -1); /* producer id, epoch, sequence: not idempotent */
    put16(&batch, -1);
    put32(&batch, -1);
    put32(&batch, count);
    uint64_t state = 88172645463325252u;
    for (int number = 0; number < count; number++) {
        record.size = 0;
        put8(&record, 0);
        put_varint(&record, 0); /* timestamp delta */
        put_varint(&record, number);
        put_varint(&record, -1); /* no key */
        put_varint(&record, size);
        for (uint8_t *value = room(&record, (size_t)size), *end = value + size; value < end; value++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17; /* xorshift64 */
            *value = (uint8_t)state;
        }
        put_varint(&record, 0); /* headers */
        put_varint(&batch, (int64_t)record.size);
        put_bytes(&batch, record.data, record.size);
    }
    store(batch.data + BATCH_LENGTH_AT, batch.size - 12, 4);
    store(batch.data + CRC_AT, crc32c(batch.data + CRC_FROM, batch.size - CRC_FROM), 4);
    free(record.data);
    return batch;
}
