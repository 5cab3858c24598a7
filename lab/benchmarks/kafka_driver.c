/* kafka_driver: loads a Kafka broker and takes as little as possible of the machine for itself.

   A client library makes batches, checksums, queues and callbacks, and on two cores what it takes the broker lacks.
   Here each request is made once: the batch and its CRC32C are canned, and a request on the wire is three pieces given
   to one writev, of which only the correlation id is new.

       | length, header, topic, partition, head of the batch | records (shared by all requests) | tags |

   An idempotent producer (KIP-98) has a producer id for each connection and counts each partition's records: then the
   head of the batch is new as well, and its checksum is put together from that of the head and that of the records.

   Leaders come from Metadata, so a cluster is loaded as clients load it.  Every response is read in full: errors are
   counted, offsets checked against what was sent, records counted by the headers of the batches.

       kafka_driver create  --bootstrap 127.0.0.1:9092 --topic t --partitions 6 --replicas 3
       kafka_driver produce --bootstrap ... --topic t --records 250 --size 1024 --acks -1 --seconds 3
       kafka_driver fetch   --bootstrap ... --topic t --seconds 3     (or --once: from the beginning to the end)
       kafka_driver crowd   --bootstrap ... --topic t --connections 1000 --rate 1000 --seconds 5
       kafka_driver delete  --bootstrap ... --topic t

   `crowd` measures one producer with one request in flight beside many connections: half produce now and then, half
   wait in long polls for what those produce.  What was measured comes out as one line of JSON. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kafka_wire.h"

enum { BROKERS_MAX = 64, FRAMES_A_WRITE = 64, ERRORS_MAX = 200, RECEIVE_SIZE = 1 << 16, FRAME_MAX = 1 << 30 };
static const int64_t SECOND = 1000000000;
static const int64_t PATIENCE_S = 30; /* for leaders to be there, for the last answers to come in */

static struct {
    const char *bootstrap, *topic, *configs[16];
    int partitions, replicas, config_count;
    int acks, records, size, version;
    int connections; /* to each broker; of a crowd, all */
    int in_flight;
    int rate; /* a crowd's produces per second */
    int fetch_size, once, idempotent;
    double seconds;
    int64_t messages_max;
} options = {.partitions = 1, .replicas = 1, .acks = -1, .records = 1, .size = 1024, .version = 9,
             .connections = 1, .in_flight = 1, .rate = 1000, .fetch_size = 1 << 20, .seconds = 3};

typedef struct {
    int id, port;
    char host[256];
} Broker;

typedef struct {
    int index, leader;
    Buffer head;            /* of a produce request, up to the batch */
    int64_t first, end;     /* produced: lowest base offset answered, offset after the highest */
    int64_t position, high; /* fetched: next offset, high watermark last seen */
} Partition;

static Broker brokers[BROKERS_MAX];
static int broker_count;
static Partition *partitions;

typedef enum { STEADY, PACED, READER } Role;

typedef struct {
    int64_t sent_at;
    Partition *partition;
    Buffer head;
} Flight;

typedef struct {
    int fd, watching_writes;
    Role role;
    Partition **mine; /* those this connection produces to or fetches from, all led by its broker */
    int mine_count, turn;
    int64_t producer_id; /* -1: not idempotent */
    int32_t *sequences;  /* beside `mine`: of the next record */
    Flight *flights; /* a ring: `oldest`, then `flying` of them, of which the last `unsent` are not written in full */
    int capacity, oldest, flying, unsent;
    size_t written; /* of the first unsent */
    Buffer in;
    int32_t next_id, expected_id;
} Connection;

static Buffer batch;
static struct { /* of the batch, what comes after its head */
    const uint8_t *data;
    size_t size;
    uint32_t crc;
    ZeroBytes zeros;
} records;
static const uint8_t tail[3] = {0, 0, 0}; /* no tagged fields in the partition, the topic, the request */

static struct {
    int64_t requests, messages, bytes, sent_messages, started, finished;
    int64_t errors[ERRORS_MAX];
    float *latencies_us;
    size_t latency_count, latency_capacity;
} measured;

