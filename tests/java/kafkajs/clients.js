// kafkajs as its documentation uses it: node clients.js BOOTSTRAP COPIES STORY...
//
// A story checks as it goes and its name is printed at the end; what does not hold is an exception, and exit code 1.
// test_kafkajs.py names the stories.

const assert = require("node:assert/strict");
const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require("kafkajs");

CompressionCodecs[CompressionTypes.Snappy] = require("kafkajs-snappy");

const [bootstrap, copies, ...names] = process.argv.slice(2);
const kafka = new Kafka({ clientId: "kafkajs", brokers: bootstrap.split(","), logLevel: logLevel.NOTHING });
const PATIENCE_MS = 60_000;

const stories = {
  "produce-none": () => producesAndReadsBack("none", CompressionTypes.None),
  "produce-gzip": () => producesAndReadsBack("gzip", CompressionTypes.GZIP),
  "produce-snappy": () => producesAndReadsBack("snappy", CompressionTypes.Snappy),
  idempotent: () => producesAndReadsBack("idempotent", CompressionTypes.None, { idempotent: true, maxInFlightRequests: 1 }),
  group: aGroupSharesTheWork,
  admin: topicsConfigsAndGroupsAreAdministered,
};

// -- stories ----------------------------------------------------------------------------------------------------------

async function producesAndReadsBack(name, compression, options = {}) {
  const topic = await create(`kafkajs-${name}`, 1);
  const messages = Array.from({ length: 300 }, (_, number) => ({
    key: `key ${number % 10}`,
    value: `record ${number}`,
    headers: { number: String(number) },
  }));
  await connected(kafka.producer(options), async (producer) => {
    const [answer] = await producer.send({ topic, messages, compression, acks: -1 });
    assert.deepEqual([answer.errorCode, answer.baseOffset], [0, "0"]);
  });
  const read = [];
  await connected(member(topic), async (consumer) => {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => void read.push(message) });
    await until(() => read.length >= messages.length);
  });
  const seen = read.map(({ key, value, headers }) => ({
    key: String(key),
    value: String(value),
    headers: { number: String(headers.number) },
  }));
  assert.deepEqual(seen, messages);
}

async function aGroupSharesTheWork() {
  const topic = await create("kafkajs-group", 4);
  const owned = new Map();
  const seen = [];
  const consumers = ["first", "second"].map((name) => {
    const consumer = member(topic);
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => owned.set(name, payload.memberAssignment[topic] ?? []));
    return consumer;
  });
  const start = async (consumer) => {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ eachMessage: async ({ partition, message }) => void seen.push(`${partition}@${message.offset}`) });
  };
  try {
    await start(consumers[0]);
    await until(() => owned.get("first")?.length === 4);
    await start(consumers[1]);
    await until(() => owned.get("first").length === 2 && owned.get("second")?.length === 2);
    assert.deepEqual([...owned.get("first"), ...owned.get("second")].sort(), [0, 1, 2, 3]);
    await send(topic, 200);
    await until(() => new Set(seen).size === 200);
    await consumers[1].disconnect();
    await until(() => owned.get("first").length === 4);
    await send(topic, 200);
    await until(() => new Set(seen).size === 400);
  } finally {
    await Promise.all(consumers.map((consumer) => consumer.disconnect()));
  }
  await connected(kafka.admin(), async (admin) => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId: topic, topics: [topic] });
    assert.equal(partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0), 400);
  });
}

async function topicsConfigsAndGroupsAreAdministered() {
  const topic = await create("kafkajs-admin", 2);
  await connected(kafka.admin(), async (admin) => {
    assert.equal((await admin.describeCluster()).brokers.length, Number(copies));
    assert.ok((await admin.listTopics()).includes(topic));
    assert.equal(await admin.createTopics({ topics: [{ topic }] }), false); // it exists
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
    await until(async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length === 3);

    const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
    await admin.alterConfigs({ resources: [{ ...resource, configEntries: [{ name: "retention.ms", value: "9000" }] }] });
    await until(async () => {
      const asked = { resources: [{ ...resource, configNames: ["retention.ms"] }], includeSynonyms: false };
      return (await admin.describeConfigs(asked)).resources[0].configEntries[0].configValue === "9000";
    });

    await send(topic, 30);
    const ends = await admin.fetchTopicOffsets(topic);
    assert.equal(ends.reduce((sum, { high }) => sum + Number(high), 0), 30);
    await admin.setOffsets({ groupId: topic, topic, partitions: [{ partition: 0, offset: "1" }] });
    const [{ partitions }] = await admin.fetchOffsets({ groupId: topic, topics: [topic] });
    assert.equal(partitions.find(({ partition }) => partition === 0).offset, "1");
    assert.ok((await admin.listGroups()).groups.some(({ groupId }) => groupId === topic));
    assert.equal((await admin.describeGroups([topic])).groups[0].state, "Empty");
    await admin.deleteGroups([topic]);
    assert.ok(!(await admin.listGroups()).groups.some(({ groupId }) => groupId === topic));

    await admin.deleteTopics({ topics: [topic] });
    await until(async () => !(await admin.listTopics()).includes(topic));
  });
}

// -- how they are told ------------------------------------------------------------------------------------------------

function member(groupId) {
  return kafka.consumer({ groupId, heartbeatInterval: 200, maxWaitTimeInMs: 200 });
}

async function connected(client, work) {
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.disconnect();
  }
}

async function create(topic, numPartitions) {
  await connected(kafka.admin(), (admin) =>
    admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions, replicationFactor: Number(copies) }] })
  );
  return topic;
}

async function send(topic, count) {
  const messages = Array.from({ length: count }, (_, number) => ({ value: `value ${number}`, partition: number % 2 }));
  await connected(kafka.producer(), (producer) => producer.send({ topic, messages }));
}

async function until(reached) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await reached())) {
    assert.ok(Date.now() < deadline, `still not: ${reached}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

(async () => {
  for (const name of names) {
    await stories[name]();
    console.log(name);
  }
})().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  }
);
