// What a sketch says, as members of a JSON object: what `weir sketch inspect` prints.
// Memory: none that stays, but a row for each of the top items. Cost: one question to the sketch for each answer.
// Threads: as the sketch. Errors: an asked item that is not of the sketch's type; a full writer says so itself.
#pragma once

#include "agent/any_sketch.h"
#include "sketches/count_min.h"
#include "sketches/frequent_items.h"
#include "sketches/hll.h"
#include "sketches/kll.h"
#include "sketches/tdigest.h"
#include "sketches/theta.h"

namespace weir {

Status describe(JsonWriter& out, HllSketch& sketch, const SketchShape& shape, const SketchQuestions& questions, Problem& problem);
Status describe(JsonWriter& out, ThetaSketch& sketch, const SketchShape& shape, const SketchQuestions& questions, Problem& problem);
template <typename T>
Status describe(JsonWriter& out, KllSketch<T>& sketch, const SketchShape& shape, const SketchQuestions& questions, Problem& problem);
Status describe(JsonWriter& out, TDigest& sketch, const SketchShape& shape, const SketchQuestions& questions, Problem& problem);
template <typename Item>
Status describe(JsonWriter& out, FrequentItems<Item>& sketch, const SketchShape& shape, const SketchQuestions& questions, Problem& problem);
template <typename Weight>
Status describe(JsonWriter& out, CountMin<Weight>& sketch, const SketchShape& shape, const SketchQuestions& questions, Problem& problem);

}  // namespace weir
