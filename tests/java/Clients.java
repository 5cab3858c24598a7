import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.Predicate;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * The official Java clients, each doing what books tell them to: java Clients.java BOOTSTRAP COPIES STORY
 *
 * <p>A story checks as it goes and prints its name at the end; what does not hold is an exception, and exit code 1.
 * test_clients.py names the stories. Records are strings; topics and groups are named after their story.
 */
public final class Clients {
    static final Duration PATIENCE = Duration.ofSeconds(60);

    final String bootstrap;
    final short copies;

    Clients(String bootstrap, short copies) {
        this.bootstrap = bootstrap;
        this.copies = copies;
    }

    interface Story {
        void tell(Clients clients) throws Exception;
    }

    static final Map<String, Story> STORIES = new TreeMap<>();

    static {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            STORIES.put("produce-" + codec, clients -> clients.producesAndReadsBack(codec));
        }
        STORIES.put("keys", Clients::keysChooseTheirPartition);
        STORIES.put("times", Clients::recordsAreFoundByTime);
        STORIES.put("too-large", Clients::aRecordTooLargeIsRefused);
        STORIES.put("range", clients -> clients.aGroupSharesTheWork("Range"));
        STORIES.put("round-robin", clients -> clients.aGroupSharesTheWork("RoundRobin"));
        STORIES.put("sticky", clients -> clients.aGroupSharesTheWork("Sticky"));
        STORIES.put("cooperative-sticky", clients -> clients.aGroupSharesTheWork("CooperativeSticky"));
        STORIES.put("static-member", Clients::aStaticMemberComesBackUnnoticed);
        STORIES.put("topics", Clients::topicsAreAdministered);
        STORIES.put("configs", Clients::configsAreAdministered);
        STORIES.put("groups", Clients::groupsAreAdministered);
        STORIES.put("leaders", Clients::leadersAreElected);
    }

    public static void main(String[] arguments) throws Exception {
        Clients clients = new Clients(arguments[0], Short.parseShort(arguments[1]));
        for (String name : Arrays.asList(arguments).subList(2, arguments.length)) {
            STORIES.get(name).tell(clients);
            System.out.println(name);
        }
    }

    // -- producers and consumers -------------------------------------------------------------------------------------

    void producesAndReadsBack(String codec) throws Exception {
        String topic = create("produce-" + codec, 3);
        Map<String, RecordMetadata> acknowledged = new TreeMap<>();
        try (KafkaProducer<String, String> producer = producer(Map.of("compression.type", codec))) {
            Map<String, Future<RecordMetadata>> sent = new TreeMap<>();
            for (int number = 0; number < 1000; number++) {
                String value = "record " + number + " ".repeat(number % 100);
                ProducerRecord<String, String> record = new ProducerRecord<>(topic, "key " + number % 10, value);
                record.headers().add("number", String.valueOf(number).getBytes(UTF_8));
                sent.put(value, producer.send(record));
            }
            for (String value : sent.keySet()) {
                acknowledged.put(value, sent.get(value).get());
            }
        }
        try (KafkaConsumer<String, String> consumer = consumer(Map.of())) {
            assign(consumer, topic, 3);
            List<ConsumerRecord<String, String>> read = poll(consumer, 1000);
            equal(1000, read.size());
            for (ConsumerRecord<String, String> record : read) {
                RecordMetadata place = acknowledged.remove(record.value());
                equal(place.partition(), record.partition());
                equal(place.offset(), record.offset());
                equal(place.timestamp(), record.timestamp());
                String number = new String(record.headers().lastHeader("number").value(), UTF_8);
                equal(record.value().trim(), "record " + number);
            }
            equal(Map.of(), acknowledged);
        }
    }

    void keysChooseTheirPartition() throws Exception {
        String topic = create("keys", 3);
        Map<String, Set<Integer>> partitions = new TreeMap<>();
        try (KafkaProducer<String, String> producer = producer(Map.of())) {
            for (int number = 0; number < 30; number++) {
                String key = "key " + number % 5;
                int partition = producer.send(new ProducerRecord<>(topic, key, "value")).get().partition();
                partitions.computeIfAbsent(key, absent -> new HashSet<>()).add(partition);
            }
            equal(2, producer.send(new ProducerRecord<>(topic, 2, "key", "told where")).get().partition());
        }
        equal(5, partitions.size());
        partitions.values().forEach(each -> equal(1, each.size()));
    }

    void recordsAreFoundByTime() throws Exception {
        String topic = create("times", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> producer = producer(Map.of("linger.ms", "0"))) {
            for (long timestamp : new long[] {1000, 2000, 5000, 4000}) {
                producer.send(new ProducerRecord<>(topic, 0, timestamp, null, "at " + timestamp)).get();
            }
        }
        try (KafkaConsumer<String, String> consumer = consumer(Map.of())) {
            OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, 1001L)).get(partition);
            equal(1L, found.offset());
            equal(2000L, found.timestamp());
            equal(null, consumer.offsetsForTimes(Map.of(partition, 9000L)).get(partition));
            equal(Map.of(partition, 0L), consumer.beginningOffsets(List.of(partition)));
            equal(Map.of(partition, 4L), consumer.endOffsets(List.of(partition)));
        }
        try (Admin admin = admin()) {
            var greatest = admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).partitionResult(partition).get();
            equal(2L, greatest.offset());
            equal(5000L, greatest.timestamp());
        }
    }

    void aRecordTooLargeIsRefused() throws Exception {
        String topic = create("too-large", 1);
        try (KafkaProducer<String, String> producer = producer(Map.of("max.request.size", "3000000"))) {
            String reason = refused(() -> producer.send(new ProducerRecord<>(topic, "x".repeat(2_000_000))).get());
            equal("RecordTooLargeException", reason);
            equal(0L, producer.send(new ProducerRecord<>(topic, "small enough")).get().offset());
        }
    }

    // -- groups ------------------------------------------------------------------------------------------------------

    void aGroupSharesTheWork(String assignor) throws Exception {
        String topic = create("group-" + assignor, 6);
        try (Member first = new Member(topic, assignor, Map.of());
                Member second = new Member(topic, assignor, Map.of())) {
            pollUntil(() -> first.owned().size() == 6, first);
            pollUntil(() -> first.owned().size() == 3 && second.owned().size() == 3, first, second);
            equal(6, union(first.owned(), second.owned()).size());
            send(topic, 300);
            pollUntil(() -> first.values.size() + second.values.size() >= 300, first, second);
            equal(300, union(first.values, second.values).size());
            second.consumer.commitSync();
            second.close();
            pollUntil(() -> first.owned().size() == 6, first);
            send(topic, 300);
            pollUntil(() -> first.values.size() + second.values.size() >= 600, first);
            equal(600, first.values.size() + second.values.size());
        }
    }

    void aStaticMemberComesBackUnnoticed() throws Exception {
        String topic = create("static-member", 4);
        try (Member first = new Member(topic, "Range", Map.of("group.instance.id", "first"));
                Member second = new Member(topic, "Range", Map.of("group.instance.id", "second"))) {
            pollUntil(() -> first.owned().size() == 2 && second.owned().size() == 2, first, second);
            ConsumerGroupMetadata before = first.consumer.groupMetadata();
            Set<TopicPartition> owned = second.owned();
            second.close();
            try (Member back = new Member(topic, "Range", Map.of("group.instance.id", "second"))) {
                pollUntil(() -> !back.owned().isEmpty(), first, back);
                equal(owned, back.owned());
                equal(before.generationId(), back.consumer.groupMetadata().generationId());
                equal(before, first.consumer.groupMetadata());
            }
            try (Admin admin = admin()) {
                var members = admin.describeConsumerGroups(List.of(topic)).all().get().get(topic).members();
                equal(
                        Set.of(Optional.of("first"), Optional.of("second")),
                        collect(members, member -> member.groupInstanceId()));
            }
        }
    }

    /** A consumer of a group that is named as its topic, and what it has seen. */
    final class Member implements AutoCloseable, ConsumerRebalanceListener {
        final KafkaConsumer<String, String> consumer;
        final Set<String> values = new TreeSet<>();
        boolean closed;

        Member(String topic, String assignor, Map<String, String> options) {
            Map<String, String> all = new HashMap<>(options);
            all.put("group.id", topic);
            all.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor + "Assignor");
            consumer = consumer(all);
            consumer.subscribe(List.of(topic), this);
        }

        void poll() {
            consumer.poll(Duration.ofMillis(50)).forEach(record -> values.add(record.partition() + "@" + record.offset()));
        }

        Set<TopicPartition> owned() {
            return new HashSet<>(consumer.assignment());
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            consumer.commitSync();
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                consumer.close();
            }
        }
    }

    // -- administration ----------------------------------------------------------------------------------------------

    void topicsAreAdministered() throws Exception {
        try (Admin admin = admin()) {
            equal((int) copies, admin.describeCluster().nodes().get().size());
            String topic = create("administered", 2);
            NewTopic again = new NewTopic(topic, 1, copies);
            equal("TopicExistsException", refused(() -> admin.createTopics(List.of(again)).all().get()));
            NewTopic wrong = new NewTopic("not a name", 1, copies);
            equal("InvalidTopicException", refused(() -> admin.createTopics(List.of(wrong)).all().get()));
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
            TopicDescription described = await(() -> describe(admin, topic), found -> found.partitions().size() == 4);
            described.partitions().forEach(each -> equal((int) copies, each.replicas().size()));
            equal(described.topicId(), admin.listTopics().namesToListings().get().get(topic).topicId());
            NewPartitions fewer = NewPartitions.increaseTo(3);
            equal(
                    "InvalidPartitionsException",
                    refused(() -> admin.createPartitions(Map.of(topic, fewer)).all().get()));
            admin.deleteTopics(List.of(topic)).all().get();
            await(() -> admin.listTopics().names().get(), names -> !names.contains(topic));
            equal("UnknownTopicOrPartitionException", refused(() -> describe(admin, topic)));
        }
    }

    void configsAreAdministered() throws Exception {
        String topic = create("configured", 1);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        try (Admin admin = admin()) {
            ConfigEntry untouched = entry(admin, resource, "retention.ms");
            equal("604800000", untouched.value());
            equal(true, untouched.isDefault());
            alter(admin, resource, "retention.ms", "9000", AlterConfigOp.OpType.SET);
            alter(admin, resource, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
            ConfigEntry altered = await(() -> entry(admin, resource, "retention.ms"), found -> !found.isDefault());
            equal("9000", altered.value());
            equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, altered.source());
            equal("delete,compact", entry(admin, resource, "cleanup.policy").value());
            alter(admin, resource, "retention.ms", "", AlterConfigOp.OpType.DELETE);
            await(() -> entry(admin, resource, "retention.ms"), ConfigEntry::isDefault);
            String reason = refused(() -> alter(admin, resource, "retention.ms", "soon", AlterConfigOp.OpType.SET));
            equal("InvalidConfigurationException", reason);
        }
    }

    void groupsAreAdministered() throws Exception {
        String topic = create("groups", 2);
        TopicPartition partition = new TopicPartition(topic, 0);
        send(topic, 100);
        try (Admin admin = admin()) {
            try (Member member = new Member(topic, "Range", Map.of("client.id", "reader"))) {
                pollUntil(() -> member.values.size() == 100, member);
                member.consumer.commitSync();
                ConsumerGroupDescription group = describeGroup(admin, topic);
                equal(GroupState.STABLE, group.groupState());
                equal("range", group.partitionAssignor());
                equal(List.of("reader"), group.members().stream().map(each -> each.clientId()).toList());
                equal(2, group.members().iterator().next().assignment().topicPartitions().size());
                String reason = refused(() -> admin.deleteConsumerGroups(List.of(topic)).all().get());
                equal("GroupNotEmptyException", reason);
                reason = refused(
                        () -> admin.deleteConsumerGroupOffsets(topic, Set.of(partition)).all().get());
                equal("GroupSubscribedToTopicException", reason);
            }
            equal(GroupState.EMPTY, describeGroup(admin, topic).groupState());
            Map<TopicPartition, OffsetAndMetadata> offsets = offsets(admin, topic);
            equal(100L, offsets.values().stream().mapToLong(OffsetAndMetadata::offset).sum());
            OffsetAndMetadata marked = new OffsetAndMetadata(7, "by hand");
            admin.alterConsumerGroupOffsets(topic, Map.of(partition, marked)).all().get();
            OffsetAndMetadata read = offsets(admin, topic).get(partition);
            equal(7L, read.offset());
            equal("by hand", read.metadata());
            admin.deleteConsumerGroupOffsets(topic, Set.of(partition)).all().get();
            equal(Set.of(new TopicPartition(topic, 1)), offsets(admin, topic).keySet());
            equal(true, groupNames(admin).contains(topic));
            admin.deleteConsumerGroups(List.of(topic)).all().get();
            equal(false, groupNames(admin).contains(topic));
        }
    }

    void leadersAreElected() throws Exception {
        String topic = create("leaders", 2);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Admin admin = admin()) {
            var outcome = admin.electLeaders(ElectionType.PREFERRED, Set.of(partition)).partitions().get();
            equal("ElectionNotNeededException", outcome.get(partition).get().getClass().getSimpleName());
            TopicPartition unknown = new TopicPartition("nowhere", 0);
            outcome = admin.electLeaders(ElectionType.PREFERRED, Set.of(unknown)).partitions().get();
            equal("UnknownTopicOrPartitionException", outcome.get(unknown).get().getClass().getSimpleName());
        }
    }

    // -- how the stories are told ------------------------------------------------------------------------------------

    KafkaProducer<String, String> producer(Map<String, String> options) {
        Properties properties = properties(options);
        properties.putIfAbsent("acks", "all");
        return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
    }

    KafkaConsumer<String, String> consumer(Map<String, String> options) {
        Properties properties = properties(options);
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        properties.put("heartbeat.interval.ms", "200");
        return new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
    }

    Admin admin() {
        return Admin.create(properties(Map.of()));
    }

    Properties properties(Map<String, String> options) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.putAll(options);
        return properties;
    }

    /** A new topic, known to every broker. */
    String create(String name, int partitions) throws Exception {
        try (Admin admin = admin()) {
            admin.createTopics(List.of(new NewTopic(name, partitions, copies))).all().get();
            await(() -> describe(admin, name), found -> found.partitions().stream()
                    .allMatch(each -> each.leader() != null && each.isr().size() == copies));
        }
        return name;
    }

    void send(String topic, int records) {
        try (KafkaProducer<String, String> producer = producer(Map.of())) {
            for (int number = 0; number < records; number++) {
                producer.send(new ProducerRecord<>(topic, String.valueOf(number), "value " + number));
            }
        }
    }

    static void assign(KafkaConsumer<String, String> consumer, String topic, int partitions) {
        List<TopicPartition> all = new ArrayList<>();
        for (int partition = 0; partition < partitions; partition++) {
            all.add(new TopicPartition(topic, partition));
        }
        consumer.assign(all);
        consumer.seekToBeginning(all);
    }

    static List<ConsumerRecord<String, String>> poll(KafkaConsumer<String, String> consumer, int records) {
        List<ConsumerRecord<String, String>> read = new ArrayList<>();
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (read.size() < records && System.nanoTime() < deadline) {
            consumer.poll(Duration.ofMillis(100)).forEach(read::add);
        }
        return read;
    }

    static void pollUntil(BooleanSupplier reached, Member... members) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!reached.getAsBoolean()) {
            equal(true, System.nanoTime() < deadline);
            for (Member member : members) {
                member.poll();
            }
        }
    }

    interface Asking<T> {
        T ask() throws Exception;
    }

    /** Ask until the answer suits: what one broker has decided the next may learn a moment later. */
    static <T> T await(Asking<T> asking, Predicate<T> suits) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            T answer = null;
            try {
                answer = asking.ask();
            } catch (ExecutionException unknownYet) {
                equal("UnknownTopicOrPartitionException", unknownYet.getCause().getClass().getSimpleName());
            }
            if (answer != null && suits.test(answer)) {
                return answer;
            }
            if (System.nanoTime() > deadline) {
                throw new AssertionError("still " + answer);
            }
            Thread.sleep(20);
        }
    }

    /** The name of the error with which a request fails. */
    static String refused(Asking<?> asking) throws Exception {
        try {
            return "no error, but " + asking.ask();
        } catch (ExecutionException error) {
            return error.getCause().getClass().getSimpleName();
        }
    }

    static TopicDescription describe(Admin admin, String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
    }

    static ConfigEntry entry(Admin admin, ConfigResource resource, String name) throws Exception {
        return admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name);
    }

    static Object alter(
            Admin admin, ConfigResource resource, String name, String value, AlterConfigOp.OpType type) throws Exception {
        AlterConfigOp operation = new AlterConfigOp(new ConfigEntry(name, value), type);
        return admin.incrementalAlterConfigs(Map.of(resource, List.of(operation))).all().get();
    }

    static ConsumerGroupDescription describeGroup(Admin admin, String group) throws Exception {
        return admin.describeConsumerGroups(List.of(group)).all().get().get(group);
    }

    static Map<TopicPartition, OffsetAndMetadata> offsets(Admin admin, String group) throws Exception {
        return admin.listConsumerGroupOffsets(Map.of(group, new ListConsumerGroupOffsetsSpec()))
                .partitionsToOffsetAndMetadata(group)
                .get();
    }

    static Set<String> groupNames(Admin admin) throws Exception {
        return collect(admin.listGroups().all().get(), listing -> listing.groupId());
    }

    static <T, R> Set<R> collect(Collection<T> all, Function<T, R> part) {
        Set<R> parts = new HashSet<>();
        all.forEach(each -> parts.add(part.apply(each)));
        return parts;
    }

    static <T> Set<T> union(Set<T> some, Set<T> others) {
        Set<T> all = new HashSet<>(some);
        all.addAll(others);
        return all;
    }

    static void equal(Object expected, Object found) {
        if (!Objects.equals(expected, found)) {
            throw new AssertionError("expected " + expected + ", found " + found);
        }
    }
}
