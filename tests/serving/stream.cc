// Streams numbers through a SavedModel as a client of TensorFlow Serving does: it keeps the state, the server nothing.
//   stream EXPORT CHUNK INPUT COLUMNS ANSWER < STEPS
// STEPS are lines of COLUMNS numbers, such as "x y pen" of the input "points"; CHUNK of them are sent at a time. Prints
// "score answer" after each chunk, and at the finish. Of an answer with characters, those that are settled are kept, and what
// is answered from then on stands behind them.
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

void Print(const Tensors& answer, const std::string& name, const std::string& settled) {
  const std::string text = answer.at(name).vec<tensorflow::tstring>()(0);
  printf("%.6f %s\n", answer.at("score").vec<float>()(0), (settled + text).c_str());
}

int main(int argc, char** argv) {
  tensorflow::DisableXlaCompilation();
  tensorflow::SavedModelBundle bundle;
  auto loaded = tensorflow::LoadSavedModel({}, {}, argv[1], {"serve"}, &bundle);
  if (!loaded.ok()) return fprintf(stderr, "%s\n", loaded.ToString().c_str()), 4;
  const int chunk = atoi(argv[2]), columns = atoi(argv[4]);
  const std::string input = argv[3], name = argv[5];
  tensorflow::Tensor count(tensorflow::DT_INT32, {});
  count.scalar<int>()() = 1;
  Tensors state = Ask(bundle, "stream_start", {{"count", count}});
  std::vector<float> waiting;
  std::string settled, before;
  for (bool more = true; more;) {
    float value;
    more = scanf("%f", &value) == 1;
    if (more) waiting.push_back(value);
    const int steps = waiting.size() / columns;
    if (steps == 0 || (more && (steps < chunk || waiting.size() % columns))) continue;
    tensorflow::TensorShape shape({1, steps});
    if (columns > 1) shape.AddDim(columns);
    tensorflow::Tensor values(tensorflow::DT_FLOAT, shape), lengths(tensorflow::DT_INT32, {1});
    std::copy(waiting.begin(), waiting.end(), values.flat<float>().data());
    lengths.vec<int>()(0) = steps;
    waiting.clear();
    Tensors inputs = state;
    inputs[input] = values;
    inputs["lengths"] = lengths;
    state = Ask(bundle, "stream_step", inputs);  // the answer so far and, under the names it had, the state
    settled += before;
    Print(state, name, settled);
    before.clear();
    for (int i = 0; state.count("settled") && i < state["settled"].vec<int>()(0); ++i)
      before += state["characters"].matrix<tensorflow::tstring>()(0, i);
  }
  Print(Ask(bundle, "stream_finish", state), name, settled);
}
