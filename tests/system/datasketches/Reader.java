// Sketches in the hands of datasketches-java: the second opinion on what Weir writes and reads.
//
// Each line of the file that is named is a command, its words divided by tabs:
//   read KIND FILE
//   merge KIND PARAMETER OUT FILE...       writes the union to OUT
//   build KIND PARAMETER OUT ITEMS FROM TO  ITEMS is longs (i), doubles (i / 2) or strings ("vid-" + i), FROM <= i < TO
// KIND is hll, theta, kll_doubles, kll_floats, frequent_strings, frequent_longs, tdigest_double or tdigest_float;
// PARAMETER its lgK, k or the base-2 logarithm of its map. Each prints what the sketch says as a JSON object.
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.DoubleUnaryOperator;
import org.apache.datasketches.common.ArrayOfStringsSerDe;
import org.apache.datasketches.frequencies.ErrorType;
import org.apache.datasketches.frequencies.ItemsSketch;
import org.apache.datasketches.frequencies.LongsSketch;
import org.apache.datasketches.hll.HllSketch;
import org.apache.datasketches.hll.TgtHllType;
import org.apache.datasketches.kll.KllDoublesSketch;
import org.apache.datasketches.kll.KllFloatsSketch;
import org.apache.datasketches.memory.Memory;
import org.apache.datasketches.tdigest.TDigestDouble;
import org.apache.datasketches.theta.CompactSketch;
import org.apache.datasketches.theta.SetOperation;
import org.apache.datasketches.theta.UpdateSketch;

public class Reader {
    static final double[] RANKS = {0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1};

