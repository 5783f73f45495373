// Asks a SavedModel as TensorFlow Serving does, with no Python: LoadSavedModel, then Session::Run with XLA switched off.
//   serve EXPORT OP_LIBRARY TEXT...    prints "label score" for each text
#include <cstdio>

#include "tensorflow/c/c_api.h"
#include "tensorflow/cc/saved_model/loader.h"

namespace tensorflow { void DisableXlaCompilation(); }

int main(int argc, char** argv) {
  tensorflow::DisableXlaCompilation();
  TF_Status* status = TF_NewStatus();
  TF_LoadLibrary(argv[2], status);
  if (TF_GetCode(status) != TF_OK) return fprintf(stderr, "%s\n", TF_Message(status)), 3;
  tensorflow::SavedModelBundle bundle;
  auto loaded = tensorflow::LoadSavedModel({}, {}, argv[1], {"serve"}, &bundle);
  if (!loaded.ok()) return fprintf(stderr, "%s\n", loaded.ToString().c_str()), 4;
  const auto& signature = bundle.GetSignatures().at("serving_default");
  tensorflow::Tensor text(tensorflow::DT_STRING, {argc - 3});
  for (int i = 3; i < argc; ++i) text.vec<tensorflow::tstring>()(i - 3) = argv[i];
  std::vector<tensorflow::Tensor> out;
  auto run = bundle.GetSession()->Run({{signature.inputs().at("text").name(), text}},
                                      {signature.outputs().at("label").name(), signature.outputs().at("score").name()},
                                      {}, &out);
  if (!run.ok()) return fprintf(stderr, "%s\n", run.ToString().c_str()), 5;
  for (int i = 0; i < argc - 3; ++i)
    printf("%s %.6f\n", out[0].vec<tensorflow::tstring>()(i).c_str(), out[1].vec<float>()(i));
}