static int stopping, follow; /* follow: wait at the end of a partition instead of starting over */

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static void count_error(int code) {
    if (code) measured.errors[code > 0 && code < ERRORS_MAX ? code : 0]++; /* 0 stands for -1 and the unheard-of */
}

static void count_latency(int64_t ns) {
    if (measured.latency_count == measured.latency_capacity) {
        measured.latency_capacity = measured.latency_capacity * 2 + 4096;
        measured.latencies_us = realloc(measured.latencies_us, measured.latency_capacity * sizeof(float));
        if (!measured.latencies_us) die("out of memory");
    }
    measured.latencies_us[measured.latency_count++] = (float)ns / 1000;
}

/* ---- one question, one answer: topics and leaders ---- */

static int dial(const char *host, int port) {
    char service[16];
    struct addrinfo *found, hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    snprintf(service, sizeof service, "%d", port);
    if (getaddrinfo(host, service, &hints, &found)) die("%s is no host", host);
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen)) die("%s:%d: %s", host, port, strerror(errno));
    freeaddrinfo(found);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static int dial_bootstrap(void) { /* the first of a list, comma between */
    char host[256];
    size_t length = strcspn(options.bootstrap, ",");
    if (length >= sizeof host) die("--bootstrap wants host:port");
    snprintf(host, sizeof host, "%.*s", (int)length, options.bootstrap);
    char *colon = strrchr(host, ':');
    if (!colon) die("--bootstrap wants host:port");
    *colon = 0;
    return dial(host, atoi(colon + 1));
}

static void receive_all(int fd, uint8_t *place, size_t size) {
    for (ssize_t got; size; place += got, size -= (size_t)got)
        if ((got = read(fd, place, size)) <= 0) die("the broker closed the connection");
}

/* Send the request, read the answer into the same buffer; what follows the correlation id. */
static Cursor ask(int fd, Buffer *frame) {
    end_request(frame, 0);
    if (write(fd, frame->data, frame->size) != (ssize_t)frame->size) die("the broker closed the connection");
    uint8_t length[4];
    receive_all(fd, length, 4);
    size_t size = load(length, 4);
    if (size < 4 || size > FRAME_MAX) die("an answer of %zu bytes", size);
    frame->size = 0;
    receive_all(fd, room(frame, size), size);
    return (Cursor){frame->data + 4, frame->data + size};
}

static void create_topic(void) {
    Buffer frame = {0};
    int fd = dial_bootstrap();
    begin_request(&frame, CREATE_TOPICS, 4, 0);
    put32(&frame, 1);
    put_string(&frame, options.topic);
    put32(&frame, options.partitions);
    put16(&frame, options.replicas);
    put32(&frame, 0); /* assignments: the broker's choice */
    put32(&frame, options.config_count);
    for (int number = 0; number < options.config_count; number++) {
        char *name = strdup(options.configs[number]), *value = strchr(name, '=');
        if (!value) die("--config wants name=value");
        *value++ = 0;
        put_string(&frame, name);
        put_string(&frame, value);
        free(name);
    }
    put32(&frame, 60000);
    put8(&frame, 0);
    Cursor answer = ask(fd, &frame);
    take32(&answer); /* throttle time */
    if (take32(&answer) != 1) die("CreateTopics answered for another number of topics");
    skip_string(&answer);
    int code = take16(&answer);
    if (code) die("creating %s: error %d", options.topic, code);
    close(fd);
    free(frame.data);
}

static void delete_topic(void) {
    Buffer frame = {0};
    int fd = dial_bootstrap();
    begin_request(&frame, DELETE_TOPICS, 1, 0);
    put32(&frame, 1);
    put_string(&frame, options.topic);
    put32(&frame, 60000);
    Cursor answer = ask(fd, &frame);
    take32(&answer);
    if (take32(&answer) != 1) die("DeleteTopics answered for another number of topics");
    skip_string(&answer);
    int code = take16(&answer);
    if (code) die("deleting %s: error %d", options.topic, code);
    close(fd);
    free(frame.data);
}

