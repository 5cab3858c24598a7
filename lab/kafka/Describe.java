import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarFile;
import java.util.stream.Collectors;

import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.types.ArrayOf;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.CompactArrayOf;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;

/**
 * What Apache Kafka's jars say of themselves: every field of every message and record by version, every error, every
 * setting with its type, default and valid values (not its documentation).  Read by reflection, so it needs no broker.
 *
 *     java -cp '.real-kafka/*' lab/kafka/Describe.java tests/golden/kafka
 */
public class Describe {
    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        Files.createDirectories(folder);
        write(folder.resolve("schemas.txt"), Describe::messages);
        write(folder.resolve("records.txt"), Describe::records);
        write(folder.resolve("errors.tsv"), Describe::errors);
        write(folder.resolve("broker-configs.tsv"), out ->
            configs(out, (ConfigDef) Class.forName("kafka.server.KafkaConfig").getMethod("configDef").invoke(null)));
        write(folder.resolve("topic-configs.tsv"), out ->
            configs(out, of("org.apache.kafka.storage.internals.log.LogConfig", "configDefCopy")));
        write(folder.resolve("group-configs.tsv"), out ->
            configs(out, of("org.apache.kafka.coordinator.group.GroupConfig", "configDef")));
    }

    interface Writer {
        void to(PrintStream out) throws Exception;
    }

    static void write(Path path, Writer writer) throws Exception {
        try (PrintStream out = new PrintStream(Files.newOutputStream(path), false, "UTF-8")) {
            writer.to(out);
        }
    }

    static ConfigDef of(String className, String method) throws Exception {
        return (ConfigDef) Class.forName(className).getMethod(method).invoke(null);
    }

    // ------------------------------------------------------------------------------------------------ messages

    static void messages(PrintStream out) {
        ApiMessageType[] types = ApiMessageType.values();
        Arrays.sort(types, Comparator.comparing(ApiMessageType::apiKey));
        for (ApiMessageType type : types) {
            String name = type.name;
            out.printf("# %d %s versions %d-%d listeners %s%n", type.apiKey(), name,
                type.lowestSupportedVersion(), type.highestSupportedVersion(true), type.listeners());
            blocks(out, name + "Request", type, type.requestSchemas(), true);
            blocks(out, name + "Response", type, type.responseSchemas(), false);
        }
    }

    /** A block per run of versions whose fields, and whose headers, are the same. */
    static void blocks(PrintStream out, String name, ApiMessageType type, Schema[] schemas, boolean request) {
        int first = -1;
        String before = null;
        for (int version = 0; version <= schemas.length; version++) {
            String text = null;
            if (version < schemas.length && schemas[version] != null) {
                int header = request ? type.requestHeaderVersion((short) version) : type.responseHeaderVersion((short) version);
                text = " header v" + header + "\n" + fields(schemas[version], "  ");
            }
            if (before != null && !before.equals(text)) {
                String versions = first == version - 1 ? "v" + first : "v" + first + "-" + (version - 1);
                out.print(name + " " + versions + before);
            }
            if (text == null || !text.equals(before)) {
                first = version;
            }
            before = text;
        }
    }

    static String fields(Schema schema, String indent) {
        StringBuilder text = new StringBuilder();
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields) {
                new TreeMap<>(((TaggedFields) bound.def.type).fields()).forEach((tag, field) ->
                    text.append(indent).append("tag ").append(tag).append(' ').append(field(field, indent)));
            } else {
                text.append(indent).append(field(bound.def, indent));
            }
        }
        return text.toString();
    }

    static String field(Field field, String indent) {
        return field.name + " " + type(field.type, indent) + "\n";
    }

    static String type(Type type, String indent) {
        if (type instanceof Schema) {
            return (type.isNullable() ? "nullable_struct {\n" : "struct {\n") + fields((Schema) type, indent + "  ") + indent + "}";
        }
        if (type.isArray()) {
            Type item = type.arrayElementType().get();
            String kind = (type instanceof CompactArrayOf ? "compact_" : "") + (type.isNullable() ? "nullable_array" : "array");
            return item instanceof Schema ? kind + " " + type(item, indent).replaceFirst("^(nullable_)?struct ", "") : kind + " of " + type(item, indent);
        }
        return type.toString().toLowerCase();
    }

    // ------------------------------------------------------------------------------------------------- records

    /** Every generated class in the jars whose schemas stand in fields SCHEMA_0, SCHEMA_1 ... and that is no message. */
    static void records(PrintStream out) throws Exception {
        Map<String, String> blocks = new TreeMap<>();
        for (String jar : System.getProperty("java.class.path").split(":")) {
            if (!jar.contains("kafka")) {
                continue;
            }
            for (Class<?> found : generated(jar)) {
                Map<Integer, Schema> schemas = new TreeMap<>();
                for (java.lang.reflect.Field field : found.getFields()) {
                    if (field.getName().matches("SCHEMA_\\d+") && Modifier.isStatic(field.getModifiers())) {
                        schemas.put(Integer.parseInt(field.getName().substring(7)), (Schema) field.get(null));
                    }
                }
                Object message = found.getDeclaredConstructor().newInstance();
                short key = ((org.apache.kafka.common.protocol.ApiMessage) message).apiKey();
                runs(schemas).forEach((versions, fields) -> blocks.put(
                    found.getSimpleName() + " " + versions,
                    String.format("%s %s type %d%n%s", found.getSimpleName(), versions, key, fields)));
            }
        }
        blocks.values().forEach(out::print);
    }

    /** Fields by "v2", or by "v0-3" where they stay the same. */
    static Map<String, String> runs(Map<Integer, Schema> schemas) {
        Map<String, String> found = new TreeMap<>();
        int first = -1;
        int last = -1;
        String before = null;
        for (Map.Entry<Integer, Schema> each : schemas.entrySet()) {
            String text = fields(each.getValue(), "  ");
            if (!text.equals(before)) {
                first = each.getKey();
            } else {
                found.remove(first == last ? "v" + first : "v" + first + "-" + last);
            }
            last = each.getKey();
            found.put(first == last ? "v" + first : "v" + first + "-" + last, text);
            before = text;
        }
        return found;
    }

    static List<Class<?>> generated(String jar) throws IOException {
        List<Class<?>> found = new ArrayList<>();
        try (JarFile file = new JarFile(jar)) {
            List<String> names = file.stream().map(entry -> entry.getName())
                .filter(name -> name.endsWith(".class") && name.contains("/generated/") || name.contains("/common/message/")
                    || name.contains("/common/metadata/"))
                .filter(name -> name.endsWith(".class") && !name.contains("$"))
                .map(name -> name.replace('/', '.').substring(0, name.length() - 6))
                .filter(name -> !name.endsWith("Data") && !name.contains("Json") && name.startsWith("org.apache.kafka."))
                .collect(Collectors.toList());
            for (String name : names) {
                try {
                    Class<?> each = Class.forName(name);
                    if (org.apache.kafka.common.protocol.ApiMessage.class.isAssignableFrom(each)
                            && !Modifier.isAbstract(each.getModifiers()) && !each.isInterface()) {
                        found.add(each);
                    }
                } catch (ClassNotFoundException | NoClassDefFoundError absent) {
                    continue;
                }
            }
        }
        return found;
    }

    // ------------------------------------------------------------------------------------------ errors, settings

    static void errors(PrintStream out) {
        out.println("code\tname\tretriable\tmetadata");
        Arrays.stream(Errors.values()).sorted(Comparator.comparing(Errors::code)).forEach(error -> {
            Exception raised = error.exception();
            boolean retriable = raised instanceof org.apache.kafka.common.errors.RetriableException;
            boolean refresh = raised instanceof org.apache.kafka.common.errors.InvalidMetadataException;
            out.printf("%d\t%s\t%s\t%s%n", error.code(), error.name(), retriable ? "retriable" : "", refresh ? "refresh metadata" : "");
        });
    }

    static void configs(PrintStream out, ConfigDef definitions) {
        out.println("name\ttype\tdefault\tvalid\timportance");
        new TreeMap<>(definitions.configKeys()).forEach((name, key) -> {
            Object value = key.hasDefault() ? key.defaultValue : "required";
            if (value instanceof String) {
                value = ((String) value).replace(System.getProperty("java.io.tmpdir"), "(temporary folder)");
            }
            out.printf("%s\t%s\t%s\t%s\t%s%n", name, key.type, value, key.validator == null ? "" : key.validator, key.importance);
        });
    }
}
