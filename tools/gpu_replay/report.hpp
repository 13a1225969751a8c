// A run's results as tables of text or Markdown, and as JSON.
//
// The JSON is the replay's (replay/json.hpp), with one key more:
// gpu              measured (false: kernels were emulated, no figure is a measurement), startup_seconds,
//                  facts {name: value}, ceilings {to_device, from_device, on_device (bytes a second), product (FLOP a
//                  second)}, steps [ ], agreement (null, or requests, mean, largest, bound, beyond, first)
//   steps [ ]      kind, requests, tokens, new_tokens, seconds, least, most, queue_seconds, bytes, flops, link_bytes, needed,
//                  ratio
#pragma once

#include "gpu_replay/results.hpp"

#include <string>
#include <vector>

namespace gpu_replay {

/// The first column is text, the others figures.
struct table
{
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};

/// Ceilings, steps and cases, as far as there are any.
[[nodiscard]] std::vector<table> tables(const results& r);

/// What the figures mean, sentence by sentence; the targets of docs/benchmarks among them, where they were measured.
[[nodiscard]] std::vector<std::string> sentences(const results& r);

[[nodiscard]] std::string text(const results& r);

/// With machine, settings and the command that gave it.
[[nodiscard]] std::string markdown(const results& r, const std::string& command);

/// Throws kvstrata::data_error when the file cannot be written.
void write_json(const results& r, const std::string& path);

}  // namespace gpu_replay