/* Fill `brokers` and `partitions` from a Metadata answer.  Returns how many partitions have a leader. */
static int read_metadata(Cursor answer) {
    take32(&answer);
    broker_count = take32(&answer);
    if (broker_count < 0 || broker_count > BROKERS_MAX) die("%d brokers", broker_count);
    for (Broker *broker = brokers; broker < brokers + broker_count; broker++) {
        broker->id = take32(&answer);
        int length = take16(&answer);
        if (length < 0 || length >= (int)sizeof broker->host) die("a host name of %d bytes", length);
        memcpy(broker->host, take(&answer, (size_t)length), (size_t)length);
        broker->host[length] = 0;
        broker->port = take32(&answer);
        skip_string(&answer);
    }
    skip_string(&answer); /* cluster id */
    take32(&answer);      /* controller */
    if (take32(&answer) != 1 || take16(&answer)) return 0;
    skip_string(&answer);
    take8(&answer); /* internal */
    int count = take32(&answer), led = 0;
    free(partitions);
    partitions = calloc(count > 0 ? (size_t)count : 1, sizeof *partitions);
    options.partitions = count;
    for (Partition *partition = partitions; partition < partitions + count; partition++) {
        int code = take16(&answer);
        partition->index = take32(&answer);
        partition->leader = take32(&answer);
        partition->first = partition->high = -1;
        for (int list = 0; list < 2; list++) { /* replicas, in-sync replicas */
            int length = take32(&answer);
            if (length > 0) take(&answer, 4 * (size_t)length);
        }
        led += !code && partition->leader >= 0;
    }
    return led;
}

/* Whether the leaders know that they lead: Metadata may tell before they have heard.  ListOffsets asks each. */
static int leaders_serve(void) {
    Buffer frame = {0};
    int refused = 0;
    for (Broker *broker = brokers; broker < brokers + broker_count; broker++) {
        int led = 0, fd;
        for (int index = 0; index < options.partitions; index++) led += partitions[index].leader == broker->id;
        if (!led) continue;
        fd = dial(broker->host, broker->port);
        begin_request(&frame, LIST_OFFSETS, 1, 0);
        put32(&frame, -1);
        put32(&frame, 1);
        put_string(&frame, options.topic);
        put32(&frame, led);
        for (int index = 0; index < options.partitions; index++)
            if (partitions[index].leader == broker->id) {
                put32(&frame, partitions[index].index);
                put64(&frame, -1); /* the end */
            }
        Cursor answer = ask(fd, &frame);
        if (take32(&answer) != 1) die("ListOffsets answered for another number of topics");
        skip_string(&answer);
        for (int count = take32(&answer); count > 0; count--) {
            take32(&answer);
            refused += take16(&answer) != 0;
            take(&answer, 16);
        }
        close(fd);
    }
    free(frame.data);
    return !refused;
}

static void find_leaders(int wanted) { /* wanted: how many partitions there shall be, 0 for however many */
    Buffer frame = {0};
    int fd = dial_bootstrap(), led;
    int64_t deadline = now_ns() + PATIENCE_S * SECOND;
    for (;;) {
        begin_request(&frame, METADATA, 4, 0);
        put32(&frame, 1);
        put_string(&frame, options.topic);
        put8(&frame, 0); /* do not create it */
        led = read_metadata(ask(fd, &frame));
        if (led && led == options.partitions && (!wanted || led == wanted) && leaders_serve()) break;
        if (now_ns() > deadline) die("%d partitions of %s have a leader, or it refuses", led, options.topic);
        usleep(20000);
    }
    close(fd);
    free(frame.data);
}

/* A new producer id.  Its coordinator may still be looking for itself, which is an error to ask again after. */
static int64_t new_producer_id(void) {
    Buffer frame = {0};
    int fd = dial_bootstrap(), code;
    int64_t id, deadline = now_ns() + PATIENCE_S * SECOND;
    do {
        begin_request(&frame, INIT_PRODUCER_ID, 0, 0);
        put_string(&frame, NULL);
        put32(&frame, 60000);
        Cursor answer = ask(fd, &frame);
        take32(&answer);
        code = take16(&answer);
        id = take64(&answer);
        if (code && now_ns() > deadline) die("no producer id: error %d", code);
        if (code) usleep(20000);
    } while (code);
    close(fd);
    free(frame.data);
    return id;
}

