import java.time.Instant;
import java.util.Properties;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.TimestampedKeyValueStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;

/**
 * The tally in memory of streams-kafka/tests/kafka/support/shape.rs on Kafka Streams. It takes the
 * arguments of the example killed_tally, and tells of its tasks in the same words.
 */
public final class Tally {
    private static final Serde<String> TEXT = Serdes.String();
    private static final long REST_MIN_MICROS = 50_000;

    private static long clock() {
        Instant now = Instant.now();
        return now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000;
    }

    private static void tell(String line) {
        System.out.println("@child " + line);
    }

    /** Counts the records of each key, and tells when its task is taken, rests, and is let go. */
    private static final class Counting implements Processor<String, String, String, String> {
        private ProcessorContext<String, String> context;
        private TimestampedKeyValueStore<String, Long> counts;
        private long last;

        @Override
        public void init(ProcessorContext<String, String> given) {
            context = given;
            tell("task " + context.taskId() + " taken " + clock());
            counts = context.getStateStore("counts");
        }

        @Override
        public void process(Record<String, String> record) {
            long now = clock();
            if (last == 0) {
                tell("task " + context.taskId() + " first " + now);
            } else if (now - last >= REST_MIN_MICROS) {
                tell("task " + context.taskId() + " rested " + last + " " + now);
            }
            last = now;
            ValueAndTimestamp<Long> old = counts.get(record.key());
            long count = old == null ? 1 : old.value() + 1;
            long time = old == null ? record.timestamp() : Math.max(old.timestamp(), record.timestamp());
            counts.put(record.key(), ValueAndTimestamp.make(count, time));
            context.forward(record.withValue(record.value() + "=" + count));
        }

        @Override
        public void close() {
            long now = clock();
            tell("task " + context.taskId() + " gone " + now + " " + (last == 0 ? now : last));
        }
    }

    private static Topology topology(String input, String output) {
        Deserializer<String> reader = TEXT.deserializer();
        Serializer<String> writer = TEXT.serializer();
        Topology topology = new Topology();
        topology.addSource("source", reader, reader, input);
        topology.addProcessor("tally", Counting::new, "source");
        topology.addStateStore(
            Stores.timestampedKeyValueStoreBuilder(Stores.inMemoryKeyValueStore("counts"), TEXT, Serdes.Long()), "tally");
        topology.addSink("sink", output, writer, writer, "tally");
        return topology;
    }

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put("application.id", arguments[0]);
        settings.put("bootstrap.servers", arguments[1]);
        settings.put("state.dir", arguments[4]);
        settings.put("commit.interval.ms", 200);
        if (!arguments[5].equals("in-memory")) {
            throw new IllegalArgumentException("there is no shape " + arguments[5] + " here");
        }
        for (int at = 6; at < arguments.length; at++) {
            String[] pair = arguments[at].split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        KafkaStreams streams = new KafkaStreams(topology(arguments[2], arguments[3]), settings);
        streams.setUncaughtExceptionHandler(error -> {
            tell("failed " + error);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        // A word closes it; the end of the words, when the parent dies, ends the process.
        if (System.in.read() < 0) {
            System.exit(3);
        }
        KafkaStreams.CloseOptions leave =
            new KafkaStreams.CloseOptions().leaveGroup(true).timeout(java.time.Duration.ofSeconds(30));
        System.exit(streams.close(leave) ? 0 : 1);
    }
}