    static String quote(String s) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : s.toCharArray())
            if (c == '"' || c == '\\') out.append('\\').append(c);
            else if (c < 0x20) out.append(String.format("\\u%04x", (int) c));
            else out.append(c);
        return out.append('"').toString();
    }

    static String quantiles(String of, DoubleUnaryOperator quantile) {
        List<String> pairs = new ArrayList<>();
        for (double rank : RANKS) pairs.add("\"" + rank + "\":" + quantile.applyAsDouble(rank));
        return ",\"" + of + "\":{" + String.join(",", pairs) + "}";
    }

    // One kind of sketch: what is the same for all commands.
    interface Kind<S> {
        S load(byte[] bytes);
        S union(int parameter, List<S> sketches);
        S make(int parameter);
        void update(S sketch, Object item);
        byte[] bytes(S sketch);
        String say(S sketch);
    }

    static class Hll implements Kind<HllSketch> {
        public HllSketch load(byte[] bytes) { return HllSketch.heapify(Memory.wrap(bytes)); }
        public HllSketch union(int lgK, List<HllSketch> sketches) {
            org.apache.datasketches.hll.Union union = new org.apache.datasketches.hll.Union(lgK);
            for (HllSketch sketch : sketches) union.update(sketch);
            return union.getResult(TgtHllType.HLL_8);
        }
        public HllSketch make(int lgK) { return new HllSketch(lgK, TgtHllType.HLL_8); }
        public void update(HllSketch sketch, Object item) {
            if (item instanceof Long) sketch.update((long) (Long) item);
            else if (item instanceof Double) sketch.update((double) (Double) item);
            else sketch.update((String) item);
        }
        public byte[] bytes(HllSketch sketch) { return sketch.toCompactByteArray(); }
        public String say(HllSketch s) {
            String out = "\"estimate\":" + s.getEstimate();
            for (int i = 1; i <= 3; ++i) out += ",\"lower" + i + "\":" + s.getLowerBound(i) + ",\"upper" + i + "\":" + s.getUpperBound(i);
            return out;
        }
    }

    static class Theta implements Kind<CompactSketch> {
        private UpdateSketch updated;
        public CompactSketch load(byte[] bytes) { return CompactSketch.heapify(Memory.wrap(bytes)); }
        public CompactSketch union(int lgK, List<CompactSketch> sketches) {
            org.apache.datasketches.theta.Union union = SetOperation.builder().setNominalEntries(1 << lgK).buildUnion();
            for (CompactSketch sketch : sketches) union.union(sketch);
            return union.getResult(true, null);
        }
        public CompactSketch make(int lgK) {
            updated = UpdateSketch.builder().setLogNominalEntries(lgK).build();
            return null;
        }
        public void update(CompactSketch none, Object item) {
            if (item instanceof Long) updated.update((long) (Long) item);
            else if (item instanceof Double) updated.update((double) (Double) item);
            else updated.update((String) item);
        }
        public byte[] bytes(CompactSketch sketch) { return (sketch == null ? updated.compact(true, null) : sketch).toByteArray(); }
        public String say(CompactSketch sketch) {
            CompactSketch s = sketch == null ? updated.compact(true, null) : sketch;
            String out = "\"estimate\":" + s.getEstimate() + ",\"retained\":" + s.getRetainedEntries(true) + ",\"theta\":" + s.getThetaLong();
            for (int i = 1; i <= 3; ++i) out += ",\"lower" + i + "\":" + s.getLowerBound(i) + ",\"upper" + i + "\":" + s.getUpperBound(i);
            return out;
        }
    }

    static class KllDoubles implements Kind<KllDoublesSketch> {
        public KllDoublesSketch load(byte[] bytes) { return KllDoublesSketch.heapify(Memory.wrap(bytes)); }
        public KllDoublesSketch union(int k, List<KllDoublesSketch> sketches) {
            KllDoublesSketch all = make(k);
            for (KllDoublesSketch sketch : sketches) all.merge(sketch);
            return all;
        }
        public KllDoublesSketch make(int k) { return KllDoublesSketch.newHeapInstance(k); }
        public void update(KllDoublesSketch sketch, Object item) { sketch.update(((Number) item).doubleValue()); }
        public byte[] bytes(KllDoublesSketch sketch) { return sketch.toByteArray(); }
        public String say(KllDoublesSketch s) {
            String out = "\"n\":" + s.getN() + ",\"k\":" + s.getK() + ",\"retained\":" + s.getNumRetained();
            if (s.isEmpty()) return out;
            return out + ",\"min\":" + s.getMinItem() + ",\"max\":" + s.getMaxItem() + quantiles("quantiles", s::getQuantile);
        }
    }

    static class KllFloats implements Kind<KllFloatsSketch> {
        public KllFloatsSketch load(byte[] bytes) { return KllFloatsSketch.heapify(Memory.wrap(bytes)); }
        public KllFloatsSketch union(int k, List<KllFloatsSketch> sketches) {
            KllFloatsSketch all = make(k);
            for (KllFloatsSketch sketch : sketches) all.merge(sketch);
            return all;
        }
        public KllFloatsSketch make(int k) { return KllFloatsSketch.newHeapInstance(k); }
        public void update(KllFloatsSketch sketch, Object item) { sketch.update(((Number) item).floatValue()); }
        public byte[] bytes(KllFloatsSketch sketch) { return sketch.toByteArray(); }
        public String say(KllFloatsSketch s) {
            String out = "\"n\":" + s.getN() + ",\"k\":" + s.getK() + ",\"retained\":" + s.getNumRetained();
            if (s.isEmpty()) return out;
            return out + ",\"min\":" + (double) s.getMinItem() + ",\"max\":" + (double) s.getMaxItem() + quantiles("quantiles", s::getQuantile);
        }
    }

    static class TDigest implements Kind<TDigestDouble> {
        private final boolean floats;
        TDigest(boolean floats) { this.floats = floats; }
        public TDigestDouble load(byte[] bytes) { return TDigestDouble.heapify(Memory.wrap(bytes), floats); }
        public TDigestDouble union(int k, List<TDigestDouble> sketches) {
            TDigestDouble all = make(k);
            for (TDigestDouble sketch : sketches) all.merge(sketch);
            return all;
        }
        public TDigestDouble make(int k) { return new TDigestDouble((short) k); }
        public void update(TDigestDouble sketch, Object item) { sketch.update(((Number) item).doubleValue()); }
        public byte[] bytes(TDigestDouble sketch) { return sketch.toByteArray(); }
        public String say(TDigestDouble s) {
            String out = "\"n\":" + s.getTotalWeight() + ",\"k\":" + s.getK();
            if (s.isEmpty()) return out;
            return out + ",\"min\":" + s.getMinValue() + ",\"max\":" + s.getMaxValue() + quantiles("quantiles", s::getQuantile);
        }
    }

    static class FrequentStrings implements Kind<ItemsSketch<String>> {
        private final ArrayOfStringsSerDe form = new ArrayOfStringsSerDe();
        public ItemsSketch<String> load(byte[] bytes) { return ItemsSketch.getInstance(Memory.wrap(bytes), form); }
        public ItemsSketch<String> union(int lgMap, List<ItemsSketch<String>> sketches) {
            ItemsSketch<String> all = make(lgMap);
            for (ItemsSketch<String> sketch : sketches) all.merge(sketch);
            return all;
        }
        public ItemsSketch<String> make(int lgMap) { return new ItemsSketch<>(1 << lgMap); }
        public void update(ItemsSketch<String> sketch, Object item) { sketch.update((String) item); }
        public byte[] bytes(ItemsSketch<String> sketch) { return sketch.toByteArray(form); }
        public String say(ItemsSketch<String> s) {
            List<String> items = new ArrayList<>();
            for (ItemsSketch.Row<String> row : s.getFrequentItems(ErrorType.NO_FALSE_NEGATIVES))
                items.add(quote(row.getItem()) + ":[" + row.getEstimate() + "," + row.getLowerBound() + "," + row.getUpperBound() + "]");
            return "\"total_weight\":" + s.getStreamLength() + ",\"retained\":" + s.getNumActiveItems() + ",\"maximum_error\":" + s.getMaximumError()
                    + ",\"items\":{" + String.join(",", items) + "}";
        }
    }

    static class FrequentLongs implements Kind<LongsSketch> {
        public LongsSketch load(byte[] bytes) { return LongsSketch.getInstance(Memory.wrap(bytes)); }
        public LongsSketch union(int lgMap, List<LongsSketch> sketches) {
            LongsSketch all = make(lgMap);
            for (LongsSketch sketch : sketches) all.merge(sketch);
            return all;
        }
        public LongsSketch make(int lgMap) { return new LongsSketch(1 << lgMap); }
        public void update(LongsSketch sketch, Object item) { sketch.update((Long) item); }
        public byte[] bytes(LongsSketch sketch) { return sketch.toByteArray(); }
        public String say(LongsSketch s) {
            List<String> items = new ArrayList<>();
            for (LongsSketch.Row row : s.getFrequentItems(ErrorType.NO_FALSE_NEGATIVES))
                items.add("\"" + row.getItem() + "\":[" + row.getEstimate() + "," + row.getLowerBound() + "," + row.getUpperBound() + "]");
            return "\"total_weight\":" + s.getStreamLength() + ",\"retained\":" + s.getNumActiveItems() + ",\"maximum_error\":" + s.getMaximumError()
                    + ",\"items\":{" + String.join(",", items) + "}";
        }
    }

    static Kind<?> kind(String name) {
        switch (name) {
            case "hll": return new Hll();
            case "theta": return new Theta();
            case "kll_doubles": return new KllDoubles();
            case "kll_floats": return new KllFloats();
            case "tdigest_double": return new TDigest(false);
            case "tdigest_float": return new TDigest(true);
            case "frequent_strings": return new FrequentStrings();
            case "frequent_longs": return new FrequentLongs();
            default: throw new IllegalArgumentException("no kind " + name);
        }
    }

    static void feed(String items, long from, long to, Consumer<Object> take) {
        for (long i = from; i < to; ++i) take.accept(items.equals("longs") ? (Object) i : items.equals("doubles") ? (Object) (i * 0.5) : "vid-" + i);
    }

    static <S> String run(Kind<S> kind, String[] words) throws Exception {
        if (words[0].equals("read")) return kind.say(kind.load(Files.readAllBytes(Path.of(words[2]))));
        int parameter = Integer.parseInt(words[2]);
        S result;
        if (words[0].equals("merge")) {
            List<S> sketches = new ArrayList<>();
            for (int i = 4; i < words.length; ++i) sketches.add(kind.load(Files.readAllBytes(Path.of(words[i]))));
            result = kind.union(parameter, sketches);
        } else {
            result = kind.make(parameter);
            S made = result;
            feed(words[4], Long.parseLong(words[5]), Long.parseLong(words[6]), item -> kind.update(made, item));
        }
        Files.write(Path.of(words[3]), kind.bytes(result));
        return kind.say(result);
    }

    public static void main(String[] arguments) throws Exception {
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            String[] words = line.split("\t", -1);
            String said;
            try {
                said = run(kind(words[1]), words);
            } catch (Exception | Error problem) {
                said = "\"error\":" + quote(problem.toString());
            }
            System.out.println("{" + said + "}");
        }
    }
}