/* ---- connections ---- */

static void open_connection(Connection *connection, Broker *broker, Role role, int number, int of) {
    *connection = (Connection){.fd = dial(broker->host, broker->port), .role = role, .turn = number};
    connection->producer_id = options.idempotent && role == STEADY ? new_producer_id() : -1;
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    connection->capacity = role == STEADY ? options.in_flight : 1;
    connection->flights = calloc((size_t)connection->capacity, sizeof(Flight));
    connection->mine = calloc((size_t)options.partitions, sizeof(Partition *));
    connection->sequences = calloc((size_t)options.partitions, sizeof(int32_t));
    int led = 0;
    for (int index = 0; index < options.partitions; index++) led += partitions[index].leader == broker->id;
    int shared = role == STEADY || of > led; /* readers share the partitions out; producers take turns over all */
    for (int index = 0, place = 0; index < options.partitions; index++)
        if (partitions[index].leader == broker->id) {
            if (role == STEADY || (shared ? place == number % led : place % of == number))
                connection->mine[connection->mine_count++] = &partitions[index];
            place++;
        }
}

static void encode_produce_head(Partition *partition) {
    Buffer *head = &partition->head;
    begin_request(head, PRODUCE, options.version, 1);
    put8(head, 0); /* no transactional id */
    put16(head, options.acks);
    put32(head, 30000);
    put_uvarint(head, 2); /* one topic */
    put_compact_string(head, options.topic);
    put_uvarint(head, 2); /* one partition */
    put32(head, partition->index);
    put_uvarint(head, batch.size + 1);
    put_bytes(head, batch.data, BATCH_HEADER);
    end_request(head, records.size + sizeof tail);
}

static void encode_fetch(Connection *connection, Buffer *frame) {
    begin_request(frame, FETCH, 12, 1);
    put32(frame, -1);  /* a client, not a replica */
    put32(frame, 500); /* wait at most, ms */
    put32(frame, 1);   /* for at least, bytes */
    put32(frame, 50 << 20);
    put8(frame, 0);
    put32(frame, 0); /* no session */
    put32(frame, -1);
    put_uvarint(frame, 2);
    put_compact_string(frame, options.topic);
    put_uvarint(frame, (uint64_t)connection->mine_count + 1);
    for (int number = 0; number < connection->mine_count; number++) {
        Partition *partition = connection->mine[(number + connection->turn) % connection->mine_count];
        put32(frame, partition->index);
        put32(frame, -1); /* leader epoch: not known */
        put64(frame, partition->position);
        put32(frame, -1);
        put64(frame, -1);
        put32(frame, options.fetch_size);
        put8(frame, 0);
    }
    connection->turn++; /* as consumers do: the first in the list is served first */
    put8(frame, 0);
    put_uvarint(frame, 1); /* nothing forgotten */
    put_compact_string(frame, "");
    put8(frame, 0);
    end_request(frame, 0);
}

/* Number the records of a batch that is to be sent. */
static void number_records(Connection *connection, int place, uint8_t *head) {
    store(head + PRODUCER_ID_AT, (uint64_t)connection->producer_id, 8);
    store(head + PRODUCER_ID_AT + 8, 0, 2); /* epoch */
    store(head + PRODUCER_ID_AT + 10, (uint64_t)connection->sequences[place], 4);
    connection->sequences[place] += options.records;
    uint32_t crc = crc32c(head + CRC_FROM, BATCH_HEADER - CRC_FROM);
    store(head + CRC_AT, after_zeros(&records.zeros, crc) ^ records.crc, 4);
}

