import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.state.*;

/**
 * The topology of streams-kafka/tests/java.rs on Kafka Streams. Arguments: bootstrap servers,
 * application id (also the prefix of all topics), state directory. Runs until its standard input ends.
 */
public final class TakeOver {
    private static final Serde<String> TEXT = Serdes.String();
    private static final Serde<Long> NUMBER = Serdes.Long();

    private static Topology topology(String prefix) {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, String> stream = builder.stream(prefix + "-events", Consumed.with(TEXT, TEXT));
        KGroupedStream<String, String> events = stream.groupByKey(Grouped.with(TEXT, TEXT));
        events.count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("counts").withKeySerde(TEXT).withValueSerde(NUMBER))
            .toStream()
            .to(prefix + "-counts", Produced.with(TEXT, NUMBER));
        events.windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(60), Duration.ofSeconds(10)))
            .count(Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("windows").withKeySerde(TEXT).withValueSerde(NUMBER))
            .toStream()
            .map((windowed, count) -> KeyValue.pair(named(windowed), count))
            .to(prefix + "-windows", Produced.with(TEXT, NUMBER));
        events.windowedBy(SessionWindows.ofInactivityGapAndGrace(Duration.ofSeconds(5), Duration.ofSeconds(10)))
            .count(Materialized.<String, Long, SessionStore<Bytes, byte[]>>as("sessions").withKeySerde(TEXT).withValueSerde(NUMBER))
            .toStream()
            .map((windowed, count) -> KeyValue.pair(named(windowed), count))
            .to(prefix + "-sessions", Produced.with(TEXT, NUMBER));
        KStream<String, String> marks = builder.stream(prefix + "-marks", Consumed.with(TEXT, TEXT));
        JoinWindows near = JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(20), Duration.ofMinutes(10));
        stream.join(marks, (event, mark) -> event + "/" + mark, near, StreamJoined.with(TEXT, TEXT, TEXT).withStoreName("near"))
            .to(prefix + "-pairs", Produced.with(TEXT, TEXT));
        KTable<String, String> books = builder.table(prefix + "-books", Consumed.with(TEXT, TEXT),
            Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as("books").withKeySerde(TEXT).withValueSerde(TEXT));
        KTable<String, String> authors = builder.table(prefix + "-authors", Consumed.with(TEXT, TEXT),
            Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as("authors").withKeySerde(TEXT).withValueSerde(TEXT));
        books.join(authors, author -> author, (author, name) -> author + ": " + name)
            .toStream()
            .to(prefix + "-titles", Produced.with(TEXT, TEXT));
        return builder.build();
    }

    private static String named(Windowed<String> windowed) {
        return windowed.key() + "@" + windowed.window().start() + "/" + windowed.window().end();
    }

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("application.id", arguments[1]);
        settings.put("state.dir", arguments[2]);
        settings.put("commit.interval.ms", 200);
        settings.put("statestore.cache.max.bytes", 0);
        settings.put("auto.offset.reset", "earliest");
        settings.put("replication.factor", 1);
        settings.put("default.key.serde", Serdes.StringSerde.class);
        settings.put("default.value.serde", Serdes.StringSerde.class);
        KafkaStreams streams = new KafkaStreams(topology(arguments[1]), settings);
        streams.start();
        while (System.in.read() >= 0) {
            // The parent keeps it open for as long as this shall run.
        }
        KafkaStreams.CloseOptions leave = new KafkaStreams.CloseOptions().leaveGroup(true).timeout(Duration.ofSeconds(30));
        System.exit(streams.close(leave) ? 0 : 1);
    }
}
