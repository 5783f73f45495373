// Streams pen points through a SavedModel as a client of TensorFlow Serving does: it keeps the state, the server nothing.
//   stream EXPORT CHUNK < POINTS
// POINTS are lines "x y pen"; CHUNK of them are sent at a time. Prints "score label" after each chunk, and at the finish.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"

namespace tensorflow { void DisableXlaCompilation(); }

using Tensors = std::map<std::string, tensorflow::Tensor>;

Tensors Ask(const tensorflow::SavedModelBundle& bundle, const std::string& name, const Tensors& inputs) {
  const auto& signature = bundle.GetSignatures().at(name);
  std::vector<std::pair<std::string, tensorflow::Tensor>> feeds;
  for (const auto& [key, info] : signature.inputs()) feeds.emplace_back(info.name(), inputs.at(key));
  std::vector<std::string> keys, fetches;
  for (const auto& [key, info] : signature.outputs()) keys.push_back(key), fetches.push_back(info.name());
  std::vector<tensorflow::Tensor> out;
  auto run = bundle.GetSession()->Run(feeds, fetches, {}, &out);
  if (!run.ok()) fprintf(stderr, "%s\n", run.ToString().c_str()), exit(5);
  Tensors named;
  for (size_t i = 0; i < keys.size(); ++i) named[keys[i]] = out[i];
  return named;
}

void Print(const Tensors& answer) {
  printf("%.6f %s\n", answer.at("score").vec<float>()(0), answer.at("label").vec<tensorflow::tstring>()(0).c_str());
}

int main(int argc, char** argv) {
  tensorflow::DisableXlaCompilation();
  tensorflow::SavedModelBundle bundle;
  auto loaded = tensorflow::LoadSavedModel({}, {}, argv[1], {"serve"}, &bundle);
  if (!loaded.ok()) return fprintf(stderr, "%s\n", loaded.ToString().c_str()), 4;
  const int chunk = atoi(argv[2]);
  tensorflow::Tensor count(tensorflow::DT_INT32, {});
  count.scalar<int>()() = 1;
  Tensors state = Ask(bundle, "stream_start", {{"count", count}});
  std::vector<float> waiting;
  for (bool more = true; more;) {
    float x, y, pen;
    more = scanf("%f %f %f", &x, &y, &pen) == 3;
    if (more) waiting.insert(waiting.end(), {x, y, pen});
    const int points = waiting.size() / 3;
    if (points == 0 || (more && points < chunk)) continue;
    tensorflow::Tensor values(tensorflow::DT_FLOAT, {1, points, 3}), lengths(tensorflow::DT_INT32, {1});
    std::copy(waiting.begin(), waiting.end(), values.flat<float>().data());
    lengths.vec<int>()(0) = points;
    waiting.clear();
    Tensors inputs = state;
    inputs["points"] = values;
    inputs["lengths"] = lengths;
    state = Ask(bundle, "stream_step", inputs);  // the answer so far and, under the names it had, the state
    Print(state);
  }
  Print(Ask(bundle, "stream_finish", state));
}