/* Put one more request into the ring; `flush` writes it. */
static void launch(Connection *connection, int64_t now) {
    Flight *flight = &connection->flights[(connection->oldest + connection->flying) % connection->capacity];
    flight->sent_at = now;
    if (connection->role == READER) {
        flight->partition = NULL;
        encode_fetch(connection, &flight->head);
    } else {
        int place = connection->turn++ % connection->mine_count;
        flight->partition = connection->mine[place];
        flight->head.size = 0;
        put_bytes(&flight->head, flight->partition->head.data, flight->partition->head.size);
        if (connection->producer_id >= 0)
            number_records(connection, place, flight->head.data + flight->head.size - BATCH_HEADER);
        measured.sent_messages += options.records;
        if (options.messages_max && measured.sent_messages >= options.messages_max) stopping = 1;
    }
    store(flight->head.data + CORRELATION_ID_AT, (uint64_t)connection->next_id++, 4);
    connection->flying++;
    connection->unsent++;
}

static void watch(int events, Connection *connection, int writes) {
    struct epoll_event event = {.events = EPOLLIN | (writes ? EPOLLOUT : 0), .data.ptr = connection};
    if (epoll_ctl(events, connection->watching_writes < 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, connection->fd, &event))
        die("epoll: %s", strerror(errno));
    connection->watching_writes = writes;
}

static void landed(Connection *connection, int64_t now) {
    Flight *flight = &connection->flights[connection->oldest];
    if (connection->role == STEADY) count_latency(now - flight->sent_at);
    connection->oldest = (connection->oldest + 1) % connection->capacity;
    connection->flying--;
    measured.finished = now;
}

static void flush(int events, Connection *connection) {
    while (connection->unsent) {
        struct iovec pieces[3 * FRAMES_A_WRITE];
        int count = 0, frames = connection->unsent < FRAMES_A_WRITE ? connection->unsent : FRAMES_A_WRITE;
        int first = connection->oldest + connection->flying - connection->unsent;
        for (int number = 0; number < frames; number++) {
            Flight *flight = &connection->flights[(first + number) % connection->capacity];
            pieces[count++] = (struct iovec){flight->head.data, flight->head.size};
            if (flight->partition) {
                pieces[count++] = (struct iovec){(void *)records.data, records.size};
                pieces[count++] = (struct iovec){(void *)tail, sizeof tail};
            }
        }
        size_t skip = connection->written;
        int from = 0;
        for (; skip && skip >= pieces[from].iov_len; from++) skip -= pieces[from].iov_len;
        pieces[from].iov_base = (uint8_t *)pieces[from].iov_base + skip;
        pieces[from].iov_len -= skip;
        ssize_t sent = writev(connection->fd, pieces + from, count - from);
        if (sent < 0 && errno != EAGAIN) die("the broker closed the connection: %s", strerror(errno));
        if (sent < 0) {
            if (connection->watching_writes != 1) watch(events, connection, 1);
            return;
        }
        connection->written += (size_t)sent;
        while (connection->unsent) {
            int index = connection->oldest + connection->flying - connection->unsent;
            Flight *flight = &connection->flights[index % connection->capacity];
            size_t size = flight->head.size + (flight->partition ? records.size + sizeof tail : 0);
            if (connection->written < size) break;
            connection->written -= size;
            connection->unsent--;
            if (options.acks == 0 && flight->partition) { /* nobody will answer: written is done */
                measured.requests++, measured.messages += options.records;
                measured.bytes += (int64_t)options.records * options.size;
                landed(connection, now_ns());
            }
        }
    }
    int unanswered = options.acks == 0 && connection->role == STEADY; /* then room to write is all there is to hear of */
    if (connection->watching_writes != unanswered) watch(events, connection, unanswered);
}

/* ---- answers ---- */

static void read_produce_answer(Cursor answer, Partition *partition, int steady) {
    skip_tags(&answer);
    if (take_compact_count(&answer) != 1) die("a produce was answered for another number of topics");
    skip_compact(&answer);
    if (take_compact_count(&answer) != 1) die("a produce was answered for another number of partitions");
    if (take32(&answer) != partition->index) die("a produce was answered for another partition");
    int code = take16(&answer);
    int64_t base = take64(&answer);
    count_error(code);
    if (code) return;
    if (partition->first < 0 || base < partition->first) partition->first = base;
    if (base + options.records > partition->end) partition->end = base + options.records;
    if (steady) {
        measured.requests++;
        measured.messages += options.records;
        measured.bytes += (int64_t)options.records * options.size;
    }
}

