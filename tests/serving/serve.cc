// Asks a SavedModel as TensorFlow Serving does, with no Python: LoadSavedModel, then Session::Run with XLA switched off.
//   serve EXPORT INPUT OUTPUT OP_LIBRARY FILE...
// INPUT takes the bytes of each file; prints "score OUTPUT" for each. OP_LIBRARY may be "".
#include <cstdio>
#include <fstream>
#include <iterator>

#include "tensorflow/c/c_api.h"
#include "tensorflow/cc/saved_model/loader.h"

namespace tensorflow { void DisableXlaCompilation(); }

int main(int argc, char** argv) {
  tensorflow::DisableXlaCompilation();
  TF_Status* status = TF_NewStatus();
  if (*argv[4]) TF_LoadLibrary(argv[4], status);
  if (TF_GetCode(status) != TF_OK) return fprintf(stderr, "%s\n", TF_Message(status)), 3;
  tensorflow::SavedModelBundle bundle;
  auto loaded = tensorflow::LoadSavedModel({}, {}, argv[1], {"serve"}, &bundle);
  if (!loaded.ok()) return fprintf(stderr, "%s\n", loaded.ToString().c_str()), 4;
  const auto& signature = bundle.GetSignatures().at("serving_default");
  tensorflow::Tensor items(tensorflow::DT_STRING, {argc - 5});
  for (int i = 5; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    items.vec<tensorflow::tstring>()(i - 5) = std::string(std::istreambuf_iterator<char>(file), {});
  }
  std::vector<tensorflow::Tensor> out;
  auto run = bundle.GetSession()->Run({{signature.inputs().at(argv[2]).name(), items}},
                                      {signature.outputs().at(argv[3]).name(), signature.outputs().at("score").name()},
                                      {}, &out);
  if (!run.ok()) return fprintf(stderr, "%s\n", run.ToString().c_str()), 5;
  for (int i = 0; i < argc - 5; ++i)
    printf("%.6f %s\n", out[1].vec<float>()(i), out[0].vec<tensorflow::tstring>()(i).c_str());
}