static Partition *by_index(Connection *connection, int index) {
    for (int number = 0; number < connection->mine_count; number++)
        if (connection->mine[number]->index == index) return connection->mine[number];
    die("a fetch was answered for another partition");
}

/* Count whole batches; the last one may be cut, and is asked for again. */
static void count_batches(Partition *partition, const uint8_t *data, size_t size) {
    while (size >= BATCH_HEADER) {
        size_t length = load(data + BATCH_LENGTH_AT, 4) + 12;
        if (length < BATCH_HEADER) die("a batch of %zu bytes", length);
        if (length > size) return;
        int64_t base = (int64_t)load(data, 8);
        if (base > partition->position) die("offsets %ld to %ld are missing", (long)partition->position, (long)base);
        partition->position = base + (int32_t)load(data + LAST_DELTA_AT, 4) + 1;
        measured.messages += (int32_t)load(data + COUNT_AT, 4);
        measured.bytes += (int64_t)length;
        data += length, size -= length;
    }
}

static void read_fetch_answer(Connection *connection, Cursor answer) {
    skip_tags(&answer);
    take32(&answer);
    count_error(take16(&answer));
    take32(&answer); /* session */
    measured.requests++;
    for (uint64_t topics = take_compact_count(&answer); topics; topics--) {
        skip_compact(&answer);
        for (uint64_t count = take_compact_count(&answer); count; count--) {
            Partition *partition = by_index(connection, take32(&answer));
            count_error(take16(&answer));
            partition->high = take64(&answer);
            take64(&answer); /* last stable offset */
            take64(&answer); /* log start offset */
            for (uint64_t aborted = take_compact_count(&answer); aborted; aborted--) take(&answer, 16), skip_tags(&answer);
            take32(&answer); /* preferred read replica */
            uint64_t size = take_uvarint(&answer);
            if (size) count_batches(partition, take(&answer, size - 1), size - 1);
            skip_tags(&answer);
            if (!follow && !options.once && partition->position >= partition->high) partition->position = 0;
        }
        skip_tags(&answer);
    }
}

static void receive(Connection *connection) {
    Buffer *in = &connection->in;
    size_t wanted = RECEIVE_SIZE;
    if (in->size >= 4 && load(in->data, 4) + 4 > in->size) wanted = load(in->data, 4) + 4 - in->size;
    if (wanted > FRAME_MAX) die("an answer of %zu bytes", wanted);
    if (wanted < RECEIVE_SIZE) wanted = RECEIVE_SIZE;
    size_t before = in->size;
    ssize_t got = recv(connection->fd, room(in, wanted), wanted, 0);
    in->size = before + (got > 0 ? (size_t)got : 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) die("the broker closed the connection");
    size_t place = 0, size;
    int64_t now = now_ns();
    while (in->size - place >= 4 && in->size - place - 4 >= (size = load(in->data + place, 4))) {
        Cursor answer = {in->data + place + 4, in->data + place + 4 + size};
        if (take32(&answer) != connection->expected_id++) die("an answer out of turn");
        Flight *flight = &connection->flights[connection->oldest];
        if (connection->flying == connection->unsent) die("an answer to no question");
        landed(connection, now);
        if (flight->partition) read_produce_answer(answer, flight->partition, connection->role == STEADY);
        else if (connection->role == READER && !follow) read_fetch_answer(connection, answer);
        else {
            int64_t requests = measured.requests, messages = measured.messages, bytes = measured.bytes;
            read_fetch_answer(connection, answer);
            measured.requests = requests, measured.messages = messages, measured.bytes = bytes;
        }
        place += 4 + size;
    }
    memmove(in->data, in->data + place, in->size -= place);
}

static int wants_more(Connection *connection) {
    if (stopping || connection->role == PACED || connection->flying == connection->capacity || !connection->mine_count)
        return 0;
    if (connection->role == READER && options.once) {
        int behind = 0;
        for (int number = 0; number < connection->mine_count; number++)
            behind += connection->mine[number]->high < 0 || connection->mine[number]->position < connection->mine[number]->high;
        return behind > 0;
    }
    return 1;
}

/* Keep everything in flight until the time is up, then wait for the last answers. */
static void run(Connection *connections, int count, int paced) {
    int events = epoll_create1(0), flying;
    for (int number = 0; number < count; number++) {
        connections[number].watching_writes = -1;
        watch(events, &connections[number], 0);
    }
    measured.started = measured.finished = now_ns();
    int64_t deadline = measured.started + (int64_t)(options.seconds * (double)SECOND);
    int64_t step = paced ? SECOND / options.rate : 0, next = measured.started;
    Connection *pacer = connections;
    for (int number = 0; number < count; number++) {
        while (wants_more(&connections[number])) launch(&connections[number], now_ns());
        flush(events, &connections[number]);
    }
    do {
        struct epoll_event ready[256];
        int64_t now = now_ns();
        int wait_ms = paced && !stopping ? 1 : 100;
        int found = epoll_wait(events, ready, 256, wait_ms);
        if (found < 0 && errno != EINTR) die("epoll: %s", strerror(errno));
        for (int number = 0; number < found; number++) {
            Connection *connection = ready[number].data.ptr;
            if (ready[number].events & ~(uint32_t)EPOLLOUT) receive(connection);
            now = now_ns();
            while (wants_more(connection)) launch(connection, now);
            flush(events, connection);
        }
        now = now_ns();
        for (; paced && !stopping && next <= now; next += step) {
            do pacer = pacer + 1 < connections + count ? pacer + 1 : connections;
            while (pacer->role != PACED);
            if (!pacer->flying) launch(pacer, now), flush(events, pacer);
        }
        if (!options.once && now > deadline) stopping = 1;
        if (now > deadline + PATIENCE_S * SECOND) die("answers are still missing after %ld s", (long)PATIENCE_S);
        flying = 0;
        for (int number = 0; number < count && !flying; number++) flying = connections[number].flying;
    } while (flying || (!stopping && (paced || options.acks == 0)));
}

/* ---- what is measured, and the report ---- */

static int by_size(const void *left, const void *right) {
    float a = *(const float *)left, b = *(const float *)right;
    return a < b ? -1 : a > b;
}

static double quantile(double share) {
    if (!measured.latency_count) return 0;
    size_t place = (size_t)(share * (double)measured.latency_count);
    return measured.latencies_us[place < measured.latency_count ? place : measured.latency_count - 1];
}

static void report(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    int64_t stored = 0;
    for (int index = 0; index < options.partitions; index++)
        if (partitions[index].first >= 0) stored += partitions[index].end - partitions[index].first;
    qsort(measured.latencies_us, measured.latency_count, sizeof(float), by_size);
    printf("{\"requests\": %ld, \"messages\": %ld, \"bytes\": %ld, \"stored\": %ld, \"seconds\": %.6f",
           (long)measured.requests, (long)measured.messages, (long)measured.bytes, (long)stored,
           (double)(measured.finished - measured.started) / (double)SECOND);
    printf(", \"latency_us\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}",
           quantile(0.5), quantile(0.9), quantile(0.99), quantile(0.999), quantile(1));
    printf(", \"driver_cpu_s\": %.3f, \"errors\": {",
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    for (int code = 0, any = 0; code < ERRORS_MAX; code++)
        if (measured.errors[code]) printf("%s\"%d\": %ld", any++ ? ", " : "", code, (long)measured.errors[code]);
    puts("}}");
}

/* `options.connections` to each broker, all of one role. */
static void measure_alike(Role role) {
    Connection *connections = calloc((size_t)(options.connections * broker_count), sizeof *connections);
    int count = 0;
    for (int number = 0; number < options.connections; number++)
        for (int place = 0; place < broker_count; place++) {
            open_connection(&connections[count], &brokers[place], role, number, options.connections);
            count += connections[count].mine_count > 0;
        }
    run(connections, count, 0);
}

/* One steady producer beside a crowd of which half produces at `options.rate` together and half waits for records. */
static void measure_crowd(void) {
    int readers = options.connections / 2, writers = options.connections - readers;
    Connection *connections = calloc((size_t)options.connections + 1, sizeof *connections);
    options.in_flight = 1;
    follow = 1;
    open_connection(&connections[0], &brokers[0], STEADY, 0, 1);
    for (int number = 0; number < readers; number++)
        open_connection(&connections[1 + number], &brokers[number % broker_count], READER, number, readers);
    for (int number = 0; number < writers; number++)
        open_connection(&connections[1 + readers + number], &brokers[number % broker_count], PACED, number, writers);
    run(connections, options.connections + 1, 1);
}

static void read_options(int count, char **arguments) {
    static const struct option names[] = {
        {"bootstrap", 1, 0, 'b'}, {"topic", 1, 0, 't'},       {"partitions", 1, 0, 'p'}, {"replicas", 1, 0, 'r'},
        {"acks", 1, 0, 'a'},      {"records", 1, 0, 'n'},     {"size", 1, 0, 's'},       {"produce-version", 1, 0, 'v'},
        {"connections", 1, 0, 'c'}, {"in-flight", 1, 0, 'k'}, {"rate", 1, 0, 'R'},       {"fetch-size", 1, 0, 'f'},
        {"once", 0, 0, 'o'},      {"idempotent", 0, 0, 'i'},      {"seconds", 1, 0, 'S'},     {"messages", 1, 0, 'm'},   {"config", 1, 0, 'C'},
        {0, 0, 0, 0}};
    for (int name; (name = getopt_long(count, arguments, "", names, NULL)) != -1;) switch (name) {
        case 'b': options.bootstrap = optarg; break;
        case 't': options.topic = optarg; break;
        case 'p': options.partitions = atoi(optarg); break;
        case 'r': options.replicas = atoi(optarg); break;
        case 'a': options.acks = atoi(optarg); break;
        case 'n': options.records = atoi(optarg); break;
        case 's': options.size = atoi(optarg); break;
        case 'v': options.version = atoi(optarg); break;
        case 'c': options.connections = atoi(optarg); break;
        case 'k': options.in_flight = atoi(optarg); break;
        case 'R': options.rate = atoi(optarg); break;
        case 'f': options.fetch_size = atoi(optarg); break;
        case 'o': options.once = 1; break;
        case 'i': options.idempotent = 1; break;
        case 'S': options.seconds = atof(optarg); break;
        case 'm': options.messages_max = atoll(optarg); break;
        case 'C':
            if (options.config_count == 16) die("too many --config");
            options.configs[options.config_count++] = optarg;
            break;
        default: exit(2);
        }
    if (!options.bootstrap || !options.topic) die("--bootstrap and --topic are needed");
    if (options.records < 1 || options.size < 0 || options.connections < 1 || options.in_flight < 1 || options.rate < 1)
        die("--records, --connections, --in-flight and --rate are at least 1");
    if (options.version < 9 || options.version > 11) die("--produce-version is 9 to 11");
}

int main(int count, char **arguments) {
    if (count < 2) die("create, delete, produce, fetch or crowd?");
    const char *what = arguments[1];
    read_options(count - 1, arguments + 1);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (!strcmp(what, "create")) {
        int wanted = options.partitions;
        create_topic();
        find_leaders(wanted);
        puts("{}");
        return 0;
    }
    if (!strcmp(what, "delete")) {
        delete_topic();
        puts("{}");
        return 0;
    }
    find_leaders(0);
    batch = build_batch(options.records, options.size);
    records.data = batch.data + BATCH_HEADER, records.size = batch.size - BATCH_HEADER;
    records.crc = crc32c(records.data, records.size), records.zeros = zero_bytes(records.size);
    for (int index = 0; index < options.partitions; index++) encode_produce_head(&partitions[index]);
    if (!strcmp(what, "produce")) measure_alike(STEADY);
    else if (!strcmp(what, "fetch")) measure_alike(READER);
    else if (!strcmp(what, "crowd")) measure_crowd();
    else die("create, delete, produce, fetch or crowd?");
    report();
    return 0;
}
